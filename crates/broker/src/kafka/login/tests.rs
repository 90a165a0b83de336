//! The table of states of a login, against a broker: which requests are answered, with what, and which close the connection.

use bytes::{BufMut, Bytes, BytesMut};
use codec::ErrorCode;
use codec::frame::parse_response_header;
use codec::messages::{
    ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, SaslAuthenticateRequest,
    SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse, StrBytes,
};
use codec::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::testing::{Client, Logged, Running, frame};

const ILLEGAL: i16 = ErrorCode::IllegalSaslState.code();
const FAILED: i16 = ErrorCode::SaslAuthenticationFailed.code();
const GOOD: &[u8] = b"\0alice\0hunter2";
const BAD: &[u8] = b"\0alice\0hunter3";

/// A broker whose only listener asks for PLAIN, with a short delay of failures.
async fn broker(more: &[(&str, &str)]) -> Running {
    let pairs = [
        ("listeners", "SAFE://127.0.0.1:0"),
        ("listener.security.protocol.map", "SAFE:SASL_PLAINTEXT"),
        ("sasl.enabled.mechanisms", "PLAIN"),
        ("connection.failed.authentication.delay.ms", "1"),
        (
            "listener.name.safe.plain.sasl.jaas.config",
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"hunter2\" user_bob=\"b\";",
        ),
    ];
    Running::start(&[&pairs, more].concat()).await.unwrap()
}

fn handshake(mechanism: &'static str) -> SaslHandshakeRequest {
    SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism))
}

fn message(bytes: &'static [u8]) -> SaslAuthenticateRequest {
    SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from_static(bytes))
}

async fn chosen(running: &Running, version: i16) -> Client<TcpStream> {
    let mut client = running.client().await;
    let answer = client.call(version, &handshake("PLAIN")).await;
    assert_eq!(answer.error_code, 0);
    assert_eq!(answer.mechanisms, [StrBytes::from_static_str("PLAIN")]);
    client
}

async fn logged_in(running: &Running, token: &'static [u8]) -> Client<TcpStream> {
    let mut client = chosen(running, 1).await;
    let answer = client.call(2, &message(token)).await;
    assert_eq!((answer.error_code, answer.auth_bytes.len()), (0, 0), "{answer:?}");
    client
}

/// Sends a request that must not be answered.
async fn closes<R: Request>(client: &mut Client<TcpStream>, version: i16, request: &R) {
    client.stream.write_all(&frame(request, version, 77)).await.unwrap();
    assert!(client.receive_frame().await.is_none(), "{} was answered", R::NAME);
}

#[tokio::test]
async fn a_client_logs_in_and_is_served() {
    let running = broker(&[]).await;
    let mut client = running.client().await;
    assert_eq!(
        client
            .call(
                3,
                &ApiVersionsRequest::default()
                    .with_client_software_name("a".into())
                    .with_client_software_version("1".into())
            )
            .await
            .error_code,
        0
    );
    assert_eq!(client.call(1, &handshake("PLAIN")).await.error_code, 0);
    let answer = client.call(1, &message(GOOD)).await;
    assert_eq!((answer.error_code, answer.session_lifetime_ms), (0, 0));
    client.call(9, &MetadataRequest::default()).await;
    assert_eq!(client.call(0, &ApiVersionsRequest::default()).await.error_code, 0);
}

/// Clients from before SaslAuthenticate: bare tokens, and four zero bytes for a success.
#[tokio::test]
async fn bare_tokens_follow_a_handshake_of_version_0() {
    let running = broker(&[]).await;
    let mut client = chosen(&running, 0).await;
    client.stream.write_all(&[&14_u32.to_be_bytes()[..], GOOD].concat()).await.unwrap();
    assert_eq!(client.stream.read_u32().await.unwrap(), 0);
    client.call(9, &MetadataRequest::default()).await;
    let mut client = chosen(&running, 0).await;
    client.stream.write_all(&[&14_u32.to_be_bytes()[..], BAD].concat()).await.unwrap();
    assert!(client.receive_frame().await.is_none(), "a failure has no answer");
    let mut client = chosen(&running, 0).await;
    closes(&mut client, 1, &message(GOOD)).await;
}

/// S1: nothing but these three APIs is answered before the login.
#[tokio::test]
async fn other_requests_close_the_connection() {
    let running = broker(&[]).await;
    closes(&mut running.client().await, 9, &MetadataRequest::default()).await;
    closes(&mut running.client().await, 1, &message(GOOD)).await;
    let mut asked = running.client().await;
    asked.call(0, &ApiVersionsRequest::default()).await;
    closes(&mut asked, 0, &ApiVersionsRequest::default()).await;
    closes(&mut chosen(&running, 1).await, 9, &MetadataRequest::default()).await;
    let [mut asks, mut chooses] = [chosen(&running, 1).await, chosen(&running, 1).await];
    assert_eq!(asks.call(0, &ApiVersionsRequest::default()).await.error_code, ILLEGAL);
    assert_eq!(chooses.call(1, &handshake("PLAIN")).await.error_code, ILLEGAL);
    assert!(asks.receive_frame().await.is_none() && chooses.receive_frame().await.is_none());
}

#[tokio::test]
async fn an_unsupported_version_of_api_versions_does_not_count() {
    let running = broker(&[]).await;
    let mut client = running.client().await;
    let mut sent = BytesMut::new();
    sent.put_u32(13);
    sent.put_slice(&[0, 18, 0, 99, 0, 0, 0, 5, 0, 1, b'x', 0, 0]);
    client.stream.write_all(&sent).await.unwrap();
    let mut answer = client.receive_frame().await.unwrap();
    assert_eq!(parse_response_header(&mut answer, 18, 0).unwrap(), 5);
    assert_eq!(ApiVersionsResponse::decode(answer, 0).unwrap().error_code, 35);
    assert_eq!(client.call(0, &ApiVersionsRequest::default()).await.error_code, 0);
}

#[tokio::test]
async fn a_mechanism_that_is_not_enabled_is_answered_with_the_list() {
    let running = broker(&[]).await;
    for (version, name) in [(0, "SCRAM-SHA-256"), (1, "GSSAPI"), (1, ""), (1, "plain")] {
        let mut client = running.client().await;
        let answer = client.call(version, &handshake(name)).await;
        assert_eq!(answer.error_code, ErrorCode::UnsupportedSaslMechanism.code());
        assert_eq!(answer.mechanisms, [StrBytes::from_static_str("PLAIN")]);
        assert!(client.receive_frame().await.is_none());
    }
}

#[tokio::test]
async fn a_failed_login_is_answered_late_and_closed() {
    let running = broker(&[("connection.failed.authentication.delay.ms", "200")]).await;
    let start = crate::clock::now();
    let mut client = chosen(&running, 1).await;
    let answer = client.call(1, &message(BAD)).await;
    assert!(crate::clock::now() - start >= std::time::Duration::from_millis(200));
    assert_eq!((answer.error_code, answer.session_lifetime_ms, answer.auth_bytes.len()), (FAILED, 0, 0));
    assert_eq!(answer.error_message.as_deref(), Some("Authentication failed: Invalid username or password"));
    assert!(client.receive_frame().await.is_none());
    let mut again = chosen(&running, 1).await;
    again.call(1, &message(b"\0nobody\0x")).await;
    assert!(crate::clock::now() - start >= std::time::Duration::from_millis(600), "doubled");
}

/// A client may send all of its login and its first request at once.
#[tokio::test]
async fn what_is_sent_ahead_is_answered_in_order() {
    let running = broker(&[]).await;
    let mut client = running.client().await;
    let sent = [
        frame(&handshake("PLAIN"), 1, 1),
        frame(&message(GOOD), 1, 2),
        frame(&ApiVersionsRequest::default(), 0, 3),
    ];
    client.stream.write_all(&sent.concat()).await.unwrap();
    assert_eq!(client.receive::<SaslHandshakeRequest>(1).await.0, 1);
    assert_eq!(client.receive::<SaslAuthenticateRequest>(1).await.0, 2);
    assert_eq!(client.receive::<ApiVersionsRequest>(0).await.0, 3);
    // Behind a failure nothing is answered.
    let mut client = running.client().await;
    let sent = [
        frame(&handshake("PLAIN"), 1, 1),
        frame(&message(BAD), 1, 2),
        frame(&ApiVersionsRequest::default(), 0, 3),
    ];
    client.stream.write_all(&sent.concat()).await.unwrap();
    client.receive::<SaslHandshakeRequest>(1).await;
    let (_, answer): (i32, SaslAuthenticateResponse) = client.receive::<SaslAuthenticateRequest>(1).await;
    assert_eq!(answer.error_code, FAILED);
    assert!(client.receive_frame().await.is_none());
}

#[tokio::test]
async fn frames_in_single_bytes_are_read() {
    let running = broker(&[]).await;
    let mut client = running.client().await;
    client.stream.set_nodelay(true).unwrap();
    for byte in [frame(&handshake("PLAIN"), 1, 1), frame(&message(GOOD), 1, 2)].concat() {
        client.stream.write_all(&[byte]).await.unwrap();
    }
    client.receive::<SaslHandshakeRequest>(1).await;
    assert_eq!(client.receive::<SaslAuthenticateRequest>(1).await.1.error_code, 0);
}

/// CVE-2022-34917: a length before the login took that much memory.
#[tokio::test]
async fn bad_lengths_close_the_connection() {
    let running = broker(&[]).await;
    for length in [0_u32, 16_385, 0x7fff_ffff, 0xffff_ffff, 0x1603_0100] {
        let mut client = running.client().await;
        client.stream.write_all(&length.to_be_bytes()).await.unwrap();
        assert!(client.receive_frame().await.is_none(), "{length}");
    }
    let mut longest = chosen(&running, 1).await;
    longest.stream.write_all(&16_384_u32.to_be_bytes()).await.unwrap();
    longest.stream.write_all(&[b'x'; 16_384]).await.unwrap();
    assert!(longest.receive_frame().await.is_none());
}

#[tokio::test]
async fn only_so_long_and_so_many_requests_may_a_stranger_take() {
    let running = broker(&[]).await;
    let mut client = running.client().await;
    let unsupported = [0, 0, 0, 11, 0, 18, 0, 99, 0, 0, 0, 5, 0, 0, 0];
    for _ in 0..super::MAX_REQUESTS {
        client.stream.write_all(&unsupported).await.unwrap();
        assert!(client.receive_frame().await.is_some());
    }
    assert!(client.receive_frame().await.is_none());
    let start = crate::clock::now();
    let mut silent = running.client().await;
    assert!(silent.receive_frame().await.is_none());
    let waited = crate::clock::now() - start;
    assert!(waited >= super::DEADLINE && waited < super::DEADLINE * 2, "{waited:?}");
}

/// A connection from an address of this machine.
async fn client_from(running: &Running, last: u8) -> Client<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, last], 0).into()).unwrap();
    Client::new(socket.connect(running.address).await.unwrap())
}

/// S21: strangers took all connections, and no user got in. Four of 16 may be without a login, two of those from one address.
#[tokio::test]
async fn connections_without_a_login_are_limited_and_make_room() {
    let running = broker(&[("max.connections", "16")]).await;
    let mut oldest = client_from(&running, 1).await;
    let mut logs_in = client_from(&running, 1).await;
    assert!(client_from(&running, 1).await.receive_frame().await.is_none(), "a third from one address");
    assert_eq!(logs_in.call(1, &handshake("PLAIN")).await.error_code, 0);
    assert_eq!(logs_in.call(1, &message(GOOD)).await.error_code, 0);
    // The slot of the one that logged in is free.
    let mut third = client_from(&running, 1).await;
    assert_eq!(third.call(1, &handshake("PLAIN")).await.error_code, 0);
    let mut of_another = [client_from(&running, 2).await, client_from(&running, 2).await];
    assert_eq!(of_another[1].call(1, &handshake("PLAIN")).await.error_code, 0);
    let mut user = client_from(&running, 3).await;
    assert_eq!(user.call(1, &handshake("PLAIN")).await.error_code, 0);
    assert!(oldest.receive_frame().await.is_none(), "it made room");
    assert_eq!(user.call(1, &message(GOOD)).await.error_code, 0);
    assert_eq!(third.call(1, &message(GOOD)).await.error_code, 0, "the others stay");
    logs_in.call(9, &MetadataRequest::default()).await;
}

#[tokio::test]
async fn a_second_login_without_an_end_of_the_first_is_refused_and_goes_on() {
    let running = broker(&[]).await;
    let mut client = logged_in(&running, GOOD).await;
    assert_eq!(client.call(1, &handshake("PLAIN")).await.error_code, ILLEGAL);
    assert_eq!(client.call(1, &message(GOOD)).await.error_code, ILLEGAL);
    client.call(9, &MetadataRequest::default()).await;
}

#[tokio::test]
async fn on_a_plaintext_listener_there_is_no_login() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    assert_eq!(client.call(1, &handshake("PLAIN")).await.error_code, ILLEGAL);
    assert_eq!(client.call(1, &message(GOOD)).await.error_code, ILLEGAL);
    client.call(9, &MetadataRequest::default()).await;
}

/// KAFKA-9241, KAFKA-13848: connections that went on after their login was over.
#[tokio::test]
async fn a_session_ends_unless_the_client_logs_in_again() {
    let running = broker(&[("connections.max.reauth.ms", "1500")]).await;
    let mut client = chosen(&running, 1).await;
    let answer = client.call(1, &message(GOOD)).await;
    assert_eq!((answer.error_code, answer.session_lifetime_ms), (0, 1500));
    let mut lets_it_end = logged_in(&running, GOOD).await;
    let mut comes_late = logged_in(&running, GOOD).await;
    // The first time may come at once, the next one not before a second has passed.
    assert_eq!(client.call(1, &handshake("PLAIN")).await.error_code, 0);
    assert_eq!(client.call(2, &message(GOOD)).await.session_lifetime_ms, 1500);
    assert_eq!(client.call(1, &handshake("PLAIN")).await.error_code, ILLEGAL);
    client.call(9, &MetadataRequest::default()).await;
    tokio::time::sleep(std::time::Duration::from_millis(1600)).await;
    closes(&mut lets_it_end, 0, &ApiVersionsRequest::default()).await;
    assert_eq!(comes_late.call(1, &handshake("PLAIN")).await.error_code, 0);
    assert_eq!(comes_late.call(2, &message(GOOD)).await.error_code, 0);
    comes_late.call(9, &MetadataRequest::default()).await;
}

#[tokio::test]
async fn a_re_authentication_keeps_principal_and_mechanism() {
    let running = broker(&[("connections.max.reauth.ms", "60000")]).await;
    for token in [&b"\0bob\0b"[..], BAD] {
        let mut client = logged_in(&running, GOOD).await;
        client.call(1, &handshake("PLAIN")).await;
        assert_eq!(client.call(2, &message(token)).await.error_code, FAILED);
        assert!(client.receive_frame().await.is_none(), "closed without another request");
    }
    closes(&mut logged_in(&running, GOOD).await, 1, &handshake("SCRAM-SHA-256")).await;
    let mut client = logged_in(&running, GOOD).await;
    client.call(1, &handshake("PLAIN")).await;
    closes(&mut client, 9, &MetadataRequest::default()).await;
    // As before the login, and then closed.
    for by_api_versions in [true, false] {
        let mut client = logged_in(&running, GOOD).await;
        client.call(1, &handshake("PLAIN")).await;
        let code = if by_api_versions {
            client.call(0, &ApiVersionsRequest::default()).await.error_code
        } else {
            client.call(1, &handshake("PLAIN")).await.error_code
        };
        assert_eq!(code, ILLEGAL);
        assert!(client.receive_frame().await.is_none());
    }
}

/// S18: refused logins are logged, and what was sent in them is not.
#[tokio::test]
async fn a_failure_is_logged_without_what_was_sent() {
    let logged = Logged::by_this_thread();
    let running = broker(&[]).await;
    chosen(&running, 1).await.call(1, &message(BAD)).await;
    closes(&mut running.client().await, 9, &MetadataRequest::default()).await;
    assert_eq!(logged.lines("login failed").len(), 1);
    assert_eq!(logged.lines("before the login").len(), 1);
    assert!(logged.lines("hunter").is_empty() && logged.lines("alice").is_empty());
}

#[tokio::test]
async fn the_answer_of_a_handshake_parses_at_both_versions() {
    let running = broker(&[]).await;
    for version in [0, 1] {
        let mut client = running.client().await;
        client.stream.write_all(&frame(&handshake("PLAIN"), version, 9)).await.unwrap();
        let (id, answer): (i32, SaslHandshakeResponse) =
            client.receive::<SaslHandshakeRequest>(version).await;
        assert_eq!((id, answer.error_code), (9, 0));
    }
}
