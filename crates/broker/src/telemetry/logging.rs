//! Log lines: to standard error, as text for people or as JSON for machines.
//!
//! Standard output is left to what a user asked to see. RUST_LOG, where set, decides what is logged; otherwise the key
//! `log.level` does; what changes later is told through `loggers.rs`. What is logged, and that it holds no payloads and no
//! secrets, is up to those who log.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};

use tracing::field::Field;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, reload};

use super::group_lines::GroupLines;
use super::loggers::Loggers;
use crate::config::{LogFormat, LogLevel};

/// Why logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// RUST_LOG is not a list of directives.
    #[error(
        "the environment variable RUST_LOG is {value:?}: {source}; give directives such as info,broker=debug"
    )]
    Filter {
        /// The variable as set.
        value: String,
        /// The parser's error.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logging was set up before.
    #[error("logging is set up already: {0}")]
    Twice(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// Sets logging up for the whole process; returns the handle that changes its levels.
///
/// # Errors
/// RUST_LOG is malformed, or this was called before.
pub fn init(format: LogFormat, level: LogLevel) -> Result<Loggers, LoggingError> {
    // A RUST_LOG that is no UTF-8 counts as not set.
    let directives = directives(std::env::var("RUST_LOG").ok(), level);
    let terminal = std::io::stderr().is_terminal();
    // Set to an empty text, NO_COLOR counts as not set (no-color.org).
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (subscriber, loggers) = subscriber(is_json(format, terminal), colour, directives, std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(loggers)
}

/// The directives to start with: RUST_LOG, unless it is unset or blank, else the level of the configuration.
fn directives(rust_log: Option<String>, level: LogLevel) -> String {
    rust_log.filter(|value| !value.trim().is_empty()).unwrap_or_else(|| level.as_str().to_owned())
}

/// `auto` is text for a person at a terminal and JSON for a program that collects.
fn is_json(format: LogFormat, terminal: bool) -> bool {
    match format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    }
}

/// The layers that filter and write lines, and the handle that replaces the filter.
///
/// # Errors
/// The directives cannot be parsed.
fn subscriber<W>(
    json: bool,
    colour: bool,
    directives: String,
    writer: W,
) -> Result<(Box<dyn tracing::Subscriber + Send + Sync>, Loggers), LoggingError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .parse(&directives)
        .map_err(|source| LoggingError::Filter { value: directives.clone(), source })?;
    // In a layer that can be replaced: clients change levels while the broker runs (KIP-412).
    let (filter, reloading) = reload::Layer::new(filter);
    let loggers = Loggers::new(directives, move |filter| {
        if let Err(error) = reloading.reload(filter) {
            tracing::error!(%error, "the loggers' levels stay as they are");
        }
    });
    let lines = tracing_subscriber::fmt::layer().with_writer(Escaping(writer)).with_ansi(colour);
    // The reader of standard error may have gone (a terminal that closed): a panic for each line would be worse.
    let lines = lines.log_internal_errors(false);
    let registry = tracing_subscriber::registry().with(filter);
    let subscriber: Box<dyn tracing::Subscriber + Send + Sync> = if json {
        let lines = lines.json().flatten_event(true);
        Box::new(registry.with(lines.map_event_format(|format| GroupLines::new(format, true))))
    } else {
        let lines = lines.fmt_fields(debug_fn(write_field).delimited(" "));
        Box::new(registry.with(lines.map_event_format(|format| GroupLines::new(format, false))))
    };
    Ok((subscriber, loggers))
}

/// Writes a field of a text line. A name that a client chose may hold line breaks and colours, and must not look like a line
/// of its own; JSON escapes them by itself.
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn std::fmt::Debug) -> std::fmt::Result {
    let text = format!("{value:?}");
    let text = without_control(&text);
    // A value with a space or a quote could look like further fields.
    let text = match field.name() {
        "message" => text,
        _ if text.contains([' ', '"']) && !is_quoted(&text) => Cow::Owned(format!("{text:?}")),
        _ => text,
    };
    match (field.name(), writer.has_ansi_escapes()) {
        ("message", _) => writer.write_str(&text),
        (name, true) => write!(writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m{text}"),
        (name, false) => write!(writer, "{name}={text}"),
    }
}

/// Returns true for one text in quotes, with those inside it escaped: what Rust writes for a string.
fn is_quoted(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else { return false };
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        // An escaped last character would have escaped the closing quote.
        if character == '"' || (character == '\\' && characters.next().is_none()) {
            return false;
        }
    }
    true
}

/// Characters that a terminal or a viewer obeys instead of showing: control characters, line and paragraph separators,
/// those that turn the direction of text, and those without a width, tags among them.
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Escapes what [`is_obeyed`] in whole lines, as JSON does. JSON's own rules leave everything above ASCII as it is, and DEL;
/// in text lines the fields are escaped already. What is ASCII besides DEL (line ends, colours) is ours.
struct Escaping<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Escaping<W> {
    type Writer = Escaping<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Escaping(self.0.make_writer())
    }
}

impl<W: io::Write> io::Write for Escaping<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A line comes in one piece, so that no character is cut.
        let text = String::from_utf8_lossy(line);
        let must_escape = |character: char| character >= '\u{7f}' && is_obeyed(character);
        if !text.contains(must_escape) {
            self.0.write_all(line)?;
            return Ok(line.len());
        }
        let mut escaped = String::with_capacity(text.len() + 64);
        for character in text.chars() {
            match must_escape(character) {
                false => escaped.push(character),
                // Writing to a String cannot fail.
                true => character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                    let _ = write!(escaped, "\\u{unit:04x}");
                }),
            }
        }
        self.0.write_all(escaped.as_bytes())?;
        // The number of bytes that were given, not of those written: the caller would write the rest once
        // more.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The text with such characters escaped.
pub(crate) fn without_control(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_obeyed(character) {
            escaped.extend(character.escape_default())
        } else {
            escaped.push(character)
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Written;

    const OBEYED: [char; 15] = [
        '\u{80}',
        '\u{85}',
        '\u{9b}',
        '\u{61c}',
        '\u{200b}',
        '\u{200e}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202a}',
        '\u{202e}',
        '\u{2066}',
        '\u{2069}',
        '\u{feff}',
        '\u{e0041}',
    ];

    fn logged(json: bool, directives: &str) -> String {
        let written = Written::default();
        let writer = written.clone();
        let (subscriber, _) = subscriber(json, false, directives.to_owned(), move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(peer = "10.0.0.1:5", reason = "bad \"frame\"", "closed a connection");
            tracing::debug!("details");
        });
        written.text()
    }

    /// A client that joined and left in a loop filled the disk with lines.
    #[test]
    fn a_flood_of_lines_about_groups_is_cut_and_no_other() {
        let written = Written::default();
        let writer = written.clone();
        let (subscriber, _) = subscriber(true, false, "debug".to_owned(), move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            for member in 0..1_000 {
                tracing::info!(target: "coordinator::group::classic", member, "member leaves");
                tracing::debug!(target: "coordinator::group::classic", member, "reconciled");
                tracing::info!(target: "coordinators", member, "of another crate");
            }
            tracing::info!(target: "coordinator", "of another kind");
        });
        let text = written.text();
        let lines = |message: &str| text.lines().filter(|line| line.contains(message)).count();
        assert!((200..230).contains(&lines("member leaves")), "{} lines", lines("member leaves"));
        let others = ["reconciled", "of another crate", "of another kind"].map(lines);
        assert_eq!(others, [1_000, 1_000, 1]);
    }

    #[test]
    fn json_has_one_flat_object_per_line() {
        let text = logged(true, "info");
        assert_eq!(text.lines().count(), 1, "{text}");
        for part in
            ["\"level\":\"INFO\"", "\"message\":\"closed a connection\"", "\"reason\":\"bad \\\"frame\\\"\""]
        {
            assert!(text.contains(part), "{text}");
        }
    }

    /// As a client id, a topic or a group name may be.
    #[test]
    fn nothing_that_a_client_chose_makes_lines_or_colours_of_its_own() {
        let hostile = "x\n2026-01-01T00:00:00Z ERROR broker: forged\r\u{1b}[31mred\u{7}\0";
        // C1 controls (a CSI among them), separators that some viewers break lines at, and what turns or hides text.
        let hostile = format!("{hostile}{}", OBEYED.iter().collect::<String>());
        let hostile = hostile.as_str();
        for (json, colour) in [(false, false), (false, true), (true, false)] {
            let written = Written::default();
            let writer = written.clone();
            let (subscriber, _) =
                subscriber(json, colour, "info".to_owned(), move || writer.clone()).unwrap();
            tracing::subscriber::with_default(subscriber, || {
                tracing::info!(client_id = hostile, group = %hostile, "named");
                tracing::warn!(error = %io::Error::other(hostile), "failed");
                tracing::warn!("in the message: {hostile}");
            });
            let text = written.text();
            assert_eq!(text.lines().count(), 3, "{text}");
            assert!(text.contains("forged"), "nothing is left out: {text}");
            let forged = |line: &str| line.starts_with("2026-01-01") || line.contains('\r');
            assert!(!text.lines().any(forged), "{text}");
            let control = |character: char| {
                character.is_control() && character != '\n' && (!colour || character != '\u{1b}')
            };
            assert!(!text.chars().any(control), "{text:?}");
            assert!(!text.contains("\u{1b}[31mred"), "{text:?}");
            assert!(!text.contains(OBEYED), "{text:?}");
            // As JSON's readers turn back into the same text, the last of them by a surrogate pair.
            assert!(
                !json || text.contains(r"\u009b\u061c\u200b") && text.contains(r"\ufeff\udb40\udc41"),
                "{text}"
            );
        }
    }

    #[test]
    fn no_value_looks_like_further_fields() {
        for hostile in ["g state=Dead", "\"g\" state=\"Dead\"", "\"g\\\" state=Dead", "g\u{2028}\u{202e}x"] {
            let written = Written::default();
            let writer = written.clone();
            let (subscriber, _) =
                subscriber(false, false, "info".to_owned(), move || writer.clone()).unwrap();
            tracing::subscriber::with_default(subscriber, || tracing::info!(group = %hostile, "named"));
            let text = written.text();
            let value = text.split_once("group=").unwrap().1.trim_end();
            assert!(is_quoted(value) || !value.contains([' ', '"']), "{text}");
            assert!(!value.contains(['\u{2028}', '\u{202e}']), "{text}");
        }
    }

    #[test]
    fn text_is_for_people() {
        let text = logged(false, "info");
        assert!(text.contains("INFO") && text.contains("closed a connection peer=\"10.0.0.1:5\""), "{text}");
    }

    #[test]
    fn directives_decide_what_is_logged() {
        assert_eq!(logged(false, "debug").lines().count(), 2);
        assert_eq!(logged(false, "warn"), "");
        assert_eq!(logged(false, "off"), "");
        let directives = |set: Option<&str>| directives(set.map(str::to_owned), LogLevel::Debug);
        assert_eq!((directives(None).as_str(), directives(Some("warn")).as_str()), ("debug", "warn"));
        let Err(error) = subscriber(false, false, "a=b=c".to_owned(), io::stderr) else { panic!("accepted") };
        let error = error.to_string();
        assert!(error.starts_with("the environment variable RUST_LOG is \"a=b=c\": "), "{error}");
    }

    #[test]
    fn levels_change_while_lines_are_logged() {
        let written = Written::default();
        let writer = written.clone();
        let (subscriber, loggers) =
            subscriber(false, false, "info".to_owned(), move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "broker::net", "before");
            loggers.change(&[("broker.net", Some(LogLevel::Debug))]);
            tracing::debug!(target: "broker::net::connection", "while");
            tracing::debug!(target: "broker::group", "elsewhere");
            loggers.change(&[("broker.net", None)]);
            tracing::debug!(target: "broker::net", "after");
        });
        let text = written.text();
        assert!(text.contains("while"), "{text}");
        for absent in ["before", "elsewhere", "after"] {
            assert!(!text.contains(absent), "{text}");
        }
    }

    #[test]
    fn auto_is_text_on_a_terminal_only() {
        assert!(!is_json(LogFormat::Auto, true) && is_json(LogFormat::Auto, false));
        assert!(is_json(LogFormat::Json, true) && !is_json(LogFormat::Text, false));
    }
}
