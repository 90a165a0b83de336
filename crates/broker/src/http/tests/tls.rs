//! HTTP within TLS, asked by clients with and without a certificate.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::*;
use crate::testing::tls::{Authority, Kind, TlsBroker};

/// A broker whose HTTP speaks TLS, with these keys, and an audit log.
struct Encrypted {
    broker: TlsBroker,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Encrypted {
    async fn start(more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.log");
        let pairs = [
            ("http.listener", "https://127.0.0.1:0"),
            ("audit.log.location", log.to_str().unwrap()),
            ("audit.log.accepted.logins", "true"),
        ];
        let broker = TlsBroker::start(&[&pairs[..], more].concat()).await;
        let address = broker.running.broker.http_addresses()[0];
        Self { broker, address, folder }
    }

    /// Status and body; `None` if the handshake fails or nothing is answered.
    async fn ask(&self, config: ClientConfig, path: &str, header: &str) -> Option<(u16, String)> {
        let socket = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{header}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        tokio::time::timeout(crate::testing::SOON, read).await.expect("it ends").ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// The lines of the audit log with all of these in them, once there is one.
    async fn audited(&self, needles: &[&str]) -> String {
        for _ in 0..3000 {
            let text = std::fs::read_to_string(self.folder.path().join("audit.log")).unwrap();
            let fits = |line: &&str| needles.iter().all(|needle| line.contains(needle));
            if let Some(line) = text.lines().find(fits) {
                return line.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no line of the audit log has {needles:?}");
    }
}

#[tokio::test]
async fn within_tls_all_is_answered_and_without_it_nothing() {
    let http = Encrypted::start(&[]).await;
    let (status, body) = http.ask(http.broker.config(None), "/metrics", "").await.unwrap();
    assert!(status == 200 && body.contains("kafka_server_"), "{body}");
    let mut plain = TcpStream::connect(http.address).await.unwrap();
    plain.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // It may be reset: what it sent is not read.
    let read = tokio::time::timeout(crate::testing::SOON, plain.read_to_end(&mut answer)).await;
    assert!(read.is_ok() && answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn all_but_probes_demand_the_certificate_of_an_authority() {
    let rules = "RULE:^CN=([a-z]+),.*$/$1/";
    let http = Encrypted::start(&[
        ("http.authentication", "certificate"),
        ("http.ssl.principal.mapping.rules", rules),
    ])
    .await;
    let (own, stranger) = (&http.broker.authority, Authority::new("stranger"));
    let without = || http.broker.config(None);
    for path in ["/livez", "/healthz", "/readyz"] {
        assert_eq!(http.ask(without(), path, "").await.unwrap().0, 200, "{path}");
    }
    for path in ["/metrics", "/readyz?verbose", "/", "/nope"] {
        let begun = crate::clock::now();
        let refused = http.ask(without(), path, "").await;
        assert_eq!(refused, Some((403, "show a client certificate\n".to_owned())), "{path}");
        let took = crate::clock::now().duration_since(begun);
        assert!(took >= Duration::from_millis(200), "each is a line of the audit: {took:?}");
    }
    http.audited(&["\"listener\":\"HTTP\"", "shows no certificate", "\"result\":\"refused\""]).await;
    let with = async |certified| http.ask(http.broker.config(Some(&certified)), "/metrics", "").await;
    assert_eq!(with(own.certify("prometheus", Kind::Client)).await.unwrap().0, 200);
    http.audited(&["\"principal\":\"User:prometheus\"", "\"mechanism\":\"TLS\"", "\"result\":\"accepted\""])
        .await;
    assert_eq!(with(stranger.certify("prometheus", Kind::Client)).await, None);
    http.audited(&["its authority is not in the truststore", "\"result\":\"refused\""]).await;
    assert_eq!(with(own.certify("prometheus", Kind::ExpiredClient)).await, None);
    http.audited(&["it has expired", "\"result\":\"refused\""]).await;
    assert_eq!(with(own.certify("prometheus", Kind::Server)).await, None, "it is not for clients");
    http.audited(&["it is not for clients", "\"result\":\"refused\""]).await;
    assert_eq!(with(own.certify("P4", Kind::Client)).await, None, "no rule fits");
    http.audited(&["gives no principal", "\"result\":\"refused\""]).await;
}

#[tokio::test]
async fn a_certificate_and_a_login_are_both_needed_where_both_are_asked_for() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "0123456789abcdef\n").unwrap();
    let http = Encrypted::start(&[
        ("http.authentication", "bearer"),
        ("http.bearer.token.location", file.path().to_str().unwrap()),
        ("http.ssl.client.auth", "required"),
    ])
    .await;
    let (good, bad) =
        ("Authorization: Bearer 0123456789abcdef\r\n", "Authorization: Bearer 0123456789abcdeX\r\n");
    let certified = http.broker.authority.certify("prometheus", Kind::Client);
    let (with, without) = (|| http.broker.config(Some(&certified)), || http.broker.config(None));
    let status = |answer: Option<(u16, String)>| answer.map(|(status, _)| status);
    assert_eq!(status(http.ask(with(), "/metrics", good).await), Some(200));
    http.audited(&["\"mechanism\":\"Bearer\"", "\"result\":\"accepted\""]).await;
    assert_eq!(status(http.ask(with(), "/metrics", "").await), Some(401));
    assert_eq!(status(http.ask(with(), "/metrics", bad).await), Some(401));
    let line = http.audited(&["wrong credentials", "\"mechanism\":\"Bearer\""]).await;
    assert!(!line.contains("0123456789abcde"), "{line}");
    assert_eq!(status(http.ask(without(), "/metrics", good).await), Some(403));
    assert_eq!(status(http.ask(without(), "/livez", "").await), Some(200));
}

/// Strangers' handshakes here took the threads from clients of other addresses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_take_turns_with_those_of_kafkas_listeners() {
    let http = Encrypted::start(&[]).await;
    let turns = Arc::clone(&http.broker.running.broker.services.turns);
    // Work that holds a turn for longer than any real one, as many times as there are turns.
    let (tasks, held) = (Tasks::new(), Arc::new(AtomicUsize::new(0)));
    let release = Arc::new(AtomicBool::new(false));
    for _ in 0..2 {
        let (turns, held, release) = (Arc::clone(&turns), Arc::clone(&held), Arc::clone(&release));
        let runtime = tokio::runtime::Handle::current();
        let work = async move {
            held.fetch_add(1, Ordering::Relaxed);
            while !release.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        let hold = move || runtime.block_on(turns.run([192, 0, 2, 1].into(), work));
        let owned = tasks.clone();
        tasks.spawn("holder", async move { owned.blocking("hold", hold).await.unwrap() });
    }
    while held.load(Ordering::Relaxed) < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut asked = std::pin::pin!(http.ask(http.broker.config(None), "/livez", ""));
    let early = tokio::time::timeout(Duration::from_millis(300), asked.as_mut()).await;
    // First: a thread that is held would keep the test from ending.
    release.store(true, Ordering::Relaxed);
    assert!(early.is_err(), "no turn was free");
    assert_eq!(asked.await, Some((200, "ok\n".to_owned())));
    tasks.drain(crate::testing::SOON).await;
}

#[tokio::test]
async fn a_new_certificate_is_taken_while_it_is_served() {
    let (authority, folder) = (Authority::new("tests"), tempfile::tempdir().unwrap());
    let file = folder.path().join("broker.pem");
    let write = |name: &str| {
        let certified = authority.certify(name, Kind::Server);
        std::fs::write(&file, certified.certificate + &certified.key).unwrap();
    };
    write("first");
    let pairs = [("http.listener", "https://127.0.0.1:0"), ("ssl.keystore.location", file.to_str().unwrap())];
    let running = crate::testing::Running::start(&pairs).await.unwrap();
    let address = running.broker.http_addresses()[0];
    let shown = async || {
        let config = crate::testing::tls::config(&authority.pem, None, rustls::ALL_VERSIONS);
        let socket = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
        let certificate = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
        security::certificate::subject(&certificate).unwrap()
    };
    assert_eq!(shown().await, "CN=first,O=shop");
    write("second");
    assert!(running.broker.services.certificates.renew().await.is_empty());
    assert_eq!(shown().await, "CN=second,O=shop");
}
