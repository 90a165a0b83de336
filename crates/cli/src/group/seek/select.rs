//! The partitions that a seek moves, and the new offset of each.

use std::collections::{BTreeMap, BTreeSet};

use super::SeekArguments;
use super::file;
use super::plan::Change;
use super::target::{Chosen, To};
use crate::client::{self, Coordinators, Partition, Position};
use crate::clock;
use crate::failure::Failure;
use crate::group::ends;
use crate::group::offsets::Offsets;
use crate::output::escaped;

/// The partitions to move, each with its new position.
///
/// # Errors
/// There are none, a topic does not exist, or the file cannot be read.
pub(super) fn wanted(
    arguments: &SeekArguments,
    cluster: &mut Coordinators,
    committed: &Offsets,
) -> Result<BTreeMap<Partition, To>, Failure> {
    if let Some(path) = &arguments.from_file {
        return file::read(path, &arguments.group);
    }
    let to = match (&arguments.to, arguments.by) {
        (Some(to), _) => to.at(clock::since_1970()),
        (None, Some(by)) => To::By(by),
        (None, None) => return Err(Failure::usage("give --to, --by, --from-file or --delete")),
    };
    let topics: BTreeSet<String> = arguments.topic.iter().map(|chosen| chosen.topic.clone()).collect();
    let existing = match topics.is_empty() {
        true => committed.keys().cloned().collect(),
        false => ends::partitions(cluster, &topics)?,
    };
    let partitions = chosen(&arguments.topic, &existing);
    if let Some(missing) = topics.iter().find(|topic| !partitions.iter().any(|one| one.topic == **topic)) {
        return Err(Failure::failed(format!(
            "there is no topic {}, or this user may not describe it",
            escaped(missing)
        )));
    }
    match partitions.is_empty() {
        true => Err(Failure::failed(format!(
            "group {} has no committed offsets; give --topic, and check the name with `ottla group list`",
            escaped(&arguments.group)
        ))),
        false => Ok(partitions.into_iter().map(|partition| (partition, to)).collect()),
    }
}

/// The partitions that were chosen: those that were named, and of topics without partitions those that exist. Without topics all that exist.
fn chosen(topics: &[Chosen], existing: &BTreeSet<Partition>) -> BTreeSet<Partition> {
    if topics.is_empty() {
        return existing.clone();
    }
    let of_topic = |chosen: &Chosen| -> Vec<Partition> {
        match chosen.partitions.is_empty() {
            true => existing.iter().filter(|one| one.topic == chosen.topic).cloned().collect(),
            false => chosen.named(),
        }
    };
    topics.iter().flat_map(of_topic).collect()
}

/// # Errors
/// The group has no such offsets.
pub(super) fn deletions(arguments: &SeekArguments, committed: &Offsets) -> Result<Vec<Change>, Failure> {
    let chosen = chosen(&arguments.topic, &committed.keys().cloned().collect());
    match chosen.is_empty() {
        true => Err(Failure::failed(format!(
            "group {} has no such committed offsets; see `ottla group describe`",
            escaped(&arguments.group)
        ))),
        false => Ok(chosen
            .into_iter()
            .map(|partition| {
                let old = committed.get(&partition).map(|one| one.offset);
                Change::deletion(partition, old)
            })
            .collect()),
    }
}

/// The new offsets, within the logs.
///
/// # Errors
/// A broker does not answer.
pub(super) fn positions(
    cluster: &mut Coordinators,
    wanted: &BTreeMap<Partition, To>,
    committed: &Offsets,
) -> Result<Vec<Change>, Failure> {
    let all: BTreeSet<Partition> = wanted.keys().cloned().collect();
    let starts = ends::find(cluster, &all, Position::Start)?;
    let ends = ends::find(cluster, &all, Position::End)?;
    let time = wanted.values().find_map(|to| if let To::Time(ms) = to { Some(*ms) } else { None });
    let times = match time {
        Some(ms) => ends::find(cluster, &all, Position::Time(ms))?,
        None => BTreeMap::new(),
    };
    let change = |(partition, to): (&Partition, &To)| {
        let of = |found: &client::Offsets| found.get(partition).copied().unwrap_or(Err(-1));
        let old = committed.get(partition).map(|one| one.offset);
        Change::position(partition.clone(), old, *to, of(&starts), of(&ends), of(&times))
    };
    Ok(wanted.iter().map(change).collect())
}

#[cfg(test)]
mod tests {
    use super::super::target;
    use super::*;

    #[test]
    fn topics_choose_partitions() {
        let key = |topic: &str, index| Partition { topic: topic.to_owned(), index };
        let existing: BTreeSet<Partition> = [key("a", 0), key("a", 1), key("b", 0)].into();
        let chosen = |topics: &[&str]| {
            let topics: Vec<Chosen> = topics.iter().map(|text| target::chosen(text).unwrap()).collect();
            chosen(&topics, &existing)
        };
        assert_eq!(chosen(&[]), existing);
        assert_eq!(chosen(&["a"]), [key("a", 0), key("a", 1)].into());
        assert_eq!(chosen(&["a:1,7", "b"]), [key("a", 1), key("a", 7), key("b", 0)].into());
        assert!(chosen(&["c"]).is_empty());
    }
}
