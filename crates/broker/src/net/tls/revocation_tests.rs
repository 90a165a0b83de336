//! Lists of revoked certificates that change while the broker runs.

use std::time::Duration;

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, UnixTime, pem::PemObject as _};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::renewal_tests::{gauge, pem, renew, write};
use super::tests::{is_let_in, said};
use crate::testing::Logged;
use crate::testing::tls::{Authority, Certified, Kind, TlsBroker, connect_over};

const YEAR: i32 = 2999;
/// The last year of a list that is out of date.
const PAST: i32 = 2021;

/// A broker, and the certificates of two clients, of whom the second one is revoked.
async fn broker(own: Kind) -> (TlsBroker, tempfile::TempDir, [Certified; 2]) {
    let (authority, folder) = (Authority::new("tests"), tempfile::tempdir().unwrap());
    write(folder.path(), "broker.pem", &pem(&authority.certify("broker", own)));
    write(folder.path(), "clients.pem", &authority.pem);
    let [alice, mallory] = ["alice", "mallory"].map(|name| authority.certify(name, Kind::Client));
    write(folder.path(), "revoked.pem", &authority.revokes(&[&mallory], YEAR));
    let broker = TlsBroker::of_files(authority, folder.path(), &[("ssl.client.auth", "requested")]).await;
    (broker, folder, [alice, mallory])
}

#[tokio::test]
async fn revoked_certificates_are_refused() {
    let (broker, folder, [alice, mallory]) = broker(Kind::Server).await;
    let logged = Logged::by_this_thread();
    assert!(is_let_in(&broker, Some(&alice)).await && is_let_in(&broker, None).await);
    assert!(!is_let_in(&broker, Some(&mallory)).await);
    said(&logged, "it is revoked").await;
    write(folder.path(), "revoked.pem", &broker.authority.revokes(&[&alice], YEAR));
    renew(&broker).await.unwrap();
    assert!(is_let_in(&broker, Some(&mallory)).await && !is_let_in(&broker, Some(&alice)).await);
    write(folder.path(), "revoked.pem", &broker.authority.pem);
    assert!(renew(&broker).await.unwrap_err().contains("it has no revocation list"));
    write(folder.path(), "revoked.pem", &Authority::new("other").revokes(&[], YEAR));
    renew(&broker).await.unwrap();
    assert!(!is_let_in(&broker, Some(&mallory)).await);
    said(&logged, "no list in ottla.ssl.crl.location is of its authority").await;
}

#[tokio::test]
async fn a_list_that_is_out_of_date_lets_nobody_in_and_replaces_no_good_one() {
    let (broker, folder, [alice, _]) = broker(Kind::Server).await;
    let until = gauge(&broker, "ottla_tls_crl_expiry_seconds");
    assert!(until > 3e10, "{until}");
    write(folder.path(), "revoked.pem", &broker.authority.revokes(&[], PAST));
    let error = renew(&broker).await.unwrap_err();
    assert!(error.contains("a list in ottla.ssl.crl.location is out of date"), "{error}");
    assert!(is_let_in(&broker, Some(&alice)).await, "by the list before it");
    let TlsBroker { running, authority } = broker;
    drop(running);
    let again = TlsBroker::of_files(authority, folder.path(), &[("ssl.client.auth", "required")]).await;
    let logged = Logged::by_this_thread();
    assert!(!is_let_in(&again, Some(&alice)).await);
    said(&logged, "is out of date").await;
}

/// Of two lists of one authority the newest counts, wherever it stands.
#[tokio::test]
async fn the_newest_list_of_an_authority_counts() {
    let (broker, folder, [alice, mallory]) = broker(Kind::Server).await;
    let [older, newer] = [(&mallory, 2020), (&alice, 2022)]
        .map(|(revoked, made)| broker.authority.revoked_in(made, &[revoked]));
    for lists in [older.clone() + &newer, newer + &older] {
        write(folder.path(), "revoked.pem", &lists);
        renew(&broker).await.unwrap();
        assert!(is_let_in(&broker, Some(&mallory)).await && !is_let_in(&broker, Some(&alice)).await);
    }
}

/// A thief with the key of a revoked certificate does not check the certificate of the broker.
#[tokio::test]
async fn an_expired_certificate_of_the_broker_keeps_no_list_out() {
    let (broker, folder, [alice, mallory]) = broker(Kind::ExpiredServer).await;
    write(folder.path(), "revoked.pem", &broker.authority.revokes(&[&alice, &mallory], YEAR));
    renew(&broker).await.unwrap();
    // A client of these tests would refuse the broker.
    let settings = broker.running.broker.services.logins.entrance("SAFE").tls.unwrap();
    let der = CertificateDer::from_pem_slice(alice.certificate.as_bytes()).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
    let judged = settings.verifier.as_ref().unwrap().verify_client_cert(&der, &[], now).map(drop);
    assert_eq!(judged, Err(rustls::Error::InvalidCertificate(CertificateError::Revoked)));
}

/// A client cannot keep the old files for itself by a handshake that it leaves open.
#[tokio::test]
async fn a_handshake_that_began_before_new_files_is_judged_by_them() {
    let (broker, folder, [alice, _]) = broker(Kind::Server).await;
    let logged = Logged::by_this_thread();
    let socket = TcpStream::connect(broker.running.address).await.unwrap();
    // The broker waits for its first bytes.
    tokio::time::sleep(Duration::from_millis(200)).await;
    write(folder.path(), "revoked.pem", &broker.authority.revokes(&[&alice], YEAR));
    renew(&broker).await.unwrap();
    let mut stream = connect_over(socket, broker.config(Some(&alice))).await.unwrap();
    assert!(stream.read_u32().await.is_err(), "it is closed");
    said(&logged, "it is revoked").await;
}
