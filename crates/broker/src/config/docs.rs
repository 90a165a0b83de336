//! `docs/configuration.md`, written from the key tables.

use std::fmt::Write as _;

use super::broker_config::BrokerConfig;
use super::broker_keys::{RUNNING_KEYS, START_KEYS};
use super::inert_keys::INERT_KEYS;
use super::key::{Effect, Key};
use super::other_keys::{Meaning, OTHER_KEYS};
use super::resources::group::GROUP_KEYS;
use super::resources::topic::TOPIC_KEYS;
use super::tables::broker_key;

/// Keys whose default or range is not Kafka 4.3's: Kafka's default, and why ours is another. Keys without a default
/// of Kafka's are Ottla's own. A test holds this against the facts of Kafka 4.3.
pub(super) static DIFFERENCES: &[(&str, Option<&str>, &str)] = &[
    ("flush.policy", None, "Kafka has only `os`"),
    ("audit.log.accepted.logins", None, "Kafka logs to log4j"),
    ("audit.log.location", None, "Kafka logs to log4j"),
    ("audit.log.max.bytes", None, "Kafka logs to log4j"),
    ("audit.log.max.files", None, "Kafka logs to log4j"),
    ("http.authentication", None, "Kafka serves no HTTP"),
    ("http.basic.users.location", None, "Kafka serves no HTTP"),
    ("http.bearer.token.location", None, "Kafka serves no HTTP"),
    ("ottla.ssl.crl.location", None, "Kafka has no lists of revoked certificates"),
    ("http.listener", None, "Kafka serves no HTTP"),
    ("log.format", None, "Kafka configures log4j"),
    ("log.level", None, "Kafka configures log4j"),
    ("node.id", Some("none"), "a broker should start without a file"),
    ("controller.listener.names", Some("none"), "there is no controller"),
    ("process.roles", Some("none"), "there is no controller"),
    ("log.dir", Some("/tmp/kafka-logs"), "data does not belong where a restart deletes it"),
    ("sasl.server.max.receive.size", Some("524288"), "a stranger should not occupy that much memory"),
    (
        "sasl.oauthbearer.allow.unverified.issuer",
        None,
        "a broker should not take tokens of any issuer unasked",
    ),
    ("sasl.oauthbearer.allow.unverified.audience", None, "nor tokens that were made for other services"),
    ("log.flush.interval.ms", Some("null"), "what is written should not stay unsynced for long"),
    (
        "group.initial.rebalance.delay.ms",
        Some("3000"),
        "a group need not wait that long; some clients assign nothing in a generation that comes within 100 ms",
    ),
    ("max.connections", Some("2147483647"), "a broker should outlive a client that leaks connections"),
    ("max.connections.per.ip", Some("2147483647"), "one host should not use up the connections of all"),
    ("max.connection.creation.rate", Some("2147483647"), "accepting should not starve serving"),
    (
        "socket.listen.backlog.size",
        Some("50"),
        "a flood should not make the system drop the connections of other clients",
    ),
    ("socket.receive.buffer.bytes", Some("102400"), "a fixed buffer costs a third of the throughput"),
    ("socket.send.buffer.bytes", Some("102400"), "a fixed buffer costs a third of the throughput"),
    ("queued.max.request.bytes", Some("-1"), "memory should have a bound"),
    ("offsets.topic.replication.factor", Some("3"), "there is one node"),
    ("transaction.state.log.replication.factor", Some("3"), "there is one node"),
    ("transaction.state.log.min.isr", Some("2"), "there is one node"),
    ("share.coordinator.state.topic.replication.factor", Some("3"), "there is one node"),
    ("share.coordinator.state.topic.min.isr", Some("2"), "there is one node"),
];

/// The beginning of the file: all that does not follow from the tables.
const HEAD: &str = "# Configuration

<!-- Generated from the tables of keys; `make generate` writes it anew. `ottla config docs` prints it. -->

## Where values come from
A flag of `ottla serve` (`--data`, `--listen`, `--http`, `--override KEY=VALUE`) comes before an environment variable,
that before the file of `--config`, that before the default.

- **File**: Kafka's `server.properties`, in Java's properties format.
- **Environment**: as for Kafka's container image: `KAFKA_` and the key in capitals, with `_` for a dot, `__` for an
  underscore, `___` for a dash. `KAFKA_LOG_DIRS=/data` sets `log.dirs`. Variables for the JVM are left aside.
- **Units**: keys that count milliseconds, seconds, minutes, hours or bytes also take a number with a unit: `500ms`, `30s`,
  `15m`, `12h`, `7d`; `512KiB`, `64MiB`, `1GiB` (powers of 1024) and `10kB`, `10MB`, `10GB` (powers of 1000).
- **Mistakes**: `ottla config check FILE` reports every mistake at once and exits with 78, or with 0 if there is none;
  `ottla serve` does the same before it starts. An unknown key is a mistake unless `--lenient` is given.

Effect: *enforced* keys do what they say. Keys that are *not yet* enforced are accepted, described, and named in a warning
at start when they are set. Keys *without* an effect belong to what Ottla does not have, and are named in a note.
";

/// Precedes the list of `OTHER_KEYS`.
const OTHERS: &str = "
## Keys that are in no table of Kafka 4.3
Keys of earlier versions of Kafka (from 0.8 on) are ignored, with a warning that says what to do instead. Keys of plug-ins are
accepted, with a note. **A broker is never more open than its configuration says**: what asks for encryption, or for a login by a
mechanism that is not served, stops the start until Ottla has it.

";

/// The whole file. The same at each call: a test compares it with the one that is checked in.
pub fn markdown() -> String {
    let mut text = String::from(HEAD);
    text.push_str("\n## Where Ottla differs from Kafka 4.3\n| key | here | in Kafka | why |\n| --- | --- | --- | --- |\n");
    for (name, kafka, why) in DIFFERENCES {
        // Here and below: writing to a `String` does not fail.
        let here = broker_key(name).and_then(|key| key.default);
        let kafka = kafka.map_or("no such key".to_owned(), |kafka| cell(Some(kafka)));
        let _ = writeln!(text, "| `{name}` | {} | {kafka} | {why} |", cell(here));
    }
    for (heading, keys) in [
        ("Broker: fixed when it starts", START_KEYS),
        ("Broker: may change while it runs (`kafka-configs --alter --entity-type brokers …`)", RUNNING_KEYS),
    ] {
        let _ = write!(
            text,
            "\n## {heading}\n| key | value | default | effect | |\n| --- | --- | --- | --- | --- |\n"
        );
        keys.iter().for_each(|key| row(&mut text, key, key.default, ""));
    }
    text.push_str(
        "\n## Topics\nA topic's own setting comes before the broker keys named, in their order.\n\n",
    );
    text.push_str("| key | value | default | effect | |\n| --- | --- | --- | --- | --- |\n");
    // The defaults alone are always a valid configuration; the tests load them.
    if let Ok(defaults) = BrokerConfig::from_pairs(&[]) {
        for topic in TOPIC_KEYS {
            let names: Vec<String> = topic.broker_keys.iter().map(|name| format!("`{name}`")).collect();
            let broker =
                if names.is_empty() { String::new() } else { format!(" Broker: {}.", names.join(", ")) };
            row(&mut text, &topic.key, (topic.fallback)(&defaults).as_deref(), &broker);
        }
        text.push_str(
            "\n## Consumer groups\nA group's own setting (`kafka-configs --alter --group …`) comes before the broker key.\n\n",
        );
        text.push_str("| key | value | default | effect | |\n| --- | --- | --- | --- | --- |\n");
        for group in &GROUP_KEYS {
            let default = (group.fallback)(&defaults).to_string();
            row(&mut text, &group.key, Some(&default), &format!(" Broker: `{}`.", group.broker_key));
        }
    }
    text.push_str("\n## Kafka's keys that are accepted for compatibility\n");
    let mut group = "";
    for key in INERT_KEYS.iter() {
        // The keys of a group follow one another in the table.
        if key.doc == group {
            let _ = write!(text, ", `{}`", key.name);
        } else {
            group = key.doc;
            let _ = write!(text, "\n\n**{group}** ({}) `{}`", effect(key.effect), key.name);
        }
    }
    text.push('\n');
    text.push_str(OTHERS);
    for keys in OTHER_KEYS {
        let names: Vec<String> = keys.names.iter().map(|name| format!("`{name}`")).collect();
        let _ = match keys.meaning {
            Meaning::Removed(advice) => writeln!(text, "- {}: {advice}.", names.join(", ")),
            _ => writeln!(text, "- {}: {}", names.join(", "), keys.doc),
        };
    }
    text
}

/// One line of a table of keys; `more` follows the documentation.
fn row(text: &mut String, key: &Key, default: Option<&str>, more: &str) {
    let (name, doc) = (key.name, key.documentation());
    // A bar in a cell would end it.
    let value = key.expectation().replace('|', "\\|");
    let _ =
        writeln!(text, "| `{name}` | {value} | {} | {} | {doc}{more} |", cell(default), effect(key.effect));
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Enforced => "enforced",
        Effect::NotYet => "not yet",
        Effect::Inert => "without",
    }
}

fn cell(value: Option<&str>) -> String {
    match value {
        None => "null".to_owned(),
        Some("") => "empty".to_owned(),
        Some(value) => format!("`{value}`"),
    }
}

#[cfg(test)]
mod tests;
