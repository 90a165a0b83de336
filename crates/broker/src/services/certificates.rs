//! Certificates of the listeners, read again while the broker runs.
//!
//! Guarantees that new connections get the newest settings that can be used, and that established ones keep theirs; that files which
//! cannot be used leave the last ones in force, with a line in the log and a warning of `/readyz`; and that sessions are resumed
//! only within the settings that began them, so that a client whose authority was removed cannot resume.
//! `config/tls/reload.rs` finds the changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use codec::ErrorCode;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::config::{BrokerConfig, HTTP_TLS, Renewal, TlsSource};
use crate::session::logins::{CurrentTls, Logins};
use crate::tasks::Tasks;
use crate::telemetry::audit::{Audit, Change};
use crate::telemetry::metrics::{ExtraFamily, ExtraKind};

/// Time between two looks at the files, without a request for one.
const INTERVAL: Duration = Duration::from_secs(4);
/// Files that have changed are taken once they have the same contents for this long: an operator may be writing them.
const SETTLED: Duration = Duration::from_millis(500);

/// See the module. One per broker.
pub(crate) struct Certificates {
    in_force: BTreeMap<String, CurrentTls>,
    /// Locked by threads that may block, for as long as the files are read.
    source: Arc<Mutex<TlsSource>>,
    /// Held from the reading until what was read is in force, so that an older reading never follows a newer one.
    renewing: tokio::sync::Mutex<()>,
    /// Why the newest files of a listener are not in force, by the listener's name.
    problems: watch::Sender<BTreeMap<String, String>>,
    asked: Notify,
    audit: Audit,
    clock: Clock,
    tasks: Tasks,
}

impl Certificates {
    /// The certificates with which these logins were made, and that of HTTP.
    pub(crate) fn new(
        config: &BrokerConfig,
        (logins, http): (&Logins, Option<CurrentTls>),
        (clock, audit): (Clock, Audit),
        tasks: Tasks,
    ) -> Arc<Self> {
        let (mut in_force, source) = (logins.tls(), Arc::new(Mutex::new(config.tls_source())));
        in_force.extend(http.map(|tls| (HTTP_TLS.to_owned(), tls)));
        for (listener, tls) in &in_force {
            let own = &tls.load().own;
            if let Some(reason) = own.out_of_date(unix_seconds(&clock)) {
                tracing::warn!(%listener, subject = %own.subject, %reason, "clients will refuse this certificate");
            }
        }
        let (problems, asked, renewing) =
            (watch::Sender::default(), Notify::new(), tokio::sync::Mutex::default());
        Arc::new(Self { in_force, source, renewing, problems, asked, audit, clock, tasks })
    }

    /// Looks at the files every few seconds until the broker stops.
    pub(crate) fn keep(self: &Arc<Self>) {
        if self.in_force.is_empty() {
            return;
        }
        let (this, stop) = (Arc::clone(self), self.tasks.token().clone());
        self.tasks.spawn("certificates", async move {
            let mut pause = INTERVAL;
            while let Some(asked) = stop.run_until_cancelled(timeout(pause, this.asked.notified())).await {
                let is_settled = this.take(asked.is_ok()).await;
                pause = if is_settled { INTERVAL } else { SETTLED };
            }
        });
    }

    /// Has the files read soon.
    pub(crate) fn ask(&self) {
        self.asked.notify_one();
    }

    /// Reads the files; what is new and can be used is in force afterwards. Returns why those of a listener cannot be used, by its
    /// name.
    pub(crate) async fn renew(&self) -> BTreeMap<String, String> {
        self.take(true).await;
        self.problems.borrow().clone()
    }

    /// Holds up every reading.
    #[cfg(test)]
    pub(crate) async fn hold(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.renewing.lock().await
    }

    /// Takes the files as they are, at once or only if they have not changed since the last look; returns false if they have.
    async fn take(&self, at_once: bool) -> bool {
        let _renewing = self.renewing.lock().await;
        let (source, now) = (Arc::clone(&self.source), unix_seconds(&self.clock));
        let read = move || {
            let mut source = source.lock();
            if at_once { Some(source.read(now)) } else { source.look(now) }
        };
        // `None` as well if the broker stops by force.
        let renewals = self.tasks.blocking("read-certificates", read).await.flatten();
        let is_settled = renewals.is_some();
        self.apply(renewals.unwrap_or_default());
        is_settled
    }

    fn apply(&self, renewals: Vec<Renewal>) {
        for Renewal { listener, outcome, warnings } in renewals {
            let Some(current) = self.in_force.get(&listener) else { continue };
            match outcome {
                Ok(settings) => {
                    let (old, new) = (current.load_full(), &settings.own);
                    let (subject, serial, before) = (&new.subject, &new.serial, &old.own.serial);
                    tracing::info!(%listener, %subject, %serial, %before, "the files of TLS were read again and are in force");
                    if old.own.subject != new.subject {
                        let before = &old.own.subject;
                        tracing::warn!(%listener, %subject, %before, "the new certificate has another subject");
                    }
                    for warning in warnings {
                        tracing::warn!(%listener, "{warning}");
                    }
                    // Before the settings: a client that sees them finds no problem.
                    self.problems.send_modify(|problems| drop(problems.remove(&listener)));
                    current.store(Arc::clone(&settings));
                    let detail = json!({"serial": serial, "subject": subject, "before": before});
                    self.tell(listener, ErrorCode::None, detail);
                }
                // Judged again, and no better.
                Err(reason) if self.problems.borrow().get(&listener) == Some(&reason) => {}
                Err(reason) => {
                    tracing::error!(%listener, %reason, "the new files of TLS cannot be used; the last ones stay in force");
                    self.tell(listener.clone(), ErrorCode::InvalidConfig, json!({"reason": reason}));
                    self.problems.send_modify(|problems| drop(problems.insert(listener, reason)));
                }
            }
        }
    }

    /// Tells the audit log of a new certificate, or of one that is not taken.
    fn tell(&self, listener: String, result: ErrorCode, detail: serde_json::Value) {
        if !self.audit.is_on() {
            return;
        }
        let (resource_type, operation, error_code) = ("Certificate", "Alter", result.code());
        let change = Change { resource_type, resource: listener, operation, error_code, detail };
        let audit = self.audit.clone();
        // In a task: a full disk, for which changes wait, keeps no certificate out.
        self.tasks
            .spawn("audit-certificate", async move { audit.changed_by_broker(change, result.name()).await });
    }

    /// Why the newest files are not in force, by listener. It changes with each reading that finds other files.
    pub(crate) fn problems(&self) -> watch::Receiver<BTreeMap<String, String>> {
        self.problems.subscribe()
    }

    /// The numbers of a scrape.
    pub(crate) fn families(&self) -> Vec<ExtraFamily> {
        if self.in_force.is_empty() {
            return Vec::new();
        }
        let series = |value: &dyn Fn(&String, &CurrentTls) -> Option<f64>| {
            let label = |name: &String| vec![("listener".into(), name.clone())];
            self.in_force.iter().filter_map(|(name, tls)| Some((label(name), value(name, tls)?))).collect()
        };
        let gauge =
            |name: &'static str, help: &'static str, value: &dyn Fn(&String, &CurrentTls) -> Option<f64>| {
                ExtraFamily {
                    name: name.into(),
                    help: help.into(),
                    kind: ExtraKind::Gauge,
                    series: series(value),
                }
            };
        let problems = self.problems.borrow();
        vec![
            gauge(
                "ottla_tls_certificate_expiry_seconds",
                "Unix time at which the certificate of the listener, or one between it and its authority, expires.",
                &|_, tls| Some(tls.load().own.chain_not_after as f64),
            ),
            gauge(
                "ottla_tls_certificate_refused",
                "1 while the newest files of TLS of the listener cannot be used and older ones are in force.",
                &|name, _| Some(f64::from(u8::from(problems.contains_key(name)))),
            ),
            gauge(
                "ottla_tls_crl_expiry_seconds",
                "Unix time at which a list of revoked certificates of the listener is out of date: then its clients are refused.",
                &|_, tls| tls.load().lists_until.map(|until| until as f64),
            ),
        ]
    }
}

fn unix_seconds(clock: &Clock) -> i64 {
    clock.now_ms().div_euclid(1000)
}
