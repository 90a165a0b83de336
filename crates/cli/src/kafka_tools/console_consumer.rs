//! `kafka-console-consumer`: records of topics on standard output, as `ottla consume` reads them.
//!
//! It reads without a group and commits nothing, as Kafka's own does under the random group that it takes unless one is named.

use std::time::Duration;

use super::flags::{Flags, Given, flag, not_served, value};
use super::refusal::Refusal;
use super::{ClientFlags, Tool, target};
use crate::consume::{Console, Ended};
use crate::output::print;
use crate::record::ConsoleForm;

const FORMS: &str =
    "keys and values are printed as the bytes that they are; `ottla consume -f` has other forms";
const KEYS: ClientFlags = ClientFlags {
    config: "consumer.config",
    properties: &["command-property", "consumer-property"],
    own: &[],
};

/// Flags that had another name before Kafka 4.2.
const RENAMED: [(&str, &str); 3] = [
    ("consumer-property", "command-property"),
    ("consumer.config", "command-config"),
    ("property", "formatter-property"),
];

pub(super) const TOOL: Tool = Tool {
    name: "kafka-console-consumer",
    about: "This tool helps to read data from Kafka topics and outputs it to standard output.",
    flags: Flags(&[
        value("bootstrap-server"),
        value("command-config"),
        value("command-property"),
        value("consumer-property"),
        value("consumer.config"),
        not_served("enable-systest-events", false, "`ottla consume` prints records alone"),
        not_served("formatter", true, FORMS),
        not_served("formatter-config", true, "give each property by --formatter-property"),
        value("formatter-property"),
        flag("from-beginning"),
        not_served(
            "group",
            true,
            "no offsets are committed; read with `ottla consume TOPIC --offset N`, and move a group with `ottla group seek`",
        ),
        value("include"),
        value("isolation-level"),
        not_served("key-deserializer", true, FORMS),
        value("max-messages"),
        value("offset"),
        value("partition"),
        value("property"),
        not_served(
            "skip-message-on-error",
            false,
            "`ottla consume` prints every record, whatever its bytes are",
        ),
        value("timeout-ms"),
        value("topic"),
        not_served("value-deserializer", true, FORMS),
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
        Refusal::Error { text, .. } => {
            eprintln!("ERROR Error processing message, terminating consumer process: \n{text}")
        }
        Refusal::Silent => (),
    }
    1
}

fn run(given: &Given) -> Result<(), Refusal> {
    check(given)?;
    let console = asked(given)?;
    let (count, ended) = match console.run(&target(given, &KEYS)?) {
        Ok(done) => done,
        Err(failure) => (0, Ended::Failed(failure)),
    };
    // As Kafka's, which ends with 0 also where it could not read.
    match &ended {
        Ended::Whole | Ended::Interrupted(_) => (),
        Ended::Idle => eprintln!(
            "ERROR Error processing message, terminating consumer process: \norg.apache.kafka.common.errors.TimeoutException"
        ),
        Ended::Failed(failure) => {
            eprintln!("ERROR Error processing message, terminating consumer process: \n{failure}");
        }
    }
    eprintln!("Processed a total of {count} messages");
    match ended {
        Ended::Interrupted(failure) => {
            failure.report();
            Err(Refusal::Silent)
        }
        _ => Ok(()),
    }
}

/// The rules of `ConsoleConsumerOptions`, in their order.
fn check(given: &Given) -> Result<(), Refusal> {
    let usage = |text: &str| Err(Refusal::Usage(text.to_owned()));
    if given.has("topic") == given.has("include") {
        return usage("Exactly one of the following arguments is required: [topic], [include]");
    }
    if given.has("partition") {
        if !given.has("topic") {
            return usage("The topic is required when partition is specified.");
        }
        if given.has("from-beginning") && given.has("offset") {
            return usage("Options from-beginning and offset cannot be specified together.");
        }
    } else if given.has("offset") {
        return usage("The partition is required when offset is specified.");
    }
    given.require(&["bootstrap-server"])?;
    let renamed = RENAMED.into_iter().filter(|(old, _)| given.has(old));
    if let Some((old, new)) = renamed.clone().find(|(_, new)| given.has(new)) {
        return usage(&format!("Options --{old} and --{new} cannot be specified together."));
    }
    for (old, new) in renamed {
        print(&format!(
            "Option --{old} is deprecated and will be removed in a future version. Use --{new} instead.\n"
        ))?;
    }
    Ok(())
}

fn asked(given: &Given) -> Result<Console, Refusal> {
    let is_pattern = given.has("include");
    let topic = given.required(if is_pattern { "include" } else { "topic" })?.to_owned();
    let from = match given.value("offset")? {
        None if given.has("from-beginning") => "start".to_owned(),
        None => "end".to_owned(),
        Some(text) => offset(text)?,
    };
    let isolation = given.value("isolation-level")?.unwrap_or("read_uncommitted");
    let is_committed = match isolation {
        "read_committed" => true,
        "read_uncommitted" => false,
        other => {
            let other = other.escape_debug();
            return Err(Refusal::Argument(format!(
                "Invalid value {other} for configuration isolation.level: String must be one of: read_committed, read_uncommitted"
            )));
        }
    };
    // Negative numbers are none, as by Kafka.
    let count =
        |name| Ok::<_, Refusal>(given.number::<i64>(name)?.and_then(|number| u64::try_from(number).ok()));
    Ok(Console {
        topic,
        is_pattern,
        partition: given.number("partition")?,
        from,
        most: count("max-messages")?,
        idle: count("timeout-ms")?.map(Duration::from_millis),
        is_committed,
        form: form(given)?,
    })
}

fn offset(text: &str) -> Result<String, Refusal> {
    match (text.to_lowercase().as_str(), text.parse::<i64>()) {
        ("earliest", _) => Ok("start".to_owned()),
        ("latest", _) => Ok("end".to_owned()),
        (_, Ok(offset)) if offset >= 0 => Ok(offset.to_string()),
        _ => Err(Refusal::Usage(format!(
            "The provided offset value '{}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long.",
            text.escape_debug()
        ))),
    }
}

/// The form that the properties of Kafka's default formatter ask for.
fn form(given: &Given) -> Result<ConsoleForm, Refusal> {
    let mut form = ConsoleForm::default();
    for text in given.values("formatter-property").chain(given.values("property")) {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let is_true = value.trim().eq_ignore_ascii_case("true");
        let bytes = value.as_bytes().to_vec();
        match name {
            "print.timestamp" => form.timestamp = is_true,
            "print.partition" => form.partition = is_true,
            "print.offset" => form.offset = is_true,
            "print.delivery" => form.delivery = is_true,
            "print.epoch" => form.epoch = is_true,
            "print.headers" => form.headers = is_true,
            "print.key" => form.key = is_true,
            "print.value" => form.value = is_true,
            "key.separator" => form.key_separator = bytes,
            "line.separator" => form.line_separator = bytes,
            "headers.separator" => form.headers_separator = bytes,
            "null.literal" => form.null = bytes,
            other => {
                let other = other.escape_debug();
                return Err(Refusal::NotServed(format!("the property {other} is not served here: {FORMS}")));
            }
        }
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(line: &str) -> Result<Given, Refusal> {
        let words: Vec<String> =
            format!("--bootstrap-server a:1 {line}").split(' ').map(str::to_owned).collect();
        TOOL.flags.parse(&words)
    }

    fn refused(line: &str) -> String {
        let checked = given(line).and_then(|given| check(&given).and_then(|()| asked(&given).map(drop)));
        checked.map_or_else(|refusal| refusal.text().to_owned(), |()| String::new())
    }

    #[test]
    fn flags_fit_together_as_kafka_has_it() {
        for good in
            ["--topic a --from-beginning", "--include a.*", "--topic a --partition 0 --offset Earliest"]
        {
            assert_eq!(refused(good), "", "{good}");
        }
        for (line, start) in [
            ("--from-beginning", "Exactly one of"),
            ("--topic a --include b", "Exactly one of"),
            ("--include a --partition 0", "The topic is required"),
            ("--topic a --offset 1", "The partition is required"),
            ("--topic a --partition 0 --offset 1 --from-beginning", "Options from-beginning and offset"),
            ("--topic a --partition 0 --offset -1", "The provided offset value '-1' is incorrect."),
            ("--topic a --isolation-level x", "Invalid value x"),
            ("--topic a --group b", "--group is not served here: no offsets are committed"),
            (
                "--topic a --formatter-property key.deserializer=x",
                "the property key.deserializer is not served here",
            ),
        ] {
            assert!(refused(line).starts_with(start), "{line}: {}", refused(line));
        }
    }

    #[test]
    fn the_end_is_the_start_unless_a_flag_says_otherwise() {
        let of = |line: &str| asked(&given(line).unwrap()).unwrap();
        assert_eq!(of("--topic a").from, "end");
        assert_eq!(of("--topic a --from-beginning").from, "start");
        assert_eq!(of("--topic a --partition 0 --offset 7").from, "7");
        let limited = of("--topic a --max-messages 3 --timeout-ms 500 --isolation-level read_committed");
        assert_eq!(
            (limited.most, limited.idle, limited.is_committed),
            (Some(3), Some(Duration::from_millis(500)), true)
        );
        assert_eq!(of("--topic a --max-messages -1").most, None);
        let form = of("--topic a --formatter-property print.key=TRUE --formatter-property key.separator== --formatter-property print.value=no").form;
        assert_eq!((form.key, form.value, form.key_separator), (true, false, b"=".to_vec()));
    }
}
