//! Why a client gets no answer, or the wrong one. Each text says what, where, and what to do about it.

use codec::ErrorCode;
use security::certificate::{
    AlternativeName, MalformedCertificate, alternative_names, facts, issuer, subject,
};
use security::sasl::Mechanism;
use thiserror::Error;

use super::Address;
use crate::clock;
use crate::failure::Failure;
use crate::output::escaped;

/// An error of a connection. It holds no secret.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    #[error("{host:?} is no name that can be resolved ({reason}): check its spelling, DNS, or /etc/hosts")]
    Resolve { host: String, reason: String },
    #[error("cannot connect to {address}: {reason}")]
    Connect { address: Address, reason: String },
    #[error("{address} refuses TLS, or is not what it seems: {}", tls(.error, .chain, &.address.host))]
    Tls { address: Address, error: rustls::Error, chain: Vec<Vec<u8>> },
    #[error(
        "{address} closed the connection within the TLS handshake: the port may be one without TLS (set security.protocol=PLAINTEXT or \
             SASL_PLAINTEXT), or its log says why"
    )]
    TlsClosed { address: Address },
    #[error("{address} speaks TLS: set security.protocol=SSL, or SASL_SSL where it asks for a login")]
    SpeaksTls { address: Address },
    #[error("{address} does not speak the Kafka protocol ({reason})")]
    NotKafka { address: Address, reason: String },
    #[error("{address} closed the connection at {at}; {}", closed(.at, *.with_tls, *.in_use))]
    Closed { address: Address, at: &'static str, with_tls: bool, in_use: bool },
    #[error("{address} did not answer {at} in {seconds} s")]
    TooLate { address: Address, at: &'static str, seconds: u64 },
    #[error("the connection to {address} failed at {at}: {reason}")]
    Io { address: Address, at: &'static str, reason: String },
    #[error(
        "{address} does not serve {api} in a version that this command needs ({needed}): it is too old, or not allowed to"
    )]
    Version { address: Address, api: &'static str, needed: String },
    #[error("{address} offers no login by {wanted}, but by {}: set sasl.mechanism to one of these", .offered.join(", "))]
    Mechanism { address: Address, wanted: &'static str, offered: Vec<String> },
    #[error("{address} asks for no login: set security.protocol={}", if *.with_tls { "SSL" } else { "PLAINTEXT" })]
    NoLogin { address: Address, with_tls: bool },
    #[error("{address} refuses the login by {}: {text}; {}", .mechanism.name(), login(*.mechanism))]
    Login { address: Address, mechanism: Mechanism, text: String },
    #[error(
        "{address} does not know the password either: it could not prove it, so it may be another server than it seems"
    )]
    Impostor { address: Address },
    #[error("{0}")]
    Other(String),
}

impl ClientError {
    /// True for an error of a stream: a request may have been sent over it.
    pub(crate) fn is_of_stream(&self) -> bool {
        matches!(
            self,
            Self::Tls { .. }
                | Self::SpeaksTls { .. }
                | Self::NotKafka { .. }
                | Self::Closed { .. }
                | Self::TooLate { .. }
                | Self::Io { .. }
        )
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Failed(error.to_string())
    }
}

fn closed(at: &str, with_tls: bool, in_use: bool) -> &'static str {
    match (at, with_tls) {
        _ if in_use => "it has stopped, or its log says why",
        ("ApiVersions", false) => {
            "the port may be one with TLS (set security.protocol=SSL or SASL_SSL), or of another service"
        }
        ("ApiVersions", true) => {
            "it may ask for a client certificate (set ssl.keystore.location); its log says why"
        }
        ("SaslHandshake" | "SaslAuthenticate", _) => "its log says why",
        _ => "it may ask for a login (set security.protocol=SASL_SSL or SASL_PLAINTEXT), or has stopped",
    }
}

fn login(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::OauthBearer => {
            "check that the token is not expired, and is from the issuer and for the audience that the broker expects"
        }
        Mechanism::Plain => "check username and password in sasl.jaas.config",
        Mechanism::Scram(_) => {
            "check username and password in sasl.jaas.config, and that the user has a password of this mechanism (`ottla user list`)"
        }
    }
}

/// Words for an error of TLS, by what the server showed.
fn tls(error: &rustls::Error, chain: &[Vec<u8>], host: &str) -> String {
    use rustls::{AlertDescription as Alert, CertificateError as Of, Error};
    match error {
        Error::InvalidCertificate(reason) => {
            let own = chain.first().map(Vec::as_slice).unwrap_or_default();
            let remedy = match reason {
                Of::UnknownIssuer => format!(
                    "no trusted authority has signed it; put the certificate of its authority ({}) into ssl.truststore.location",
                    readable(issuer(chain.last().map_or(own, Vec::as_slice)), "without a name")
                ),
                Of::NotValidForName | Of::NotValidForNameContext { .. } => {
                    let listed = |names: Vec<AlternativeName>| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    let names = readable(alternative_names(own).map(listed), "none");
                    format!("{host} is not among its names ({names}); connect by one of them, or give the broker a certificate for {host}")
                }
                Of::Expired | Of::ExpiredContext { .. } => {
                    format!("it has expired{}; renew it, or set this machine's clock", days(own))
                }
                Of::NotValidYet | Of::NotValidYetContext { .. } => "it is not valid yet; compare the clocks".to_owned(),
                Of::BadSignature => "its signature is not that of the authority of this name; the truststore may be an old one".to_owned(),
                Of::InvalidPurpose | Of::InvalidPurposeContext { .. } => {
                    "it is not for servers: its extended key usage lacks serverAuth".to_owned()
                }
                other if other.to_string().contains("UnsupportedCertVersion") => {
                    "it is of X.509 version 1; make one of version 3, with `openssl x509 -req -extfile`".to_owned()
                }
                other if other.to_string().contains("CaUsedAsEndEntity") => {
                    "it is the certificate of an authority; make one for the broker with it".to_owned()
                }
                other => other.to_string(),
            };
            format!("its certificate ({}): {remedy}", readable(subject(own), "without a name"))
        }
        Error::AlertReceived(Alert::CertificateRequired) => {
            "it asks for a client certificate; set ssl.keystore.location".to_owned()
        }
        Error::AlertReceived(
            alert @ (Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateUnknown | Alert::CertificateExpired
            | Alert::CertificateRevoked | Alert::UnsupportedCertificate | Alert::AccessDenied),
        ) => format!("it refuses the client's certificate ({alert:?}); check ssl.keystore.location, and the broker's truststore"),
        Error::AlertReceived(alert @ (Alert::ProtocolVersion | Alert::HandshakeFailure)) => {
            format!("no common version or suite ({alert:?}); see ssl.enabled.protocols on both sides")
        }
        Error::InvalidMessage(_) => {
            "it answered with no TLS; set security.protocol=PLAINTEXT, or SASL_PLAINTEXT where it asks for a login".to_owned()
        }
        other => other.to_string(),
    }
}

/// A text out of a certificate that the server showed; `empty` in place of one without letters.
fn readable(text: Result<String, MalformedCertificate>, empty: &str) -> String {
    match text {
        Ok(text) if text.is_empty() => empty.to_owned(),
        Ok(text) => text.escape_debug().to_string(),
        Err(_) => "unreadable".to_owned(),
    }
}

fn days(certificate: &[u8]) -> String {
    let now = clock::since_1970().as_secs().cast_signed();
    facts(certificate)
        .map_or_else(|_| String::new(), |found| format!(" {} days ago", (now - found.not_after) / 86_400))
}

/// An error that a broker answered with: a code, and its own words about it if it has any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ErrorAnswer {
    pub(crate) code: i16,
    pub(crate) message: Option<String>,
}

impl ErrorAnswer {
    /// # Errors
    /// The code is one of an error.
    pub(crate) fn check(code: i16, message: Option<&str>) -> Result<(), Self> {
        match code {
            0 => Ok(()),
            code => Err(Self { code, message: message.map(str::to_owned) }),
        }
    }

    /// The failure to do this, such as `list quotas`.
    pub(crate) fn failure(&self, doing: &str) -> Failure {
        refused(doing, self.code, self.message.as_deref())
    }
}

/// The failure for an error code in an answer; `doing` says what was asked for, such as `add User alice`.
pub(crate) fn refused(doing: &str, code: i16, message: Option<&str>) -> Failure {
    let known = ErrorCode::from_code(code);
    let name = known.map_or_else(|| format!("error {code}"), |known| known.name().to_owned());
    let text =
        message.map_or_else(|| known.map_or_else(String::new, |known| known.message().to_owned()), escaped);
    let remedy = match known {
        Some(ErrorCode::ClusterAuthorizationFailed) => {
            "; the user that this command logs in as needs Alter or Describe on the cluster: \
             `ottla acl add --allow-principal User:NAME --operation Alter --operation Describe --cluster`, by an administrator"
        }
        Some(ErrorCode::TopicAuthorizationFailed) => {
            "; the user that this command logs in as lacks a permission on the topic; an administrator gives it by `ottla acl add`"
        }
        Some(ErrorCode::SecurityDisabled) => {
            "; the broker has no authorizer: set authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer"
        }
        Some(ErrorCode::DelegationTokenAuthDisabled) => "; set delegation.token.secret.key at the broker",
        Some(ErrorCode::DelegationTokenRequestNotAllowed) => {
            "; tokens are given to users that logged in by SASL or a certificate, and not by a token"
        }
        _ => "",
    };
    Failure::failed(format!("cannot {}: {name}: {text}{remedy}", escaped(doing)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_in_use_needs_no_login() {
        let text = |in_use| {
            let address = Address { host: "kafka".to_owned(), port: 9092 };
            ClientError::Closed { address, at: "Metadata", with_tls: false, in_use }.to_string()
        };
        let first = "kafka:9092 closed the connection at Metadata; it may ask for a login (set security.protocol=SASL_SSL or";
        assert!(text(false).starts_with(first), "{}", text(false));
        assert_eq!(
            text(true),
            "kafka:9092 closed the connection at Metadata; it has stopped, or its log says why"
        );
    }

    #[test]
    fn a_certificate_that_cannot_be_read_is_said_to_be_so() {
        let said = |reason: rustls::CertificateError, chain: &[Vec<u8>]| {
            tls(&rustls::Error::InvalidCertificate(reason), chain, "kafka.example.org")
        };
        let text = said(rustls::CertificateError::UnknownIssuer, &[b"no certificate".to_vec()]);
        assert!(
            text.contains("its certificate (unreadable)") && text.contains("its authority (unreadable)"),
            "{text}"
        );
        let text = said(rustls::CertificateError::NotValidForName, &[b"no certificate".to_vec()]);
        assert!(text.contains("not among its names (unreadable)"), "{text}");
    }
}
