//! A client of TLS for the health check. It accepts any certificate.
//!
//! The health check asks the broker of its own container or machine, often by an address that no certificate names, and sends no secret.
//! Probes of Kubernetes check no certificate either.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};

/// A stream within TLS to a server with any certificate.
///
/// # Errors
/// Never, as far as is known: names and versions are fixed.
pub(super) fn client<S: Read + Write>(
    server: IpAddr,
    stream: S,
) -> io::Result<StreamOwned<ClientConnection, S>> {
    let provider = Arc::new(ring::default_provider());
    let any = Arc::new(AnyCertificate(provider.signature_verification_algorithms));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(any)
        .with_no_client_auth();
    let connection =
        ClientConnection::new(Arc::new(config), ServerName::from(server)).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

/// Accepts any certificate. It checks the signature of the handshake all the same: the server has the key of what it shows.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use crate::healthcheck;
    use crate::tasks::Tasks;
    use crate::testing::tls::TlsBroker;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_broker_whose_http_speaks_tls_is_asked_within_it() {
        let broker = TlsBroker::start(&[("http.listener", "https://127.0.0.1:0")]).await;
        let address = broker.running.broker.http_addresses()[0];
        let addresses = [format!("https://{address}/"), address.to_string()];
        let asked = move || addresses.map(|address| healthcheck::http(&address));
        let [encrypted, plain] = Tasks::new().blocking("healthcheck", asked).await.unwrap();
        encrypted.unwrap();
        plain.unwrap_err();
    }
}
