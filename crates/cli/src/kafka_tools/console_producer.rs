//! `kafka-console-producer`: lines of standard input as records of a topic, as `ottla produce` sends them.
//!
//! It ends with 1 where a record was not written. Kafka's own logs that, and ends with 0.

use codec::records::Compression;
use regex::bytes::Regex;

use super::flags::{Flags, Given, flag, maybe, not_served, value};
use super::refusal::Refusal;
use super::{ClientFlags, Tool, target};
use crate::output::print;
use crate::produce::Console;
use crate::record::ConsoleLines;

const BATCHES: &str =
    "a batch is sent once it has 1 MiB, or 10 ms after its first record; --sync sends each record by itself";
const RETRIES: &str = "a batch is sent again only if the broker did not take it, 20 times, 100 ms apart";
const KEYS: ClientFlags = ClientFlags {
    config: "producer.config",
    properties: &["command-property", "producer-property"],
    own: &["acks"],
};

/// Flags that had another name before Kafka 4.2.
const RENAMED: [(&str, &str); 3] = [
    ("producer-property", "command-property"),
    ("producer.config", "command-config"),
    ("property", "reader-property"),
];

pub(super) const TOOL: Tool = Tool {
    name: "kafka-console-producer",
    about: "This tool helps to read data from standard input and publish it to Kafka.",
    flags: Flags(&[
        not_served("batch-size", true, BATCHES),
        value("bootstrap-server"),
        value("command-config"),
        value("command-property"),
        maybe("compression-codec"),
        not_served("line-reader", true, "`ottla produce -f` reads other forms than lines"),
        not_served("max-block-ms", true, "set request.timeout.ms by --command-property"),
        not_served("max-memory-bytes", true, "32 MiB of records wait at most"),
        not_served("max-partition-memory-bytes", true, BATCHES),
        not_served("message-send-max-retries", true, RETRIES),
        not_served("metadata-expiry-ms", true, "partitions are looked up every five minutes"),
        value("producer-property"),
        value("producer.config"),
        value("property"),
        not_served("reader-config", true, "give each property by --reader-property"),
        value("reader-property"),
        value("request-required-acks"),
        not_served("request-timeout-ms", true, "set request.timeout.ms by --command-property"),
        not_served("retry-backoff-ms", true, RETRIES),
        not_served("socket-buffer-size", true, "the system chooses the sizes of its buffers"),
        flag("sync"),
        not_served("timeout", true, BATCHES),
        value("topic"),
    ]),
    run,
    report,
};

fn report(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::Usage(text) | Refusal::Argument(text) | Refusal::Flags(text) => {
            eprint!("{text}\n{}", TOOL.flags.help());
        }
        Refusal::NotServed(text) => eprintln!("{}: {text}", TOOL.name),
        Refusal::Error { exception, text } => eprintln!("{exception}: {text}"),
        Refusal::Silent => (),
    }
    1
}

fn run(given: &Given) -> Result<(), Refusal> {
    check(given)?;
    let console = asked(given)?;
    Ok(console.run(&target(given, &KEYS)?)?)
}

/// The rules of `ConsoleProducer.ConsoleProducerOptions`, in their order.
fn check(given: &Given) -> Result<(), Refusal> {
    if !given.has("bootstrap-server") {
        return Err(Refusal::Flags("Missing required option(s) [bootstrap-server]".to_owned()));
    }
    given.require(&["topic"])?;
    let renamed = RENAMED.into_iter().filter(|(old, _)| given.has(old));
    if let Some((old, new)) = renamed.clone().find(|(_, new)| given.has(new)) {
        return Err(Refusal::Usage(format!("Options --{new} and --{old} cannot be specified together.")));
    }
    for (old, new) in renamed {
        print(&format!(
            "Warning: --{old} is deprecated and will be removed in a future version. Use --{new} instead.\n"
        ))?;
    }
    Ok(())
}

fn asked(given: &Given) -> Result<Console, Refusal> {
    Ok(Console {
        topic: given.required("topic")?.to_owned(),
        lines: lines(given)?,
        compression: compression(given)?,
        acks: acks(given)?,
        is_sync: given.has("sync"),
    })
}

/// Without a value the flag is gzip, as in Kafka.
fn compression(given: &Given) -> Result<Compression, Refusal> {
    let name = match given.value("compression-codec")? {
        Some(name) if !name.is_empty() => name,
        _ if given.has("compression-codec") => Compression::Gzip.name(),
        _ => Compression::None.name(),
    };
    Compression::ALL.into_iter().find(|codec| codec.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Compression::ALL.iter().map(|codec| codec.name()).collect();
        wrong("compression.type", name, &names.join(", "))
    })
}

/// The flag comes before the property, of which the last one counts.
fn acks(given: &Given) -> Result<i16, Refusal> {
    let flag = given.value("request-required-acks")?;
    match flag.or(KEYS.own(given, "acks")).unwrap_or("all") {
        "all" | "-1" => Ok(-1),
        "1" => Ok(1),
        "0" => Err(Refusal::NotServed(
            "acks=0 is not served here: records could be lost without a word; use 1".to_owned(),
        )),
        other => Err(wrong("acks", other, "all, -1, 0, 1")),
    }
}

/// A value that a key cannot have.
fn wrong(key: &str, value: &str, known: &str) -> Refusal {
    let value = value.escape_debug();
    Refusal::error(
        "org.apache.kafka.common.config.ConfigException",
        format!("Invalid value {value} for configuration {key}: String must be one of: {known}"),
    )
}

/// The form that the properties of Kafka's default reader ask for.
fn lines(given: &Given) -> Result<ConsoleLines, Refusal> {
    let mut form = ConsoleLines {
        has_key: false,
        key_separator: b"\t".to_vec(),
        has_headers: false,
        headers_delimiter: b"\t".to_vec(),
        headers_separator: separator(",")?,
        headers_key_separator: b":".to_vec(),
        ignores_errors: false,
        null_marker: None,
    };
    for text in given.values("reader-property").chain(given.values("property")) {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let is_true = value.trim().eq_ignore_ascii_case("true");
        let bytes = value.as_bytes().to_vec();
        match name {
            "parse.key" => form.has_key = is_true,
            "key.separator" => form.key_separator = bytes,
            "parse.headers" => form.has_headers = is_true,
            "headers.delimiter" => form.headers_delimiter = bytes,
            "headers.separator" => form.headers_separator = separator(value)?,
            "headers.key.separator" => form.headers_key_separator = bytes,
            "ignore.error" => form.ignores_errors = is_true,
            "null.marker" => form.null_marker = Some(bytes),
            other => {
                let other = other.escape_debug();
                return Err(Refusal::NotServed(format!("the property {other} is not served here")));
            }
        }
    }
    check_separators(&form)?;
    Ok(form)
}

fn separator(text: &str) -> Result<Regex, Refusal> {
    let wrong =
        |error: regex::Error| Refusal::error("java.util.regex.PatternSyntaxException", error.to_string());
    Regex::new(text).map_err(wrong)
}

/// The rules of `LineMessageReader.configure`, in their order.
fn check_separators(form: &ConsoleLines) -> Result<(), Refusal> {
    let separators = [
        ("headers.delimiter", form.headers_delimiter.as_slice()),
        ("headers.separator", form.headers_separator.as_str().as_bytes()),
        ("headers.key.separator", &form.headers_key_separator),
        ("key.separator", &form.key_separator),
    ];
    let [delimiter, headers, pair, key] = separators;
    let marker = form.null_marker.as_deref().map(|marker| ("null.marker", marker));
    let of_headers = [(delimiter, headers), (delimiter, pair), (headers, pair)];
    let with_marker = [key, headers, delimiter, pair].into_iter().filter_map(|one| Some((marker?, one)));
    let equal = of_headers.into_iter().chain(with_marker).find(|(one, other)| one.1 == other.1);
    match equal {
        Some((one, other)) => Err(Refusal::error(
            "org.apache.kafka.common.KafkaException",
            format!("{} and {} may not be equal", one.0, other.0),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(line: &str) -> Result<Given, Refusal> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        TOOL.flags.parse(&words)
    }

    fn refused(line: &str) -> String {
        let checked = given(line).and_then(|given| {
            check(&given)?;
            asked(&given)?;
            target(&given, &KEYS).map(drop)
        });
        checked.map_or_else(|refusal| refusal.text().to_owned(), |()| String::new())
    }

    #[test]
    fn flags_fit_together_as_kafka_has_it() {
        let with = |line: &str| refused(&format!("--bootstrap-server a:1 {line}"));
        assert_eq!(refused("--topic a"), "Missing required option(s) [bootstrap-server]");
        for good in [
            "--topic a",
            "--topic a --sync --compression-codec --request-required-acks 1",
            "--topic a --compression-codec=zstd --property parse.key=true",
            "--topic a --producer-property acks=1 --producer.config /none",
            "--topic a --command-property security.protocol=SSL --command-property acks=all",
        ] {
            assert_eq!(with(good), "", "{good}");
        }
        for (line, start) in [
            ("--sync", "Missing required argument \"[topic]\""),
            (
                "--topic a --property b=c --reader-property b=c",
                "Options --reader-property and --property cannot be specified together.",
            ),
            ("--topic a --compression-codec lzma", "Invalid value lzma for configuration compression.type:"),
            ("--topic a --request-required-acks 2", "Invalid value 2 for configuration acks:"),
            ("--topic a --request-required-acks 0", "acks=0 is not served here:"),
            ("--topic a --timeout 5", "--timeout is not served here: a batch is sent once"),
            ("--topic a --reader-property a=b", "the property a is not served here"),
            ("--topic a --command-property linger.ms=5", "the key linger.ms is not served here"),
        ] {
            assert!(with(line).starts_with(start), "{line}: {}", with(line));
        }
    }

    #[test]
    fn the_properties_of_the_producer_count_where_no_flag_does() {
        let of = |line: &str| asked(&given(line).unwrap()).unwrap();
        assert_eq!(of("--topic a").acks, -1);
        assert_eq!(of("--topic a --command-property acks=1").acks, 1);
        assert_eq!(of("--topic a --command-property acks=1 --request-required-acks all").acks, -1);
        assert_eq!(of("--topic a --compression-codec").compression, Compression::Gzip);
        assert!(of("--topic a --sync").is_sync);
    }

    #[test]
    fn separators_differ_from_each_other() {
        let of = |line: &str| lines(&given(line).unwrap());
        let form = of("--reader-property parse.key=TRUE --reader-property key.separator==").unwrap();
        assert_eq!((form.has_key, form.has_headers, form.key_separator), (true, false, b"=".to_vec()));
        for (line, text) in [
            (
                "--reader-property headers.delimiter=,",
                "headers.delimiter and headers.separator may not be equal",
            ),
            (
                "--reader-property headers.key.separator=,",
                "headers.separator and headers.key.separator may not be equal",
            ),
            ("--reader-property null.marker=:", "null.marker and headers.key.separator may not be equal"),
        ] {
            assert_eq!(of(line).unwrap_err().text(), text, "{line}");
        }
        assert!(of("--reader-property headers.separator=(").is_err());
    }
}
