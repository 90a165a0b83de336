//! The topics that are written to, and the partition of each record in them.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use codec::ErrorCode;
use codec::messages::metadata_response::MetadataResponseTopic;

use super::partitioner::{Sticky, of_key};
use crate::client::{Leaders, Partition, refused};
use crate::clock;
use crate::failure::Failure;
use crate::output::escaped;
use crate::random;
use crate::record::NewRecord;

/// Time after which partitions are looked up again: `metadata.max.age.ms` of Java's producers.
pub(super) const AGE: Duration = Duration::from_secs(300);
/// Longest wait for a topic that the broker creates when it is asked for.
const CREATION: Duration = Duration::from_secs(5);
/// Time between two looks at such a topic.
const PAUSE: Duration = Duration::from_millis(100);

/// Partitions of a topic.
struct Topic {
    count: usize,
    /// Those with a leader.
    available: Vec<i32>,
    sticky: Sticky,
    looked_up: Instant,
    /// [`Leaders::moves`] at that time.
    moves: u64,
}

/// Topics by name. Each is looked up with its first record, and again if it [is old](Self::is_old).
#[derive(Default)]
pub(super) struct Topics {
    known: BTreeMap<String, Topic>,
}

impl Topics {
    /// True if a topic's partitions have to be looked up again: they were for the last time long ago, or a leader has moved since. Records that
    /// wait are sent before it, since a key has another partition if there are more: its records would pass each other.
    pub(super) fn is_old(&self, leaders: &Leaders, name: &str, now: Instant) -> bool {
        let is_old = |topic: &Topic| {
            topic.moves != leaders.moves() || now.saturating_duration_since(topic.looked_up) >= AGE
        };
        self.known.get(name).is_some_and(is_old)
    }

    /// Looks a topic up again. It stays as it was where that fails: if its leaders take records, so much the better, and else their answer says why.
    pub(super) fn renew(&mut self, leaders: &mut Leaders, name: &str, now: Instant) {
        let found = look_up(leaders, name, now).ok().filter(|found| !found.available.is_empty());
        if let Some(topic) = self.known.get_mut(name) {
            let sticky = std::mem::take(&mut topic.sticky);
            let (count, available) = match found {
                Some(found) => (found.count, found.available),
                None => (topic.count, std::mem::take(&mut topic.available)),
            };
            *topic = Topic { count, available, sticky, looked_up: now, moves: leaders.moves() };
        }
    }

    /// The partition for a record of this many bytes.
    ///
    /// # Errors
    /// The topic or the partition does not exist, or the user may not see it.
    pub(super) fn partition(
        &mut self,
        leaders: &mut Leaders,
        name: &str,
        record: &NewRecord,
        bytes: usize,
        now: Instant,
    ) -> Result<Partition, Failure> {
        if !self.known.contains_key(name) {
            let topic = look_up(leaders, name, now)?;
            self.known.insert(name.to_owned(), topic);
        }
        let none = || {
            Failure::failed(format!("topic {name} has no partition with a leader for the moment; try again"))
        };
        let topic = self.known.get_mut(name).ok_or_else(none)?;
        let index = match (record.partition, record.key.as_deref()) {
            (Some(index), _) => {
                Some(index).filter(|index| usize::try_from(*index).is_ok_and(|index| index < topic.count))
            }
            (None, Some(key)) => of_key(key, topic.count),
            (None, None) => topic.sticky.choose(&topic.available, bytes, random::number),
        };
        let index = index.ok_or_else(|| match record.partition {
            Some(index) => Failure::failed(format!(
                "topic {name} has no partition {index}: it has {}, counted from 0",
                topic.count
            )),
            None => none(),
        })?;
        Ok(Partition { topic: name.to_owned(), index })
    }
}

fn look_up(leaders: &mut Leaders, name: &str, now: Instant) -> Result<Topic, Failure> {
    let topic = described(leaders, name)?;
    match ErrorCode::from_code(topic.error_code) {
        Some(ErrorCode::UnknownTopicOrPartition) => Err(Failure::failed(format!(
            "topic {0} does not exist; create it with `ottla topic create {0}`",
            escaped(name)
        ))),
        _ if topic.error_code != 0 => Err(refused(&format!("produce to {name}"), topic.error_code, None)),
        _ => {
            let available = topic.partitions.iter().filter(|one| one.leader_id.0 >= 0);
            let available = available.map(|one| one.partition_index).collect();
            let (count, moves) = (topic.partitions.len(), leaders.moves());
            Ok(Topic { count, available, sticky: Sticky::default(), looked_up: now, moves })
        }
    }
}

/// The broker's answer about a topic. One that the broker may create is waited for.
fn described(leaders: &mut Leaders, name: &str) -> Result<MetadataResponseTopic, Failure> {
    let deadline = clock::instant() + CREATION;
    loop {
        let Some(topic) = leaders.refresh(Some(&[name.to_owned()]))?.topics.into_iter().next() else {
            return Err(Failure::failed(format!("the broker says nothing about topic {name}")));
        };
        let is_coming = matches!(
            ErrorCode::from_code(topic.error_code),
            Some(ErrorCode::UnknownTopicOrPartition | ErrorCode::LeaderNotAvailable)
        );
        if !(is_coming && leaders.creates_topics() && clock::instant() < deadline) {
            return Ok(topic);
        }
        thread::sleep(PAUSE);
    }
}
