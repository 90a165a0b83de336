//! `/livez` (and its alias `/healthz`) says that the process answers, `/readyz` that it serves Kafka clients.
//!
//! `/livez` is 200 as long as requests can be answered at all, also while the broker stops: a liveness probe
//! must not kill a broker that is only busy.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
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
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Passes,
    /// It passes, yet an operator should know this.
    Warns(String),
    /// It fails, for this reason.
    Fails(String),
}

impl Readiness {
    /// Checks that all fail until they are passed.
    pub fn new(names: &[&'static str]) -> Self {
        let check = |name: &&'static str| Check { name, outcome: Outcome::Fails("not started".to_owned()) };
        Self(Arc::new(RwLock::new(names.iter().map(check).collect())))
    }

    /// The check passes from now on; one that did not exist is added.
    pub fn pass(&self, name: &'static str) {
        self.put(name, Outcome::Passes);
    }

    /// The check passes from now on, with a warning that an operator understands; one that did not exist is added.
    pub fn warn(&self, name: &'static str, warning: impl Into<String>) {
        self.put(name, Outcome::Warns(warning.into()));
    }

    /// The check fails from now on, for a reason an operator understands; one that did not exist is added.
    pub fn fail(&self, name: &'static str, reason: impl Into<String>) {
        self.put(name, Outcome::Fails(reason.into()));
    }

    /// Returns true if every check passes.
    pub fn is_ready(&self) -> bool {
        self.0.read().iter().all(Check::passes)
    }

    /// Sets a check; the order of checks is that in which they were named first.
    fn put(&self, name: &'static str, outcome: Outcome) {
        let mut checks = self.0.write();
        match checks.iter_mut().find(|check| check.name == name) {
            Some(check) => check.outcome = outcome,
            None => checks.push(Check { name, outcome }),
        }
    }

    /// Returns true if every check passes, and a line per check.
    pub(crate) fn report(&self) -> (bool, String) {
        // Lines and verdict under one lock, or they could contradict each other.
        let checks = self.0.read();
        let mut text = String::new();
        for Check { name, outcome } in checks.iter() {
            // Writing to a String cannot fail.
            let _ = match outcome {
                Outcome::Passes => writeln!(text, "[+] {name} ok"),
                Outcome::Warns(warning) => writeln!(text, "[!] {name}: {warning}"),
                Outcome::Fails(reason) => writeln!(text, "[-] {name} failed: {reason}"),
            };
        }
        (checks.iter().all(Check::passes), text)
    }
}

/// True if the client may see details; routes of probes ask for it.
#[derive(Clone, Copy)]
pub(super) struct Detail(pub(super) bool);

impl Check {
    fn passes(&self) -> bool {
        !matches!(self.outcome, Outcome::Fails(_))
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

/// Returns true for what probes ask without credentials, whatever `http.authentication` says: nothing else is told there than
/// that the process answers, and whether it serves.
pub(super) fn is_open(uri: &Uri) -> bool {
    matches!(uri.path(), "/livez" | "/healthz") || (uri.path() == "/readyz" && !is_verbose(uri.query()))
}

/// Returns true if the query has the key `verbose`, whatever its value.
fn is_verbose(query: Option<&str>) -> bool {
    let key = |pair: &str| pair.split('=').next() == Some("verbose");
    query.is_some_and(|query| query.split('&').any(key))
}

/// 200 or 503. With `?verbose`, and where it is not ready, a line for each check comes before the verdict, for those who may see
/// details.
async fn readyz(
    State(readiness): State<Readiness>,
    RawQuery(query): RawQuery,
    Extension(Detail(detail)): Extension<Detail>,
) -> Response {
    let (ready, checks) = readiness.report();
    let (status, verdict) =
        if ready { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") };
    // An operator who asks by hand needs the reason, with or without `verbose`.
    let wants_checks = is_verbose(query.as_deref()) || !ready;
    text(status, if wants_checks && detail { checks + verdict } else { verdict.to_owned() })
}
