//! The audit log: a line of JSON for each login that was refused, each denial, each change that an administrator made, and each new certificate.
//!
//! Guarantees that no line holds a secret or is forged by a client (texts of clients are escaped and cut), and that a slow or full
//! target never slows the path of data: lines about logins and denials are dropped and counted, those about changes wait, and
//! with them the answer to who made the change. Equal lines about refusals within a second are one line with a count. Where lines
//! go is left to `audit/target.rs`, what waits and what is dropped to `audit/writer.rs`.

mod target;
mod writer;

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub(crate) use target::{AuditError, AuditTarget};

use crate::clock::Clock;
use crate::tasks::Tasks;
use crate::telemetry::metrics::Counter;

/// Lines that wait to be written.
const QUEUE: usize = 1024;
/// Characters of one text of a client.
const MAX_TEXT: usize = 256;

/// The audit log; a clone is the same one. Without a target nothing is written, and nothing is made for it.
#[derive(Clone, Default)]
pub(crate) struct Audit(Option<Arc<On>>);

struct On {
    lines: mpsc::Sender<Line>,
    accepted_logins: bool,
    dropped: Arc<Counter>,
    clock: Clock,
}

/// A line that is not written yet.
struct Line {
    /// Wall time.
    at_ms: i64,
    /// A JSON object without the time.
    object: String,
    /// It may be counted into an equal one.
    repeats: bool,
    /// Told once the line is written.
    written: Option<oneshot::Sender<()>>,
}

/// The client of an event.
pub(crate) struct Client<'a> {
    pub(crate) principal: Option<&'a str>,
    pub(crate) address: SocketAddr,
    pub(crate) listener: &'a str,
    pub(crate) client_id: Option<&'a str>,
}

/// One thing that a request or the broker itself changed, or tried to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// Such as `Topic`.
    pub(crate) resource_type: &'static str,
    pub(crate) resource: String,
    /// Such as `Create`.
    pub(crate) operation: &'static str,
    /// Kafka's code of the result.
    pub(crate) error_code: i16,
    /// The new state, without secrets; null where the operation says all.
    pub(crate) detail: Value,
}

impl Audit {
    /// Writes to a target until the token of `tasks` is cancelled and everything is written. `dropped` counts the lines that are
    /// lost. From `stopping` on what cannot be written is not tried again.
    pub(crate) fn new(
        target: AuditTarget,
        accepted_logins: bool,
        dropped: Arc<Counter>,
        clock: Clock,
        (stopping, tasks): (CancellationToken, &Tasks),
    ) -> Self {
        let (lines, queue) = mpsc::channel(QUEUE);
        tasks.spawn("audit", writer::run(queue, target, stopping, tasks.clone()));
        Self(Some(Arc::new(On { lines, accepted_logins, dropped, clock })))
    }

    /// Returns true if events are written at all: who makes a costly one asks first.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A login failed, for a reason without secrets.
    pub(crate) fn login_refused(&self, client: &Client<'_>, mechanism: Option<&str>, reason: &str) {
        self.droppable(|| {
            let mut event = event("login", Some(client), "refused");
            event.insert("mechanism".to_owned(), json!(mechanism.map(cut)));
            event.insert("reason".to_owned(), json!(cut(reason)));
            event
        });
    }

    /// A client logged in. Written only if `audit.log.accepted.logins` asks for it.
    pub(crate) fn login_accepted(&self, client: &Client<'_>, mechanism: &str) {
        if self.0.as_ref().is_some_and(|on| on.accepted_logins) {
            self.droppable(|| {
                let mut event = event("login", Some(client), "accepted");
                event.insert("mechanism".to_owned(), json!(mechanism));
                event
            });
        }
    }

    /// The authorizer refused an operation to a resource.
    pub(crate) fn denied(
        &self,
        client: &Client<'_>,
        api: &'static str,
        operation: &'static str,
        (resource_type, resource): (&'static str, &str),
    ) {
        self.droppable(|| {
            let mut event = event("authorization", Some(client), "denied");
            let told = [("api", api), ("operation", operation), ("resource_type", resource_type)];
            event.extend(told.map(|(name, text)| (name.to_owned(), json!(text))));
            event.insert("resource".to_owned(), json!(cut(resource)));
            event
        });
    }

    /// A request changed something, or was refused to. Returns when the lines are written.
    pub(crate) async fn changed(
        &self,
        client: &Client<'_>,
        api: &'static str,
        changes: Vec<Change>,
        result: impl Fn(i16) -> &'static str,
    ) {
        let Some(on) = &self.0 else { return };
        let mut last = None;
        for change in changes {
            let event = event("change", Some(client), result(change.error_code));
            last = Some(on.send(event, Some(api), change).await);
        }
        // Lines are written in their order. An error: the broker stopped before, and has said so in its log.
        if let Some(last) = last {
            let _ = last.await;
        }
    }

    /// The broker changed something by itself, or failed to. Returns when the line is written.
    pub(crate) async fn changed_by_broker(&self, change: Change, result: &'static str) {
        let Some(on) = &self.0 else { return };
        let written = on.send(event("change", None, result), None, change).await;
        // An error: as in `changed`.
        let _ = written.await;
    }

    fn droppable(&self, event: impl FnOnce() -> Map<String, Value>) {
        let Some(on) = &self.0 else { return };
        let Ok(place) = on.lines.try_reserve() else { return on.dropped.inc() };
        let object = Value::Object(event()).to_string();
        place.send(Line { at_ms: on.clock.now_ms(), object, repeats: true, written: None });
    }
}

impl On {
    /// Queues the line of a change; waits for room. The receiver is told once it is written.
    async fn send(
        &self,
        mut event: Map<String, Value>,
        api: Option<&'static str>,
        change: Change,
    ) -> oneshot::Receiver<()> {
        event.insert("api".to_owned(), json!(api));
        let told = [("operation", change.operation), ("resource_type", change.resource_type)];
        event.extend(told.map(|(name, text)| (name.to_owned(), json!(text))));
        event.insert("resource".to_owned(), json!(cut(&change.resource)));
        if !change.detail.is_null() {
            event.insert("detail".to_owned(), cut_all(change.detail));
        }
        let (written, waits) = oneshot::channel();
        let object = Value::Object(event).to_string();
        let line = Line { at_ms: self.clock.now_ms(), object, repeats: false, written: Some(written) };
        if self.lines.send(line).await.is_err() {
            // The broker stops, and its last requests are answered.
            self.dropped.inc();
        }
        waits
    }
}

/// The fields that all events have. Without a client it is an event of the broker itself, and those of clients are null.
fn event(kind: &'static str, client: Option<&Client<'_>>, result: &'static str) -> Map<String, Value> {
    // Without the port: it would make each repeat another line.
    let address = client.map(|client| client.address.ip().to_canonical().to_string());
    let fields = [
        ("event", json!(kind)),
        ("principal", json!(client.and_then(|client| client.principal).map(cut))),
        ("address", json!(address)),
        ("listener", json!(client.map(|client| client.listener))),
        ("client_id", json!(client.and_then(|client| client.client_id).map(cut))),
        ("result", json!(result)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A text of a client. JSON escapes what it holds.
fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

/// The value with all its texts cut, and no more than [`MAX_TEXT`] elements in each list.
fn cut_all(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(cut(&text)),
        Value::Array(values) => values.into_iter().take(MAX_TEXT).map(cut_all).collect(),
        Value::Object(fields) => {
            fields.into_iter().take(MAX_TEXT).map(|(name, value)| (cut(&name), cut_all(value))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
