//! Public keys of the issuers of bearer tokens, fetched in the background.
//!
//! Guarantees that keys are replaced only by keys that can be used, that a source which fails leaves the last ones in force for
//! 24 hours and no longer, that a failing source is a warning of `/readyz` and a metric, and that tokens with unknown key ids cause
//! one fetch in 10 seconds, however many come. Logins are judged in `session/bearer.rs`.

mod fetch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use security::bearer::KeySet;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::clock;
use crate::config::{BearerSettings, KeySource, read_keys};
use crate::session::bearer::BearerKeys;
use crate::tasks::Tasks;
use crate::telemetry::line_limit::LineLimit;
use crate::telemetry::metrics::{ExtraFamily, ExtraKind};

/// How often a file is read.
const FILE_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest time between two fetches because of unknown key ids.
const ASKED_INTERVAL: Duration = Duration::from_secs(10);
/// The last keys are in force this long after the last success.
const LONGEST_AGE: Duration = Duration::from_secs(24 * 3600);
/// A line about a failing source in this time.
const LINE_INTERVAL: Duration = Duration::from_secs(60);

/// The keys of each listener that takes bearer tokens. One per broker.
pub(crate) struct IssuerKeys {
    by_listener: BTreeMap<String, Arc<BearerKeys>>,
    /// Why a source failed the last time, by the listener's name.
    failing: watch::Sender<BTreeMap<String, String>>,
}

impl IssuerKeys {
    pub(crate) fn new(by_listener: BTreeMap<String, Arc<BearerKeys>>) -> Arc<Self> {
        Arc::new(Self { by_listener, failing: watch::Sender::default() })
    }

    /// Keeps them up to date until the token of `tasks` is cancelled.
    pub(crate) fn keep(self: &Arc<Self>, tasks: &Tasks) {
        for (listener, keys) in &self.by_listener {
            let pace = Pace::new(keys.settings(), clock::now());
            let (all, listener, keys) = (Arc::clone(self), listener.clone(), Arc::clone(keys));
            let lines = LineLimit::of(1, LINE_INTERVAL);
            let keeper = Keeper { all, listener, keys, tasks: tasks.clone(), pace, lines };
            tasks.spawn("issuer-keys", keeper.run());
        }
    }

    /// Why sources fail, by the listener's name, as it changes.
    pub(crate) fn failing(&self) -> watch::Receiver<BTreeMap<String, String>> {
        self.failing.subscribe()
    }

    /// The numbers of a scrape.
    pub(crate) fn families(&self) -> Vec<ExtraFamily> {
        if self.by_listener.is_empty() {
            return Vec::new();
        }
        let failing = self.failing.borrow();
        let series = self.by_listener.keys().map(|listener| {
            let labels = vec![("listener".into(), listener.clone())];
            (labels, f64::from(u8::from(failing.contains_key(listener))))
        });
        vec![ExtraFamily {
            name: "ottla_issuer_keys_failing".into(),
            help: "1 while the keys of the issuer of bearer tokens cannot be read; the last ones count for 24 hours.".into(),
            kind: ExtraKind::Gauge,
            series: series.collect(),
        }]
    }
}

struct Keeper {
    all: Arc<IssuerKeys>,
    listener: String,
    keys: Arc<BearerKeys>,
    tasks: Tasks,
    pace: Pace,
    lines: LineLimit,
}

impl Keeper {
    async fn run(mut self) {
        let stop = self.tasks.token().clone();
        loop {
            let Some(fetched) = stop.run_until_cancelled(self.fetch()).await else { return };
            let wait = self.take(fetched);
            if stop.run_until_cancelled(self.rest(wait)).await.is_none() {
                return;
            }
        }
    }

    async fn fetch(&self) -> Result<KeySet, String> {
        match &self.keys.settings().source {
            KeySource::File(path, _) => {
                let path = path.clone();
                let read = self.tasks.blocking("read-issuer-keys", move || read_keys(&path)).await;
                read.unwrap_or_else(|| Err("was not read".to_owned()))
            }
            KeySource::Url(url) => fetch::fetch(url, &self.tasks).await.map_err(|error| error.to_string()),
        }
    }

    /// Puts what was fetched in force; returns how long to wait.
    fn take(&mut self, fetched: Result<KeySet, String>) -> Duration {
        let source = &self.keys.settings().source;
        match fetched {
            Ok(keys) => {
                if self.keys.keys().as_deref() != Some(&keys) {
                    let (count, left_out) = (keys.len(), keys.left_out());
                    tracing::info!(%source, keys = count, left_out, "keys of the issuer of bearer tokens are in force");
                    self.keys.replace(Some(keys));
                }
                self.all.failing.send_if_modified(|failing| failing.remove(&self.listener).is_some());
                self.pace.succeeded(clock::now())
            }
            Err(error) => {
                let reason = format!("{source}: {error}");
                self.all.failing.send_if_modified(|failing| {
                    failing.insert(self.listener.clone(), reason.clone()).as_ref() != Some(&reason)
                });
                let (wait, are_too_old) = self.pace.failed(clock::now());
                if are_too_old && self.keys.keys().is_some() {
                    self.keys.replace(None);
                    tracing::error!(%source, "keys of the issuer could not be read for 24 hours: no bearer token counts any more");
                }
                if let Some(suppressed) = self.lines.take("issuer keys") {
                    let has_keys = self.keys.keys().is_some();
                    tracing::warn!(%source, %error, has_keys, suppressed, "keys of the issuer of bearer tokens cannot be read");
                }
                wait
            }
        }
    }

    /// Waits, for a shorter time if a token has an unknown key id.
    async fn rest(&self, wait: Duration) {
        if let KeySource::File(..) = self.keys.settings().source {
            return sleep(wait).await;
        }
        let asked = async {
            sleep(ASKED_INTERVAL).await;
            self.keys.asked().await;
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = asked => {}
        }
    }
}

/// When the next try is due, and when keys are too old.
#[derive(Debug)]
struct Pace {
    interval: Duration,
    retry: Duration,
    max_retry: Duration,
    failures: u32,
    last_success: Instant,
}

impl Pace {
    fn new(settings: &BearerSettings, now: Instant) -> Self {
        let (interval, retry, max_retry) = match settings.source {
            KeySource::File(..) => (FILE_INTERVAL, FILE_INTERVAL, FILE_INTERVAL),
            KeySource::Url(_) => (settings.refresh, settings.retry, settings.max_retry),
        };
        Self { interval, retry, max_retry, failures: 0, last_success: now }
    }

    fn succeeded(&mut self, now: Instant) -> Duration {
        (self.failures, self.last_success) = (0, now);
        self.interval
    }

    /// The time to wait, and true if the keys are too old.
    fn failed(&mut self, now: Instant) -> (Duration, bool) {
        let factor = 1_u32 << self.failures.min(31);
        self.failures = self.failures.saturating_add(1);
        let wait = self.retry.saturating_mul(factor).min(self.max_retry);
        (wait, now.saturating_duration_since(self.last_success) >= LONGEST_AGE)
    }
}

#[cfg(test)]
mod tests;
