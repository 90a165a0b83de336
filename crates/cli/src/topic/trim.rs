//! `ottla topic trim` (DeleteRecords): moves the first offsets of partitions up, after a look at what would go.

use std::collections::BTreeMap;

use clap::Args;
use codec::ErrorCode;
use codec::messages::DeleteRecordsRequest;
use codec::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use serde_json::{Value, json};

use super::TIMEOUT_MS;
use super::before::Before;
use super::offsets::{self, Range, Ranges};
use super::select::{self, Topic};
use super::wanted::Wanted;
use crate::client::{self, Leaders, Partition, Position, by_topic, refused, topic_name};
use crate::clock;
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Format, Outcome, Table, escaped};

/// Arguments of `ottla topic trim`.
#[derive(Debug, Args)]
pub(crate) struct TrimArguments {
    /// Names, or regular expressions that match whole names; these match no internal topics.
    #[arg(value_name = "NAME|PATTERN", required = true)]
    topics: Vec<Wanted>,
    /// The first record that stays: an offset, `end`, a time in UTC (2026-11-30T08:00:00Z, 2026-11-30, @MILLISECONDS) or an age ('7d ago').
    #[arg(long, value_name = "OFFSET|end|TIME|AGE")]
    before: Before,
    /// This partition alone; may be given several times.
    #[arg(long, value_name = "NUMBER")]
    partition: Vec<i32>,
    /// Deletes the records without a question.
    #[arg(long)]
    yes: bool,
}

/// New first offset of a partition, beside its range before.
type Plan = BTreeMap<Partition, (Range, i64)>;

pub(super) fn run(
    arguments: &TrimArguments,
    leaders: &mut Leaders,
    format: Format,
) -> Result<Outcome, Failure> {
    let mut topics = select::select(&arguments.topics, false, leaders)?.whole()?;
    keep_partitions(&mut topics, &arguments.partition)?;
    let ranges = offsets::ranges(leaders, &topics)?;
    let targets = match arguments.before.time_ms(clock::since_1970())? {
        None => BTreeMap::new(),
        Some(ms) => {
            let partitions: Vec<Partition> = topics.iter().flat_map(Topic::keys).collect();
            client::offsets(leaders, &partitions, Position::Time(ms), 0)?
        }
    };
    let plan = plan(arguments.before, &ranges, &targets)?;
    if plan.is_empty() {
        return Ok(Outcome::good(shown(&plan, format, "no records are before that")));
    }
    confirm(&format!("{}delete these records?", table(&plan, "")), "--yes", arguments.yes)?;
    delete(leaders, plan, format)
}

/// Leaves these partitions of the topics, unless none is given.
///
/// # Errors
/// A topic lacks one of them.
fn keep_partitions(topics: &mut [Topic], wanted: &[i32]) -> Result<(), Failure> {
    if wanted.is_empty() {
        return Ok(());
    }
    for topic in topics {
        topic.partitions.retain(|partition| wanted.contains(&partition.partition_index));
        let has = |index: &i32| topic.partitions.iter().any(|partition| partition.partition_index == *index);
        if let Some(missing) = wanted.iter().find(|index| !has(index)) {
            let name = escaped(&topic.name);
            return Err(Failure::failed(format!(
                "topic {name} has no partition {missing}; see `ottla topic describe {name}`"
            )));
        }
    }
    Ok(())
}

/// The partitions that lose records. `targets` are the offsets of a time, which an offset and the end need not.
///
/// # Errors
/// An offset is not known, or after the end of a partition.
fn plan(
    before: Before,
    ranges: &Ranges,
    targets: &BTreeMap<Partition, Result<i64, i16>>,
) -> Result<Plan, Failure> {
    let mut plan = Plan::new();
    for (partition, range) in ranges {
        let asking = || format!("find the offsets of {}", text(partition));
        let range = range.map_err(|code| refused(&asking(), code, None))?;
        let target = match before {
            Before::Offset(offset) if offset > range.end => {
                return Err(Failure::failed(format!(
                    "offset {offset} is after the end of {}, which is {}; choose partitions with --partition, or give --before end",
                    text(partition),
                    range.end
                )));
            }
            Before::Offset(offset) => offset,
            Before::End => range.end,
            Before::Time(_) | Before::Ago(_) => match targets.get(partition) {
                // All records are older. Those that came in the meantime stay.
                Some(Ok(-1)) => range.end,
                Some(Ok(offset)) => (*offset).min(range.end),
                Some(Err(code)) => return Err(refused(&asking(), *code, None)),
                None => return Err(refused(&asking(), ErrorCode::UnknownServerError as i16, None)),
            },
        };
        if target > range.first {
            plan.insert(partition.clone(), (range, target));
        }
    }
    Ok(plan)
}

fn delete(leaders: &mut Leaders, mut plan: Plan, format: Format) -> Result<Outcome, Failure> {
    let partitions: Vec<Partition> = plan.keys().cloned().collect();
    let versions = (0, *<DeleteRecordsRequest as codec::Request>::VERSIONS.end());
    let answers = leaders.ask(
        &partitions,
        versions,
        |partitions| request(&plan, partitions),
        |answer| {
            let topics = answer.topics.into_iter();
            let results = topics.flat_map(|topic| {
                let name = topic.name.to_string();
                topic.partitions.into_iter().map(move |partition| {
                    let key = Partition { topic: name.clone(), index: partition.partition_index };
                    (
                        key,
                        if partition.error_code == 0 {
                            Ok(partition.low_watermark)
                        } else {
                            Err(partition.error_code)
                        },
                    )
                })
            });
            results.collect()
        },
    );
    let mut is_good = true;
    for (partition, result) in answers.whole()? {
        match result {
            Ok(first) => drop(plan.entry(partition).and_modify(|(_, target)| *target = first)),
            Err(code) => {
                eprintln!("ottla: {}", failure(&partition, code));
                plan.remove(&partition);
                is_good = false;
            }
        }
    }
    Ok(Outcome { text: shown(&plan, format, "no records were deleted"), is_good })
}

fn request(plan: &Plan, partitions: &[Partition]) -> DeleteRecordsRequest {
    let topic = |(topic, indexes): (&str, Vec<i32>)| {
        let partition = |index: i32| {
            let (_, target) = plan.get(&Partition { topic: topic.to_owned(), index })?;
            Some(DeleteRecordsPartition::default().with_partition_index(index).with_offset(*target))
        };
        DeleteRecordsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(indexes.into_iter().filter_map(partition).collect())
    };
    DeleteRecordsRequest::default()
        .with_topics(by_topic(partitions).into_iter().map(topic).collect())
        .with_timeout_ms(TIMEOUT_MS)
}

fn failure(partition: &Partition, code: i16) -> Failure {
    let reason = (code == ErrorCode::PolicyViolation as i16).then_some(
        "cleanup.policy of the topic does not have delete, so its records cannot be deleted by offset",
    );
    refused(&format!("delete records of {}", text(partition)), code, reason)
}

/// Such as `orders-0`, as Kafka names partitions.
fn text(partition: &Partition) -> String {
    escaped(&format!("{}-{}", partition.topic, partition.index))
}

fn shown(plan: &Plan, format: Format, empty: &str) -> String {
    match format {
        Format::Table | Format::Wide => table(plan, empty),
        Format::Json | Format::Yaml => format.document(&plan.iter().map(object).collect()),
    }
}

fn table(plan: &Plan, empty: &str) -> String {
    let mut table = Table::new(&["TOPIC", "PARTITION", "FIRST", "NEW-FIRST", "END", "DELETED"]);
    for (partition, (range, target)) in plan {
        let numbers = [range.first, *target, range.end, deleted(*range, *target)];
        let cells = [partition.topic.clone(), partition.index.to_string()];
        table.push(cells.into_iter().chain(numbers.map(|number| number.to_string())));
    }
    table.text(empty)
}

fn object((partition, (range, target)): (&Partition, &(Range, i64))) -> Value {
    json!({
        "topic": partition.topic,
        "partition": partition.index,
        "first_offset_before": range.first,
        "first_offset": target,
        "end_offset": range.end,
        "deleted": deleted(*range, *target),
    })
}

fn deleted(range: Range, target: i64) -> i64 {
    Range { first: range.first, end: target }.records()
}

#[cfg(test)]
mod tests {
    use codec::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};

    use super::*;

    fn partition(index: i32) -> Partition {
        Partition { topic: "t".to_owned(), index }
    }

    /// New first offsets of two partitions, with offsets 5 to 10 and 0 to 100. The time asked for has these offsets.
    fn planned(before: &str, at_time: [i64; 2]) -> Result<Vec<(i32, i64)>, String> {
        let range = |first, end| Ok(Range { first, end });
        let ranges = Ranges::from([(partition(0), range(5, 10)), (partition(1), range(0, 100))]);
        let [one, other] = at_time;
        let targets = BTreeMap::from([(partition(0), Ok(one)), (partition(1), Ok(other))]);
        let plan = plan(before.parse().unwrap(), &ranges, &targets).map_err(|failure| failure.to_string())?;
        Ok(plan.into_iter().map(|(partition, (_, target))| (partition.index, target)).collect())
    }

    #[test]
    fn partitions_that_lose_nothing_are_left_out() {
        assert_eq!(planned("5", [0, 0]), Ok(vec![(1, 5)]));
        assert_eq!(planned("10", [0, 0]), Ok(vec![(0, 10), (1, 10)]));
        assert_eq!(planned("end", [0, 0]), Ok(vec![(0, 10), (1, 100)]));
        let after = planned("11", [0, 0]).unwrap_err();
        assert!(after.contains("offset 11 is after the end of t-0, which is 10"), "{after}");
    }

    #[test]
    fn a_time_after_all_records_means_the_end() {
        assert_eq!(planned("1d ago", [-1, 7]), Ok(vec![(0, 10), (1, 7)]));
        // The record of that time came after the end was asked for.
        assert_eq!(planned("1d ago", [12, 0]), Ok(vec![(0, 10)]));
        assert_eq!(planned("2026-11-30", [5, 0]), Ok(vec![]));
    }

    #[test]
    fn only_partitions_that_exist_are_chosen() {
        let topic = || {
            let partition = |index| MetadataResponsePartition::default().with_partition_index(index);
            let topic = MetadataResponseTopic::default().with_name(Some(topic_name("t")));
            Topic::of(topic.with_partitions(vec![partition(0), partition(1)])).unwrap()
        };
        let kept = |wanted: &[i32]| {
            let mut topics = [topic()];
            let kept = keep_partitions(&mut topics, wanted);
            kept.map(|()| topics[0].keys().map(|key| key.index).collect::<Vec<_>>())
        };
        assert_eq!(kept(&[]), Ok(vec![0, 1]));
        assert_eq!(kept(&[1]), Ok(vec![1]));
        let missing = kept(&[1, 2]).unwrap_err().to_string();
        assert!(missing.starts_with("topic t has no partition 2"), "{missing}");
    }

    #[test]
    fn each_partition_gets_its_own_offset() {
        let plan = Plan::from([
            (partition(0), (Range { first: 5, end: 10 }, 7)),
            (partition(1), (Range { first: 0, end: 100 }, 50)),
        ]);
        let request = request(&plan, &[partition(0), partition(1)]);
        let offsets: Vec<_> = request.topics.iter().flat_map(|topic| &topic.partitions).collect();
        assert_eq!(
            offsets.iter().map(|one| (one.partition_index, one.offset)).collect::<Vec<_>>(),
            [(0, 7), (1, 50)]
        );
        assert_eq!(object(plan.first_key_value().unwrap())["deleted"], 2);
    }
}
