//! Certificates and lists that change while the broker runs: who gets the new ones, and when the last ones stay.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::tests::{is_served, said};
use crate::clock::Clock;
use crate::config::resources::resource_type::BROKER;
use crate::services::configs::changes::{KeyChange, WantedConfigs, alter};
use crate::tasks::Tasks;
use crate::testing::tls::{Authority, Certified, Kind, TlsBroker, config};
use crate::testing::{Client, Logged};

pub(super) fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

pub(super) fn pem(certified: &Certified) -> String {
    certified.certificate.clone() + &certified.key
}

fn serial(certificate: &[u8]) -> Vec<u8> {
    security::certificate::facts(certificate).unwrap().serial.to_vec()
}

fn serial_of(certified: &Certified) -> Vec<u8> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    serial(&CertificateDer::from_pem_slice(certified.certificate.as_bytes()).unwrap())
}

/// The serial number of the certificate that a new client is shown.
async fn shown(broker: &TlsBroker) -> Vec<u8> {
    let stream = broker.connect(broker.config(None)).await.unwrap();
    serial(stream.get_ref().1.peer_certificates().unwrap().first().unwrap())
}

pub(super) async fn renew(broker: &TlsBroker) -> Result<(), String> {
    let problems = broker.running.broker.services.certificates.renew().await;
    problems.into_values().next().map_or(Ok(()), Err)
}

/// The value of a gauge of certificates.
pub(super) fn gauge(broker: &TlsBroker, name: &str) -> f64 {
    let families = broker.running.broker.services.certificates.families();
    families.into_iter().find(|family| family.name == name).unwrap().series[0].1
}

#[tokio::test]
async fn new_connections_get_a_new_certificate_and_old_ones_go_on() {
    let (authority, folder) = (Authority::new("tests"), tempfile::tempdir().unwrap());
    let [first, second] = ["first", "second"].map(|name| authority.certify(name, Kind::Server));
    write(folder.path(), "broker.pem", &pem(&first));
    let broker = TlsBroker::of_files(authority, folder.path(), &[]).await;
    let mut client = broker.client(None).await.unwrap();
    assert_eq!(shown(&broker).await, serial_of(&first));
    let expiry = gauge(&broker, "ottla_tls_certificate_expiry_seconds");
    assert!(expiry > 1.8e9, "{expiry}");
    // A volume of Kubernetes: a link that is exchanged.
    write(folder.path(), "second", &pem(&second));
    std::os::unix::fs::symlink("second", folder.path().join("link")).unwrap();
    std::fs::rename(folder.path().join("link"), folder.path().join("broker.pem")).unwrap();
    let since = crate::clock::now();
    while shown(&broker).await != serial_of(&second) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        // Without a request. It takes 4.5 s at most, and longer on a machine that has no time.
        assert!(crate::clock::now().saturating_duration_since(since) < crate::testing::SOON);
    }
    assert!(is_served(&mut client).await);
}

#[tokio::test]
async fn files_that_cannot_be_used_leave_the_last_ones_in_force() {
    let (authority, folder) = (Authority::new("tests"), tempfile::tempdir().unwrap());
    let [first, second] = ["first", "second"].map(|name| authority.certify(name, Kind::Server));
    let [expired, early] =
        [Kind::ExpiredServer, Kind::EarlyServer].map(|kind| authority.certify("dated", kind));
    write(folder.path(), "broker.pem", &pem(&first));
    let broker = TlsBroker::of_files(authority, folder.path(), &[]).await;
    let logged = Logged::by_this_thread();
    let half = pem(&second);
    let mixed = first.certificate.clone() + &second.key;
    for (text, reason) in [
        (half.get(..half.len() / 2).unwrap(), "section"),
        (mixed.as_str(), "not that of the first certificate"),
        (pem(&expired).as_str(), "has expired"),
        (pem(&early).as_str(), "is not valid yet"),
        ("", "is not PEM"),
    ] {
        write(folder.path(), "broker.pem", text);
        let error = renew(&broker).await.unwrap_err();
        assert!(error.contains(reason), "{error}");
        assert_eq!(shown(&broker).await, serial_of(&first), "{reason}");
        assert_eq!(gauge(&broker, "ottla_tls_certificate_refused").to_bits(), 1_f64.to_bits());
        said(&logged, "the last ones stay in force").await;
    }
    std::fs::remove_file(folder.path().join("broker.pem")).unwrap();
    assert!(renew(&broker).await.unwrap_err().contains("cannot be read"));
    write(folder.path(), "broker.pem", &half);
    renew(&broker).await.unwrap();
    assert_eq!(shown(&broker).await, serial_of(&second));
    assert_eq!(gauge(&broker, "ottla_tls_certificate_refused").to_bits(), 0_f64.to_bits());
}

#[tokio::test]
async fn each_renewal_is_in_the_audit_log() {
    let (authority, folder) = (Authority::new("tests"), tempfile::tempdir().unwrap());
    write(folder.path(), "broker.pem", &pem(&authority.certify("first", Kind::Server)));
    let log = folder.path().join("audit.log");
    let keys = [("audit.log.location", log.to_str().unwrap())];
    let broker = TlsBroker::of_files(authority, folder.path(), &keys).await;
    let lines = async |count: usize| {
        let since = crate::clock::now();
        loop {
            let text = std::fs::read_to_string(&log).unwrap();
            if text.lines().count() >= count {
                return text.lines().map(str::to_owned).collect::<Vec<_>>();
            }
            assert!(crate::clock::now().saturating_duration_since(since) < crate::testing::SOON, "{text}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let second = broker.authority.certify("second", Kind::Server);
    write(folder.path(), "broker.pem", &pem(&second));
    renew(&broker).await.unwrap();
    let first_line = lines(1).await.remove(0);
    for part in [
        "\"resource_type\":\"Certificate\"",
        "\"resource\":\"SAFE\"",
        "\"subject\":\"CN=second,O=shop\"",
        "\"principal\":null",
    ] {
        assert!(first_line.contains(part), "{first_line}");
    }
    // The files are the same, and then they cannot be used.
    renew(&broker).await.unwrap();
    write(folder.path(), "broker.pem", "");
    renew(&broker).await.unwrap_err();
    write(folder.path(), "broker.pem", &pem(&broker.authority.certify("third", Kind::Server)));
    renew(&broker).await.unwrap();
    let lines = lines(3).await;
    // Each is written by a task of its own.
    let has = |parts: [&str; 2]| lines.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(
        lines.len() == 3
            && has(["\"result\":\"INVALID_CONFIG\"", "it is not PEM"])
            && has(["\"result\":\"NONE\"", "CN=third,O=shop"]),
        "{lines:?}"
    );
}

/// A connection by these settings, and how it began.
async fn begun(broker: &TlsBroker, config: &rustls::ClientConfig) -> Option<HandshakeKind> {
    let stream: TlsStream<TcpStream> = broker.connect(config.clone()).await.ok()?;
    let mut client = Client::new(stream);
    // With TLS 1.3 tickets come after the handshake.
    client.send(9, &codec::messages::MetadataRequest::default().with_topics(Some(vec![]))).await;
    client.receive_frame().await?;
    client.stream.get_ref().1.handshake_kind()
}

/// S19: a client whose authority was removed does not get in by a session that it began before.
#[tokio::test]
async fn sessions_are_resumed_within_the_same_files_alone() {
    let (authority, folder) = (Authority::new("tests"), tempfile::tempdir().unwrap());
    write(folder.path(), "broker.pem", &pem(&authority.certify("broker", Kind::Server)));
    write(folder.path(), "clients.pem", &authority.pem);
    let alice = authority.certify("alice", Kind::Client);
    let broker = TlsBroker::of_files(authority, folder.path(), &[("ssl.client.auth", "required")]).await;
    let config = broker.config(Some(&alice));
    assert_eq!(begun(&broker, &config).await, Some(HandshakeKind::Full));
    assert_eq!(begun(&broker, &config).await, Some(HandshakeKind::Resumed));
    renew(&broker).await.unwrap();
    assert_eq!(begun(&broker, &config).await, Some(HandshakeKind::Resumed), "the files are the same");
    write(folder.path(), "clients.pem", &Authority::new("other").pem);
    renew(&broker).await.unwrap();
    assert_eq!(begun(&broker, &config).await, None);
}

/// S19: a client cannot resume past the last day of its certificate, and is told at its next handshake.
#[tokio::test]
async fn an_expired_certificate_resumes_no_session() {
    let broker = TlsBroker::start(&[("ssl.client.auth", "required")]).await;
    let logged = Logged::by_this_thread();
    // On a machine that has no time the certificate may expire before the second handshake: then one that lasts longer.
    for seconds in [3, 12, 48] {
        let ends = Clock::system().now_ms() / 1000 + seconds;
        let alice = broker.authority.certify("alice", Kind::ClientUntil(ends));
        let [older, newer] =
            [&TLS12, &TLS13].map(|version| config(&broker.authority.pem, Some(&alice), &[version]));
        let mut begins = Vec::new();
        for config in [&older, &older, &newer, &newer] {
            begins.push(begun(&broker, config).await);
        }
        if begins
            != [HandshakeKind::Full, HandshakeKind::Resumed]
                .repeat(2)
                .into_iter()
                .map(Some)
                .collect::<Vec<_>>()
        {
            continue;
        }
        while Clock::system().now_ms() / 1000 <= ends {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(begun(&broker, &newer).await, None);
        said(&logged, "it has expired").await;
        // The session is over, which a client of 1.2 would go on resuming.
        let error = broker.connect(older).await.expect_err("an alert").to_string();
        assert!(error.contains("CertificateExpired"), "{error}");
        return;
    }
    panic!("no session was resumed");
}

/// Sets keys of this broker as a client.
async fn set(broker: &TlsBroker, pairs: &[(&str, &str)]) -> Result<(), String> {
    let services = &broker.running.broker.services;
    let change = |(name, value): &(&str, &str)| KeyChange {
        name: (*name).to_owned(),
        operation: KeyChange::SET,
        value: Some((*value).to_owned()),
    };
    let (name, changes) = (services.config.node_id.to_string(), pairs.iter().map(change).collect());
    let wanted = WantedConfigs { resource_type: BROKER, name, replace: false, changes };
    alter(&services.resources, &[wanted], false).await.pop().unwrap().map_err(|error| error.to_string())
}

/// Files were read under the lock of all changes, and before the other keys of the request were judged.
#[tokio::test]
async fn files_are_read_after_all_keys_were_judged_and_hold_up_no_other_change() {
    let (authority, folder) = (Authority::new("tests"), tempfile::tempdir().unwrap());
    let [first, second] = ["first", "second"].map(|name| authority.certify(name, Kind::Server));
    write(folder.path(), "broker.pem", &pem(&first));
    let broker = TlsBroker::of_files(authority, folder.path(), &[]).await;
    let path = folder.path().join("broker.pem").to_str().unwrap().to_owned();
    let location = ("ssl.keystore.location", path.as_str());
    let wrong = [location, ("max.connections.per.ip.overrides", "nowhere")];
    let right = [location, ("max.connections", "90")];
    // The poll reads nothing either.
    let held = broker.running.broker.services.certificates.hold().await;
    write(folder.path(), "broker.pem", &pem(&second));
    let refused = set(&broker, &wrong);
    let refused = tokio::time::timeout(crate::testing::SOON, refused).await.expect("it reads no file");
    assert!(refused.unwrap_err().contains("max.connections.per.ip.overrides"));
    let mut reads = std::pin::pin!(set(&broker, &right));
    assert!(tokio::time::timeout(Duration::from_millis(50), reads.as_mut()).await.is_err());
    let other = set(&broker, &[("max.connections.per.ip", "80")]);
    tokio::time::timeout(crate::testing::SOON, other).await.expect("it does not wait").unwrap();
    drop(held);
    reads.await.unwrap();
    let config = broker.running.broker.services.configs.broker();
    assert_eq!((config.max_connections, config.max_connections_per_ip), (90, 80));
    assert_eq!(shown(&broker).await, serial_of(&second));
}

/// Kafka's way: the location is set to what it is.
#[tokio::test]
async fn clients_have_files_read_again_and_name_no_other() {
    let (authority, folder) = (Authority::new("tests"), tempfile::tempdir().unwrap());
    let [first, second] = ["first", "second"].map(|name| authority.certify(name, Kind::Server));
    write(folder.path(), "broker.pem", &pem(&first));
    let broker = TlsBroker::of_files(authority, folder.path(), &[]).await;
    let path = folder.path().join("broker.pem").to_str().unwrap().to_owned();
    let set = async |name: &str, value: &str| set(&broker, &[(name, value)]).await;
    write(folder.path(), "broker.pem", &pem(&second));
    set("listener.name.safe.ssl.keystore.location", &path).await.unwrap();
    assert_eq!(shown(&broker).await, serial_of(&second));
    write(folder.path(), "broker.pem", "");
    assert!(set("ssl.keystore.location", &path).await.unwrap_err().contains("is not PEM"));
    write(folder.path(), "other.pem", &pem(&first));
    let other = folder.path().join("other.pem");
    for name in
        ["ssl.keystore.location", "listener.name.safe.ssl.keystore.location", "ssl.truststore.location"]
    {
        let error = set(name, other.to_str().unwrap()).await.unwrap_err();
        assert!(error.contains("can only be set to the file that it names already"), "{error}");
    }
    assert_eq!(shown(&broker).await, serial_of(&second));
}

/// S19: no handshake with a good set is refused, and no connection dropped. `OTTLA_SWAPS` is the number of swaps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_under_load_refuse_no_client() {
    let swaps = std::env::var("OTTLA_SWAPS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let (authority, folder) = (Authority::new("tests"), tempfile::tempdir().unwrap());
    write(folder.path(), "broker.pem", &pem(&authority.certify("broker", Kind::Server)));
    let broker = Arc::new(TlsBroker::of_files(authority, folder.path(), &[]).await);
    let (tasks, ended, served) =
        (Tasks::new(), Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    for number in 0..8 {
        let (broker, ended, served) = (Arc::clone(&broker), Arc::clone(&ended), Arc::clone(&served));
        tasks.spawn("client", async move {
            let mut stays = broker.client(None).await.unwrap();
            while !ended.load(Ordering::Relaxed) {
                let mut comes = broker.client(None).await.unwrap();
                assert!(is_served(&mut comes).await && is_served(&mut stays).await, "client {number}");
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for swap in 0..swaps {
        let new = broker.authority.certify(&format!("swap-{swap}"), Kind::Server);
        let text = pem(&new);
        if swap % 2 == 1 {
            let bad = [text.get(..text.len() / 3).unwrap(), "", new.key.as_str()][swap / 2 % 3];
            write(folder.path(), "broker.pem", bad);
            renew(&broker).await.unwrap_err();
        }
        write(folder.path(), "new", &text);
        std::fs::rename(folder.path().join("new"), folder.path().join("broker.pem")).unwrap();
        // The poll may have been faster.
        renew(&broker).await.unwrap();
        assert_eq!(shown(&broker).await, serial_of(&new));
    }
    ended.store(true, Ordering::Relaxed);
    tasks.drain(crate::testing::SOON).await;
    assert_eq!(tasks.panics(), 0);
    assert!(served.load(Ordering::Relaxed) > swaps, "clients were there meanwhile");
}
