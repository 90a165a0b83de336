//! Servers with certificates that a broker would not start with, or that no test broker has. The others are whole processes
//! (`tests/tests/broker/tools.rs`).

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream as TlsStream};

use super::*;
use crate::tls_dev::certified_for_tests;

/// Words of the doctor about an address, with these keys of a client.
fn said(address: SocketAddr, keys: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("client.properties");
    std::fs::write(&file, format!("request.timeout.ms=20000\n{keys}")).unwrap();
    let address = Address { host: "localhost".to_owned(), port: address.port() };
    let arguments =
        DoctorArguments { topic: Vec::new(), target: Target::of(address, file), output: Format::Table };
    let outcome = run(&arguments).unwrap();
    (outcome.is_good, outcome.text)
}

/// Runs the doctor against a server that handles its connections by `serve`.
fn beside(serve: impl Fn(std::net::TcpStream) + Sync, keys: &str) -> (bool, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::scope(|scope| {
        let server = scope.spawn(|| {
            // Until a connection that sends a single byte, which is the last.
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let mut first = [0; 1];
                // A connection that sends nothing is no client's.
                if matches!(stream.peek(&mut first), Ok(1)) {
                    if first == *b"!" {
                        break;
                    }
                    serve(stream);
                }
            }
        });
        let said = said(address, keys);
        std::net::TcpStream::connect(address).unwrap().write_all(b"!").unwrap();
        server.join().unwrap();
        said
    })
}

/// A TLS server with a certificate for these names, made at that time, which closes after the handshake.
fn with_certificate(names: &[&str], at: i64, keys: &str) -> (bool, String) {
    let (ca, own) = certified_for_tests(names, at);
    let own = own.expose();
    let chain = vec![CertificateDer::from_pem_slice(own).unwrap()];
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_slice(own).unwrap())
        .unwrap();
    let config = Arc::new(config);
    let ca = ca.replace('\n', "\\n");
    beside(
        |mut socket| {
            let mut session = ServerConnection::new(Arc::clone(&config)).unwrap();
            // Up to the client's first request, or its alert.
            let _ = TlsStream::new(&mut session, &mut socket).read(&mut [0; 16]);
        },
        &format!("security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.certificates={ca}\n{keys}"),
    )
}

fn now() -> i64 {
    clock::since_1970().as_secs().cast_signed()
}

#[test]
fn a_name_that_the_certificate_lacks_is_told() {
    let (good, text) = with_certificate(&["kafka.example.org", "10.1.2.3"], now(), "");
    assert!(
        !good && text.contains("localhost is not among its names (kafka.example.org, 10.1.2.3)"),
        "{text}"
    );
    let off = "ssl.endpoint.identification.algorithm=\n";
    let (_, text) = with_certificate(&["kafka.example.org"], now(), off);
    assert!(text.contains("the certificate is trusted"), "{text}");
    // Nothing else is switched off with it.
    let (good, text) = with_certificate(&["kafka.example.org"], now() - 500 * 86_400, off);
    assert!(!good && text.contains("it has expired"), "{text}");
}

#[test]
fn an_expired_certificate_is_told() {
    let (good, text) = with_certificate(&["localhost"], now() - 500 * 86_400, "");
    assert!(!good && text.contains("it has expired 103 days ago"), "{text}");
    let (_, text) = with_certificate(&["localhost"], now() - 380 * 86_400, "");
    assert!(text.contains("note  TLS") && text.contains("expires in 1"), "{text}");
    let (good, text) = with_certificate(&["localhost"], now() + 10 * 86_400, "");
    assert!(!good && text.contains("not valid yet"), "{text}");
}

#[test]
fn other_services_are_told_apart() {
    let (good, text) = beside(
        |mut socket| {
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = socket.read(&mut [0; 64]);
        },
        "",
    );
    assert!(!good && text.contains("it answered by HTTP"), "{text}");
    // As Apache Kafka answers on a port of TLS: an alert.
    let (good, text) = beside(
        |mut socket| {
            let _ = socket.read(&mut [0; 64]);
            let _ = socket.write_all(&[0x15, 3, 3, 0, 2, 2, 80]);
        },
        "",
    );
    assert!(!good && text.contains("speaks TLS: set security.protocol=SSL"), "{text}");
}

#[test]
fn a_port_that_is_none_is_told() {
    let settings = Settings {
        client_id: "c".to_owned(),
        timeout: std::time::Duration::from_secs(1),
        tls: None,
        login: None,
    };
    for port in [0, -1, 70_000] {
        let broker = codec::messages::metadata_response::MetadataResponseBroker::default()
            .with_host(codec::messages::StrBytes::from_static_str("kafka.example.org"))
            .with_port(port);
        let metadata = MetadataResponse::default().with_brokers(vec![broker]);
        let mut report = Report::default();
        dial_advertised(&mut report, &metadata, &[], &settings);
        let text = report.outcome(Format::Table).text;
        assert!(text.contains(&format!("{port} is no port")), "{text}");
    }
}
