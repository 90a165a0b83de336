//! Limits the lines about groups: members that join and leave, rebalances, requests that are refused.
//!
//! Clients cause them, as many as they like, and the crate of the coordinators has no clock to limit them by. So it
//! is done where lines are written: those of one place in the program are one kind. At the pace of a busy cluster all
//! are written; what comes beyond is counted in the next line of its kind. Lines at DEBUG and TRACE are left alone,
//! as an operator asked for them.

use std::fmt;
use std::time::Duration;

use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::line_limit::LineLimit;

/// Lines of one kind that may come at once: a restart or a new topic may touch as many groups.
const BURST: u32 = 200;
/// A further line of that kind is earned in this time.
const INTERVAL: Duration = Duration::from_secs(1);
/// The crate whose lines are limited.
const CRATE: &str = "coordinator";

/// Formats lines as `inner` does, those about groups within their limit.
pub(super) struct GroupLines<F> {
    inner: F,
    /// `inner` writes JSON.
    json: bool,
    lines: LineLimit,
}

impl<F> GroupLines<F> {
    pub(super) fn new(inner: F, json: bool) -> Self {
        Self { inner, json, lines: LineLimit::of(BURST, INTERVAL) }
    }
}

impl<S, N, F> FormatEvent<S, N> for GroupLines<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if !is_limited(event.metadata()) {
            return self.inner.format_event(context, writer, event);
        }
        // The name of an event is the place in the program.
        match self.lines.take(event.metadata().name()) {
            None => Ok(()),
            Some(0) => self.inner.format_event(context, writer, event),
            Some(suppressed) => {
                let mut line = String::new();
                self.inner.format_event(context, Writer::new(&mut line), event)?;
                writer.write_str(&with_suppressed(&line, suppressed, self.json))
            }
        }
    }
}

fn is_limited(metadata: &Metadata<'_>) -> bool {
    // Levels are ordered by how much they let through.
    let is_of_groups = metadata.target().split("::").next() == Some(CRATE);
    is_of_groups && *metadata.level() <= Level::INFO
}

/// The line with a further field.
fn with_suppressed(line: &str, suppressed: u64, json: bool) -> String {
    let line = line.trim_end();
    match line.strip_suffix('}').filter(|_| json) {
        Some(object) => format!("{object},\"suppressed\":{suppressed}}}\n"),
        None => format!("{line} suppressed={suppressed}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_a_field_of_either_format() {
        let json = "{\"level\":\"INFO\",\"group\":\"g}\"}\n";
        let expected = "{\"level\":\"INFO\",\"group\":\"g}\",\"suppressed\":7}\n";
        assert_eq!(with_suppressed(json, 7, true), expected);
        assert_eq!(with_suppressed("INFO left group=g}\n", 7, false), "INFO left group=g} suppressed=7\n");
    }
}
