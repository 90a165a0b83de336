//! Every mistake stops the start, with its key; no text of a key or a password is shown.

mod http;

use std::path::Path;

use crate::config::{BrokerConfig, ClientAuth, Loaded, Sources, load};
use crate::testing::tls::{Authority, Certified, Kind};

const LISTENER: [(&str, &str); 2] =
    [("listeners", "SAFE://127.0.0.1:9093"), ("listener.security.protocol.map", "SAFE:SSL")];

struct Made {
    authority: Authority,
    own: Certified,
}

fn made() -> Made {
    let authority = Authority::new("tests");
    let own = authority.certify("broker", Kind::Server);
    Made { authority, own }
}

/// The notes, or the problems.
fn texts(pairs: &[(&str, &str)]) -> Result<String, String> {
    let overrides = LISTENER.iter().chain(pairs).map(|(key, value)| format!("{key}={value}")).collect();
    match load(&Sources { overrides, ..Sources::default() }) {
        Ok(Loaded { notes, .. }) => Ok(notes.iter().map(|note| format!("{}\n", note.text)).collect()),
        Err(error) => Err(error.to_string()),
    }
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_listener_has_what_its_keys_say() {
    let Made { authority, own } = made();
    let folder = tempfile::tempdir().unwrap();
    let keystore = write(folder.path(), "broker.pem", &(own.key.clone() + &own.certificate));
    let truststore = write(folder.path(), "ca.pem", &authority.pem);
    for (auth, expected) in
        [("none", ClientAuth::None), ("requested", ClientAuth::Requested), ("required", ClientAuth::Required)]
    {
        let pairs = [
            LISTENER[0],
            LISTENER[1],
            // The narrowest counts: the one for all listeners names no file.
            ("ssl.keystore.location", "/nowhere"),
            ("listener.name.safe.ssl.keystore.location", keystore.as_str()),
            ("listener.name.safe.ssl.truststore.location", truststore.as_str()),
            ("listener.name.safe.ssl.client.auth", auth),
            ("ssl.cipher.suites", "TLS_AES_256_GCM_SHA384"),
        ];
        let config = BrokerConfig::from_pairs(&pairs).unwrap();
        let tls = config.start().tls(&config.listeners()[0]).unwrap();
        assert_eq!(tls.client_auth, expected);
        assert_eq!(tls.server.crypto_provider().cipher_suites.len(), 1);
        assert!(!format!("{config:?}").contains(own.key.lines().nth(1).unwrap()), "the key is shown");
    }
}

#[test]
fn a_relative_path_begins_at_the_configuration_file() {
    let Made { own, .. } = made();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "broker.pem", &(own.certificate.clone() + &own.key));
    let properties = "listeners=SAFE://127.0.0.1:9093\nlistener.security.protocol.map=SAFE:SSL\n\
                      ssl.keystore.type=PEM\nssl.keystore.location=broker.pem\n";
    let file = write(folder.path(), "server.properties", properties);
    load(&Sources { file: Some(file.into()), ..Sources::default() }).unwrap();
}

#[test]
fn a_key_that_everybody_can_read_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let Made { own, .. } = made();
    let folder = tempfile::tempdir().unwrap();
    let keystore = write(folder.path(), "broker.pem", &(own.certificate + &own.key));
    let pair = ("ssl.keystore.location", keystore.as_str());
    assert!(!texts(&[pair]).unwrap().contains("can read"));
    std::fs::set_permissions(&keystore, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(texts(&[pair]).unwrap().contains("ssl.keystore.location: every user of this machine can read"));
}

#[test]
fn every_mistake_of_a_store_stops_the_start() {
    let Made { authority, own } = made();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| write(folder.path(), name, text);
    let good = file("good.pem", &(own.certificate.clone() + &own.key));
    let other = authority.certify("other", Kind::Server);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAEC\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let traditional =
        "-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: AES-256-CBC\n\nAAEC\n-----END RSA PRIVATE KEY-----\n";
    let (cert, key, location) = (&own.certificate, &own.key, "ssl.keystore.location");
    let cases = [
        (location, "/nowhere/broker.pem".to_owned(), "/nowhere/broker.pem cannot be read"),
        (location, folder.path().to_str().unwrap().to_owned(), "is no file"),
        (location, file("empty", ""), "is not PEM"),
        (location, file("cert", cert), "no private key"),
        (location, file("key", key), "no certificate"),
        (location, file("two", &format!("{cert}{key}{key}")), "it has 2 private keys"),
        (location, file("mixed", &format!("{cert}{}", other.key)), "not that of the first certificate"),
        (
            location,
            file("encrypted", &format!("{cert}{encrypted}")),
            "the private key is encrypted; set ssl.key.password",
        ),
        (
            location,
            file("traditional", &format!("{cert}{traditional}")),
            "`openssl pkcs8 -topk8 -in KEY -out NEW`",
        ),
        (location, file("half", cert.get(..cert.len() / 2).unwrap()), "section 1 has no END line"),
        (
            location,
            file("crl", &format!("{cert}{key}{}", encrypted.replace("ENCRYPTED PRIVATE KEY", "X509 CRL"))),
            "X509 CRL",
        ),
        (location, file("jks", "\u{fe}"), "is not PEM"),
        (
            location,
            file("trusted", &format!("{key}{}", cert.replace("CERTIFICATE", "TRUSTED CERTIFICATE"))),
            "certificate 1 cannot be used: it is a TRUSTED CERTIFICATE of OpenSSL",
        ),
    ];
    for (key_name, value, expected) in &cases {
        let text = texts(&[(key_name, value)]).unwrap_err();
        assert!(text.contains(expected) && text.contains(key_name), "{text}");
        assert!(!text.contains(key.lines().nth(1).unwrap()), "the key is shown");
    }
    for (bytes, expected) in [
        (&[0xfe_u8, 0xed, 0xfe, 0xed, 0][..], "keytool -importkeystore"),
        (&[0x30, 0x82], "it is no PKCS12 store, or it is damaged"),
    ] {
        std::fs::write(folder.path().join("store"), bytes).unwrap();
        let store = folder.path().join("store");
        let text = texts(&[(location, store.to_str().unwrap())]).unwrap_err();
        assert!(text.contains(expected), "{text}");
        let text =
            texts(&[(location, &good), ("ssl.truststore.location", store.to_str().unwrap())]).unwrap_err();
        assert!(text.contains(expected) && text.contains("ssl.truststore.location"), "{text}");
    }
    assert!(texts(&[]).unwrap_err().contains("ssl.keystore.location: it is missing"));
    let trusted = file("trusted.pem", &authority.pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE"));
    let text = texts(&[(location, &good), ("ssl.truststore.location", &trusted)]).unwrap_err();
    assert!(text.contains("it is a TRUSTED CERTIFICATE of OpenSSL"), "{text}");
}

/// The stores and the password of the `security` crate's own tests.
const STORE: &[u8] = include_bytes!("../../../../security/src/stores/golden/openssl.p12");
const OF_AUTHORITIES: &[u8] = include_bytes!("../../../../security/src/stores/golden/trust.p12");
const CERTIFICATE: &[u8] = include_bytes!("../../../../security/src/stores/golden/broker.der");
const ENCRYPTED: &[u8] = include_bytes!("../../../../security/src/stores/golden/aes256.k8");
const PASSWORD: &str = "ž, =geheim";
const OF_TRUSTSTORE: &str = "geheim, =1";

fn write_bytes(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = write(folder, name, "");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn stores_of_pkcs12_are_read_whatever_their_type_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let keystore = write_bytes(folder.path(), "broker.jks", STORE);
    let truststore = write_bytes(folder.path(), "clients.jks", OF_AUTHORITIES);
    let good = [
        LISTENER[0],
        LISTENER[1],
        ("ssl.keystore.location", keystore.as_str()),
        ("ssl.keystore.password", PASSWORD),
        ("ssl.truststore.location", truststore.as_str()),
        ("ssl.truststore.password", OF_TRUSTSTORE),
        ("ssl.client.auth", "required"),
    ];
    for kind in ["JKS", "PKCS12", "PEM"] {
        let pairs = [&good[..], &[("ssl.keystore.type", kind), ("ssl.truststore.type", kind)]].concat();
        let config = BrokerConfig::from_pairs(&pairs).unwrap();
        assert!(config.start().tls(&config.listeners()[0]).is_some());
    }
    for (pair, expected) in [
        (("ssl.keystore.password", "hunter2"), "ssl.keystore.password: the password is wrong"),
        (("ssl.keystore.password", ""), "ssl.keystore.location is encrypted; set its password"),
        (("ssl.key.password", "hunter2"), "this password or that of ssl.key.password is wrong"),
        (("ssl.truststore.password", "hunter2"), "ssl.truststore.password: the password is wrong"),
        (("ssl.truststore.password", ""), "ssl.truststore.location is encrypted; set its password"),
        (("ssl.keystore.location", truststore.as_str()), "the password is wrong"),
    ] {
        let text = texts(&[&good[2..], &[pair]].concat()).unwrap_err();
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("geheim"), "{text}");
    }
    let swapped = [("ssl.keystore.location", truststore.as_str()), ("ssl.keystore.password", OF_TRUSTSTORE)];
    assert!(texts(&swapped).unwrap_err().contains("it has no private key"));
    let doubled = [("ssl.truststore.location", keystore.as_str()), ("ssl.truststore.password", PASSWORD)];
    let text = texts(&[&good[2..4], &good[6..], &doubled].concat()).unwrap_err();
    assert!(text.contains("it has a private key, so it is a keystore"), "{text}");
}

#[test]
fn an_encrypted_key_takes_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let pem = section("CERTIFICATE", CERTIFICATE) + &section("ENCRYPTED PRIVATE KEY", ENCRYPTED);
    let keystore = write(folder.path(), "broker.pem", &pem);
    let with =
        |password| texts(&[("ssl.keystore.location", keystore.as_str()), ("ssl.key.password", password)]);
    with(PASSWORD).unwrap();
    let text = with("hunter2").unwrap_err();
    assert!(text.contains("ssl.key.password: the password is wrong") && !text.contains("hunter2"), "{text}");
    assert!(with("").unwrap_err().contains("the private key is encrypted; set ssl.key.password"));
}

fn section(label: &str, bytes: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", base64(bytes))
}

/// Without line ends, which the reader does not need.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number =
            chunk.iter().chain(&[0, 0]).take(3).fold(0_usize, |all, byte| all << 8 | usize::from(*byte));
        for digit in 0..4 {
            let filled = digit <= chunk.len();
            text.push(if filled { char::from(DIGITS[number >> (18 - 6 * digit) & 63]) } else { '=' });
        }
    }
    text
}

#[test]
fn every_mistake_of_another_key_stops_the_start() {
    let Made { own, .. } = made();
    let folder = tempfile::tempdir().unwrap();
    let good = write(folder.path(), "good.pem", &(own.certificate.clone() + &own.key));
    let keystore = ("ssl.keystore.location", good.as_str());
    texts(&[keystore]).unwrap();
    for (pair, expected) in [
        (("ssl.keystore.type", "BKS"), "BKS is no type of a store"),
        (("ssl.keystore.password", "hunter2"), "a store of PEM has no password"),
        (("ssl.key.password", "hunter2"), "the private key is not encrypted"),
        (("ssl.client.auth", "required"), "set ssl.truststore.location"),
        (("ssl.client.auth", "requested"), "set ssl.truststore.location"),
        (("listener.name.safe.ssl.client.auth", "Required"), "String must be one of"),
        (("ssl.client.auth", "yes"), "String must be one of"),
        (("ssl.enabled.protocols", "TLSv1.3,TLSv1.1"), "TLSv1.1 is not served; served are TLSv1.2, TLSv1.3"),
        (("ssl.enabled.protocols", ""), "no version is named"),
        (("ssl.protocol", "SSLv3"), "SSLv3 is not served"),
        (("ssl.cipher.suites", "TLS_RSA_WITH_AES_128_CBC_SHA"), "served are TLS_AES_256_GCM_SHA384, "),
        (("ssl.principal.mapping.rules", "RULE:a/b"), "rule 1 is neither DEFAULT nor RULE"),
        (("ssl.keystore.certificate.chain", "x"), "is set as well"),
        (("ssl.engine.factory.class", "com.example.Factory"), "names a Java class"),
        (("listener.name.safe.ssl.engine.factory.class", "com.example.Factory"), "names a Java class"),
        (("principal.builder.class", "com.example.Builder"), "names a Java class"),
        (("ssl.keystore.filename", "broker.jks"), "as a variable of the environment alone"),
        (("ssl.truststore.location", good.as_str()), "it is not one of an authority"),
    ] {
        let found = texts(&[keystore, pair]);
        let text = found.unwrap_err();
        assert!(text.contains(expected) && text.contains(pair.0), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    let inline = [
        ("ssl.keystore.key", own.key.as_str()),
        ("ssl.keystore.certificate.chain", own.certificate.as_str()),
    ];
    assert!(texts(&inline).unwrap_err().contains("ssl.keystore.type"), "only with the type PEM, as in Kafka");
    let text = texts(&[("ssl.keystore.type", "PEM"), inline[0]]).unwrap_err();
    assert!(text.contains("ssl.keystore.certificate.chain: it is missing"), "{text}");
    let suites =
        [keystore, ("ssl.cipher.suites", "TLS_AES_128_GCM_SHA256"), ("ssl.enabled.protocols", "TLSv1.2")];
    assert!(texts(&suites).unwrap_err().contains("none of the suites is of a version"));
    let no_authority =
        [keystore, ("ssl.truststore.type", "PEM"), ("ssl.truststore.certificates", own.key.as_str())];
    assert!(texts(&no_authority).unwrap_err().contains("it has no certificate"));
    // In one line, as a properties file may have it.
    let one_line = own.certificate.replace('\n', " ");
    texts(&[("ssl.keystore.type", "PEM"), inline[0], ("ssl.keystore.certificate.chain", &one_line)]).unwrap();
}

#[test]
fn keys_of_tls_are_ignored_where_the_listener_has_none() {
    let map = ("listener.security.protocol.map", "SAFE:PLAINTEXT");
    let notes = texts(&[map, ("listener.name.safe.ssl.client.auth", "required")]).unwrap();
    assert!(notes.contains("as the listener is PLAINTEXT"), "{notes}");
    let notes = texts(&[map, ("ssl.client.auth", "required"), ("ssl.keystore.filename", "x")]).unwrap();
    let line = "ignored, as no listener is one of SSL or SASL_SSL: ssl.client.auth, ssl.keystore.filename";
    assert!(notes.contains(line), "{notes}");
}
