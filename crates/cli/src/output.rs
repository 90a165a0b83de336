//! Text on standard output: tables for people, JSON and YAML for programs. Texts of a server are escaped, so that none can move the cursor
//! of a terminal.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde_json::Value;

use crate::failure::Failure;

/// The form of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns.
    #[default]
    Table,
    /// More columns, for tools that have them.
    Wide,
    /// One line of JSON.
    Json,
    /// YAML with the fields of the JSON.
    Yaml,
}

impl Format {
    /// A value for programs: YAML if that was asked for, else one line of JSON.
    pub(crate) fn document(self, value: &Value) -> String {
        match self {
            // A value of JSON has a form in YAML; were there none, JSON is YAML, too.
            Self::Yaml => serde_saphyr::to_string(value).unwrap_or_else(|_| format!("{value}\n")),
            _ => {
                let text = value.to_string();
                let escaped = escaped_json(text.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok());
                escaped.unwrap_or(text) + "\n"
            }
        }
    }
}

/// JSON with DEL and the control characters of C1 as `\u` escapes: the library escapes those below U+0020 alone, and a terminal obeys these as well.
/// `None` without any of them.
pub(crate) fn escaped_json(json: &[u8]) -> Option<Vec<u8>> {
    // U+0080 to U+009F are this byte and another in UTF-8, U+00A0 to U+00BF too. They occur in texts alone.
    if !json.iter().any(|byte| matches!(byte, 0x7f | 0xc2)) {
        return None;
    }
    let text = std::str::from_utf8(json).ok()?;
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\u{7f}'..='\u{9f}' => {
                // Writing to a `String` does not fail.
                let _ = write!(escaped, "\\u{:04x}", u32::from(letter));
            }
            other => escaped.push(other),
        }
    }
    Some(escaped.into_bytes())
}

/// The result of a tool, and if it is good: exit code 0 or 1.
pub(crate) struct Outcome {
    pub(crate) text: String,
    pub(crate) is_good: bool,
}

impl Outcome {
    pub(crate) fn good(text: String) -> Self {
        Self { text, is_good: true }
    }
}

/// The result in the form that was asked for.
pub(crate) fn shown(format: Format, object: impl FnOnce() -> Value, text: impl FnOnce() -> String) -> String {
    match format {
        Format::Json | Format::Yaml => format.document(&object()),
        Format::Table | Format::Wide => text(),
    }
}

/// Rows with the same columns.
pub(crate) struct Table {
    /// Titles, in capitals.
    titles: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(titles: &'static [&'static str]) -> Self {
        Self { titles, rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: impl IntoIterator<Item = String>) {
        self.rows.push(row.into_iter().map(|cell| escaped(&cell)).collect());
    }

    /// The rows in columns; `empty` if there is none. The titles are bold on a terminal.
    pub(crate) fn text(&self, empty: &str) -> String {
        let text = self.plain(empty);
        match text.split_once('\n') {
            Some((titles, rows)) if !self.rows.is_empty() && has_colours() => {
                format!("\u{1b}[1m{titles}\u{1b}[0m\n{rows}")
            }
            _ => text,
        }
    }

    fn plain(&self, empty: &str) -> String {
        if self.rows.is_empty() {
            return format!("{empty}\n");
        }
        let titles: Vec<String> = self.titles.iter().map(|title| (*title).to_owned()).collect();
        let widths: Vec<usize> = (0..titles.len())
            .map(|at| {
                let cells = [&titles].into_iter().chain(&self.rows).filter_map(|row| row.get(at));
                cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
            })
            .collect();
        let mut text = String::new();
        for row in [&titles].into_iter().chain(&self.rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                // Writing to a `String` does not fail.
                let _ = write!(line, "{cell:<width$}  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// True if output may have colours and the like: on a terminal, unless NO_COLOR (no-color.org) or TERM=dumb is set. Questions show
/// tables on standard error, so that has to be a terminal as well.
fn has_colours() -> bool {
    let is = |name, allowed: fn(&std::ffi::OsStr) -> bool| {
        std::env::var_os(name).is_none_or(|value| allowed(&value))
    };
    is("NO_COLOR", std::ffi::OsStr::is_empty)
        && is("TERM", |term| term != "dumb")
        && std::io::stdout().is_terminal()
        && std::io::stderr().is_terminal()
}

/// Without control characters.
pub(crate) fn escaped(text: &str) -> String {
    text.chars()
        .map(
            |letter| if letter.is_control() { letter.escape_debug().to_string() } else { letter.to_string() },
        )
        .collect()
}

/// Writes to standard output. A reader that has gone away, such as `head`, is no failure.
///
/// # Errors
/// It cannot be written.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let mut table = Table::new(&["USER", "MECHANISM"]);
        assert_eq!(table.plain("no users"), "no users\n");
        table.push(["ä".to_owned(), "x".to_owned()]);
        table.push(["alice\u{1b}[2J".to_owned(), String::new()]);
        assert_eq!(table.plain(""), "USER            MECHANISM\nä               x\nalice\\u{1b}[2J\n");
    }

    #[test]
    fn programs_get_json_or_yaml() {
        let value = serde_json::json!([{"topic": "no", "id": null, "partitions": 3, "configs": {"a.b": "1", "c": "x: #y\n"}}]);
        assert_eq!(Format::Json.document(&value), format!("{value}\n"));
        let yaml = Format::Yaml.document(&value);
        // Control characters, also those that JSON may have as they are.
        let controls = serde_json::json!("a\u{7f}\u{80}\u{9b}2J\u{9f}\u{a0}\u{bf}ä\n");
        let text = Format::Json.document(&controls);
        assert_eq!(text, "\"a\\u007f\\u0080\\u009b2J\\u009f\u{a0}\u{bf}ä\\n\"\n");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), controls);
        let yaml_controls = Format::Yaml.document(&controls);
        assert!(!yaml_controls.trim_end().contains(char::is_control), "{yaml_controls:?}");
        // A text that looks like a number or a truth value is quoted.
        for part in ["partitions: 3\n", "id: null\n"] {
            assert!(yaml.contains(part), "{yaml}");
        }
        for part in ["topic: no\n", "a.b: 1\n"] {
            assert!(!yaml.contains(part), "{yaml}");
        }
    }
}
