//! The settings of a client, from Java's keys. A wrong value ends the command with exit code 78; it never leads to less protection than was asked for.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use security::Secret;
use security::jaas::{self, LoginModule, OAUTHBEARER_LOGIN_MODULE, PLAIN_LOGIN_MODULE, SCRAM_LOGIN_MODULE};
use security::sasl::Mechanism;
use security::sasl::scram::Hash;

use super::properties::{Properties, read_file};
use super::stores;
use super::verifier::{Seen, Verifier};
use crate::failure::Failure;

/// How long an answer may take, unless `request.timeout.ms` says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Everything that a connection needs to know.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) client_id: String,
    /// How long an answer may take.
    pub(crate) timeout: Duration,
    /// `None`: no TLS.
    pub(crate) tls: Option<TlsSettings>,
    /// `None`: no login.
    pub(crate) login: Option<Login>,
}

/// TLS of a client.
#[derive(Clone)]
pub(crate) struct TlsSettings {
    /// The authorities that are trusted.
    pub(crate) authorities: Arc<RootCertStore>,
    /// The client's own certificate.
    identity: Option<Arc<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>>,
    versions: Vec<&'static SupportedProtocolVersion>,
    /// If the server's name is compared with its certificate.
    pub(crate) checks_name: bool,
}

/// How the client logs in.
#[derive(Debug, Clone)]
pub(crate) enum Login {
    Plain { user: String, password: Secret },
    Scram { hash: Hash, user: String, password: Secret, is_token: bool },
    Bearer { token: Secret },
}

impl Login {
    pub(crate) fn mechanism(&self) -> Mechanism {
        match self {
            Self::Plain { .. } => Mechanism::Plain,
            Self::Scram { hash, .. } => Mechanism::Scram(*hash),
            Self::Bearer { .. } => Mechanism::OauthBearer,
        }
    }
}

impl Settings {
    /// Of the keys of a file. Without any: no TLS and no login.
    ///
    /// # Errors
    /// A value is wrong, or a file that one names.
    pub(super) fn of(properties: &Properties) -> Result<Self, Failure> {
        const PROTOCOL: &str = "security.protocol";
        let (with_tls, with_login) = match properties.text(PROTOCOL).unwrap_or("PLAINTEXT") {
            "PLAINTEXT" => (false, false),
            "SSL" => (true, false),
            "SASL_PLAINTEXT" => (false, true),
            "SASL_SSL" => (true, true),
            other => {
                let reason = format!("{other:?} is none of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL");
                return Err(properties.wrong(PROTOCOL, &reason));
            }
        };
        let timeout = properties.text("request.timeout.ms").map(|text| match text.parse() {
            Ok(ms @ 1..=3_600_000) => Ok(Duration::from_millis(ms)),
            _ => Err(properties.wrong("request.timeout.ms", "it is no number from 1 to 3600000")),
        });
        Ok(Self {
            client_id: properties.text("client.id").unwrap_or("ottla").to_owned(),
            timeout: timeout.transpose()?.unwrap_or(TIMEOUT),
            tls: if with_tls { Some(TlsSettings::of(properties)?) } else { None },
            login: if with_login { Some(login(properties)?) } else { None },
        })
    }

    /// The value of `security.protocol` that has these settings.
    pub(crate) fn protocol(&self) -> &'static str {
        match (self.tls.is_some(), self.login.is_some()) {
            (false, false) => "PLAINTEXT",
            (true, false) => "SSL",
            (false, true) => "SASL_PLAINTEXT",
            (true, true) => "SASL_SSL",
        }
    }
}

impl TlsSettings {
    fn of(properties: &Properties) -> Result<Self, Failure> {
        const ALGORITHM: &str = "ssl.endpoint.identification.algorithm";
        let checks_name = match properties.text(ALGORITHM) {
            // Set to nothing switches the check off.
            None => !properties.has(ALGORITHM),
            Some(text) if text.eq_ignore_ascii_case("https") => true,
            Some(_) => {
                return Err(
                    properties.wrong(ALGORITHM, "only https is served, or nothing, which checks no name")
                );
            }
        };
        Ok(Self {
            authorities: Arc::new(stores::authorities(properties)?),
            identity: stores::identity(properties)?.map(Arc::new),
            versions: versions(properties)?,
            checks_name,
        })
    }

    /// A configuration for one connection, and what that will see of the server's certificates.
    ///
    /// # Errors
    /// The key of the client does not fit its certificate, or no authority is trusted.
    pub(crate) fn config(&self) -> Result<(Arc<ClientConfig>, Seen), rustls::Error> {
        let provider = provider();
        let seen = Seen::default();
        let verifier =
            Verifier::new(Arc::clone(&self.authorities), &provider, self.checks_name, Arc::clone(&seen))?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)?
            .dangerous()
            // Which checks all that rustls' own does, except the name where that was asked for.
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match self.identity.as_deref() {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key())?,
            None => builder.with_no_client_auth(),
        };
        Ok((Arc::new(config), seen))
    }
}

/// Without keys.
impl std::fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsSettings").field("checks_name", &self.checks_name).finish_non_exhaustive()
    }
}

/// The one of the whole binary, named here so that no dependency can bring another.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn versions(properties: &Properties) -> Result<Vec<&'static SupportedProtocolVersion>, Failure> {
    const KEY: &str = "ssl.enabled.protocols";
    let mut versions = Vec::new();
    for name in properties.text(KEY).unwrap_or("TLSv1.2,TLSv1.3").split(',').map(str::trim) {
        versions.push(match name {
            "TLSv1.3" => &rustls::version::TLS13,
            "TLSv1.2" => &rustls::version::TLS12,
            _ => return Err(properties.wrong(KEY, "served are TLSv1.2 and TLSv1.3")),
        });
    }
    Ok(versions)
}

fn login(properties: &Properties) -> Result<Login, Failure> {
    const MECHANISM: &str = "sasl.mechanism";
    const JAAS: &str = "sasl.jaas.config";
    let name = properties.text(MECHANISM).unwrap_or("GSSAPI");
    let Some(mechanism) = Mechanism::named(name) else {
        let served = Mechanism::ALL.map(Mechanism::name).join(", ");
        return Err(properties.wrong(MECHANISM, &format!("{name:?} is not served; served are {served}")));
    };
    let class = match mechanism {
        Mechanism::Plain => PLAIN_LOGIN_MODULE,
        Mechanism::Scram(_) => SCRAM_LOGIN_MODULE,
        Mechanism::OauthBearer => OAUTHBEARER_LOGIN_MODULE,
    };
    let Some(text) = properties.text(JAAS) else {
        let reason = format!("it is missing; write {class} required username=\"…\" password=\"…\";");
        return Err(properties.wrong(JAAS, &reason));
    };
    // The position alone is shown, never the text.
    let modules = jaas::parse(text).map_err(|error| properties.wrong(JAAS, &error.to_string()))?;
    let [module] = modules.as_slice() else {
        return Err(properties.wrong(JAAS, "it must hold one login module"));
    };
    if module.class != class {
        return Err(properties.wrong(JAAS, &format!("its class is not that of {name}: write {class}")));
    }
    let option = |key: &str| option(module, key);
    let user = || match option("username").and_then(Secret::expose_text) {
        Some(user) if !user.is_empty() => Ok(user.to_owned()),
        _ => Err(properties.wrong(JAAS, "the option username is missing")),
    };
    let password = || match option("password") {
        Some(password) if !password.expose().is_empty() => Ok(password.clone()),
        _ => Err(properties.wrong(JAAS, "the option password is missing")),
    };
    Ok(match mechanism {
        Mechanism::Plain => Login::Plain { user: user()?, password: password()? },
        Mechanism::Scram(hash) => {
            let is_token =
                option("tokenauth").is_some_and(|value| value.expose().eq_ignore_ascii_case(b"true"));
            Login::Scram { hash, user: user()?, password: password()?, is_token }
        }
        Mechanism::OauthBearer => Login::Bearer { token: token(properties, option("token"))? },
    })
}

fn option<'a>(module: &'a LoginModule, key: &str) -> Option<&'a Secret> {
    module.options.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// A bearer token, from the JAAS option or from a file, which Kafka names by a URL. No token is fetched from an issuer.
fn token(properties: &Properties, option: Option<&Secret>) -> Result<Secret, Failure> {
    const URL: &str = "sasl.oauthbearer.token.endpoint.url";
    if let Some(token) = option {
        return Ok(token.clone());
    }
    let Some(url) = properties.text(URL) else {
        let reason = "it is missing; name a file with a token, as file:/path/token, or write token=\"…\" into sasl.jaas.config";
        return Err(properties.wrong(URL, reason));
    };
    let Some(path) = url.strip_prefix("file:") else {
        let reason =
            "only a file is served, as file:/path/token: fetch a token from the issuer first, as with curl";
        return Err(properties.wrong(URL, reason));
    };
    // `file:/path` and `file:///path` name the same file.
    let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
    let contents = read_file(std::path::Path::new(path)).map_err(|reason| properties.wrong(URL, &reason))?;
    Ok(Secret::new(contents.expose().trim_ascii()))
}

#[cfg(test)]
mod tests;
