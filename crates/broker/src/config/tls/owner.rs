//! The listeners that speak TLS: those of Kafka's clients, and that of HTTP.
//!
//! The keys of a listener are `listener.name.<listener>.ssl.…`, those of HTTP `http.ssl.…`; for both the keys `ssl.…` alone count where
//! the narrower ones are not set. Guarantees that a key of TLS for HTTP is never ignored while HTTP is served without TLS.

use std::fmt;

use crate::config::http_authentication::HttpAccess;
use crate::config::http_listener::HttpListener;
use crate::config::listener::Listener;
use crate::config::listener_keys::{HTTP_PREFIX, is_http_key, narrowest};
use crate::config::problem::Problem;
use crate::config::setting::{Setting, Settings};

/// The name of HTTP among listeners, whose own names are in upper case.
pub(crate) const HTTP: &str = "http";

/// The listener whose TLS is resolved.
#[derive(Clone, Copy)]
pub(super) enum Owner<'a> {
    /// One of Kafka's clients.
    Listener(&'a Listener),
    /// That of HTTP.
    Http {
        /// `http.authentication=certificate`.
        demands_certificate: bool,
    },
}

impl<'a> Owner<'a> {
    /// All that speak TLS.
    pub(super) fn all(
        listeners: &'a [Listener],
        (http, access): (Option<&HttpListener>, Option<&HttpAccess>),
    ) -> Vec<Self> {
        let with_tls = listeners.iter().filter(|listener| listener.protocol.has_tls());
        let demands_certificate = access == Some(&HttpAccess::Certificate);
        let http = http.filter(|http| http.tls).map(|_| Self::Http { demands_certificate });
        with_tls.map(Self::Listener).chain(http).collect()
    }

    /// Its name, by which the settings of TLS are kept.
    pub(super) fn name(self) -> &'a str {
        match self {
            Self::Listener(listener) => &listener.name,
            Self::Http { .. } => HTTP,
        }
    }

    pub(super) fn is_http(self) -> bool {
        matches!(self, Self::Http { .. })
    }

    /// Returns true if clients have to show a certificate whatever `ssl.client.auth` says.
    pub(super) fn demands_certificate(self) -> bool {
        matches!(self, Self::Http { demands_certificate: true })
    }

    /// The narrowest setting of a key, with the name under which it was set; `None` if it was set nowhere.
    pub(super) fn narrowest(
        self,
        settings: &'a Settings,
        listeners: &'a [Listener],
        key: &'static str,
    ) -> Option<(&'a str, &'a Setting)> {
        match self {
            Self::Listener(listener) => narrowest(settings, listeners, listener, None, key),
            Self::Http { .. } => {
                let own = settings.get_key_value(&format!("{HTTP_PREFIX}{key}"));
                own.or_else(|| settings.get_key_value(key)).map(|(name, setting)| (name.as_str(), setting))
            }
        }
    }
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(listener) => write!(out, "listener {}", listener.name),
            Self::Http { .. } => out.write_str("HTTP"),
        }
    }
}

/// An operator who set one believes that HTTP is encrypted.
pub(super) fn refuse_unused_keys_of_http(
    settings: &Settings,
    http: Option<&HttpListener>,
    problems: &mut Vec<Problem>,
) {
    let Some(http) = http.filter(|http| !http.tls) else { return };
    for (key, setting) in settings.iter().filter(|(key, _)| is_http_key(key)) {
        let reason = format!("HTTP is not encrypted; set http.listener=https://{http}, or remove this key");
        problems.push(Problem::Wrong { key: key.clone(), origin: Some(setting.origin.clone()), reason });
    }
}
