//! Connections driven through real sockets of a running broker, and through narrow pipes where time and memory matter.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use codec::messages::create_topics_request::CreatableTopic;
use codec::messages::metadata_request::MetadataRequestTopic;
use codec::messages::{
    ApiVersionsRequest, CreateTopicsRequest, DeleteTopicsRequest, MetadataRequest, StrBytes, TopicName,
};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;

use super::*;
use crate::Outcome;
use crate::kafka::api;
use crate::kafka::limits::Limits;
use crate::kafka::mute::Mute;
use crate::kafka::reauthentication::Reauthentication;
use crate::services::admin::wanted::WantedTopic;
use crate::session::peer::Peer;
use crate::testing::{Client, Running, SOON, frame};

/// Long enough for a task to be run, short enough to wait for in vain.
const MOMENT: Duration = Duration::from_millis(100);

/// A connection without a login.
fn connected(running: &Running) -> Arc<Connected> {
    let address = SocketAddr::from(([127, 0, 0, 1], 9));
    let peer = Arc::new(Peer::new(address, address, "PLAINTEXT".into()));
    let services = Arc::clone(&running.broker.services);
    let (reauthentication, mute) = (Reauthentication::default(), Mute::default());
    Arc::new(Connected { services, peer, reauthentication, mute })
}

fn api_versions(version: i16, correlation_id: i32) -> BytesMut {
    let mut body = ApiVersionsRequest::default();
    if version >= 3 {
        body.client_software_name = StrBytes::from_static_str("raw");
        body.client_software_version = StrBytes::from_static_str("1.0");
    }
    frame(&body, version, correlation_id)
}

#[tokio::test]
async fn api_versions_is_answered_at_every_version() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    for version in 0..=5 {
        client.stream.write_all(&api_versions(version, 40 + i32::from(version))).await.unwrap();
        let (correlation_id, response) = client.receive::<ApiVersionsRequest>(version).await;
        assert_eq!((correlation_id, response.error_code), (40 + i32::from(version), 0));
        let told: Vec<_> =
            response.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version)).collect();
        // Metrics of clients (KIP-714) are offered while there is a subscription.
        let always = api::REGISTRY.iter().filter(|entry| !matches!(entry.key, 71 | 72));
        let registered: Vec<_> =
            always.map(|entry| (entry.key, entry.versions.0, entry.versions.1)).collect();
        assert_eq!(told, registered);
    }
}

/// KIP-1242.
#[tokio::test]
async fn clients_that_mean_another_broker_are_told_to_start_over() {
    let running = Running::start(&[("node.id", "3")]).await.unwrap();
    let mut client = running.client().await;
    let own = running.broker.services.io.cluster().id().to_owned();
    for (cluster, node, code) in [
        (None, -1, 0),
        (Some(own.as_str()), 3, 0),
        (Some(own.as_str()), 4, 129),
        (Some("another"), 3, 129),
        (Some(own.as_str()), -1, 42),
        (None, 3, 42),
    ] {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("raw"))
            .with_client_software_version(StrBytes::from_static_str("1.0"))
            .with_cluster_id(cluster.map(|cluster| StrBytes::from_string(cluster.to_owned())))
            .with_node_id(node);
        let response = client.call(5, &request).await;
        assert_eq!(response.error_code, code, "{cluster:?} {node}");
        assert_eq!(response.api_keys.is_empty(), code != 0);
        // Before version 5 a request does not name the cluster and the node.
        assert_eq!(client.call(4, &request).await.error_code, 0);
    }
}

#[tokio::test]
async fn unknown_version_of_api_versions_keeps_the_connection() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let mut frame = api_versions(4, 7);
    frame[7] = 99;
    client.stream.write_all(&frame).await.unwrap();
    let (correlation_id, response) = client.receive::<ApiVersionsRequest>(0).await;
    assert_eq!((correlation_id, response.error_code, response.api_keys.len()), (7, 35, 1));
    client.stream.write_all(&api_versions(4, 8)).await.unwrap();
    assert_eq!(client.receive::<ApiVersionsRequest>(4).await.0, 8);
}

#[tokio::test]
async fn bad_software_name_is_refused_with_a_code() {
    let running = Running::start(&[]).await.unwrap();
    let response = running.client().await.call(3, &ApiVersionsRequest::default()).await;
    assert_eq!(response.error_code, 42);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let mut all = BytesMut::new();
    for number in 0..100 {
        // Some of them create a topic and wait for the disk, the others do not.
        if number % 7 == 0 {
            all.extend_from_slice(&frame(&metadata(&format!("topic-{number}")), 1, number));
        } else {
            all.extend_from_slice(&api_versions(0, number));
        }
    }
    client.stream.write_all(&all).await.unwrap();
    for number in 0..100 {
        let mut answer = client.receive_frame().await.unwrap();
        assert_eq!(codec::frame::parse_response_header(&mut answer, 18, 0), Ok(number));
    }
}

#[tokio::test]
async fn client_that_does_not_wait_sees_what_it_did_itself() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let topic =
        CreatableTopic::default().with_name(name("t")).with_num_partitions(1).with_replication_factor(1);
    let create = CreateTopicsRequest::default().with_topics(vec![topic]);
    let delete = DeleteTopicsRequest::default().with_topic_names(vec![name("t")]);
    let look = metadata("t").with_allow_auto_topic_creation(false);
    let mut all = frame(&create, 5, 0);
    for correlation_id in 0..20 {
        all.extend_from_slice(&frame(&look, 4, correlation_id));
        all.extend_from_slice(&frame(&delete, 1, correlation_id));
        all.extend_from_slice(&frame(&look, 4, correlation_id));
        all.extend_from_slice(&frame(&create, 5, correlation_id + 1));
    }
    client.stream.write_all(&all).await.unwrap();
    assert_eq!(client.receive::<CreateTopicsRequest>(5).await.1.topics[0].error_code, 0);
    for _ in 0..20 {
        assert_eq!(client.receive::<MetadataRequest>(4).await.1.topics[0].error_code, 0);
        assert_eq!(client.receive::<DeleteTopicsRequest>(1).await.1.responses[0].error_code, 0);
        assert_eq!(client.receive::<MetadataRequest>(4).await.1.topics[0].error_code, 3);
        assert_eq!(client.receive::<CreateTopicsRequest>(5).await.1.topics[0].error_code, 0);
    }
}

#[tokio::test]
async fn what_was_sent_before_the_client_left_is_still_done() {
    let running = Running::start(&[]).await.unwrap();
    let mut leaver = running.client().await;
    let mut all = BytesMut::new();
    for number in 0..6 {
        all.extend_from_slice(&frame(&metadata(&format!("left-{number}")), 1, number));
    }
    leaver.stream.write_all(&all).await.unwrap();
    leaver.stream.shutdown().await.unwrap();
    // The client cannot see when its requests are done: the broker may still be at work when the connection is closed.
    while leaver.receive_frame().await.is_some() {}
    tokio::time::sleep(MOMENT).await;
    let all = running.client().await.call(1, &MetadataRequest::default().with_topics(None)).await;
    assert_eq!(all.topics.len(), 6);
}

fn name(text: &str) -> TopicName {
    TopicName(StrBytes::from_string(text.to_owned()))
}

fn metadata(topic: &str) -> MetadataRequest {
    MetadataRequest::default()
        .with_topics(Some(vec![MetadataRequestTopic::default().with_name(Some(name(topic)))]))
        .with_allow_auto_topic_creation(true)
}

#[tokio::test]
async fn frame_that_trickles_in_is_put_together() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    client.stream.set_nodelay(true).unwrap();
    for number in 0..2 {
        for byte in api_versions(3, number) {
            client.stream.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(client.receive::<ApiVersionsRequest>(3).await.0, number);
    }
}

#[tokio::test]
async fn what_is_no_request_closes_the_connection_and_no_other() {
    let running = Running::start(&[]).await.unwrap();
    let mut bystander = running.client().await;
    let oversized_api_versions = [0, 64, 0, 1, 0, 18, 0, 0];
    let cases: [&[u8]; 8] = [
        &[0xff; 8],
        &[0x80, 0, 0, 0],
        &[0x7f, 0xff, 0xff, 0xff, 0, 18],
        &oversized_api_versions,
        &[0, 0, 0, 8, 0x03, 0xe8, 0, 0, 0, 0, 0, 1],
        &[0, 0, 0, 10, 0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff],
        &[0, 0, 0, 0],
        &[0, 0, 0, 1, 9],
    ];
    for bytes in cases {
        let mut client = running.client().await;
        client.stream.write_all(bytes).await.unwrap();
        assert_eq!(client.receive_frame().await, None, "{bytes:?}");
    }
    bystander.stream.write_all(&api_versions(0, 5)).await.unwrap();
    assert_eq!(bystander.receive::<ApiVersionsRequest>(0).await.0, 5);
}

#[tokio::test]
async fn requests_before_a_bad_one_are_still_answered() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let mut all = frame(&metadata("created-first"), 1, 1);
    all.extend_from_slice(&api_versions(0, 2));
    all.extend_from_slice(&[0xff; 4]);
    client.stream.write_all(&all).await.unwrap();
    assert_eq!(client.receive::<MetadataRequest>(1).await.0, 1);
    assert_eq!(client.receive::<ApiVersionsRequest>(0).await.0, 2);
    assert_eq!(client.receive_frame().await, None);
}

#[tokio::test]
async fn shutdown_answers_what_was_begun_then_closes() {
    let running = Running::start(&[]).await.unwrap();
    let (mut idle, mut busy) = (running.client().await, running.client().await);
    idle.call(0, &ApiVersionsRequest::default()).await;
    busy.call(0, &ApiVersionsRequest::default()).await;
    busy.stream.write_all(&frame(&metadata("begun"), 1, 9)).await.unwrap();
    // The request is in the socket; whether it was read before the shutdown or not, nothing hangs.
    assert_eq!(running.broker.shutdown(SOON).await, Outcome::Clean);
    assert_eq!(idle.receive_frame().await, None);
    let _answered_or_not = busy.receive_frame().await;
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn taken_port_is_named_with_a_remedy() {
    let running = Running::start(&[("listeners", "PLAINTEXT://127.0.0.1:0")]).await.unwrap();
    for (key, flag) in [("listeners", "--listen"), ("http.listener", "--http")] {
        let value = if key == "listeners" { "PLAINTEXT://" } else { "" };
        let Err(error) = Running::start(&[(key, &format!("{value}{}", running.address))]).await else {
            panic!("bound twice")
        };
        let text = error.to_string();
        assert!(text.contains(&running.address.to_string()) && text.contains(flag), "{text}");
    }
}

#[tokio::test]
async fn locked_folder_is_an_error_with_a_remedy() {
    let running = Running::start(&[]).await.unwrap();
    let folder = running.broker.services.config.data_dir().to_str().unwrap().to_owned();
    let Err(error) = Running::start(&[("log.dirs", &folder)]).await else { panic!("opened twice") };
    assert!(error.to_string().contains("in use"), "{error}");
}

#[tokio::test]
async fn localhost_and_all_addresses_are_reached_by_both_families() {
    for host in ["localhost", "", "0.0.0.0"] {
        let running = Running::start(&[("listeners", &format!("PLAINTEXT://{host}:0"))]).await.unwrap();
        let ipv6_here = std::net::TcpListener::bind("[::1]:0").is_ok();
        for address in ["127.0.0.1", "::1"].iter().filter(|address| ipv6_here || !address.contains(':')) {
            let address = SocketAddr::new(address.parse().unwrap(), running.address.port());
            let mut client = Client::new(TcpStream::connect(address).await.unwrap());
            client.call(0, &ApiVersionsRequest::default()).await;
        }
    }
}

#[tokio::test]
async fn idle_connection_is_let_go() {
    let running = Running::start(&[("connections.max.idle.ms", "150")]).await.unwrap();
    let mut client = running.client().await;
    for _ in 0..4 {
        tokio::time::sleep(MOMENT).await;
        client.call(0, &ApiVersionsRequest::default()).await;
    }
    assert_eq!(client.receive_frame().await, None);
}

#[tokio::test]
async fn one_address_gets_its_share_of_connections() {
    let running = Running::start(&[("max.connections.per.ip", "2")]).await.unwrap();
    let (mut first, mut second) = (running.client().await, running.client().await);
    first.call(0, &ApiVersionsRequest::default()).await;
    second.call(0, &ApiVersionsRequest::default()).await;
    assert_eq!(running.client().await.receive_frame().await, None);
    first.call(0, &ApiVersionsRequest::default()).await;
}

/// Counts the writes that bring bytes.
struct Counted<W>(W, Arc<AtomicUsize>);

impl<W: AsyncWrite + Unpin> AsyncWrite for Counted<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        self.as_mut().poll_write(cx, &bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn requests_that_came_together_are_answered_by_one_write() {
    let running = Running::start(&[]).await.unwrap();
    let (near, far) = tokio::io::duplex(1 << 20);
    let (reader, writer) = tokio::io::split(far);
    let writes = Arc::new(AtomicUsize::new(0));
    let shared = Arc::new(Shared::new(limits(&running)));
    let served = serve(reader, Counted(writer, Arc::clone(&writes)), connected(&running), shared);
    let mut client = Client::new(near);
    let all: Vec<u8> = (0..5).flat_map(|number| api_versions(0, number)).collect();
    let exchange = async {
        client.stream.write_all(&all).await.unwrap();
        for number in 0..5 {
            assert_eq!(client.receive::<ApiVersionsRequest>(0).await.0, number);
        }
    };
    tokio::select! {
        () = exchange => {}
        closed = served => panic!("{closed}"),
    }
    assert_eq!(writes.load(Ordering::SeqCst), 1);
}

/// A connection over a pipe of `pipe` bytes each way, with limits of its own.
async fn piped(
    running: &Running,
    pipe: usize,
    limits: Limits,
) -> (Client<DuplexStream>, impl Future<Output = Closed>) {
    let (near, far) = tokio::io::duplex(pipe);
    let (reader, writer) = tokio::io::split(far);
    let served = serve(reader, writer, connected(running), Arc::new(Shared::new(limits)));
    (Client::new(near), served)
}

fn limits(running: &Running) -> Limits {
    Limits::new(&running.broker.services.configs.broker())
}

#[tokio::test]
async fn begun_frame_must_be_finished_in_time() {
    let running = Running::start(&[]).await.unwrap();
    let limits = Limits { frame_deadline: MOMENT, ..limits(&running) };
    let (mut client, served) = piped(&running, 1024, limits).await;
    client.stream.write_all(&[0, 0, 1, 0, 0, 3]).await.unwrap();
    let closed = tokio::time::timeout(SOON, served).await.unwrap();
    let text = closed.to_string();
    assert!(closed.is_notable() && text.contains("6 bytes came of 260 announced"), "{text}");
}

#[tokio::test]
async fn client_that_reads_nothing_is_not_served_on() {
    let running = Running::start(&[]).await.unwrap();
    let wanted = WantedTopic { partitions: 9_000, ..WantedTopic::with_defaults("wide".to_owned()) };
    running.create_topic(wanted).await;
    let (client, served) = piped(&running, 4096, limits(&running)).await;
    let (mut reader, mut writer) = tokio::io::split(client.stream);
    let client = async {
        let mut written = 0;
        while written < 2_000 {
            let request = frame(&metadata("wide"), 1, written);
            if tokio::time::timeout(MOMENT, writer.write_all(&request)).await.is_err() {
                break;
            }
            written += 1;
        }
        // What is taken in without being answered: the pipe, and one read of the connection's.
        assert!(written < 1_000, "{written} requests were taken in");
        let mut answers = 0;
        let mut answer = Vec::new();
        while answers < written {
            let length = tokio::time::timeout(SOON, reader.read_u32()).await.unwrap().unwrap();
            answer.resize(length as usize, 0);
            reader.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer[..4], answers.to_be_bytes());
            assert!(length > 100_000);
            answers += 1;
        }
        answers
    };
    tokio::select! {
        answers = client => assert!(answers > 8),
        closed = served => panic!("{closed}"),
    }
}

#[tokio::test]
async fn requests_that_came_together_are_not_started_while_the_answers_before_them_are_too_large() {
    let running = Running::start(&[]).await.unwrap();
    let wanted = WantedTopic { partitions: 9_000, ..WantedTopic::with_defaults("wide".to_owned()) };
    running.create_topic(wanted).await;
    let (mut client, served) = piped(&running, 4096, limits(&running)).await;
    let mut all = BytesMut::new();
    for number in 0..7 {
        all.extend_from_slice(&frame(&metadata("wide"), 1, number));
    }
    all.extend_from_slice(&frame(&metadata("late"), 1, 7));
    let is_created = || running.broker.services.topics.catalog().topic("late").is_some();
    let exchange = async {
        client.stream.write_all(&all).await.unwrap();
        tokio::time::sleep(MOMENT).await;
        assert!(!is_created(), "it was started behind more than 1 MiB of answers that nobody reads");
        let mut bytes = 0;
        for number in 0..8 {
            let length = tokio::time::timeout(SOON, client.stream.read_u32()).await.unwrap().unwrap();
            let mut answer = vec![0; length as usize];
            client.stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer[..4], i32::to_be_bytes(number));
            bytes += if number < 7 { answer.len() } else { 0 };
        }
        assert!(bytes > MAX_UNSENT_BYTES && is_created());
    };
    tokio::select! {
        () = exchange => {}
        closed = served => panic!("{closed}"),
    }
}

#[tokio::test]
async fn client_that_never_reads_is_let_go() {
    let running = Running::start(&[]).await.unwrap();
    let limits = Limits { max_idle: 3 * MOMENT, ..limits(&running) };
    let (mut client, served) = piped(&running, 16, limits).await;
    let request = api_versions(0, 1);
    let (written, closed) =
        tokio::join!(client.stream.write_all(&request), tokio::time::timeout(SOON, served));
    written.unwrap();
    let closed = closed.unwrap();
    assert!(matches!(closed, Closed::NotReading { .. }) && closed.is_notable(), "{closed}");
}

#[tokio::test]
async fn announced_length_reserves_nothing() {
    let running = Running::start(&[]).await.unwrap();
    let (near, far) = tokio::io::duplex(1 << 20);
    let shared = Arc::new(Shared::new(limits(&running)));
    let mut frames = Frames::new(far, shared);
    let mut client = Client::new(near);
    // A 4 MiB Metadata request of which 40 KiB come.
    let mut begun = vec![0, 64, 0, 0, 0, 3];
    begun.resize(40 << 10, 0);
    client.stream.write_all(&begun).await.unwrap();
    tokio::time::timeout(MOMENT, frames.next()).await.map(|_| ()).unwrap_err();
    assert!(frames.reserved() < 200 << 10, "{}", frames.reserved());
}
