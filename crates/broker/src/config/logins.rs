//! Logins of the listeners that ask for them: mechanisms, users, limits.
//!
//! Users of PLAIN are in the configuration or a JAAS file, those of SCRAM in the data folder, those of OAUTHBEARER at an issuer of
//! tokens (`bearer.rs`).
//! Guarantees that a listener of SASL has at least one mechanism that is served and, for each, what its users need; whatever
//! is missing or not served stops the start, since a listener must not be more open than its configuration says. No text of
//! a password reaches a problem or a note: they name the key, and the position in its value.

mod bearer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use security::Secret;
use security::jaas::{self, LoginModule, OAUTHBEARER_LOGIN_MODULE, PLAIN_LOGIN_MODULE, SCRAM_LOGIN_MODULE};
use security::sasl::Mechanism;

use super::jaas_file::{JAAS_FILE, JaasFile};
use super::key::Units;
use super::listener::Listener;
use super::listener_keys::{LISTENER_PREFIX, narrowest};
use super::problem::{Note, Problem};
use super::setting::Settings;
use super::tables::broker_key;

pub(super) use bearer::JwksFiles;
pub use bearer::{BearerSettings, JwksUrl, KeySource};
pub(crate) use bearer::{MAX_KEY_SET_BYTES, read_keys};

/// How clients log in on one listener.
#[derive(Debug)]
pub struct LoginSettings {
    /// In the order of `sasl.enabled.mechanisms`. Never empty.
    pub mechanisms: Vec<MechanismSettings>,
    /// The longest frame before a login, in bytes (`sasl.server.max.receive.size`).
    pub max_message_bytes: usize,
    /// How long the first answer to a failed login is delayed.
    pub failure_delay: Duration,
}

/// One mechanism of a listener.
#[derive(Debug)]
pub struct MechanismSettings {
    /// The mechanism.
    pub mechanism: Mechanism,
    /// How long a login lasts; `None`: as long as the connection.
    pub max_session: Option<Duration>,
    /// Users with their passwords, of PLAIN alone.
    pub users: Vec<(String, Secret)>,
    /// The tokens that count, of OAUTHBEARER alone.
    pub bearer: Option<Arc<BearerSettings>>,
}

/// The longest frame before a login where a mechanism has tokens and no other length is set.
const MAX_MESSAGE_BYTES_OF_BEARER: usize = 65_536;

/// Kafka's own classes, which mean what is done here.
const CLASSES: [(&str, &[&str]); 4] = [
    (
        "principal.builder.class",
        &["org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder"],
    ),
    (
        // Of OAUTHBEARER. The default in Kafka, for unsigned tokens, is another one, and stops the start here.
        "sasl.server.callback.handler.class",
        &[
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler",
            "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerValidatorCallbackHandler",
        ],
    ),
    (
        "sasl.oauthbearer.jwt.validator.class",
        &[
            "org.apache.kafka.common.security.oauthbearer.BrokerJwtValidator",
            "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
        ],
    ),
    ("ssl.engine.factory.class", &[]),
];

/// The settings of every listener of SASL, by its name. Those of a listener with a problem are left out.
pub(super) fn resolve(
    settings: &Settings,
    listeners: &[Listener],
    (jaas, jwks): (&JaasFile, &JwksFiles),
    problems: &mut Vec<Problem>,
    notes: &mut Vec<Note>,
) -> BTreeMap<String, Arc<LoginSettings>> {
    let with_login = || listeners.iter().filter(|listener| listener.protocol.has_login());
    if listeners.iter().any(|listener| listener.protocol.has_login() || listener.protocol.has_tls()) {
        check_classes(settings, problems);
    }
    let mut resolved = BTreeMap::new();
    for listener in with_login() {
        let mut resolver = Resolver { settings, listeners, listener, jaas, jwks, problems, notes };
        if let Some(made) = resolver.login() {
            resolved.insert(listener.name.clone(), Arc::new(made));
        }
    }
    resolved
}

/// A class of the operator's own could refuse logins that pass here.
fn check_classes(settings: &Settings, problems: &mut Vec<Problem>) {
    for (key, setting) in settings {
        let class = setting.value.trim();
        let is_of = |name: &str| {
            key == name || key.starts_with(LISTENER_PREFIX) && key.ends_with(&format!(".{name}"))
        };
        let Some((_, ours)) = CLASSES.iter().find(|(name, _)| is_of(name)) else { continue };
        if !class.is_empty() && !ours.contains(&class) {
            let reason = "names a Java class, which Ottla cannot load, and which may refuse clients that pass here; remove it";
            let (key, origin) = (key.clone(), Some(setting.origin.clone()));
            problems.push(Problem::Wrong { key, origin, reason: reason.to_owned() });
        }
    }
}

struct Resolver<'a> {
    settings: &'a Settings,
    listeners: &'a [Listener],
    listener: &'a Listener,
    jaas: &'a JaasFile,
    jwks: &'a JwksFiles,
    problems: &'a mut Vec<Problem>,
    notes: &'a mut Vec<Note>,
}

impl Resolver<'_> {
    fn login(&mut self) -> Option<LoginSettings> {
        // All are read before the first `?`, so that every mistake is reported at once.
        let mechanisms = self.mechanisms();
        let max_message_bytes = self.max_message_bytes(mechanisms.as_deref().unwrap_or_default());
        let failure_delay = self.number(None, "connection.failed.authentication.delay.ms");
        Some(LoginSettings {
            mechanisms: mechanisms?,
            max_message_bytes: max_message_bytes?,
            failure_delay: Duration::from_millis(failure_delay?),
        })
    }

    fn max_message_bytes(&mut self, mechanisms: &[MechanismSettings]) -> Option<usize> {
        const KEY: &str = "sasl.server.max.receive.size";
        let has_tokens = mechanisms.iter().any(|settings| settings.bearer.is_some());
        if has_tokens && narrowest(self.settings, self.listeners, self.listener, None, KEY).is_none() {
            return Some(MAX_MESSAGE_BYTES_OF_BEARER);
        }
        let bytes = self.number(None, KEY)?;
        Some(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    fn mechanisms(&mut self) -> Option<Vec<MechanismSettings>> {
        const KEY: &str = "sasl.enabled.mechanisms";
        let set = narrowest(self.settings, self.listeners, self.listener, None, KEY);
        let (name, text) = match set {
            Some((name, setting)) => (name.to_owned(), setting.value.clone()),
            None => (KEY.to_owned(), broker_key(KEY)?.default?.to_owned()),
        };
        let mut found = Vec::new();
        let mut all_served = true;
        for element in text.split(',').map(str::trim).filter(|element| !element.is_empty()) {
            match Mechanism::named(element) {
                Some(mechanism) if !found.contains(&mechanism) => found.push(mechanism),
                Some(_) => {}
                None => {
                    all_served = false;
                    self.wrong(&name, format!("{element} is not served; {}", self.advice()));
                }
            }
        }
        if found.is_empty() && all_served {
            self.wrong(&name, format!("no mechanism is named; {}", self.advice()));
        }
        let settings: Vec<Option<MechanismSettings>> =
            found.iter().map(|mechanism| self.mechanism(*mechanism)).collect();
        let settings: Option<Vec<MechanismSettings>> = settings.into_iter().collect();
        settings.filter(|settings| !settings.is_empty() && all_served)
    }

    /// The way out of a wrong list of mechanisms.
    fn advice(&self) -> String {
        let served: Vec<&str> = Mechanism::ALL.iter().map(|mechanism| mechanism.name()).collect();
        let listener = self.listener.name.to_ascii_lowercase();
        format!(
            "served is {}, such as {LISTENER_PREFIX}{listener}.sasl.enabled.mechanisms=PLAIN",
            served.join(", ")
        )
    }

    fn mechanism(&mut self, mechanism: Mechanism) -> Option<MechanismSettings> {
        let max_session_ms = self.number(Some(mechanism), "connections.max.reauth.ms");
        let mut bearer = None;
        let users = match mechanism {
            Mechanism::Plain => self.plain_users(),
            Mechanism::Scram(_) => self.check_module(mechanism, SCRAM_LOGIN_MODULE).then(Vec::new),
            Mechanism::OauthBearer => {
                let has_module = self.check_module(mechanism, OAUTHBEARER_LOGIN_MODULE);
                bearer = self.bearer().map(Arc::new);
                (has_module && bearer.is_some()).then(Vec::new)
            }
        };
        let max_session = Some(max_session_ms?).filter(|ms| *ms > 0).map(Duration::from_millis);
        Some(MechanismSettings { mechanism, max_session, users: users?, bearer })
    }

    /// Returns true unless another login module than Kafka's is named. It needs none, as users are not in the configuration; Kafka
    /// demands the module, and takes from its options how a broker logs in to other brokers.
    fn check_module(&mut self, mechanism: Mechanism, class: &str) -> bool {
        const KEY: &str = "sasl.jaas.config";
        if narrowest(self.settings, self.listeners, self.listener, Some(mechanism), KEY).is_none() {
            return true;
        }
        let Some((key, module)) = self.login_module(mechanism) else { return false };
        let is_kafkas = module.class == class;
        if !is_kafkas {
            let name = mechanism.name();
            self.wrong(&key, format!("the login module of {name} is {class}; name that one, or none"));
        }
        is_kafkas
    }

    /// The users of PLAIN, as Kafka's module has them: an option `user_NAME` each.
    fn plain_users(&mut self) -> Option<Vec<(String, Secret)>> {
        if !self.listener.is_loopback() && !self.listener.protocol.has_tls() {
            self.notes.push(Note::warn(format!(
                "listener {}: PLAIN without TLS sends passwords in the clear; let no one but trusted hosts reach it",
                self.listener.name
            )));
        }
        let (key, module) = self.login_module(Mechanism::Plain)?;
        if module.class != PLAIN_LOGIN_MODULE {
            self.wrong(&key, format!("the login module of PLAIN is {PLAIN_LOGIN_MODULE}; name that one"));
            return None;
        }
        let mut users: BTreeMap<String, Secret> = BTreeMap::new();
        let mut others = Vec::new();
        for (option, password) in module.options {
            match option.strip_prefix("user_") {
                Some("") => self.wrong(&key, "an option user_ has no name after it".to_owned()),
                Some(user) if password.expose().is_empty() => {
                    self.wrong(
                        &key,
                        format!("user_{user} has an empty password, which PLAIN does not allow"),
                    );
                }
                // As in Java, the last one counts.
                Some(user) => drop(users.insert(user.to_owned(), password)),
                // With these a broker of Kafka logs in to other brokers.
                None if matches!(option.as_str(), "username" | "password") => {}
                None => others.push(option),
            }
        }
        if !others.is_empty() {
            self.notes.push(Note::warn(format!(
                "ignored, options without meaning in {key}: {}",
                others.join(", ")
            )));
        }
        if users.is_empty() {
            self.notes
                .push(Note::warn(format!("{key}: no user_NAME is given, so no client can log in by PLAIN")));
        }
        Some(users.into_iter().collect())
    }

    /// The one login module of a mechanism, and the key that has it.
    fn login_module(&mut self, mechanism: Mechanism) -> Option<(String, LoginModule)> {
        const KEY: &str = "sasl.jaas.config";
        let Some((name, setting)) =
            narrowest(self.settings, self.listeners, self.listener, Some(mechanism), KEY)
        else {
            match self.jaas.module(&self.listener.name, PLAIN_LOGIN_MODULE) {
                Ok(Some(module)) => return Some((JAAS_FILE.to_owned(), module)),
                Ok(None) => {}
                Err(reason) => {
                    self.wrong(JAAS_FILE, reason);
                    return None;
                }
            }
            let name = format!(
                "{LISTENER_PREFIX}{}.{}.{KEY}",
                self.listener.name.to_ascii_lowercase(),
                mechanism.name().to_ascii_lowercase()
            );
            let reason = format!(
                "it is missing; give the users, such as {PLAIN_LOGIN_MODULE} required user_alice=\"password\";"
            );
            self.wrong(&name, reason);
            return None;
        };
        let name = name.to_owned();
        match jaas::parse(&setting.value).map(<[LoginModule; 1]>::try_from) {
            Ok(Ok([module])) => Some((name, module)),
            // As in Kafka (`JaasContext.load`).
            Ok(Err(_)) => {
                self.wrong(&name, "it has more than one login module; leave one".to_owned());
                None
            }
            Err(error) => {
                self.wrong(&name, error.to_string());
                None
            }
        }
    }

    /// A key of a whole number, not negative, in the narrowest layer.
    fn number(&mut self, mechanism: Option<Mechanism>, key: &'static str) -> Option<u64> {
        let table = broker_key(key)?;
        let set = narrowest(self.settings, self.listeners, self.listener, mechanism, key);
        let (name, text) = match set {
            Some((name, setting)) => (name.to_owned(), setting.value.clone()),
            None => (key.to_owned(), table.default?.to_owned()),
        };
        let read = table.normalise(&text, Units::Accepted);
        match read.map(|text| text.parse::<u64>()) {
            Ok(Ok(number)) => Some(number),
            // `normalise` has refused what is no number that the key allows.
            Ok(Err(_)) => None,
            // The key alone was reported when all keys were read.
            Err(_) if name == key => None,
            Err(reason) => {
                self.wrong(&name, format!("{reason}. Give {}", table.expectation()));
                None
            }
        }
    }

    fn wrong(&mut self, key: &str, reason: String) {
        let origin = self.settings.get(key).map(|setting| setting.origin.clone());
        self.problems.push(Problem::Wrong { key: key.to_owned(), origin, reason });
    }
}

#[cfg(test)]
mod tests;
