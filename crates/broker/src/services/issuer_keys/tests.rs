//! Sources of keys that answer, fail, or answer what must not count.

use std::io::Write as _;
use std::net::SocketAddr;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use security::bearer::{Expected, Refused};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::config::JwksUrl;
use crate::testing::bearer::{Issuer, key_set};
use crate::testing::tls::{Authority, Kind};

const NOW_MS: i64 = 1_900_000_000_000;

fn settings(source: KeySource) -> Arc<BearerSettings> {
    let expected = Expected {
        issuer: None,
        audience: None,
        clock_skew_seconds: 30,
        subject_claim: "sub".to_owned(),
        scope_claim: "scope".to_owned(),
    };
    let (refresh, retry, max_retry) =
        (Duration::from_secs(3600), Duration::from_millis(10), Duration::from_secs(10));
    Arc::new(BearerSettings { source, expected, refresh, retry, max_retry })
}

fn subject(keys: &BearerKeys, issuer: &Issuer) -> Result<String, Refused> {
    keys.judge(&issuer.token("alice", NOW_MS / 1000, 60), NOW_MS).map(|accepted| accepted.subject)
}

fn kept(keys: &Arc<BearerKeys>) -> Arc<IssuerKeys> {
    IssuerKeys::new([("SAFE".to_owned(), Arc::clone(keys))].into())
}

/// Answers every request with these bytes, after the head of it came.
async fn server(answer: Vec<u8>) -> (JwksUrl, Tasks) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tasks = Tasks::new();
    tasks.spawn("server", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _read = stream.read(&mut head).await;
            let _written = stream.write_all(&answer).await;
        }
    });
    (
        JwksUrl { is_encrypted: false, host: "localhost".to_owned(), port, path: "/certs?x=y".to_owned() },
        tasks,
    )
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn keys_come_from_an_address() {
    let issuer = Issuer::new(1, "a");
    let (url, tasks) = server(ok(&key_set(&[&issuer]))).await;
    let keys = Arc::new(BearerKeys::new(settings(KeySource::Url(url))));
    assert_eq!(subject(&keys, &issuer), Err(Refused::NoKeys), "no login before the first keys");
    kept(&keys).keep(&tasks);
    crate::testing::eventually(|| subject(&keys, &issuer).is_ok()).await;
    assert_eq!(subject(&keys, &issuer).as_deref(), Ok("alice"));
    tasks.drain(Duration::from_secs(5)).await;
}

/// CVE-2025-27817: a URL made a broker fetch what it must not. The URL is fixed at the start, and this is all that it can do.
#[tokio::test]
async fn answers_that_are_no_keys_are_refused() {
    let redirect =
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec();
    let long = ok(&" ".repeat(MAX + 1));
    let endless = [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &chunks()].concat();
    for (answer, text) in [
        (redirect, "redirects are not followed"),
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec(), "500"),
        (ok("<html>"), "it is not JSON"),
        (ok("{\"keys\":[]}"), "no key for signatures"),
        (long, "more than 262144 bytes"),
        (endless, "more than 262144 bytes"),
        (b"SSH-2.0-x\r\n".to_vec(), "no HTTP"),
    ] {
        let (url, tasks) = server(answer).await;
        let error = fetch::fetch(&url, &tasks).await.expect_err(text).to_string();
        assert!(error.contains(text), "{error}");
        tasks.drain(Duration::from_secs(5)).await;
    }
}

const MAX: usize = crate::config::MAX_KEY_SET_BYTES;

fn chunks() -> Vec<u8> {
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    chunk.repeat(5).into_bytes()
}

#[tokio::test]
async fn http_reaches_this_machine_alone_and_https_needs_a_certificate() {
    let (url, tasks) = server(ok("{}")).await;
    let elsewhere = JwksUrl { host: "192.0.2.1".to_owned(), ..url.clone() };
    let error = fetch::fetch(&elsewhere, &tasks).await.unwrap_err();
    assert!(matches!(error, fetch::FetchError::Elsewhere), "{error}");
    let error = fetch::fetch(&JwksUrl { is_encrypted: true, ..url }, &tasks).await.unwrap_err();
    let is_tls = matches!(error, fetch::FetchError::Tls(_) | fetch::FetchError::Authorities(_));
    assert!(is_tls, "{error}");
    tasks.drain(Duration::from_secs(5)).await;
}

/// Answers over TLS, with a certificate for localhost.
async fn tls_server(answer: Vec<u8>, kind: Kind) -> (SocketAddr, Authority, Tasks) {
    let authority = Authority::new("issuers");
    let certified = authority.certify("issuer", kind);
    let key = PrivateKeyDer::from_pem_slice(certified.key.as_bytes()).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(certified.certificate.as_bytes()).unwrap()];
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (address, tasks) = (listener.local_addr().unwrap(), Tasks::new());
    tasks.spawn("server", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 4096];
            let _read = stream.read(&mut head).await;
            let _written = stream.write_all(&answer).await;
        }
    });
    (address, authority, tasks)
}

#[tokio::test]
async fn https_takes_keys_of_a_host_that_an_authority_names_and_of_no_other() {
    let trusting = |pem: &str| {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
        fetch::client_config(roots).ok()
    };
    for (kind, host, is_known, taken) in [
        (Kind::Server, "localhost", true, true),
        (Kind::Server, "localhost", false, false),
        (Kind::Server, "issuer.test", true, false),
        (Kind::ExpiredServer, "localhost", true, false),
        (Kind::Client, "localhost", true, false),
    ] {
        let (address, authority, tasks) = tls_server(ok("{}"), kind).await;
        let other = Authority::new("other");
        let config = trusting(if is_known { &authority.pem } else { &other.pem });
        let port = address.port();
        let url = JwksUrl { is_encrypted: true, host: host.to_owned(), port, path: "/".to_owned() };
        match fetch::answer(&url, address, config).await {
            Ok(bytes) => assert!(taken && bytes == b"{}", "{host}"),
            Err(error) => assert!(!taken && matches!(error, fetch::FetchError::Tls(_)), "{host}: {error}"),
        }
        tasks.drain(Duration::from_secs(5)).await;
    }
}

/// An issuer of which one address does not answer: its other ones have their turn within the deadline.
#[tokio::test]
async fn an_address_that_is_silent_or_closed_leaves_time_for_the_next() {
    let (url, tasks) = server(ok("{}")).await;
    let good = SocketAddr::from(([127, 0, 0, 1], url.port));
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    // Bound, so that no other test gets the port, and not listening.
    let unheard = TcpSocket::new_v4().unwrap();
    unheard.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let closed = unheard.local_addr().unwrap();
    let all = [silent.local_addr().unwrap(), closed, good];
    let found = fetch::first_of(all.into_iter().map(|address| fetch::answer(&url, address, None)));
    let found = tokio::time::timeout(crate::testing::SOON, found).await.expect("the last address");
    assert_eq!(found.unwrap(), b"{}");
    let none =
        fetch::first_of([closed, closed].into_iter().map(|address| fetch::answer(&url, address, None)));
    assert!(matches!(none.await, Err(fetch::FetchError::Connect(_))));
    tasks.drain(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_failing_source_is_told_until_it_works() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(key_set(&[&Issuer::new(1, "a")]).as_bytes()).unwrap();
    let source = KeySource::File(file.path().to_owned(), read_keys(file.path()).unwrap());
    let (all, tasks) = (kept(&Arc::new(BearerKeys::new(settings(source)))), Tasks::new());
    let failing = || all.families()[0].series[0].1 > 0.0;
    assert!(!failing());
    all.keep(&tasks);
    let good = std::fs::read(file.path()).unwrap();
    std::fs::write(file.path(), "{}").unwrap();
    crate::testing::eventually(failing).await;
    let text = all.failing().borrow().get("SAFE").cloned().unwrap();
    assert!(text.contains(file.path().to_str().unwrap()), "{text}");
    std::fs::write(file.path(), good).unwrap();
    crate::testing::eventually(|| !failing()).await;
    tasks.drain(Duration::from_secs(5)).await;
}

/// S7: a key that was taken out of the file logs no one in, and one that came in does.
#[tokio::test]
async fn a_file_is_read_again_when_it_changes() {
    let (one, other) = (Issuer::new(1, "a"), Issuer::new(2, "b"));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(key_set(&[&one]).as_bytes()).unwrap();
    let source = KeySource::File(file.path().to_owned(), read_keys(file.path()).unwrap());
    let (keys, tasks) = (Arc::new(BearerKeys::new(settings(source))), Tasks::new());
    assert!(subject(&keys, &one).is_ok(), "from the start on");
    kept(&keys).keep(&tasks);
    std::fs::write(file.path(), key_set(&[&other])).unwrap();
    crate::testing::eventually(|| subject(&keys, &other).is_ok()).await;
    assert_eq!(subject(&keys, &one), Err(Refused::UnknownKey));
    // A file that cannot be used changes nothing.
    for bad in ["", "{\"keys\":[]}"] {
        std::fs::write(file.path(), bad).unwrap();
        sleep(FILE_INTERVAL + Duration::from_millis(300)).await;
        assert!(subject(&keys, &other).is_ok());
    }
    tasks.drain(Duration::from_secs(5)).await;
}

#[test]
fn failures_wait_longer_and_keys_grow_too_old() {
    let url = JwksUrl { is_encrypted: true, host: "h".to_owned(), port: 1, path: "/".to_owned() };
    let start = clock::now();
    let mut pace = Pace::new(&settings(KeySource::Url(url)), start);
    let waits: Vec<u128> = (0..12).map(|_| pace.failed(start).0.as_millis()).collect();
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10_000, 10_000]);
    assert_eq!(pace.succeeded(start), Duration::from_secs(3600));
    let day = start + LONGEST_AGE;
    assert_eq!(
        pace.failed(day.checked_sub(Duration::from_millis(1)).unwrap()),
        (Duration::from_millis(10), false)
    );
    assert!(pace.failed(day).1);
    pace.succeeded(day);
    assert!(!pace.failed(day).1);
}
