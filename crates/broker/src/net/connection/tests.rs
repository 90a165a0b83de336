//! Connections driven through a real socket of a running broker.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use codec::frame::{RequestHeader, parse_response_header};
use codec::messages::{ApiVersionsRequest, ApiVersionsResponse, StrBytes};
use codec::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Broker, Endpoint, Outcome};

const SOON: Duration = Duration::from_secs(10);

async fn broker() -> (Broker, SocketAddr) {
    let endpoint = Endpoint { name: "PLAINTEXT".into(), host: "127.0.0.1".to_owned(), port: 0 };
    let broker = Broker::start(vec![endpoint]).await.unwrap();
    let address = broker.addresses()[0];
    (broker, address)
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// A whole request frame.
fn request<R: Request>(request: &R, version: i16, correlation_id: i32) -> BytesMut {
    let header = RequestHeader {
        api_key: R::KEY,
        api_version: version,
        correlation_id,
        client_id: Some(StrBytes::from_static_str("test")),
    };
    let mut body = BytesMut::new();
    header.encode(&mut body).unwrap();
    request.encode(version, &mut body).unwrap();
    let mut frame = BytesMut::new();
    frame.put_u32(u32::try_from(body.len()).unwrap());
    frame.extend_from_slice(&body);
    frame
}

fn api_versions(version: i16, correlation_id: i32) -> BytesMut {
    let mut body = ApiVersionsRequest::default();
    if version >= 3 {
        body.client_software_name = StrBytes::from_static_str("raw");
        body.client_software_version = StrBytes::from_static_str("1.0");
    }
    request(&body, version, correlation_id)
}

/// The next frame, without its length prefix; `None` if the broker closed the connection.
async fn receive(stream: &mut TcpStream) -> Option<Bytes> {
    let read = async {
        let length = stream.read_u32().await.ok()?;
        let mut frame = vec![0; length as usize];
        stream.read_exact(&mut frame).await.ok()?;
        Some(Bytes::from(frame))
    };
    tokio::time::timeout(SOON, read).await.unwrap()
}

async fn receive_api_versions(stream: &mut TcpStream, version: i16) -> (i32, ApiVersionsResponse) {
    let mut frame = receive(stream).await.unwrap();
    let correlation_id = parse_response_header(&mut frame, 18, version).unwrap();
    (correlation_id, ApiVersionsResponse::decode(frame, version).unwrap())
}

#[tokio::test]
async fn api_versions_is_answered_at_every_version() {
    let (_broker, address) = broker().await;
    let mut stream = connect(address).await;
    for version in 0..=4 {
        stream.write_all(&api_versions(version, 40 + i32::from(version))).await.unwrap();
        let (correlation_id, response) = receive_api_versions(&mut stream, version).await;
        assert_eq!((correlation_id, response.error_code), (40 + i32::from(version), 0));
        let own = response.api_keys.iter().find(|api| api.api_key == 18).unwrap();
        assert_eq!((own.min_version, own.max_version), (0, 4));
    }
}

#[tokio::test]
async fn unknown_version_of_api_versions_keeps_the_connection() {
    let (_broker, address) = broker().await;
    let mut stream = connect(address).await;
    let mut frame = api_versions(4, 7);
    frame[7] = 99;
    stream.write_all(&frame).await.unwrap();
    let (correlation_id, response) = receive_api_versions(&mut stream, 0).await;
    assert_eq!((correlation_id, response.error_code, response.api_keys.len()), (7, 35, 1));
    stream.write_all(&api_versions(4, 8)).await.unwrap();
    assert_eq!(receive_api_versions(&mut stream, 4).await.0, 8);
}

#[tokio::test]
async fn bad_software_name_is_refused_with_a_code() {
    let (_broker, address) = broker().await;
    let mut stream = connect(address).await;
    stream.write_all(&request(&ApiVersionsRequest::default(), 3, 1)).await.unwrap();
    assert_eq!(receive_api_versions(&mut stream, 3).await.1.error_code, 42);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_broker, address) = broker().await;
    let mut stream = connect(address).await;
    let mut all = BytesMut::new();
    for number in 0..100 {
        all.extend_from_slice(&api_versions(0, number));
    }
    stream.write_all(&all).await.unwrap();
    for number in 0..100 {
        assert_eq!(receive_api_versions(&mut stream, 0).await.0, number);
    }
}

#[tokio::test]
async fn frame_that_trickles_in_is_put_together() {
    let (_broker, address) = broker().await;
    let mut stream = connect(address).await;
    stream.set_nodelay(true).unwrap();
    for number in 0..2 {
        for byte in api_versions(3, number) {
            stream.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(receive_api_versions(&mut stream, 3).await.0, number);
    }
}

#[tokio::test]
async fn what_is_no_request_closes_the_connection_and_no_other() {
    let (_broker, address) = broker().await;
    let mut bystander = connect(address).await;
    let oversized_api_versions = [0, 64, 0, 1, 0, 18, 0, 0];
    let cases: [&[u8]; 7] = [
        &[0xff; 8],
        &[0x80, 0, 0, 0],
        &[0x7f, 0xff, 0xff, 0xff, 0, 18],
        &oversized_api_versions,
        &[0, 0, 0, 8, 0x03, 0xe8, 0, 0, 0, 0, 0, 1],
        &[0, 0, 0, 0],
        &[0, 0, 0, 1, 9],
    ];
    for bytes in cases {
        let mut stream = connect(address).await;
        stream.write_all(bytes).await.unwrap();
        assert_eq!(receive(&mut stream).await, None, "{bytes:?}");
    }
    bystander.write_all(&api_versions(0, 5)).await.unwrap();
    assert_eq!(receive_api_versions(&mut bystander, 0).await.0, 5);
}

#[tokio::test]
async fn requests_before_a_bad_one_are_still_answered() {
    let (_broker, address) = broker().await;
    let mut stream = connect(address).await;
    let mut all = api_versions(0, 1);
    all.extend_from_slice(&api_versions(0, 2));
    all.extend_from_slice(&[0xff; 4]);
    stream.write_all(&all).await.unwrap();
    assert_eq!(receive_api_versions(&mut stream, 0).await.0, 1);
    assert_eq!(receive_api_versions(&mut stream, 0).await.0, 2);
    assert_eq!(receive(&mut stream).await, None);
}

#[tokio::test]
async fn shutdown_closes_idle_connections_and_the_port() {
    let (broker, address) = broker().await;
    let mut stream = connect(address).await;
    stream.write_all(&api_versions(0, 1)).await.unwrap();
    receive_api_versions(&mut stream, 0).await;
    assert_eq!(broker.shutdown(SOON).await, Outcome::Clean);
    assert_eq!(receive(&mut stream).await, None);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn taken_port_is_named_with_a_remedy() {
    let (_broker, address) = broker().await;
    let endpoint = Endpoint { name: "PLAINTEXT".into(), host: "127.0.0.1".to_owned(), port: address.port() };
    let Err(error) = Broker::start(vec![endpoint]).await else { panic!("bound twice") };
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("--listen"), "{text}");
}

#[tokio::test]
async fn localhost_and_all_addresses_are_reached_by_both_families() {
    for host in ["localhost", "", "0.0.0.0"] {
        let endpoint = Endpoint { name: "PLAINTEXT".into(), host: host.to_owned(), port: 0 };
        let broker = Broker::start(vec![endpoint]).await.unwrap();
        let port = broker.addresses()[0].port();
        let ipv6_here = std::net::TcpListener::bind("[::1]:0").is_ok();
        for address in ["127.0.0.1", "::1"].iter().filter(|address| ipv6_here || !address.contains(':')) {
            let mut stream = connect(SocketAddr::new(address.parse().unwrap(), port)).await;
            stream.write_all(&api_versions(0, 3)).await.unwrap();
            assert_eq!(receive_api_versions(&mut stream, 0).await.0, 3, "{host} by {address}");
        }
    }
}
