//! The check of a server's certificate: rustls' own, with two additions. It keeps the certificates that the server showed, so that an error can
//! say what is wrong with them; and it leaves out the comparison of names where `ssl.endpoint.identification.algorithm` is set to nothing.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The certificates that a server showed, its own first; empty before it did.
pub(crate) type Seen = Arc<OnceLock<Vec<Vec<u8>>>>;

#[derive(Debug)]
pub(super) struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    checks_name: bool,
    seen: Seen,
}

impl Verifier {
    /// # Errors
    /// No authority is trusted.
    pub(super) fn new(
        authorities: Arc<RootCertStore>,
        provider: &Arc<CryptoProvider>,
        checks_name: bool,
        seen: Seen,
    ) -> Result<Self, Error> {
        let inner = WebPkiServerVerifier::builder_with_provider(authorities, Arc::clone(provider)).build();
        Ok(Self { inner: inner.map_err(|error| Error::General(error.to_string()))?, checks_name, seen })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let _ =
            self.seen.set([end_entity].into_iter().chain(intermediates).map(|one| one.to_vec()).collect());
        match self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // rustls compares the name last: all else was right.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
