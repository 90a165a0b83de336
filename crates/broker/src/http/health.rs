//! `/livez` (and its alias `/healthz`) says that the process answers, `/readyz` that it serves Kafka clients.
//!
//! `/livez` is 200 as long as requests can be answered at all, also while the broker stops: a liveness probe
//! must not kill a broker that is only busy.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use parking_lot::RwLock;

use super::answer::text;

/// Named checks, all of which must pass for `/readyz` to say yes. Cheap to clone; clones are the same checks.
///
/// The broker fails them at the first stage of shutdown, so that balancers turn away while connections are drained.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<RwLock<Vec<Check>>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Check {
    /// As `?verbose` shows it; unique.
    name: &'static str,
    /// Why the check fails; none if it passes.
    reason: Option<String>,
}

impl Readiness {
    /// Checks that all fail until they are passed.
    pub fn new(names: &[&'static str]) -> Self {
        let check = |name: &&'static str| Check { name, reason: Some("not started".to_owned()) };
        Self(Arc::new(RwLock::new(names.iter().map(check).collect())))
    }

    /// The check passes from now on; one that did not exist is added.
    pub fn pass(&self, name: &'static str) {
        self.put(name, None);
    }

    /// The check fails from now on, for a reason an operator understands; one that did not exist is added.
    pub fn fail(&self, name: &'static str, reason: impl Into<String>) {
        self.put(name, Some(reason.into()));
    }

    /// Returns true if every check passes.
    pub fn is_ready(&self) -> bool {
        self.0.read().iter().all(|check| check.reason.is_none())
    }

    /// Sets a check; the order of checks is that in which they were named first.
    fn put(&self, name: &'static str, reason: Option<String>) {
        let mut checks = self.0.write();
        match checks.iter_mut().find(|check| check.name == name) {
            Some(check) => check.reason = reason,
            None => checks.push(Check { name, reason }),
        }
    }

    /// Returns true if every check passes, and a line per check.
    fn report(&self) -> (bool, String) {
        // Lines and verdict under one lock, or they could contradict each other.
        let checks = self.0.read();
        let mut text = String::new();
        for Check { name, reason } in checks.iter() {
            // Writing to a String cannot fail.
            let _ = match reason {
                None => writeln!(text, "[+] {name} ok"),
                Some(reason) => writeln!(text, "[-] {name} failed: {reason}"),
            };
        }
        (checks.iter().all(|check| check.reason.is_none()), text)
    }
}

/// The routes of health.
pub(super) fn routes(readiness: Readiness) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/healthz", get(livez))
        .route("/readyz", get(readyz))
        .with_state(readiness)
}

/// Needs no lock and no state: it answers while the runtime runs.
async fn livez() -> Response {
    text(StatusCode::OK, "ok\n".to_owned())
}

/// 200 or 503. With `?verbose`, whatever its value, and where it is not ready, a line for each check comes
/// before the verdict.
async fn readyz(State(readiness): State<Readiness>, RawQuery(query): RawQuery) -> Response {
    let (ready, checks) = readiness.report();
    let (status, verdict) =
        if ready { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") };
    let key = |pair: &str| pair.split('=').next() == Some("verbose");
    let verbose = query.is_some_and(|query| query.split('&').any(key));
    // An operator who asks by hand needs the reason, with or without `verbose`.
    text(status, if verbose || !ready { checks + verdict } else { verdict.to_owned() })
}
