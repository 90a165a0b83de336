//! Log lines: to standard error, as text for people or as JSON for machines.
//!
//! Standard output is left to what a user asked to see. RUST_LOG, where set, decides what is logged; otherwise the key
//! `log.level` does. What is logged, and that it holds no payloads and no secrets, is up to those who log.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

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
        /// What the parser said.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logging was set up before.
    #[error("logging is set up already: {0}")]
    Twice(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// Sets logging up for the whole process.
///
/// # Errors
/// RUST_LOG is malformed, or this was called before.
pub fn init(format: LogFormat, level: LogLevel) -> Result<(), LoggingError> {
    let directives = std::env::var("RUST_LOG").ok().filter(|value| !value.trim().is_empty());
    let filter = filter(directives, level)?;
    let terminal = std::io::stderr().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing::subscriber::set_global_default(subscriber(
        is_json(format, terminal),
        colour,
        filter,
        std::io::stderr,
    ))?;
    Ok(())
}

fn filter(directives: Option<String>, level: LogLevel) -> Result<EnvFilter, LoggingError> {
    let text = directives.unwrap_or_else(|| level.as_str().to_owned());
    EnvFilter::builder().parse(&text).map_err(|source| LoggingError::Filter { value: text, source })
}

fn is_json(format: LogFormat, terminal: bool) -> bool {
    match format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !terminal,
    }
}

fn subscriber<W>(
    json: bool,
    colour: bool,
    filter: EnvFilter,
    writer: W,
) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colour);
    if json { Box::new(builder.json().flatten_event(true).finish()) } else { Box::new(builder.finish()) }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(json: bool, level: LogLevel, directives: Option<&str>) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let filter = filter(directives.map(str::to_owned), level).unwrap();
        let subscriber = subscriber(json, false, filter, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(peer = "10.0.0.1:5", reason = "bad \"frame\"", "closed a connection");
            tracing::debug!("details");
        });
        let bytes = buffer.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_has_one_flat_object_per_line() {
        let text = logged(true, LogLevel::Info, None);
        assert_eq!(text.lines().count(), 1, "{text}");
        for part in
            ["\"level\":\"INFO\"", "\"message\":\"closed a connection\"", "\"reason\":\"bad \\\"frame\\\"\""]
        {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn text_is_for_people() {
        let text = logged(false, LogLevel::Info, None);
        assert!(text.contains("INFO") && text.contains("closed a connection peer=\"10.0.0.1:5\""), "{text}");
    }

    #[test]
    fn rust_log_comes_before_the_level() {
        assert_eq!(logged(false, LogLevel::Debug, None).lines().count(), 2);
        assert_eq!(logged(false, LogLevel::Debug, Some("warn")), "");
        assert_eq!(logged(false, LogLevel::Off, None), "");
        let error = filter(Some("a=b=c".to_owned()), LogLevel::Info).unwrap_err().to_string();
        assert!(error.starts_with("the environment variable RUST_LOG is \"a=b=c\": "), "{error}");
    }

    #[test]
    fn auto_is_text_on_a_terminal_only() {
        assert!(!is_json(LogFormat::Auto, true) && is_json(LogFormat::Auto, false));
        assert!(is_json(LogFormat::Json, true) && !is_json(LogFormat::Text, false));
    }
}
