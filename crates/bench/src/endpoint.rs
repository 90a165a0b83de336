//! The endpoint of a load: an address of a broker, spoken to in the clear or by TLS.
//!
//! Both brokers of a comparison get the same certificate, and the driver offers one suite and one group, so that both do the
//! same work.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

/// Sessions that a client keeps to resume them; a broker gives two at a time.
const SESSIONS: usize = 8;

/// The address of a listener, and how it is spoken to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endpoint {
    /// On loopback.
    pub(crate) address: SocketAddr,
    /// `None`: in the clear.
    pub(crate) tls: Option<&'static Tls>,
    /// Connections log in.
    pub(crate) login: bool,
}

impl Endpoint {
    /// An address that is spoken to in the clear.
    pub(crate) fn plain(address: SocketAddr) -> Endpoint {
        Endpoint { address, tls: None, login: false }
    }
}

/// The keys of one run of this program: an authority, a broker's certificate and a client's. P-256, on which Java and rustls agree.
#[derive(Debug)]
pub(crate) struct Tls {
    authority: String,
    /// Private key and certificate, as `ssl.keystore.type=PEM` wants them.
    broker: String,
    roots: RootCertStore,
    client: (CertificateDer<'static>, Vec<u8>),
    /// Of connections that resume nothing.
    config: Arc<ClientConfig>,
}

impl Tls {
    /// The keys of this process: made when they are first asked for.
    ///
    /// # Errors
    /// A certificate cannot be made.
    pub(crate) fn of_this_run() -> Result<&'static Tls> {
        static KEYS: OnceLock<Tls> = OnceLock::new();
        if let Some(keys) = KEYS.get() {
            return Ok(keys);
        }
        let made = Tls::make()?;
        Ok(KEYS.get_or_init(|| made))
    }

    fn make() -> Result<Tls> {
        let authority_key = KeyPair::generate()?;
        let mut params = named("bench authority")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&authority_key)?;
        let issuer = Issuer::new(params, authority_key);
        let broker_key = KeyPair::generate()?;
        let mut params = named("localhost")?;
        params.subject_alt_names = CertificateParams::new(vec!["localhost".to_owned()])?.subject_alt_names;
        let broker = params.signed_by(&broker_key, &issuer)?;
        let client_key = KeyPair::generate()?;
        let client = named("bench")?.signed_by(&client_key, &issuer)?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone())?;
        let client = (client.der().clone(), client_key.serialize_der());
        let config = Arc::new(config(&roots, &client, Resumption::disabled())?);
        let broker = format!("{}{}", broker_key.serialize_pem(), broker.pem());
        Ok(Tls { authority: authority.pem(), broker, roots, client, config })
    }

    /// Writes the broker's keystore and truststore into a folder; returns their paths.
    pub(crate) fn write_stores(&self, folder: &Path) -> Result<(PathBuf, PathBuf)> {
        let (keys, trusted) = (folder.join("broker.pem"), folder.join("authority.pem"));
        fs::write(&keys, &self.broker)?;
        fs::write(&trusted, &self.authority)?;
        Ok((keys, trusted))
    }

    /// Settings of connections that do a whole handshake each.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// Settings whose connections resume the sessions of those before.
    pub(crate) fn resuming(&self) -> Result<Arc<ClientConfig>> {
        Ok(Arc::new(config(&self.roots, &self.client, Resumption::in_memory_sessions(SESSIONS))?))
    }
}

/// The name by which the broker's certificate is checked.
pub(crate) fn broker_name() -> Result<ServerName<'static>> {
    ServerName::try_from("localhost").context("a host name")
}

fn named(name: &str) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

/// TLS 1.3 with AES-256-GCM, which Java prefers, and X25519. The client's certificate is sent if the broker asks for one.
fn config(
    roots: &RootCertStore,
    client: &(CertificateDer<'static>, Vec<u8>),
    resumption: Resumption,
) -> Result<ClientConfig> {
    let provider = CryptoProvider {
        cipher_suites: vec![ring::cipher_suite::TLS13_AES_256_GCM_SHA384],
        kx_groups: vec![ring::kx_group::X25519],
        ..ring::default_provider()
    };
    let (certificate, key) = client;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.clone()));
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots.clone())
        .with_client_auth_cert(vec![certificate.clone()], key)?;
    config.resumption = resumption;
    Ok(config)
}
