//! Clients that must not be let in, and bytes that no client sends: each ends in time, with its reason in the log and in the metrics.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::crypto::ring::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::tests::{is_let_in, is_served, said};
use crate::telemetry::metrics::HANDSHAKE_REASONS;
use crate::testing::tls::by_hand::{APPLICATION_DATA, ByHand, HANDSHAKE, KEY_UPDATE_REQUESTED};
use crate::testing::tls::{Authority, Certified, Kind, TlsBroker, config_of_suite, connect_over};
use crate::testing::{Client, Logged, SOON};

/// Failed handshakes of a reason.
fn failed(broker: &TlsBroker, reason: &str) -> u64 {
    let at = HANDSHAKE_REASONS.iter().position(|known| *known == reason).unwrap();
    broker.running.broker.services.metrics.listener("SAFE").handshakes_failed[at].value()
}

/// Waits until the reason was counted once more than before, and the log says the text. A client may see its end before both.
async fn counted(broker: &TlsBroker, logged: &Logged, (text, reason): (&str, &str), before: u64) {
    crate::testing::eventually(|| failed(broker, reason) > before).await;
    said(logged, text).await;
    assert_eq!(failed(broker, reason), before + 1, "{text}");
}

/// A connection that sends these bytes, and what comes back until the broker closes it.
async fn answer_to(broker: &TlsBroker, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(broker.running.address).await.unwrap();
    // It may be closed before it has taken all.
    let _sent = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ended = timeout(SOON, stream.read_to_end(&mut answer)).await.expect("closed in time");
    answer
}

#[tokio::test]
async fn clients_without_a_good_certificate_are_refused_and_the_log_says_why() {
    let broker = TlsBroker::start(&[("ssl.client.auth", "required")]).await;
    let logged = Logged::by_this_thread();
    let certify = |kind| broker.authority.certify("alice", kind);
    assert!(is_let_in(&broker, Some(&certify(Kind::Client))).await);
    let foreign = Authority::new("foreign").certify("alice", Kind::Client);
    let between = broker.authority.subordinate("between");
    let mut of_between = between.certify("alice", Kind::Client);
    let incomplete = of_between.clone();
    of_between.certificate += &between.pem;
    assert!(is_let_in(&broker, Some(&of_between)).await, "with the whole chain");
    let version_1 = Certified {
        certificate: include_str!("../../testing/tls/version_1.pem").to_owned(),
        key: include_str!("../../testing/tls/version_1.key.pem").to_owned(),
    };
    let refused = "client_certificate_refused";
    for (certified, text, reason) in [
        (None, "shows no certificate, and ssl.client.auth is required", "no_client_certificate"),
        (Some(foreign), "its authority is not in the truststore", refused),
        (Some(incomplete), "or certificates between them are missing in its chain", refused),
        (Some(certify(Kind::ExpiredClient)), "it has expired", refused),
        (Some(certify(Kind::EarlyClient)), "it is not valid yet", refused),
        (Some(certify(Kind::Server)), "its extended key usage lacks clientAuth", refused),
        (Some(certify(Kind::AuthorityAsClient)), "it is the certificate of an authority", refused),
        (Some(version_1), "it is an X.509 certificate of version 1", refused),
    ] {
        let before = failed(&broker, reason);
        assert!(!is_let_in(&broker, certified.as_ref()).await, "{text}");
        counted(&broker, &logged, (text, reason), before).await;
    }
}

/// A ClientHello of that version, as a client before TLS 1.2 sends it, or one after it that does not name its versions.
fn hello(minor: u8, extensions: &[u8]) -> Vec<u8> {
    let two = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
    // Random bytes, no session, the suites ECDHE-ECDSA-AES128-SHA and AES128-SHA, no compression.
    let mut body = [&[3, minor][..], &[7; 32], &[0], &[0, 4, 0xc0, 0x09, 0x00, 0x2f], &[1, 0]].concat();
    if !extensions.is_empty() {
        body = [&body[..], &two(extensions.len()), extensions].concat();
    }
    let message = [&[1, 0][..], &two(body.len()), &body].concat();
    [&[0x16, 3, 1][..], &two(message.len()), &message].concat()
}

/// S20: nothing before TLS 1.2 is served.
#[tokio::test]
async fn older_versions_are_refused_with_an_alert() {
    let broker = TlsBroker::start(&[]).await;
    let logged = Logged::by_this_thread();
    // supported_groups: secp256r1; ec_point_formats: uncompressed; signature_algorithms: ECDSA with SHA-256.
    let with_groups = [&[0, 10, 0, 4, 0, 2, 0, 23][..], &[0, 11, 0, 2, 1, 0]].concat();
    let with_algorithms = [&with_groups[..], &[0, 13, 0, 4, 0, 2, 4, 3]].concat();
    // SSL 3.0, TLS 1.0 and TLS 1.1.
    for minor in [0, 1, 2] {
        for extensions in [&[][..], &with_groups, &with_algorithms] {
            let before = failed(&broker, "nothing_in_common");
            let answer = answer_to(&broker, &hello(minor, extensions)).await;
            // A fatal alert: protocol_version (70) or handshake_failure (40).
            assert!(matches!(answer[..], [21, 3, _, 0, 2, 2, 70 | 40]), "{minor}: {answer:?}");
            let reason = ("nothing in common: no version of TLS", "nothing_in_common");
            counted(&broker, &logged, reason, before).await;
        }
    }
}

#[tokio::test]
async fn a_client_without_a_common_suite_or_version_is_told() {
    let broker = TlsBroker::start(&[("ssl.cipher.suites", "TLS_AES_256_GCM_SHA384")]).await;
    let logged = Logged::by_this_thread();
    for (suite, text) in [
        (TLS13_CHACHA20_POLY1305_SHA256, "nothing in common: no cipher suite"),
        (TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "nothing in common: no version of TLS"),
    ] {
        let before = failed(&broker, "nothing_in_common");
        let config = config_of_suite(&broker.authority.pem, suite);
        assert!(broker.connect(config).await.is_err());
        counted(&broker, &logged, (text, "nothing_in_common"), before).await;
    }
}

/// Sends one byte in each packet.
struct Dribble(TcpStream);

impl AsyncWrite for Dribble {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes.get(..1).unwrap_or_default())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncRead for Dribble {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, room)
    }
}

#[tokio::test]
async fn a_hello_in_single_bytes_and_a_long_one_are_served() {
    let broker = TlsBroker::start(&[]).await;
    let socket = TcpStream::connect(broker.running.address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let stream = connect_over(Dribble(socket), broker.config(None)).await.unwrap();
    assert!(is_served(&mut Client::new(stream)).await);
    // Names of protocols, of which the broker takes none, in four records.
    let mut config = broker.config(None);
    config.alpn_protocols = vec![vec![b'x'; 255]; 250];
    assert!(is_served(&mut Client::new(broker.connect(config).await.unwrap())).await);
}

/// Bounded memory: what is announced is not waited for.
#[tokio::test]
async fn bytes_that_no_client_sends_end_the_handshake() {
    let broker = TlsBroker::start(&[]).await;
    let logged = Logged::by_this_thread();
    let empty = [0x16, 3, 1, 0, 0];
    for (bytes, text) in [
        // A message of 64 KiB, the first length that is too much, and of 16 MiB.
        (vec![0x16, 3, 1, 0, 4, 1, 1, 0, 0], "HandshakePayloadTooLarge"),
        (vec![0x16, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff], "HandshakePayloadTooLarge"),
        // A record of 64 KiB; the longest is 16 KiB and some.
        (vec![0x16, 3, 1, 0xff, 0xff], "MessageTooLarge"),
        (empty.repeat(1000), "InvalidEmptyPayload"),
        ([&[0x16, 3, 1, 0, 1, 1][..], &empty.repeat(1000)].concat(), "InvalidEmptyPayload"),
        // Something else than a ClientHello.
        (vec![0x16, 3, 1, 0, 4, 2, 0, 0, 0], "TLS failed"),
    ] {
        let before = failed(&broker, "other");
        let began = logged.lines(text).len();
        answer_to(&broker, &bytes).await;
        let more = async {
            while logged.lines(text).len() == began {
                tokio::task::yield_now().await;
            }
        };
        timeout(SOON, more).await.unwrap_or_else(|_| panic!("no line with {text}: {:?}", logged.lines("")));
        assert_eq!(failed(&broker, "other"), before + 1, "{text}");
    }
}

/// After the handshake: records that cost the broker work and bring nothing.
#[tokio::test]
async fn endless_key_updates_and_empty_records_end_the_connection() {
    let broker = TlsBroker::start(&[]).await;
    let logged = Logged::by_this_thread();
    for (kind, content, text) in [
        (HANDSHAKE, &KEY_UPDATE_REQUESTED[..], "TooManyKeyUpdateRequests"),
        (APPLICATION_DATA, &[], "TooManyEmptyFragments"),
    ] {
        let malformed = broker.running.broker.services.metrics.listener("SAFE");
        let before = malformed.malformed.value();
        let mut client = ByHand::connect(&broker).await;
        let mut sent = 0;
        // The broker's answers are taken, so that nothing else ends it.
        while sent < 1000 && client.send(kind, content).await.is_ok() {
            sent += 1;
            if kind == HANDSHAKE {
                client.update_keys();
            }
        }
        let _ended = timeout(SOON, client.socket.read_to_end(&mut Vec::new())).await.expect("closed");
        said(&logged, text).await;
        assert_eq!(malformed.malformed.value(), before + 1, "{text}");
    }
}
