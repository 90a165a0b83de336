//! TLS of the listeners that ask for it: the broker's certificate, the authorities of clients' certificates, versions, suites.
//!
//! Guarantees that a listener of SSL or SASL_SSL has all of it, and that what is missing, unreadable or not served stops the start
//! with its key and the remedy: a listener is never more open than its configuration says. No part of a key or a password
//! reaches a problem or a note. The handshake is in `session/tls.rs`.

mod files;
mod own;
mod owner;
mod reload;
mod revocation;
mod sessions;
mod signing;
mod store;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateRevocationListDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use security::mapping::MappingRules;

use super::http_authentication::HttpAccess;
use super::http_listener::HttpListener;
use super::image_files::OF_KAFKAS_IMAGE;
use super::key::Units;
use super::listener::Listener;
use super::listener_keys::TLS_KEYS;
use super::problem::{Note, Origin, Problem};
use super::setting::{Setting, Settings};
use super::tables::broker_key;

pub(super) use files::TlsFiles;
pub use own::OwnCertificate;
pub(crate) use owner::HTTP;
use owner::Owner;
pub(super) use reload::location_in_force;
pub(crate) use reload::{Renewal, TlsSource, is_location, names_file_of};
use revocation::Revoked;
pub use sessions::Sessions;

/// TLS of one listener.
#[derive(Clone)]
pub struct TlsSettings {
    /// Certificate, key, versions, suites and the check of clients.
    pub server: Arc<ServerConfig>,
    /// The sessions that clients can resume: those that began with these settings.
    pub sessions: Arc<Sessions>,
    /// The check of clients' certificates; `None`: they are not asked for one.
    pub verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// If clients show a certificate.
    pub client_auth: ClientAuth,
    /// Makes the principal of a client's certificate.
    pub rules: MappingRules,
    /// The certificate that clients are shown.
    pub own: OwnCertificate,
    /// Unix time in seconds from which on a list of revoked certificates is out of date; `None`: there are no lists.
    pub lists_until: Option<i64>,
}

/// If clients show a certificate (`ssl.client.auth`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    None,
    /// They may.
    Requested,
    /// They must.
    Required,
}

/// Without certificate and key.
impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("client_auth", &self.client_auth)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

/// The settings of every listener of TLS, by its name, those of HTTP by [`HTTP`]. Those with a problem are left out.
pub(super) fn resolve(
    settings: &Settings,
    listeners: &[Listener],
    http: (Option<&HttpListener>, Option<&HttpAccess>),
    files: &TlsFiles,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<Note>,
) -> BTreeMap<String, Arc<TlsSettings>> {
    let owners = Owner::all(listeners, http);
    owner::refuse_unused_keys_of_http(settings, http.0, problems);
    if owners.is_empty() {
        note_unused_keys(settings, notes);
    } else {
        refuse_keys_of_kafkas_image(settings, problems);
    }
    let mut resolved = BTreeMap::new();
    for owner in owners {
        let mut resolver = Resolver { settings, listeners, owner, files, problems, notes };
        if let Some(made) = resolver.tls() {
            resolved.insert(owner.name().to_owned(), Arc::new(made));
        }
    }
    resolved
}

/// An operator who set them may believe that something is encrypted.
fn note_unused_keys(settings: &Settings, notes: &mut Vec<Note>) {
    let is_of_tls = |key: &str| TLS_KEYS.contains(&key) || OF_KAFKAS_IMAGE.contains(&key);
    let keys: Vec<&str> = settings.keys().map(String::as_str).filter(|key| is_of_tls(key)).collect();
    if !keys.is_empty() {
        let keys = keys.join(", ");
        notes.push(Note::warn(format!("ignored, as no listener is one of SSL or SASL_SSL: {keys}")));
    }
}

/// Kafka itself has no such keys; a variable of its image was translated before.
fn refuse_keys_of_kafkas_image(settings: &Settings, problems: &mut Vec<Problem>) {
    for key in OF_KAFKAS_IMAGE {
        let Some(setting) = settings.get(key) else { continue };
        if matches!(setting.origin, Origin::Environment(_)) {
            continue;
        }
        let reason = "it counts as a variable of the environment alone, as in Kafka's image; set ssl.keystore.location and \
                      ssl.truststore.location, and their passwords"
            .to_owned();
        problems.push(Problem::Wrong { key: key.to_owned(), origin: Some(setting.origin.clone()), reason });
    }
}

/// A value, with the name of the key that set it.
struct Text<'a> {
    key: String,
    value: String,
    setting: Option<&'a Setting>,
}

struct Resolver<'a> {
    settings: &'a Settings,
    listeners: &'a [Listener],
    owner: Owner<'a>,
    files: &'a TlsFiles,
    problems: &'a mut Vec<Problem>,
    notes: &'a mut Vec<Note>,
}

impl<'a> Resolver<'a> {
    fn tls(&mut self) -> Option<TlsSettings> {
        // All are read before the first `?`, so that every mistake is reported at once.
        let provider = self.provider();
        let versions = self.versions();
        let client_auth = self.client_auth();
        let rules = self.rules();
        let identity = self.identity();
        let authorities = self.authorities();
        let revoked = self.revoked();
        let (provider, versions, client_auth) = (provider?, versions?, client_auth?);
        let (identity, authorities) = (identity?, authorities?);
        let Revoked { lists, until: lists_until } = revoked?;
        let verifier = self.verifier(client_auth, authorities, lists, &provider)?;
        let with_versions =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&versions);
        let Ok(with_versions) = with_versions else {
            let reason =
                "none of the suites is of a version in ssl.enabled.protocols; name others, or remove it";
            self.wrong("ssl.cipher.suites", reason);
            return None;
        };
        let with_clients = match &verifier {
            Some(verifier) => with_versions.with_client_cert_verifier(Arc::clone(verifier)),
            None => with_versions.with_no_client_auth(),
        };
        let own = OwnCertificate::of(&identity.chain);
        let mut server = match with_clients.with_single_cert(identity.chain, identity.key) {
            Ok(server) => server,
            Err(error) => {
                let reason = store::explain_identity(&error);
                self.wrong(identity.source, &reason);
                return None;
            }
        };
        let Some(own) = own else {
            self.wrong(identity.source, "a certificate in it is malformed");
            return None;
        };
        let sessions = Arc::new(Sessions::new());
        server.session_storage = Arc::clone(&sessions) as _;
        let server = Arc::new(server);
        Some(TlsSettings { server, sessions, verifier, client_auth, rules: rules?, own, lists_until })
    }

    /// The suites that are named, or all.
    fn provider(&mut self) -> Option<Arc<CryptoProvider>> {
        const KEY: &str = "ssl.cipher.suites";
        let mut provider = CryptoProvider { key_provider: &signing::Keys, ..ring::default_provider() };
        let name = |suite: &rustls::SupportedCipherSuite| {
            // Those of 1.3 have a prefix here that TLS itself does not give them.
            suite.suite().as_str().unwrap_or_default().replace("TLS13_", "TLS_")
        };
        let Text { value, .. } = self.text(KEY)?;
        let wanted: Vec<&str> = value.split(',').map(str::trim).filter(|text| !text.is_empty()).collect();
        if wanted.is_empty() {
            return Some(Arc::new(provider));
        }
        let served = provider.cipher_suites.clone();
        let unknown: Vec<&str> = wanted
            .iter()
            .filter(|wanted| !served.iter().any(|suite| name(suite) == **wanted))
            .copied()
            .collect();
        if !unknown.is_empty() {
            let all = served.iter().map(name).collect::<Vec<_>>().join(", ");
            self.wrong(KEY, &format!("not served: {}; served are {all}", unknown.join(", ")));
            return None;
        }
        // In the operator's order, which counts where the client's does not.
        provider.cipher_suites = wanted
            .iter()
            .filter_map(|wanted| served.iter().find(|suite| name(suite) == *wanted))
            .copied()
            .collect();
        Some(Arc::new(provider))
    }

    fn versions(&mut self) -> Option<Vec<&'static SupportedProtocolVersion>> {
        const KEY: &str = "ssl.enabled.protocols";
        const CONTEXT: &str = "ssl.protocol";
        let context = self.text(CONTEXT)?.value;
        if !["TLS", "TLSv1.2", "TLSv1.3"].contains(&context.as_str()) {
            self.wrong(CONTEXT, &format!("{context} is not served; give TLSv1.3, or remove it"));
        }
        let Text { value, .. } = self.text(KEY)?;
        let (mut versions, mut all_served) = (Vec::new(), true);
        for element in value.split(',').map(str::trim).filter(|element| !element.is_empty()) {
            match element {
                "TLSv1.3" => versions.push(&version::TLS13),
                "TLSv1.2" => versions.push(&version::TLS12),
                other => {
                    all_served = false;
                    self.wrong(KEY, &format!("{other} is not served; served are TLSv1.2, TLSv1.3"));
                }
            }
        }
        if versions.is_empty() && all_served {
            self.wrong(KEY, "no version is named; give TLSv1.2,TLSv1.3, or remove it");
        }
        (all_served && !versions.is_empty()).then_some(versions)
    }

    fn client_auth(&mut self) -> Option<ClientAuth> {
        const KEY: &str = "ssl.client.auth";
        let text = self.text(KEY)?;
        let set = match text.value.as_str() {
            "required" => ClientAuth::Required,
            "requested" => ClientAuth::Requested,
            _ => ClientAuth::None,
        };
        if !self.owner.demands_certificate() || set == ClientAuth::Required {
            return Some(set);
        }
        // The key of all listeners is about Kafka's clients.
        if text.setting.is_some() && text.key != KEY {
            let reason =
                "http.authentication=certificate demands a certificate; set it to required, or remove it";
            self.wrong(KEY, reason);
            return None;
        }
        Some(ClientAuth::Required)
    }

    fn rules(&mut self) -> Option<MappingRules> {
        const KEY: &str = "ssl.principal.mapping.rules";
        match MappingRules::parse(&self.text(KEY)?.value) {
            Ok(rules) => Some(rules),
            Err(error) => {
                self.wrong(KEY, &error.to_string());
                None
            }
        }
    }

    /// The check of clients' certificates; the inner `None`: they are not asked for one.
    fn verifier(
        &mut self,
        client_auth: ClientAuth,
        authorities: Option<RootCertStore>,
        lists: Vec<CertificateRevocationListDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Option<Option<Arc<dyn ClientCertVerifier>>> {
        const KEY: &str = "ssl.client.auth";
        if client_auth == ClientAuth::None {
            return Some(None);
        }
        let Some(authorities) = authorities else {
            let reason = "it needs the authorities of clients' certificates; set ssl.truststore.location to a PEM file of them. \
                          Kafka would trust every authority of its JVM";
            self.wrong(KEY, reason);
            return None;
        };
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(provider));
        let builder = match lists.is_empty() {
            true => builder,
            // Of each authority of the chain a list is needed, and it must not be out of date: as in OpenSSL and nginx, what is not known to be
            // good is refused.
            false => builder.with_crls(lists).enforce_revocation_expiration(),
        };
        let builder = match client_auth {
            ClientAuth::Requested => builder.allow_unauthenticated(),
            // Probes have none; HTTP demands one with each other request (`http/authentication.rs`).
            ClientAuth::Required if self.owner.is_http() => builder.allow_unauthenticated(),
            ClientAuth::Required | ClientAuth::None => builder,
        };
        match builder.build() {
            Ok(verifier) => Some(Some(verifier)),
            Err(VerifierBuilderError::InvalidCrl(error)) => {
                self.wrong(files::CRL_LOCATION, &format!("a list in it cannot be used: {error:?}"));
                None
            }
            Err(error) => {
                self.wrong("ssl.truststore.location", &error.to_string());
                None
            }
        }
    }

    /// The value of a key in the narrowest layer, or its default; empty where that is null. `None`: it is malformed.
    fn text(&mut self, key: &'static str) -> Option<Text<'a>> {
        let table = broker_key(key)?;
        let Some((name, setting)) = self.owner.narrowest(self.settings, self.listeners, key) else {
            let value = table.default.unwrap_or_default().to_owned();
            return Some(Text { key: key.to_owned(), value, setting: None });
        };
        match table.normalise(&setting.value, Units::Accepted) {
            Ok(value) => Some(Text { key: name.to_owned(), value, setting: Some(setting) }),
            // The key alone was reported when all keys were read.
            Err(_) if name == key => None,
            Err(reason) => {
                self.wrong(key, &format!("{reason}. Give {}", table.expectation()));
                None
            }
        }
    }

    /// The text of a key that is set, and not to nothing.
    fn set_text(&mut self, key: &'static str) -> Option<Text<'a>> {
        self.text(key).filter(|text| text.setting.is_some() && !text.value.is_empty())
    }

    /// Notes a problem with the narrowest setting of a key, or with the key alone if it is not set.
    fn wrong(&mut self, key: &'static str, reason: &str) {
        let set = self.owner.narrowest(self.settings, self.listeners, key);
        let (name, origin) = match set {
            Some((name, setting)) => (name.to_owned(), Some(setting.origin.clone())),
            None => (key.to_owned(), None),
        };
        let reason = format!("{reason} ({})", self.owner);
        self.problems.push(Problem::Wrong { key: name, origin, reason });
    }
}

#[cfg(test)]
mod tests;
