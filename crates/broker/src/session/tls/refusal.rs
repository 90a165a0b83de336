//! Why a client of a TLS listener is not let in, in the words that its operator needs.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use security::certificate::MalformedCertificate;
use security::mapping::Unmapped;
use thiserror::Error as ThisError;

use super::DEADLINE;

/// Why a client is not let in.
#[derive(Debug, ThisError)]
pub(crate) enum NoTls {
    /// It left before the handshake was done.
    #[error("closed by the client within the handshake")]
    ByClient,
    /// It left after it had begun, without an alert; some libraries do so when they do not trust the broker's certificate.
    #[error(
        "the client left within the handshake without a reason; it may not trust this broker's certificate, or connect by a host \
         name that is not among the names of the certificate"
    )]
    Left,
    /// It took too long.
    #[error("no TLS handshake within {DEADLINE:?}")]
    TooLate,
    /// The broker stops.
    #[error("the broker is shutting down")]
    Shutdown,
    /// Another address had fewer such connections, and no slot was left.
    #[error(
        "it made room: too many connections had not ended their handshake, and most of them were from this address"
    )]
    MadeRoom,
    /// It does not speak TLS.
    #[error(
        "this listener speaks TLS, and the client began {0}; set security.protocol of the client to SSL or SASL_SSL"
    )]
    Foreign(&'static str),
    /// It showed no certificate.
    #[error("the client shows no certificate, and ssl.client.auth is required")]
    NoCertificate,
    /// Its certificate is refused.
    #[error("the client's certificate is refused: {0}")]
    Certificate(String),
    /// It refuses the broker's certificate.
    #[error("the client refuses this broker's certificate ({0}): {1}")]
    OursRefused(String, &'static str),
    /// It has no version or suite that is served.
    #[error(
        "client and listener have nothing in common: {0}; see ssl.enabled.protocols and ssl.cipher.suites"
    )]
    Incompatible(String),
    /// No principal can be made of its certificate.
    #[error("the client's certificate gives no principal: {0}")]
    Unmapped(#[from] Unmapped),
    /// Its certificate has no subject that can be read.
    #[error("the client's certificate gives no principal: {0}")]
    Malformed(#[from] MalformedCertificate),
    /// Anything else.
    #[error("TLS failed: {0}")]
    Other(String),
}

impl NoTls {
    /// Named by the first bytes.
    pub(super) fn foreign(first: &[u8]) -> Self {
        Self::Foreign(match first {
            // The length of a Kafka frame: less than 16 MiB.
            [0, ..] => "a Kafka request without TLS",
            b"GET " | b"POST" | b"HEAD" | b"PUT " | b"OPTI" => "an HTTP request",
            b"SSH-" => "an SSH session",
            _ => "something else",
        })
    }

    /// The kind of reason, for limiting the lines about it; `None` if no operator should read about it.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        match self {
            Self::ByClient | Self::Shutdown => None,
            Self::Left => Some("left within the TLS handshake"),
            Self::TooLate => Some("no TLS handshake in time"),
            Self::MadeRoom => Some("made room before the handshake"),
            Self::Foreign(_) => Some("no TLS on a listener of TLS"),
            Self::NoCertificate => Some("no client certificate"),
            Self::Certificate(_) => Some("client certificate refused"),
            Self::OursRefused(..) => Some("certificate of the broker refused"),
            Self::Incompatible(_) => Some("no common version or suite of TLS"),
            Self::Unmapped(_) | Self::Malformed(_) => Some("client certificate without a principal"),
            Self::Other(_) => Some("failed TLS handshake"),
        }
    }

    /// Returns true if the client's certificate is the reason, or that it has none.
    pub(crate) fn is_of_certificate(&self) -> bool {
        matches!(self, Self::NoCertificate | Self::Certificate(_) | Self::Unmapped(_) | Self::Malformed(_))
    }

    /// The name of the reason in the metrics; `None` for connections that are no attempt of a client.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::ByClient | Self::Shutdown => None,
            Self::Left => Some("left"),
            Self::TooLate => Some("too_late"),
            Self::MadeRoom => Some("made_room"),
            Self::Foreign(_) => Some("no_tls"),
            Self::NoCertificate => Some("no_client_certificate"),
            Self::Certificate(_) | Self::Unmapped(_) | Self::Malformed(_) => {
                Some("client_certificate_refused")
            }
            Self::OursRefused(..) => Some("own_certificate_refused"),
            Self::Incompatible(_) => Some("nothing_in_common"),
            Self::Other(_) => Some("other"),
        }
    }

    /// Returns true if it counts as a failed login, as in Kafka.
    pub(crate) fn is_failure(&self) -> bool {
        !matches!(self, Self::ByClient | Self::Left | Self::Shutdown | Self::MadeRoom)
    }
}

impl From<io::Error> for NoTls {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(error) => Self::from(error),
            // The socket failed, or the client closed it.
            None => Self::Left,
        }
    }
}

impl From<&Error> for NoTls {
    fn from(error: &Error) -> Self {
        match error {
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidCertificate(reason) => Self::Certificate(certificate(reason)),
            Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
                Self::Certificate("no common signature algorithm".to_owned())
            }
            Error::PeerIncompatible(reason) => Self::Incompatible(incompatible(reason)),
            Error::AlertReceived(alert) => match remedy(*alert) {
                Some(remedy) => Self::OursRefused(format!("{alert:?}"), remedy),
                None => Self::Other(format!("the client sent the alert {alert:?}")),
            },
            other => Self::Other(other.to_string()),
        }
    }
}

/// The remedy at the client for an alert; `None` if it is not about a certificate.
fn remedy(alert: AlertDescription) -> Option<&'static str> {
    use AlertDescription as Alert;
    match alert {
        Alert::UnknownCA => {
            Some("its truststore lacks the authority of the certificate, or the chain is incomplete")
        }
        Alert::CertificateExpired => Some("it has expired, or the clock of the client is wrong"),
        Alert::CertificateRevoked => Some("it is revoked"),
        Alert::BadCertificate | Alert::CertificateUnknown | Alert::UnsupportedCertificate => Some(
            "its truststore lacks the authority, or the host name that it connects to is not among the names of the certificate",
        ),
        _ => None,
    }
}

/// Why a client's certificate is refused.
fn certificate(reason: &CertificateError) -> String {
    let known = match reason {
        CertificateError::UnknownIssuer => {
            "its authority is not in the truststore, or certificates between them are missing in its chain"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; compare the clocks"
        }
        CertificateError::BadSignature => "its signature is not that of its authority",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not for clients: its extended key usage lacks clientAuth"
        }
        CertificateError::BadEncoding => "it is malformed",
        CertificateError::Revoked => "it is revoked (ottla.ssl.crl.location)",
        CertificateError::UnknownRevocationStatus => {
            "no list in ottla.ssl.crl.location is of its authority; each authority of its chain needs one"
        }
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            "the list of its authority in ottla.ssl.crl.location is out of date"
        }
        other => return other_reason(other),
    };
    known.to_owned()
}

fn other_reason(reason: &CertificateError) -> String {
    let text = reason.to_string();
    // rustls passes these on as text alone.
    if text.contains("UnsupportedCertVersion") {
        "it is an X.509 certificate of version 1; make one of version 3, with `openssl x509 -req -extfile`"
            .to_owned()
    } else if text.contains("CaUsedAsEndEntity") {
        "it is the certificate of an authority; make one for the client with it".to_owned()
    } else {
        text
    }
}

fn incompatible(reason: &PeerIncompatible) -> String {
    match reason {
        PeerIncompatible::NoCipherSuitesInCommon => "no cipher suite".to_owned(),
        PeerIncompatible::SupportedVersionsExtensionRequired
        // Clients send it from TLS 1.2 on.
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::Tls13RequiredForQuic => "no version of TLS".to_owned(),
        other => format!("{other:?}"),
    }
}
