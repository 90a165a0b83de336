//! Authorities and certificates, a broker that has one, and clients that speak TLS.

pub(crate) mod by_hand;

use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, SupportedCipherSuite};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::testing::{Client, Running};

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub(crate) pem: String,
}

/// A certificate with its key, as PEM.
#[derive(Clone)]
pub(crate) struct Certified {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The purpose and the dates of a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Server,
    ExpiredServer,
    EarlyServer,
    Client,
    /// A client's, until that Unix time in seconds.
    ClientUntil(i64),
    ExpiredClient,
    EarlyClient,
    /// A client's, of an authority that signs others.
    AuthorityAsClient,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// An authority between this one and certificates.
    pub(crate) fn subordinate(&self, name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A list of certificates that it revoked, as PEM, out of date after that year.
    pub(crate) fn revokes(&self, revoked: &[&Certified], until: i32) -> String {
        self.list(revoked, [2020, until])
    }

    /// The same of a list that was made in that year.
    pub(crate) fn revoked_in(&self, year: i32, revoked: &[&Certified]) -> String {
        self.list(revoked, [year, 2999])
    }

    fn list(&self, revoked: &[&Certified], [made, until]: [i32; 2]) -> String {
        let serial = |certified: &&Certified| {
            let der = CertificateDer::from_pem_slice(certified.certificate.as_bytes()).unwrap();
            SerialNumber::from_slice(security::certificate::facts(&der).unwrap().serial)
        };
        let revoked = revoked.iter().map(|certified| RevokedCertParams {
            serial_number: serial(certified),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(made, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// A certificate for that name in the organisation `shop`; of a server for `localhost` and `127.0.0.1`.
    pub(crate) fn certify(&self, name: &str, kind: Kind) -> Certified {
        let names = if matches!(kind, Kind::Server | Kind::ExpiredServer | Kind::EarlyServer) {
            vec!["localhost".to_owned(), "127.0.0.1".to_owned()]
        } else {
            vec![]
        };
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "shop");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![match kind {
            Kind::Server | Kind::ExpiredServer | Kind::EarlyServer => ExtendedKeyUsagePurpose::ServerAuth,
            _ => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        match kind {
            Kind::ExpiredClient | Kind::ExpiredServer => params.not_after = date_time_ymd(2020, 1, 1),
            Kind::ClientUntil(seconds) => {
                let since = std::time::Duration::from_secs(seconds.try_into().unwrap());
                params.not_after = date_time_ymd(1970, 1, 1) + since;
            }
            Kind::EarlyClient | Kind::EarlyServer => params.not_before = date_time_ymd(2999, 1, 1),
            Kind::AuthorityAsClient => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
            Kind::Server | Kind::Client => {}
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Certified { certificate, key: key.serialize_pem() }
    }
}

/// A broker whose first listener speaks TLS, with the authority of its certificate and of its clients' certificates.
pub(crate) struct TlsBroker {
    pub(crate) running: Running,
    pub(crate) authority: Authority,
}

impl TlsBroker {
    /// With these keys besides those of its certificate.
    pub(crate) async fn start(more: &[(&str, &str)]) -> Self {
        let authority = Authority::new("tests");
        let own = authority.certify("broker", Kind::Server);
        let pairs = [
            ("listeners", "SAFE://127.0.0.1:0"),
            ("listener.security.protocol.map", "SAFE:SSL"),
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.key", own.key.as_str()),
            ("ssl.keystore.certificate.chain", own.certificate.as_str()),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.certificates", authority.pem.as_str()),
        ];
        let running = Running::start(&[&pairs, more].concat()).await.unwrap();
        Self { running, authority }
    }

    pub(crate) async fn create_topic(&self, name: String) {
        self.running.create_topic(crate::services::admin::wanted::WantedTopic::with_defaults(name)).await;
    }

    /// With these files of keystore, truststore and revocation lists, of which the last two may be left out.
    pub(crate) async fn of_files(authority: Authority, folder: &Path, more: &[(&str, &str)]) -> Self {
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let own = path("broker.pem");
        let files = ["clients.pem", "revoked.pem"].map(path);
        let keys = ["ssl.truststore.location", "ottla.ssl.crl.location"];
        let named = keys.into_iter().zip(files.iter().map(String::as_str));
        let named = named.filter(|(_, file)| Path::new(file).exists());
        let mut pairs = vec![
            ("listeners", "SAFE://127.0.0.1:0"),
            ("listener.security.protocol.map", "SAFE:SSL"),
            ("ssl.keystore.location", own.as_str()),
        ];
        pairs.extend(named);
        let running = Running::start(&[&pairs, more].concat()).await.unwrap();
        Self { running, authority }
    }

    /// A client that trusts the authority, with a certificate or without one.
    pub(crate) fn config(&self, certified: Option<&Certified>) -> ClientConfig {
        config(&self.authority.pem, certified, rustls::ALL_VERSIONS)
    }

    /// A connection after its handshake.
    pub(crate) async fn client(
        &self,
        certified: Option<&Certified>,
    ) -> std::io::Result<Client<TlsStream<TcpStream>>> {
        self.connect(self.config(certified)).await.map(Client::new)
    }

    pub(crate) async fn connect(&self, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.running.address).await?;
        connect_over(socket, config).await
    }
}

/// A handshake over that stream.
pub(crate) async fn connect_over<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    config: ClientConfig,
) -> std::io::Result<TlsStream<S>> {
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// A client that trusts one authority and speaks these versions.
pub(crate) fn config(
    authority: &str,
    certified: Option<&Certified>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    match certified {
        Some(certified) => {
            let key = PrivateKeyDer::from_pem_slice(certified.key.as_bytes()).unwrap();
            let key = ring::sign::any_supported_type(&key).unwrap();
            // Without the checks of `with_client_auth_cert`: some certificates here are bad on purpose.
            let certified = CertifiedKey::new(certificates(&certified.certificate), key);
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
        None => builder.with_no_client_auth(),
    }
}

/// A client without a certificate that speaks one suite.
pub(crate) fn config_of_suite(authority: &str, suite: SupportedCipherSuite) -> ClientConfig {
    let provider = CryptoProvider { cipher_suites: vec![suite], ..ring::default_provider() };
    let mut roots = RootCertStore::empty();
    roots.add(certificates(authority).remove(0)).unwrap();
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[suite.version()])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect()
}
