//! Files that a run makes, keeps and renews, judged by OpenSSL, Java and rustls.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use security::Secret;
use security::stores::read_pkcs12;

use super::*;

fn arguments(folder: &Path, hosts: &[&str], clients: &[&str]) -> DevArguments {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    DevArguments { folder: folder.to_owned(), hosts: owned(hosts), clients: owned(clients) }
}

fn made(folder: &Path, hosts: &[&str], clients: &[&str]) -> String {
    run(&arguments(folder, hosts, clients)).unwrap()
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The output of a tool; `None` if it is not installed.
fn output(program: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

#[test]
fn files_with_keys_are_closed_to_others() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/tls");
    made(&folder, &[], &["alice"]);
    assert_eq!(mode(&folder), 0o700);
    for name in ["ca.key", "password", "server.pem", "server.p12", "clients/alice.pem", "clients/alice.p12"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
    for name in ["ca.pem", "client.properties", "server.properties", "clients.md", "truststore.p12"] {
        assert_eq!(mode(&folder.join(name)), 0o644, "{name}");
        let (text, password) = (std::fs::read(folder.join(name)).unwrap(), read(&folder, "password"));
        assert!(!text.windows(password.len()).any(|window| window == password.as_bytes()), "{name}");
    }
}

#[test]
fn a_second_run_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &["kafka.example.org"], &[]);
    let all = ["ca.pem", "ca.key", "server.pem", "clients/client.pem", "password"];
    let before = all.map(|name| read(folder.path(), name));
    let report = made(folder.path(), &["kafka.example.org"], &[]);
    assert_eq!(all.map(|name| read(folder.path(), name)), before);
    assert!(report.contains("kept server.pem, which is valid for 39"), "{report}");
    assert!(!report.contains("made") && !report.contains("renewed"), "{report}");
    // A further client leaves the others as they are, and the operator's changes too.
    std::fs::write(folder.path().join("server.properties"), "mine").unwrap();
    let report = made(folder.path(), &[], &["bob"]);
    assert!(
        report.contains("made clients/bob.pem") && report.contains("kept clients/client.pem"),
        "{report}"
    );
    assert_eq!(all.map(|name| read(folder.path(), name)), before);
    assert_eq!(read(folder.path(), "server.properties"), "mine");
}

#[test]
fn a_missing_name_renews_the_server_alone() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &["first.example.org"], &[]);
    let before = ["ca.pem", "server.pem", "clients/client.pem"].map(|name| read(folder.path(), name));
    let report = made(folder.path(), &["10.1.2.3"], &[]);
    assert!(report.contains("renewed server.pem") && report.contains("first.example.org"), "{report}");
    let after = ["ca.pem", "server.pem", "clients/client.pem"].map(|name| read(folder.path(), name));
    assert_eq!((&after[0], &after[2]), (&before[0], &before[2]));
    assert_ne!(after[1], before[1]);
    assert!(read(folder.path(), "server.pem").contains("PRIVATE KEY"));
}

#[test]
fn names_that_were_given_stay_until_their_line_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &["kafka.example.org", "10.1.2.3"], &[]);
    let report = made(folder.path(), &[], &["bob"]);
    assert!(report.contains("kept server.pem"), "{report}");
    let anew = || {
        std::fs::remove_file(folder.path().join("server.pem")).unwrap();
        made(folder.path(), &[], &[])
    };
    let report = anew();
    assert!(report.contains("kafka.example.org") && report.contains("10.1.2.3"), "{report}");
    let hosts = read(folder.path(), "hosts").replace("10.1.2.3\n", "# mine\n");
    std::fs::write(folder.path().join("hosts"), hosts).unwrap();
    let report = anew();
    assert!(report.contains("kafka.example.org") && !report.contains("10.1.2.3"), "{report}");
    made(folder.path(), &["kafka.example.org", "second.example.org"], &[]);
    let hosts = read(folder.path(), "hosts");
    assert!(hosts.ends_with("\nkafka.example.org\n# mine\nsecond.example.org\n"), "{hosts}");
    std::fs::write(folder.path().join("hosts"), "a.example.org\na:9092\n").unwrap();
    let error = run(&arguments(folder.path(), &[], &[])).unwrap_err().to_string();
    assert!(error.contains("hosts line 2: \"a:9092\""), "{error}");
}

/// A laptop that moves from one network to another and back.
#[test]
fn a_certificate_is_for_the_addresses_of_now() {
    let folder = tempfile::tempdir().unwrap();
    let at = |addresses: &[&str]| {
        let names: Vec<AlternativeName> =
            ["localhost"].iter().chain(addresses).map(|name| names::parse(name).unwrap()).collect();
        let folder = Folder::open(folder.path()).unwrap();
        Set { folder, now: 1_800_000_000, report: Vec::new() }.make(&names, &["a".to_owned()]).unwrap()
    };
    let (home, office, bridge) = ("192.0.2.7", "198.51.100.7", "172.17.0.1");
    at(&[home, bridge]);
    // Without a network nothing is made anew.
    assert!(at(&[]).contains("kept server.pem"));
    let report = at(&[office, bridge]);
    assert!(report.contains("renewed server.pem"), "{report}");
    assert!(report.contains("  for localhost, 198.51.100.7, 172.17.0.1\n"), "{report}");
    assert!(report.contains("  no longer for 192.0.2.7:"), "{report}");
    assert!(at(&[home]).contains("no longer for 198.51.100.7, 172.17.0.1:"));
}

#[test]
fn certificates_are_renewed_thirty_days_before_they_expire() {
    let folder = tempfile::tempdir().unwrap();
    let names = [AlternativeName::Dns("localhost".to_owned())];
    let at = |now: i64| {
        let folder = Folder::open(folder.path()).unwrap();
        Set { folder, now, report: Vec::new() }.make(&names, &["a".to_owned()])
    };
    let begin = 1_800_000_000;
    at(begin).unwrap();
    let report = at(begin + 366 * DAY_SECONDS).unwrap();
    assert!(report.contains("kept server.pem, which is valid for 31 days"), "{report}");
    let report = at(begin + 368 * DAY_SECONDS).unwrap();
    assert!(report.contains("renewed server.pem") && report.contains("renewed clients/a.pem"), "{report}");
    assert!(report.contains("kept ca.pem"), "{report}");
    // No certificate outlives its authority, which is never overwritten.
    let report = at(begin + 3500 * DAY_SECONDS).unwrap();
    assert!(report.contains("renewed server.pem"), "{report}");
    let authority = read(folder.path(), "ca.pem");
    let error = at(begin + 3630 * DAY_SECONDS).unwrap_err().to_string();
    assert!(error.contains("never overwritten"), "{error}");
    assert_eq!(read(folder.path(), "ca.pem"), authority);
}

#[test]
fn half_an_authority_and_that_of_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &[], &[]);
    let (certificate, key) = (read(folder.path(), "ca.pem"), read(folder.path(), "ca.key"));
    let fails = |expected: &str| {
        let error = run(&arguments(folder.path(), &[], &[])).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    std::fs::remove_file(folder.path().join("ca.key")).unwrap();
    fails("ca.pem has no ca.key beside it");
    let other = tempfile::tempdir().unwrap();
    made(other.path(), &[], &[]);
    std::fs::write(folder.path().join("ca.key"), read(other.path(), "ca.key")).unwrap();
    fails("is that of another certificate");
    std::fs::remove_file(folder.path().join("ca.pem")).unwrap();
    fails("ca.key has no ca.pem beside it");
    std::fs::write(folder.path().join("ca.pem"), read(folder.path(), "server.pem")).unwrap();
    fails("ca.pem: ");
    assert_eq!(read(folder.path(), "ca.key"), read(other.path(), "ca.key"), "nothing was written");
    std::fs::write(folder.path().join("ca.pem"), certificate).unwrap();
    std::fs::write(folder.path().join("ca.key"), key).unwrap();
    made(folder.path(), &[], &[]);
}

#[test]
fn arguments_without_sense_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (hosts, clients, expected) in [
        (&["a b"][..], &[][..], "--host \"a b\""),
        (&[], &["../x"], "--client \"../x\""),
        (&[], &[""], "--client \"\""),
    ] {
        let error = run(&arguments(folder.path(), hosts, clients)).unwrap_err();
        assert!(error.to_string().contains(expected) && error.exit_code() == 2, "{error}");
    }
}

#[test]
fn openssl_accepts_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &["kafka.example.org"], &["alice"]);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (ca, server, alice) = (path("ca.pem"), path("server.pem"), path("clients/alice.pem"));
    let Some((_, version)) = output("openssl", &["version"]) else {
        eprintln!("skipped: openssl is not installed");
        return;
    };
    for arguments in [
        vec![
            "verify",
            "-x509_strict",
            "-CAfile",
            &ca,
            "-purpose",
            "sslserver",
            "-verify_hostname",
            "kafka.example.org",
            &server,
        ],
        vec!["verify", "-x509_strict", "-CAfile", &ca, "-purpose", "sslserver", "-verify_ip", "::1", &server],
        vec!["verify", "-x509_strict", "-CAfile", &ca, "-purpose", "sslclient", &alice],
    ] {
        let (good, text) = output("openssl", &arguments).unwrap();
        assert!(good, "{version}: {arguments:?}: {text}");
    }
    let wrong = ["verify", "-CAfile", &ca, "-purpose", "sslserver", &alice];
    assert!(!output("openssl", &wrong).unwrap().0, "a client is no server");
    let password = format!("file:{}", path("password"));
    for store in ["server.p12", "clients/alice.p12", "truststore.p12"] {
        let store = path(store);
        let arguments = ["pkcs12", "-in", &store, "-passin", &password, "-nodes", "-info"];
        let (good, text) = output("openssl", &arguments).unwrap();
        assert!(good && text.contains("BEGIN CERTIFICATE"), "{store}: {text}");
    }
}

#[test]
fn keytool_reads_the_stores() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &[], &["alice"]);
    let password = read(folder.path(), "password");
    for (store, expected) in [
        ("server.p12", "PrivateKeyEntry"),
        ("clients/alice.p12", "PrivateKeyEntry"),
        ("truststore.p12", "trustedCertEntry"),
    ] {
        let path = folder.path().join(store);
        let arguments =
            ["-list", "-keystore", path.to_str().unwrap(), "-storetype", "PKCS12", "-storepass", &password];
        let Some((good, text)) = output("keytool", &arguments) else {
            eprintln!("skipped: keytool is not installed");
            return;
        };
        assert!(good && text.contains(expected), "{store}: {text}");
    }
}

/// Certificate and key, as both sides of a handshake need them.
fn identity(
    text: &str,
) -> (Vec<rustls::pki_types::CertificateDer<'static>>, rustls::pki_types::PrivateKeyDer<'static>) {
    use rustls::pki_types::pem::PemObject as _;
    let certificate = rustls::pki_types::CertificateDer::from_pem_slice(text.as_bytes()).unwrap();
    (vec![certificate], rustls::pki_types::PrivateKeyDer::from_pem_slice(text.as_bytes()).unwrap())
}

#[test]
fn rustls_completes_a_handshake_with_a_client_certificate() {
    use rustls::pki_types::pem::PemObject as _;
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &[], &["alice"]);
    let mut roots = rustls::RootCertStore::empty();
    let ca = read(folder.path(), "ca.pem");
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let (chain, key) = identity(&read(folder.path(), "server.pem"));
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(roots.clone().into(), provider.clone());
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    let (chain, key) = identity(&read(folder.path(), "clients/alice.pem"));
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    let client = std::sync::Arc::new(client);
    let server = std::sync::Arc::new(server);
    for (name, expected) in [
        ("localhost", true),
        ("127.0.0.1", true),
        ("host.docker.internal", true),
        ("other.example.org", false),
    ] {
        let mut client =
            rustls::ClientConnection::new(client.clone(), name.to_owned().try_into().unwrap()).unwrap();
        let mut server = rustls::ServerConnection::new(server.clone()).unwrap();
        let mut good = true;
        while good && (client.is_handshaking() || server.is_handshaking()) {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).unwrap();
            let _ = server.read_tls(&mut bytes.as_slice()).unwrap();
            good &= server.process_new_packets().is_ok();
            let mut bytes = Vec::new();
            server.write_tls(&mut bytes).unwrap();
            let _ = client.read_tls(&mut bytes.as_slice()).unwrap();
            good &= client.process_new_packets().is_ok();
        }
        assert_eq!(good, expected, "{name}");
    }
}

#[test]
fn a_lost_password_renews_the_stores() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &[], &["alice"]);
    let before = read(folder.path(), "ca.pem");
    std::fs::remove_file(folder.path().join("password")).unwrap();
    made(folder.path(), &[], &[]);
    assert_eq!(read(folder.path(), "ca.pem"), before);
    for store in ["server.p12", "clients/alice.p12", "truststore.p12"] {
        let bytes = std::fs::read(folder.path().join(store)).unwrap();
        read_pkcs12(&bytes, Some(&Secret::new(read(folder.path(), "password"))), None).unwrap();
    }
}
