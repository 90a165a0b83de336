//! Logins by OAUTHBEARER against a broker: the answers to good and bad tokens, the end of a login, and logging in again.

use std::io::Write as _;

use codec::ErrorCode;
use codec::messages::{
    MetadataRequest, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::clock::Clock;
use crate::testing::bearer::{AUDIENCE, ISSUER, Issuer, key_set};
use crate::testing::{Client, Logged, Running};

const FAILED: i16 = ErrorCode::SaslAuthenticationFailed.code();
const STATUS: &str = r#"{"status":"invalid_token"}"#;

/// A broker that takes the tokens of one issuer, and the file of its keys.
struct Setup {
    running: Running,
    issuer: Issuer,
    _keys: tempfile::NamedTempFile,
}

impl Setup {
    async fn new(more: &[(&str, &str)]) -> Self {
        let issuer = Issuer::new(1, "a");
        let mut keys = tempfile::NamedTempFile::new().unwrap();
        keys.write_all(key_set(&[&issuer]).as_bytes()).unwrap();
        let url = format!("file:{}", keys.path().display());
        let pairs = [
            ("listeners", "SAFE://127.0.0.1:0"),
            ("listener.security.protocol.map", "SAFE:SASL_PLAINTEXT"),
            ("sasl.enabled.mechanisms", "OAUTHBEARER"),
            ("connection.failed.authentication.delay.ms", "1"),
            ("listener.name.safe.oauthbearer.sasl.oauthbearer.jwks.endpoint.url", &url),
            ("sasl.oauthbearer.expected.issuer", ISSUER),
            ("sasl.oauthbearer.expected.audience", AUDIENCE),
        ];
        let running = Running::start(&[&pairs, more].concat()).await.unwrap();
        Self { running, issuer, _keys: keys }
    }

    /// A token of that user that ends after that time.
    fn token(&self, user: &str, seconds: i64) -> String {
        self.issuer.token(user, Clock::system().now_ms() / 1000, seconds)
    }

    async fn begun(&self, version: i16) -> Client<TcpStream> {
        let mut client = self.running.client().await;
        handshake(&mut client, version).await;
        client
    }
}

async fn handshake(client: &mut Client<TcpStream>, version: i16) {
    let request = SaslHandshakeRequest::default().with_mechanism("OAUTHBEARER".into());
    assert_eq!(client.call(version, &request).await.error_code, 0);
}

fn message(token: &str) -> Vec<u8> {
    format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}").into_bytes()
}

async fn authenticate(client: &mut Client<TcpStream>, bytes: Vec<u8>) -> SaslAuthenticateResponse {
    client.call(2, &SaslAuthenticateRequest::default().with_auth_bytes(bytes.into())).await
}

#[tokio::test]
async fn a_token_logs_in_for_as_long_as_it_lasts() {
    let setup = Setup::new(&[]).await;
    let mut client = setup.begun(1).await;
    let answer = authenticate(&mut client, message(&setup.token("alice", 60))).await;
    assert_eq!((answer.error_code, answer.auth_bytes.len()), (0, 0), "{answer:?}");
    assert!((50_000..=60_000).contains(&answer.session_lifetime_ms), "{answer:?}");
    client.call(9, &MetadataRequest::default()).await;
    // The shorter one of both counts.
    let setup = Setup::new(&[("connections.max.reauth.ms", "5000")]).await;
    let mut client = setup.begun(1).await;
    let answer = authenticate(&mut client, message(&setup.token("alice", 60))).await;
    assert_eq!(answer.session_lifetime_ms, 5000);
}

/// A token longer than a password: 16 KiB of groups are usual.
#[tokio::test]
async fn a_long_token_logs_in() {
    let setup = Setup::new(&[]).await;
    let now = Clock::system().now_ms() / 1000;
    let claims = serde_json::json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 60, "groups": "x".repeat(40_000)
    });
    let mut client = setup.begun(1).await;
    let answer = authenticate(&mut client, message(&setup.issuer.sign(&claims))).await;
    assert_eq!(answer.error_code, 0, "{answer:?}");
}

/// The order that clients wait for (RFC 7628): the status, one byte of the client, the failure, the end. The log names the
/// reason and no part of the token.
#[tokio::test]
async fn a_bad_token_is_answered_with_its_status() {
    let logged = Logged::at(tracing::Level::TRACE);
    let setup = Setup::new(&[]).await;
    let bad = setup.token("alice", -60);
    let mut client = setup.begun(1).await;
    let answer = authenticate(&mut client, message(&bad)).await;
    assert_eq!((answer.error_code, &answer.auth_bytes[..]), (0, STATUS.as_bytes()));
    let answer = authenticate(&mut client, vec![1]).await;
    assert_eq!((answer.error_code, answer.error_message.as_deref()), (FAILED, Some(STATUS)));
    assert_eq!(answer.session_lifetime_ms, 0);
    assert!(client.receive_frame().await.is_none());
    crate::testing::eventually(|| logged.text().contains("a bearer token was refused: it is expired")).await;
    let text = logged.text();
    assert!(bad.split('.').all(|part| !text.contains(part)), "{text}");
}

/// A client that goes without the last byte is told of, and counted, as one that sends it.
#[tokio::test]
async fn a_client_that_leaves_after_the_status_failed() {
    let logged = Logged::at(tracing::Level::INFO);
    let setup = Setup::new(&[]).await;
    let mut client = setup.begun(1).await;
    authenticate(&mut client, message("a.b.c")).await;
    drop(client);
    crate::testing::eventually(|| logged.text().contains("a bearer token was refused")).await;
}

#[tokio::test]
async fn another_message_after_the_status_fails() {
    let setup = Setup::new(&[]).await;
    let mut client = setup.begun(1).await;
    authenticate(&mut client, message("a.b.c")).await;
    let answer = authenticate(&mut client, message(&setup.token("alice", 60))).await;
    assert_eq!(answer.error_code, FAILED, "a second try needs a new connection");
    assert!(client.receive_frame().await.is_none());
    let mut client = setup.begun(1).await;
    let answer = authenticate(&mut client, b"n,,\x01auth=Basic x\x01\x01".to_vec()).await;
    let text = answer.error_message.as_deref().unwrap_or_default().to_owned();
    assert!(answer.error_code == FAILED && text.ends_with("SASL mechanism OAUTHBEARER"), "{text}");
}

#[tokio::test]
async fn bare_tokens_follow_a_handshake_of_version_0() {
    let setup = Setup::new(&[]).await;
    let bare = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let mut client = setup.begun(0).await;
    client.stream.write_all(&bare(&message(&setup.token("alice", 60)))).await.unwrap();
    let mut answer = [9; 4];
    client.stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [0; 4]);
    client.call(9, &MetadataRequest::default()).await;
    let mut client = setup.begun(0).await;
    client.stream.write_all(&bare(&message("a.b.c"))).await.unwrap();
    assert_eq!(client.receive_frame().await.as_deref(), Some(STATUS.as_bytes()));
    client.stream.write_all(&bare(&[1])).await.unwrap();
    assert!(client.receive_frame().await.is_none());
}

/// S6, KIP-368: nothing is served after the token's end, unless the client logs in again, as the same user.
#[tokio::test]
async fn a_session_ends_with_its_token() {
    let setup = Setup::new(&[("sasl.oauthbearer.clock.skew.seconds", "0")]).await;
    let mut stays = setup.begun(1).await;
    let mut goes = setup.begun(1).await;
    for client in [&mut stays, &mut goes] {
        assert_eq!(authenticate(client, message(&setup.token("alice", 2))).await.error_code, 0);
    }
    handshake(&mut stays, 1).await;
    let answer = authenticate(&mut stays, message(&setup.token("alice", 60))).await;
    assert!(answer.error_code == 0 && answer.session_lifetime_ms > 2000, "{answer:?}");
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    stays.call(9, &MetadataRequest::default()).await;
    goes.stream.write_all(&crate::testing::frame(&MetadataRequest::default(), 9, 1)).await.unwrap();
    assert!(goes.receive_frame().await.is_none(), "it was served after its end");
}

/// librdkafka logs in by a token that is almost over, and again within a second, by a new one.
#[tokio::test]
async fn logins_by_short_tokens_may_follow_each_other() {
    let setup = Setup::new(&[("sasl.oauthbearer.clock.skew.seconds", "0")]).await;
    let mut client = setup.begun(1).await;
    assert_eq!(authenticate(&mut client, message(&setup.token("alice", 60))).await.error_code, 0);
    let again = SaslHandshakeRequest::default().with_mechanism("OAUTHBEARER".into());
    // Times of tokens are whole seconds: at the end of one, a token of a second is over when it arrives.
    let left = 1000 - Clock::system().now_ms().rem_euclid(1000);
    tokio::time::sleep(std::time::Duration::from_millis(left.unsigned_abs())).await;
    for (seconds, next) in [(1, 0), (60, 34)] {
        assert_eq!(client.call(1, &again).await.error_code, 0);
        assert_eq!(authenticate(&mut client, message(&setup.token("alice", seconds))).await.error_code, 0);
        if next != 0 {
            assert_eq!(client.call(1, &again).await.error_code, next);
        }
    }
}

/// S5: another user's token on a connection that is logged in.
#[tokio::test]
async fn logging_in_again_keeps_the_user() {
    let setup = Setup::new(&[]).await;
    for token in [setup.token("bob", 60), setup.token("alice", -60)] {
        let mut client = setup.begun(1).await;
        assert_eq!(authenticate(&mut client, message(&setup.token("alice", 60))).await.error_code, 0);
        handshake(&mut client, 1).await;
        let mut answer = authenticate(&mut client, message(&token)).await;
        if answer.error_code == 0 {
            assert_eq!(&answer.auth_bytes[..], STATUS.as_bytes());
            answer = authenticate(&mut client, vec![1]).await;
        }
        assert_eq!(answer.error_code, FAILED, "{answer:?}");
        assert!(client.receive_frame().await.is_none());
    }
}

/// The operator reads why, the failure counts once, and its answer is late, also if the client goes without the last byte.
#[tokio::test]
async fn a_bad_token_of_a_further_login_is_told_once_and_late() {
    const DELAY: (&str, &str) = ("connection.failed.authentication.delay.ms", "200");
    for stays in [true, false] {
        let logged = Logged::at(tracing::Level::INFO);
        let setup = Setup::new(&[DELAY]).await;
        let mut client = setup.begun(1).await;
        assert_eq!(authenticate(&mut client, message(&setup.token("alice", 60))).await.error_code, 0);
        handshake(&mut client, 1).await;
        let since = crate::clock::now();
        let answer = authenticate(&mut client, message(&setup.token("alice", -60))).await;
        assert_eq!(&answer.auth_bytes[..], STATUS.as_bytes());
        assert!(crate::clock::now().saturating_duration_since(since).as_millis() >= 200, "at once");
        if stays {
            assert_eq!(authenticate(&mut client, vec![1]).await.error_code, FAILED);
        }
        drop(client);
        let reason = "logging in again failed: a bearer token was refused: it is expired";
        crate::testing::eventually(|| logged.text().contains(reason)).await;
        let failed = &setup.running.broker.services.metrics.listener("SAFE").further_logins_failed;
        assert_eq!(failed.value(), 1);
    }
}
