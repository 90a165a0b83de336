//! Handshakes against a broker: who is let in, as whom, and what the log says of the others.

use std::time::Duration;

use codec::messages::{ApiVersionsRequest, MetadataRequest, SaslAuthenticateRequest, SaslHandshakeRequest};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::testing::tls::{Authority, Certified, Kind, TlsBroker, config, connect_over};
use crate::testing::{Client, Logged, SOON, frame};

const REQUIRED: &[(&str, &str)] = &[("ssl.client.auth", "required")];

/// Asks for the metadata of no topic.
pub(super) async fn is_served<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>) -> bool {
    let request = MetadataRequest::default().with_topics(Some(vec![]));
    client.send(9, &request).await;
    client.receive_frame().await.is_some()
}

/// A refused client learns of it at the handshake, or, with TLS 1.3, at its first read.
pub(super) async fn is_let_in(broker: &TlsBroker, certified: Option<&Certified>) -> bool {
    let Ok(mut stream) = broker.connect(broker.config(certified)).await else { return false };
    let request = frame(&ApiVersionsRequest::default(), 0, 1);
    stream.write_all(&request).await.is_ok() && stream.read_u32().await.is_ok()
}

/// Waits for a line of the log.
pub(super) async fn said(logged: &Logged, needle: &str) {
    for _ in 0..3000 {
        if !logged.lines(needle).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no line with {needle:?} in {:?}", logged.lines(""));
}

#[tokio::test]
async fn clients_of_both_versions_are_served() {
    let broker = TlsBroker::start(&[]).await;
    for version in [&TLS12, &TLS13] {
        let stream = broker.connect(config(&broker.authority.pem, None, &[version])).await.unwrap();
        assert!(is_served(&mut Client::new(stream)).await, "{version:?}");
    }
    let broker = TlsBroker::start(&[("ssl.enabled.protocols", "TLSv1.3")]).await;
    assert!(broker.connect(config(&broker.authority.pem, None, &[&TLS12])).await.is_err());
}

/// S20: an answer larger than what TLS holds back arrives whole, also if the client reads late.
#[tokio::test]
async fn large_answers_arrive_whole() {
    let broker = TlsBroker::start(&[("socket.send.buffer.bytes", "4096")]).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let socket = socket.connect(broker.running.address).await.unwrap();
    let mut client = Client::new(connect_over(socket, broker.config(None)).await.unwrap());
    for name in 0..500 {
        broker.create_topic(format!("{name:0>200}")).await;
    }
    let all = MetadataRequest::default().with_topics(None);
    client.send(9, &all).await;
    // Meanwhile the broker fills the socket, and TLS holds back the rest.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let answer = tokio::time::timeout(SOON, client.receive_frame()).await.expect("the rest").unwrap();
    assert!(answer.len() > 100_000, "{}", answer.len());
    assert_eq!(client.call(9, &all).await.topics.len(), 500);
}

#[tokio::test]
async fn without_a_certificate_a_client_is_anonymous() {
    let requested = [("ssl.client.auth", "requested")];
    for pairs in [&[][..], &requested] {
        let broker = TlsBroker::start(pairs).await;
        let mut client = broker.client(None).await.unwrap();
        assert!(is_served(&mut client).await);
    }
    let broker = TlsBroker::start(&[ACLS, ("super.users", "User:ANONYMOUS")]).await;
    assert_eq!(may_administrate(&broker, None).await, Some(true));
}

#[tokio::test]
async fn a_certificate_names_the_principal() {
    for auth in ["requested", "required"] {
        let broker = TlsBroker::start(&[("ssl.client.auth", auth), ACLS, SUPER]).await;
        let alice = broker.authority.certify("alice", Kind::Client);
        let mallory = broker.authority.certify("mallory", Kind::Client);
        assert_eq!(may_administrate(&broker, Some(&alice)).await, Some(true));
        assert_eq!(may_administrate(&broker, Some(&mallory)).await, Some(false));
        let anonymous = may_administrate(&broker, None).await;
        assert_eq!(anonymous, (auth == "requested").then_some(false));
    }
}

const ACLS: (&str, &str) =
    ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer");
const SUPER: (&str, &str) = ("super.users", "User:CN=alice,O=shop");

/// Returns true if the client may describe ACLs; `None` if it is not let in.
async fn may_administrate(broker: &TlsBroker, certified: Option<&Certified>) -> Option<bool> {
    let request = codec::messages::DescribeAclsRequest::default()
        .with_resource_type_filter(1)
        .with_pattern_type_filter(1)
        .with_operation(1)
        .with_permission_type(1);
    let stream = broker.connect(broker.config(certified)).await.ok()?;
    let mut client = Client::new(stream);
    client.stream.write_all(&frame(&request, 2, 1)).await.ok()?;
    client.stream.flush().await.ok()?;
    let mut answer = client.receive_frame().await?;
    codec::frame::parse_response_header(
        &mut answer,
        <codec::messages::DescribeAclsRequest as codec::Request>::KEY,
        2,
    )
    .unwrap();
    let answer = <codec::messages::DescribeAclsResponse as codec::Response>::decode(answer, 2).unwrap();
    Some(answer.error_code == 0)
}

#[tokio::test]
async fn rules_make_the_name_of_the_principal() {
    let rules = ("ssl.principal.mapping.rules", "RULE:^CN=([a-z]+),O=shop$/$1/U");
    let broker = TlsBroker::start(&[REQUIRED[0], rules, ACLS, ("super.users", "User:ALICE")]).await;
    let logged = Logged::by_this_thread();
    let certify = |name| broker.authority.certify(name, Kind::Client);
    assert_eq!(may_administrate(&broker, Some(&certify("alice"))).await, Some(true));
    assert_eq!(may_administrate(&broker, Some(&certify("bob"))).await, Some(false));
    assert_eq!(may_administrate(&broker, Some(&certify("Bob"))).await, None);
    said(&logged, "no rule of ssl.principal.mapping.rules fits").await;
}

/// A certificate that is asked for and not needed is judged all the same.
#[tokio::test]
async fn a_bad_certificate_is_refused_where_none_is_needed() {
    let broker = TlsBroker::start(&[("ssl.client.auth", "requested")]).await;
    let foreign = Authority::new("foreign").certify("alice", Kind::Client);
    assert!(!is_let_in(&broker, Some(&foreign)).await);
    assert!(is_let_in(&broker, None).await);
}

/// KAFKA-4090: an alert is the length of an answer to a client that speaks no TLS.
#[tokio::test]
async fn a_client_without_tls_is_closed_without_a_byte() {
    let broker = TlsBroker::start(&[]).await;
    let logged = Logged::by_this_thread();
    for (bytes, name) in [
        (&frame(&ApiVersionsRequest::default(), 0, 1)[..], "a Kafka request without TLS"),
        (b"GET / HTTP/1.1\r\n\r\n", "an HTTP request"),
    ] {
        let mut stream = TcpStream::connect(broker.running.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end too: the bytes were not read.
        let _ended = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap();
        assert!(answer.is_empty(), "{answer:?}");
        said(&logged, name).await;
    }
}

/// Some libraries close the socket when they do not trust the certificate: without a line the operator would not know.
#[tokio::test]
async fn a_client_that_leaves_within_its_handshake_is_named() {
    let broker = TlsBroker::start(&[]).await;
    let logged = Logged::by_this_thread();
    // A probe that sends nothing gets no line.
    drop(TcpStream::connect(broker.running.address).await.unwrap());
    let mut stream = TcpStream::connect(broker.running.address).await.unwrap();
    stream.write_all(&[0x16, 3, 1, 2, 0]).await.unwrap();
    drop(stream);
    said(&logged, "the client left within the handshake without a reason").await;
    assert_eq!(logged.lines("within the handshake").len(), 1);
}

/// S2: a client that stops within its handshake is closed in time, and hinders no other meanwhile.
#[tokio::test]
async fn half_a_handshake_ends_in_time() {
    let broker = TlsBroker::start(&[]).await;
    let logged = Logged::by_this_thread();
    // The head of a record, of which 512 bytes are announced.
    let halves: [&[u8]; 3] = [&[], &[0x16], &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]];
    let mut silent = Vec::new();
    let mut slow = TcpStream::connect(broker.running.address).await.unwrap();
    slow.write_all(halves[2]).await.unwrap();
    // A byte now and then does not lengthen the time.
    let dribbling = async {
        while slow.write_all(&[0]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    for half in halves {
        let mut stream = TcpStream::connect(broker.running.address).await.unwrap();
        stream.write_all(half).await.unwrap();
        silent.push(stream);
    }
    let since = crate::clock::now();
    assert!(is_served(&mut broker.client(None).await.unwrap()).await);
    let took = crate::clock::now().saturating_duration_since(since);
    assert!(took < crate::session::tls::DEADLINE / 2, "{took:?}");
    let all_silent = async {
        for mut stream in silent {
            let mut answer = Vec::new();
            let _ended = stream.read_to_end(&mut answer).await;
        }
    };
    tokio::join!(dribbling, all_silent);
    let took = crate::clock::now().saturating_duration_since(since);
    assert!(took < crate::session::tls::DEADLINE * 2, "{took:?}");
    said(&logged, "no TLS handshake within 10s").await;
}

/// S21: half-open handshakes count as strangers. Of 16 connections four may be one, two of those from one address.
#[tokio::test]
async fn half_open_handshakes_are_limited() {
    let broker = TlsBroker::start(&[("max.connections", "16")]).await;
    let mut users = Vec::new();
    for _ in 0..3 {
        let mut user = broker.client(None).await.unwrap();
        // Its slot is free after the handshake, which the first answer shows.
        assert!(is_served(&mut user).await);
        users.push(user);
    }
    let connect = || TcpStream::connect(broker.running.address);
    let _silent = [connect().await.unwrap(), connect().await.unwrap()];
    let mut third = connect().await.unwrap();
    let mut answer = Vec::new();
    let _ended =
        tokio::time::timeout(SOON / 6, third.read_to_end(&mut answer)).await.expect("closed at once");
    assert!(is_served(&mut users[0]).await);
}

/// The end is announced, so that a client can tell it from a cut.
#[tokio::test]
async fn the_end_of_a_connection_is_announced() {
    let broker = TlsBroker::start(&[]).await;
    let mut client = broker.client(None).await.unwrap();
    // An unknown API key ends the connection.
    client.stream.write_all(&[0, 0, 0, 8, 0x7f, 0xff, 0, 0, 0, 0, 0, 0]).await.unwrap();
    let mut rest = Vec::new();
    // Without the announcement this is an error: UnexpectedEof.
    tokio::time::timeout(SOON, client.stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_login_follows_the_handshake_where_the_listener_asks_for_both() {
    const MODULE: &str =
        "org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"hunter2\";";
    let broker = TlsBroker::start(&[
        ("listener.security.protocol.map", "SAFE:SASL_SSL"),
        ("listener.name.safe.sasl.enabled.mechanisms", "PLAIN"),
        ("listener.name.safe.plain.sasl.jaas.config", MODULE),
        ("connection.failed.authentication.delay.ms", "1"),
        ACLS,
        ("super.users", "User:alice"),
    ])
    .await;
    let mut stranger = broker.client(None).await.unwrap();
    assert!(!is_served(&mut stranger).await, "not without a login");
    for (token, code) in [(&b"\0alice\0hunter2"[..], 0), (b"\0alice\0hunter3", 58)] {
        let mut client = broker.client(None).await.unwrap();
        let handshake = SaslHandshakeRequest::default().with_mechanism("PLAIN".into());
        assert_eq!(client.call(1, &handshake).await.error_code, 0);
        let login = SaslAuthenticateRequest::default().with_auth_bytes(bytes::Bytes::from_static(token));
        assert_eq!(client.call(2, &login).await.error_code, code);
        assert_eq!(is_served(&mut client).await, code == 0);
    }
}
