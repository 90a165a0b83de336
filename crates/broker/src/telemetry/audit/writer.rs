//! The task that writes the lines, and counts equal ones together.

use std::time::Duration;

use indexmap::IndexMap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Line, target::AuditTarget};
use crate::clock;
use crate::tasks::Tasks;
use crate::telemetry::line_limit::FAULTS;

/// Equal lines within this time are one.
const TOGETHER: Duration = Duration::from_secs(1);
/// Different lines that are held for it.
const MAX_HELD: usize = 1024;
/// Lines that are taken from the queue at a time.
const BATCH: usize = 256;
/// Pause after a write that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Lines that may repeat, in the order of their first one, with its time and their number.
#[derive(Default)]
struct Held(IndexMap<String, (i64, u64)>);

/// Lines of the log about one write that was given up; more are counted.
const MAX_LOGGED: usize = 200;

/// Writes the lines that come until the token of `tasks` is cancelled, then those that are left. After `stopping` a write that fails is not
/// tried again: its lines go to the log, and the requests that wait for them are answered. So they delay no stop.
pub(super) async fn run(
    mut queue: mpsc::Receiver<Line>,
    mut target: AuditTarget,
    stopping: CancellationToken,
    tasks: Tasks,
) {
    let token = tasks.token().clone();
    let (mut held, mut batch) = (Held::default(), Vec::new());
    let mut flush_at = None;
    loop {
        let due = async {
            match flush_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let mut is_due = false;
        let is_over = tokio::select! {
            // Zero once the last sender is gone.
            count = queue.recv_many(&mut batch, BATCH) => count == 0,
            () = due => { is_due = true; false }
            () = token.cancelled() => true,
        };
        if is_over {
            queue.close();
            while let Ok(line) = queue.try_recv() {
                batch.push(line);
            }
        }
        let (mut text, mut waiting) = (String::new(), Vec::new());
        for mut line in batch.drain(..) {
            waiting.extend(line.written.take());
            held.take(line, &mut text);
        }
        if is_due || is_over || held.0.len() >= MAX_HELD {
            held.flush(&mut text);
        }
        flush_at = match (held.0.is_empty(), flush_at) {
            (true, _) => None,
            (false, at) => at.filter(|_| !is_due).or_else(|| Some(clock::timer_now() + TOGETHER)),
        };
        if !text.is_empty() {
            let changes = waiting.len();
            match write(target, text, changes, &stopping, &tasks).await {
                Some(back) => target = back,
                None => return,
            }
            // A requester that has gone does not wait.
            for written in waiting {
                let _ = written.send(());
            }
        }
        if is_over {
            return;
        }
    }
}

impl Held {
    /// Holds a line that may repeat; writes any other to `text`.
    fn take(&mut self, line: Line, text: &mut String) {
        if line.repeats {
            let (_, count) = self.0.entry(line.object).or_insert((line.at_ms, 0));
            *count += 1;
        } else {
            push(text, line.at_ms, &line.object, 1);
        }
    }

    fn flush(&mut self, text: &mut String) {
        for (object, (at_ms, count)) in self.0.drain(..) {
            push(text, at_ms, &object, count);
        }
    }
}

/// A line whose first fields are time and, where it stands for several, their number.
fn push(text: &mut String, at_ms: i64, object: &str, count: u64) {
    use std::fmt::Write as _;

    let at = std::time::UNIX_EPOCH + Duration::from_millis(u64::try_from(at_ms).unwrap_or_default());
    let count = if count > 1 { format!("\"count\":{count},") } else { String::new() };
    let fields = object.strip_prefix('{').unwrap_or(object);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{{\"time\":\"{}\",{count}{fields}", humantime::format_rfc3339_millis(at));
}

/// Writes on a thread that may block, again and again until it works or the broker stops: a full disk keeps changes waiting and loses no line of
/// them. The first lines are those of `changes`. `None`: the thread is gone.
async fn write(
    mut target: AuditTarget,
    text: String,
    changes: usize,
    stopping: &CancellationToken,
    tasks: &Tasks,
) -> Option<AuditTarget> {
    let text = std::sync::Arc::<str>::from(text);
    loop {
        // Before the write: there is one after the stop has begun.
        let is_last = stopping.is_cancelled() || tasks.token().is_cancelled();
        let lines = std::sync::Arc::clone(&text);
        let work = move || {
            let written = target.write(&lines);
            (target, written)
        };
        let (back, written) = tasks.blocking("audit-write", work).await?;
        target = back;
        let Err(error) = written else { return Some(target) };
        if is_last {
            give_up(&text, changes, &error);
            return Some(target);
        }
        if let Some(suppressed) = FAULTS.take("audit") {
            tracing::error!(%error, suppressed, "the audit log cannot be written; administrators' changes wait for it");
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stopping.cancelled() => {}
            () = tasks.token().cancelled() => {}
        }
    }
}

/// Writes the lines of changes to the log, and the number of all.
fn give_up(text: &str, changes: usize, error: &std::io::Error) {
    for line in text.lines().take(changes.min(MAX_LOGGED)) {
        tracing::error!(line, "the audit log lacks a change");
    }
    let refusals = text.lines().count().saturating_sub(changes);
    tracing::error!(%error, changes, refusals, "the broker stops, and these lines are not in the audit log");
}
