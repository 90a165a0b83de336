//! Bearer tokens of one listener, judged by the keys of their issuer as of now.
//!
//! Guarantees that a login waits for no file and no network: it goes by the keys that are there, and asks for newer ones if none has
//! the id of a token. Fetching them is left to `services/issuer_keys.rs`.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use security::bearer::{self, Accepted, KeySet, Refused};
use tokio::sync::Notify;

use crate::config::{BearerSettings, KeySource};

/// The keys of an issuer, and what is expected of its tokens.
#[derive(Debug)]
pub(crate) struct BearerKeys {
    settings: Arc<BearerSettings>,
    /// `None` until they are fetched, and when they have become too old.
    keys: ArcSwapOption<KeySet>,
    asked: Notify,
}

impl BearerKeys {
    /// Those of the file, if that is the source; none for now if it is an address.
    pub(crate) fn new(settings: Arc<BearerSettings>) -> Self {
        let keys = match &settings.source {
            KeySource::File(_, keys) => Some(Arc::new(keys.clone())),
            KeySource::Url(_) => None,
        };
        Self { settings, keys: ArcSwapOption::new(keys), asked: Notify::new() }
    }

    /// The source of the keys, and how often they are fetched.
    pub(crate) fn settings(&self) -> &BearerSettings {
        &self.settings
    }

    /// Judges a token at `now_ms`, Unix time.
    ///
    /// # Errors
    /// It does not count.
    pub(crate) fn judge(&self, token: &str, now_ms: i64) -> Result<Accepted, Refused> {
        let keys = self.keys.load();
        let keys = keys.as_ref().ok_or(Refused::NoKeys)?;
        let judged = bearer::judge(token, keys, &self.settings.expected, now_ms);
        if judged == Err(Refused::UnknownKey) {
            // The issuer may have a new key. One permit is kept, however many ask.
            self.asked.notify_one();
        }
        judged
    }

    /// Waits until a token had an unknown key id.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// The keys as of now; `None` if there are none.
    pub(crate) fn keys(&self) -> Option<Arc<KeySet>> {
        self.keys.load_full()
    }

    /// Puts other keys in force; `None`: every token is refused.
    pub(crate) fn replace(&self, keys: Option<KeySet>) {
        self.keys.store(keys.map(Arc::new));
    }
}
