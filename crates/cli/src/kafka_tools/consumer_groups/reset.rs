//! `kafka-consumer-groups --reset-offsets`: new committed offsets for groups without members.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use codec::ErrorCode;

use super::super::flags::Given;
use super::super::refusal::{Refusal, exception, words};
use super::{SCENARIOS, error, named as groups, position};
use crate::client::{Coordinators, Partition, Position};
use crate::clock;
use crate::failure::Failure;
use crate::group::described::describe;
use crate::group::ends;
use crate::group::offsets::{commit, committed};
use crate::group::seek::of_file;
use crate::output::{escaped, print};

/// New offsets by partition.
type Offsets = BTreeMap<Partition, i64>;

pub(super) fn run(given: &Given, cluster: &mut Coordinators) -> Result<(), Refusal> {
    // Kafka reads the numbers before it asks a broker.
    given
        .number::<i64>("to-offset")
        .and(given.number::<i64>("shift-by"))
        .map_err(|wrong| Refusal::error("joptsimple.OptionArgumentConversionException", wrong.text()))?;
    let mut all = BTreeMap::new();
    for group in groups(given, cluster)? {
        let described = describe(cluster, &group)?;
        let name = escaped(&group);
        let offsets = match described {
            Some(found) if found.kind == "streams" => {
                error(&format!(
                    "Group '{name}' is a streams group. Use kafka-streams-groups.sh to reset its offsets."
                ))?;
                Offsets::new()
            }
            Some(found) if !matches!(found.state.as_str(), "Empty" | "Dead") => {
                let state = escaped(&found.state);
                error(&format!(
                    "Assignments can only be reset if the group '{name}' is inactive, but the current state is {state}."
                ))?;
                Offsets::new()
            }
            _ => reset(given, cluster, &group)?,
        };
        all.insert(group, offsets);
    }
    let text =
        if given.has("export") { exported(&all, given.values("group").count() == 1) } else { table(&all) };
    Ok(print(&text)?)
}

/// The new offsets of a group, which are committed with `--execute`.
fn reset(given: &Given, cluster: &mut Coordinators, group: &str) -> Result<Offsets, Refusal> {
    let partitions = partitions(given, cluster, group)?;
    exist(cluster, &partitions)?;
    let offsets = prepared(given, cluster, group, &partitions)?;
    if given.has("execute") && !offsets.is_empty() {
        let results = commit(cluster, group, &offsets)?;
        if let Some(code) = results.into_values().find(|code| *code != 0) {
            return Err(Refusal::of(code, None));
        }
    }
    Ok(offsets)
}

/// The partitions that the flags name.
fn partitions(
    given: &Given,
    cluster: &mut Coordinators,
    group: &str,
) -> Result<BTreeSet<Partition>, Refusal> {
    if given.has("all-topics") {
        return Ok(committed(cluster, group)?.into_keys().collect());
    }
    if !given.has("topic") {
        return match given.has("from-file") {
            true => Ok(BTreeSet::new()),
            false => Err(Refusal::Usage(
                "One of the reset scopes should be defined: --all-topics, --topic.".to_owned(),
            )),
        };
    }
    let (mut found, mut topics) = (BTreeSet::new(), Vec::new());
    for text in given.values("topic") {
        match text.contains(':') {
            true => found.extend(named(text)?),
            false => topics.push(text.to_owned()),
        }
    }
    if topics.is_empty() {
        return Ok(found);
    }
    for topic in cluster.leaders().refresh(Some(&topics))?.topics {
        if topic.error_code != 0 {
            return Err(Refusal::of(topic.error_code, None));
        }
        let Some(name) = topic.name else { continue };
        let indexes = topic.partitions.iter().map(|one| one.partition_index);
        found.extend(indexes.map(|index| Partition { topic: name.to_string(), index }));
    }
    Ok(found)
}

/// The partitions of `topic:0,2`.
///
/// # Errors
/// It has another form.
pub(super) fn named(text: &str) -> Result<Vec<Partition>, Refusal> {
    let parts: Vec<&str> = text.split(':').collect();
    let [topic, numbers] = parts.as_slice() else {
        let shown = escaped(text);
        return Err(Refusal::Argument(format!(
            "Invalid topic arg '{shown}', expected topic name and partitions"
        )));
    };
    let partition = |number: &str| {
        let wrong = |_| {
            let (number, text) = (escaped(number), escaped(text));
            Refusal::Argument(format!("Invalid partition '{number}' specified in topic arg '{text}''"))
        };
        number.parse().map(|index| Partition { topic: (*topic).to_owned(), index }).map_err(wrong)
    };
    numbers.split(',').map(partition).collect()
}

/// # Errors
/// A partition does not exist, or has no leader.
fn exist(cluster: &mut Coordinators, partitions: &BTreeSet<Partition>) -> Result<(), Refusal> {
    let topics: BTreeSet<String> = partitions.iter().map(|partition| partition.topic.clone()).collect();
    if topics.is_empty() {
        return Ok(());
    }
    let topics: Vec<String> = topics.into_iter().collect();
    let (mut existing, mut led) = (BTreeSet::new(), BTreeSet::new());
    for topic in cluster.leaders().refresh(Some(&topics))?.topics {
        if topic.error_code != 0 {
            return Err(Refusal::of(topic.error_code, None));
        }
        let Some(name) = topic.name else { continue };
        for one in topic.partitions {
            let key = Partition { topic: name.to_string(), index: one.partition_index };
            led.extend((one.leader_id.0 >= 0).then(|| key.clone()));
            existing.insert(key);
        }
    }
    for (known, code, text) in [
        (existing, ErrorCode::UnknownTopicOrPartition, "do not exist"),
        (led, ErrorCode::LeaderNotAvailable, "have no leader"),
    ] {
        let missing: Vec<String> = partitions.difference(&known).map(name).collect();
        if !missing.is_empty() {
            let text = format!("The partitions \"{}\" {text}", missing.join(","));
            return Err(Refusal::error(&exception(code as i16), text));
        }
    }
    Ok(())
}

/// Such as `orders-0`.
fn name(partition: &Partition) -> String {
    escaped(&format!("{}-{}", partition.topic, partition.index))
}

/// The new offsets of the scenario that is given.
fn prepared(
    given: &Given,
    cluster: &mut Coordinators,
    group: &str,
    partitions: &BTreeSet<Partition>,
) -> Result<Offsets, Refusal> {
    match SCENARIOS.into_iter().find(|scenario| given.has(scenario)) {
        Some("to-offset") => {
            let offset: i64 = given.required_number("to-offset")?;
            within(cluster, partitions.iter().map(|one| (one.clone(), offset)).collect())
        }
        Some("to-earliest") => found(cluster, partitions, Position::Start),
        Some("to-latest") => found(cluster, partitions, Position::End),
        Some("shift-by") => shifted(given, cluster, group, partitions),
        Some("to-datetime") => {
            let text = given.required("to-datetime")?;
            let ms = position::datetime(text).map_err(|wrong| Refusal::error("java.text.ParseException", format!("java.text.ParseException: {wrong}")))?;
            at_time(cluster, partitions, ms)
        }
        Some("by-duration") => {
            let text = given.required("by-duration")?;
            let wrong = |wrong| Refusal::error("java.time.format.DateTimeParseException", wrong);
            let ago = position::duration(text).map_err(wrong)?;
            let ms = clock::since_1970().saturating_sub(ago).as_millis();
            at_time(cluster, partitions, i64::try_from(ms).unwrap_or(i64::MAX))
        }
        Some("from-file") => {
            let path = given.required("from-file")?;
            let offsets = of_file(Path::new(path), group)?;
            if offsets.is_empty() {
                error(&format!("No reset plan for group {} found", escaped(group)))?;
            }
            within(cluster, offsets)
        }
        Some(_) => current(cluster, group, partitions),
        None => Err(Refusal::Usage(
            "Option '[reset-offsets]' requires one of the following scenarios: [[to-datetime], [by-duration], [to-latest], [to-current], \
             [to-earliest], [to-offset], [shift-by], [from-file]]"
                .to_owned(),
        )),
    }
}

/// A position in each partition.
fn found(
    cluster: &mut Coordinators,
    partitions: &BTreeSet<Partition>,
    position: Position,
) -> Result<Offsets, Refusal> {
    let offsets = ends::find(cluster, partitions, position)?.into_iter();
    let known = |(partition, offset): (Partition, Result<i64, i16>)| {
        let refused =
            |code| Refusal::error(&exception(code), format!("{}: {}", name(&partition), words(code, None)));
        offset.map_err(refused).map(|offset| (partition, offset))
    };
    offsets.map(known).collect()
}

/// The first record from a time on, or the end where no record is that new.
fn at_time(
    cluster: &mut Coordinators,
    partitions: &BTreeSet<Partition>,
    ms: i64,
) -> Result<Offsets, Refusal> {
    let mut offsets = found(cluster, partitions, Position::Time(ms))?;
    let without: BTreeSet<Partition> =
        offsets.iter().filter(|(_, offset)| **offset < 0).map(|(partition, _)| partition.clone()).collect();
    for Partition { topic, index } in &without {
        print(&format!(
            "\nWarn: Partition {index} from topic {} is empty. Falling back to latest known offset.\n",
            escaped(topic)
        ))?;
    }
    offsets.extend(found(cluster, &without, Position::End)?);
    Ok(offsets)
}

fn shifted(
    given: &Given,
    cluster: &mut Coordinators,
    group: &str,
    partitions: &BTreeSet<Partition>,
) -> Result<Offsets, Refusal> {
    let by: i64 = given.required_number("shift-by")?;
    let committed = committed(cluster, group)?;
    let shifted = |partition: &Partition| match committed.get(partition) {
        Some(known) => Ok((partition.clone(), known.offset.saturating_add(by))),
        None => Err(Refusal::Argument(format!(
            "Cannot shift offset for partition {} since there is no current committed offset",
            name(partition)
        ))),
    };
    within(cluster, partitions.iter().map(shifted).collect::<Result<_, _>>()?)
}

/// The committed offsets, and the ends of partitions without.
fn current(
    cluster: &mut Coordinators,
    group: &str,
    partitions: &BTreeSet<Partition>,
) -> Result<Offsets, Refusal> {
    let committed = committed(cluster, group)?;
    let (mut offsets, mut without) = (Offsets::new(), BTreeSet::new());
    for partition in partitions {
        match committed.get(partition) {
            Some(known) => drop(offsets.insert(partition.clone(), known.offset)),
            None => drop(without.insert(partition.clone())),
        }
    }
    offsets.extend(found(cluster, &without, Position::End)?);
    Ok(offsets)
}

/// The offsets moved into the logs, with a warning for each that was outside.
fn within(cluster: &mut Coordinators, offsets: Offsets) -> Result<Offsets, Refusal> {
    let partitions: BTreeSet<Partition> = offsets.keys().cloned().collect();
    let starts = found(cluster, &partitions, Position::Start)?;
    let ends = found(cluster, &partitions, Position::End)?;
    let moved = |(partition, offset): (Partition, i64)| {
        let missing = || Failure::failed(format!("the broker told no offsets of {}", name(&partition)));
        let start = *starts.get(&partition).ok_or_else(missing)?;
        let end = *ends.get(&partition).ok_or_else(missing)?;
        let (new, side) = inside(offset, start, end);
        if let Some(side) = side {
            eprintln!(
                "WARN New offset ({offset}) is {side} offset for topic partition {}. Value will be set to {new}.",
                name(&partition)
            );
        }
        Ok((partition, new))
    };
    offsets.into_iter().map(moved).collect()
}

/// The nearest offset of a log, and the side on which the wanted one is outside.
fn inside(offset: i64, start: i64, end: i64) -> (i64, Option<&'static str>) {
    match offset {
        _ if offset > end => (end, Some("higher than latest")),
        _ if offset < start => (start, Some("lower than earliest")),
        _ => (offset, None),
    }
}

fn table(all: &BTreeMap<String, Offsets>) -> String {
    let wide = |texts: &mut dyn Iterator<Item = &String>| {
        texts.map(|text| text.chars().count()).fold(15, usize::max)
    };
    let first = wide(&mut all.keys());
    let second = wide(&mut all.values().flat_map(|offsets| offsets.keys().map(|one| &one.topic)));
    let mut text = String::new();
    // Writing to a `String` does not fail.
    if !all.is_empty() {
        let _ = write!(text, "\n{:<first$} {:<second$} {:<10} NEW-OFFSET", "GROUP", "TOPIC", "PARTITION");
    }
    for (group, offsets) in all {
        for (Partition { topic, index }, offset) in offsets {
            let _ =
                write!(text, "\n{:<first$} {:<second$} {index:<10} {offset}", escaped(group), escaped(topic));
        }
    }
    text + "\n"
}

/// Lines `topic,partition,offset`, or with the group before them.
fn exported(all: &BTreeMap<String, Offsets>, is_single: bool) -> String {
    let mut text = String::new();
    for (group, offsets) in all {
        for (Partition { topic, index }, offset) in offsets {
            let group = if is_single { String::new() } else { quoted(group) + "," };
            // Writing to a `String` does not fail.
            let _ = writeln!(text, "{group}{},{index},{offset}", quoted(topic));
        }
    }
    text + "\n"
}

/// A field of CSV as Kafka's library writes it: in quotes if it holds a sign of CSV, or is longer than the 24 characters that it looks at.
fn quoted(text: &str) -> String {
    match text.chars().count() > 24 || text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(topic: &str, index: i32) -> Partition {
        Partition { topic: topic.to_owned(), index }
    }

    #[test]
    fn partitions_are_named_after_a_colon() {
        assert_eq!(named("t:0,2"), Ok(vec![key("t", 0), key("t", 2)]));
        let text = |text: &str| named(text).unwrap_err().text().to_owned();
        assert_eq!(text("t:x"), "Invalid partition 'x' specified in topic arg 't:x''");
        assert_eq!(text("a:b:1"), "Invalid topic arg 'a:b:1', expected topic name and partitions");
    }

    #[test]
    fn offsets_stay_within_the_log() {
        assert_eq!(inside(5, 0, 10), (5, None));
        assert_eq!(inside(11, 0, 10), (10, Some("higher than latest")));
        assert_eq!(inside(-1, 2, 10), (2, Some("lower than earliest")));
        assert_eq!((inside(10, 0, 10).0, inside(0, 0, 10).0), (10, 0));
    }

    #[test]
    fn a_plan_is_a_table_or_a_file() {
        let all = BTreeMap::from([("g".to_owned(), BTreeMap::from([(key("t", 0), 3), (key("t", 1), 4)]))]);
        assert_eq!(exported(&all, true), "t,0,3\nt,1,4\n\n");
        assert_eq!(exported(&all, false), "g,t,0,3\ng,t,1,4\n\n");
        let expected = "\nGROUP           TOPIC           PARTITION  NEW-OFFSET\ng               t               0          3\n";
        assert!(table(&all).starts_with(expected), "{}", table(&all));
        assert_eq!(table(&BTreeMap::new()), "\n");
        assert_eq!(quoted("a,\"b"), "\"a,\"\"b\"");
        assert_eq!(quoted(&"x".repeat(25)).len(), 27);
    }
}
