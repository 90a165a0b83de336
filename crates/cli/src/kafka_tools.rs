//! Kafka's own tools by their names: `ottla kafka-topics …`, or a link of that name to the binary. They take Kafka's flags and print Kafka's lines,
//! so that scripts and habits go on working; exit codes are Kafka's too.
//!
//! | module | what |
//! | --- | --- |
//! | `flags` | flags as Kafka's parser (joptsimple) reads them |
//! | `refusal` | why a tool ends, in Kafka's words |
//! | `filter` | names of topics as Kafka's tools match them |
//! | `acls` | `kafka-acls` |
//! | `topics` | `kafka-topics` |
//! | `console_consumer`, `console_producer` | `kafka-console-consumer`, `kafka-console-producer` |
//! | `consumer_groups` | `kafka-consumer-groups` |
//! | `configs` | `kafka-configs` |
//!
//! A flag that Kafka has and this program does not serve is refused by a sentence that names the `ottla` command for it; none is accepted and ignored.

mod acls;
mod configs;
mod console_consumer;
mod console_producer;
mod consumer_groups;
mod filter;
mod flags;
mod refusal;
mod topics;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use self::flags::{Flags, Given};
use self::refusal::Refusal;
use crate::client::{Target, serves_key};

/// One of Kafka's tools.
struct Tool {
    /// The name of its script, without `.sh`.
    name: &'static str,
    /// One sentence of its help.
    about: &'static str,
    flags: Flags,
    run: fn(&Given) -> Result<(), Refusal>,
    /// Prints why it ended; returns its exit code.
    report: fn(&Refusal) -> u8,
}

const TOOLS: &[&Tool] = &[
    &acls::TOOL,
    &configs::TOOL,
    &console_consumer::TOOL,
    &console_producer::TOOL,
    &consumer_groups::TOOL,
    &topics::TOOL,
];

/// Runs one of Kafka's tools if the arguments of the process name one: as its first argument, or as the file that was started. `None` otherwise.
pub fn kafka_tool(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let (tool, rest) = find(&arguments)?;
    let texts: Result<Vec<String>, OsString> = rest.iter().cloned().map(OsString::into_string).collect();
    let ended = match texts {
        Ok(texts) => run(tool, &texts),
        Err(text) => Err(Refusal::Argument(format!("the argument {text:?} is no UTF-8"))),
    };
    Some(match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => ExitCode::from((tool.report)(&refusal)),
    })
}

/// The tool that is called, and its arguments.
fn find(arguments: &[OsString]) -> Option<(&'static Tool, &[OsString])> {
    let (program, rest) = arguments.split_first()?;
    if let Some(tool) = Path::new(program).file_name().and_then(named) {
        return Some((tool, rest));
    }
    let (first, rest) = rest.split_first()?;
    Some((named(first)?, rest))
}

/// The tool of a name, with or without `.sh`.
fn named(name: &OsStr) -> Option<&'static Tool> {
    let name = name.to_str()?;
    let name = name.strip_suffix(".sh").unwrap_or(name);
    TOOLS.iter().copied().find(|tool| tool.name == name)
}

fn run(tool: &Tool, arguments: &[String]) -> Result<(), Refusal> {
    let given = tool.flags.parse(arguments)?;
    if given.has("help") || arguments.is_empty() {
        eprint!("{}\n{}", tool.about, tool.flags.help());
        return if given.has("help") { Ok(()) } else { Err(Refusal::Silent) };
    }
    if given.has("version") {
        return Ok(crate::output::print(&format!("ottla {}\n", env!("CARGO_PKG_VERSION")))?);
    }
    (tool.run)(&given)
}

/// The flags by which a tool takes client keys, besides `--command-config`.
struct ClientFlags {
    /// The former name of `--command-config`.
    config: &'static str,
    /// Those that take `KEY=VALUE`.
    properties: &'static [&'static str],
    /// Keys that the tool reads itself.
    own: &'static [&'static str],
}

/// Of the tools that take client keys from a file alone.
const FILE_ALONE: ClientFlags = ClientFlags { config: "command-config", properties: &[], own: &[] };

impl ClientFlags {
    /// The last value of a key that the tool reads itself.
    fn own<'a>(&self, given: &'a Given, key: &str) -> Option<&'a str> {
        self.pairs(given).filter(|(name, _)| *name == key).map(|(_, value)| value).last()
    }

    fn pairs<'a>(&self, given: &'a Given) -> impl Iterator<Item = (&'a str, &'a str)> {
        let texts = self.properties.iter().flat_map(|flag| given.values(flag));
        texts.map(|text| text.split_once('=').unwrap_or((text, "")))
    }

    /// The keys for the connection, as `-X` takes them.
    ///
    /// # Errors
    /// One has no effect on it.
    fn keys(&self, given: &Given) -> Result<Vec<String>, Refusal> {
        let of_client = self.pairs(given).filter(|(key, _)| !self.own.contains(key));
        let key = |(key, value): (&str, &str)| match serves_key(key) {
            true => Ok(format!("{key}={value}")),
            false => Err(Refusal::NotServed(format!(
                "the key {} is not served here: it has no effect on this program's client",
                key.escape_debug()
            ))),
        };
        of_client.map(key).collect()
    }
}

/// The broker that `--bootstrap-server` names, with the client keys of `--command-config` and of the tool's own flags.
///
/// # Errors
/// An address or a key is wrong.
fn target(given: &Given, flags: &ClientFlags) -> Result<Target, Refusal> {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        target: Target,
    }
    let mut line = vec![String::new()];
    let config = if given.has(flags.config) { flags.config } else { "command-config" };
    for (name, flag) in [("bootstrap-server", "bootstrap-server"), ("command-config", config)] {
        let value = given.value(flag).map_err(|refusal| Refusal::Flags(refusal.text().to_owned()))?;
        line.extend(value.map(|value| format!("--{name}={value}")));
    }
    line.extend(flags.keys(given)?.into_iter().map(|key| format!("-X={key}")));
    let parsed = Line::try_parse_from(line).map_err(|error| {
        // The first line has the value and the reason; the rest is about this program's own flags.
        let text = error.to_string();
        Refusal::Argument(text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned())
    })?;
    Ok(parsed.target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_called_by_the_file_or_by_the_first_argument() {
        let of = |line: &str| {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            find(&arguments).map(|(tool, rest)| (tool.name, rest.len()))
        };
        for line in ["/usr/bin/kafka-topics --list", "kafka-topics.sh --list", "ottla kafka-topics --list"] {
            assert_eq!(of(line), Some(("kafka-topics", 1)), "{line}");
        }
        for line in ["ottla", "ottla topic list kafka-topics", "ottla kafka-topicsx", "ottla serve"] {
            assert_eq!(of(line), None, "{line}");
        }
    }

    #[test]
    fn a_wrong_address_is_named_and_no_flag_of_another_command() {
        let flags = &topics::TOOL.flags;
        let of = |address: &str| {
            let given = flags.parse(&["--bootstrap-server".to_owned(), address.to_owned()]);
            target(&given.unwrap(), &FILE_ALONE)
        };
        assert!(of("localhost:9092,other:1").is_ok());
        let Err(Refusal::Argument(text)) = of("localhost:x") else { panic!("accepted") };
        assert!(text.contains("localhost:x") && !text.contains("For more"), "{text}");
    }
}
