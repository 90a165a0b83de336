//! The thread of one broker: it fetches the partitions that this broker leads, and passes batches on.
//!
//! A partition that cannot be fetched here any more goes back to the main thread, which looks for its next leader. Memory: one answer of at most 8 MiB, or
//! one batch if that is longer, is under way, and the queue to the main thread has a bound.

use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use codec::ErrorCode;
use codec::messages::fetch_request::{FetchPartition, FetchTopic};
use codec::messages::fetch_response::PartitionData;
use codec::messages::{BrokerId, FetchRequest};
use codec::records::RecordBatch;
use uuid::Uuid;

use super::committed::{Visible, visible};
use super::selection::unreadable;
use crate::client::{Connection, Partition, has_moved, refused, topic_name};
use crate::failure::Failure;

/// Versions with an isolation level, and topics by name.
const VERSIONS: (i16, i16) = (4, 12);
/// The first version that has topics by their ids (KIP-516): it never reads on in another topic of the same name.
const WITH_IDS: i16 = 13;
/// Bytes of an answer.
const ANSWER_BYTES: i32 = 8 << 20;
/// Bytes of a partition in an answer.
const PARTITION_BYTES: i32 = 1 << 20;
/// The time for which a broker waits for records.
const WAIT: Duration = Duration::from_millis(500);

/// A partition with the position in it.
#[derive(Debug, Clone)]
pub(super) struct Share {
    pub(super) partition: Partition,
    /// Of the topic; `None` from brokers before Kafka 2.8.
    pub(super) topic_id: Option<Uuid>,
    /// The next offset.
    pub(super) position: i64,
    /// This offset is not read any more.
    pub(super) until: Option<i64>,
    /// The time of the first failure since it was fetched last.
    pub(super) lost_since: Option<Instant>,
}

impl Share {
    pub(super) fn is_done(&self) -> bool {
        self.until.is_some_and(|until| self.position >= until)
    }
}

/// Reports of a thread.
pub(super) enum Event {
    /// Batches of a partition. Records before `from`, and from `until` on, were not asked for.
    Batches {
        partition: Partition,
        from: i64,
        until: Option<i64>,
        batches: Vec<RecordBatch>,
    },
    /// A partition was read to its end.
    Done,
    /// A broker does not serve a partition any more, for this reason.
    Lost(Share, String),
    /// The position is before the start of the log, or after its end.
    OutOfRange(Share),
    /// A broker's connection failed; its partitions follow as lost.
    Broken(i32),
    Failed(Failure),
}

/// The end of the main thread: it reads no events any more.
struct Gone;

/// A connection to a broker, and the partitions that it leads.
pub(super) struct Fetcher {
    pub(super) node: i32,
    pub(super) connection: Connection,
    pub(super) isolation_level: i8,
    /// The time that an answer may take.
    pub(super) timeout: Duration,
    /// Partitions that the main thread assigns.
    pub(super) inbox: Receiver<Share>,
    pub(super) events: SyncSender<Event>,
}

impl Fetcher {
    /// Fetches until the main thread ends.
    pub(super) fn run(mut self) {
        let mut shares: Vec<Share> = Vec::new();
        loop {
            if shares.is_empty() {
                let Ok(share) = self.inbox.recv() else { return };
                shares.push(share);
            }
            shares.extend(self.inbox.try_iter());
            let by_id = self.connection.serves::<FetchRequest>(WITH_IDS)
                && shares.iter().all(|share| share.topic_id.is_some());
            let versions = if by_id { (WITH_IDS, WITH_IDS) } else { VERSIONS };
            let fetched = self.connection.call_between(versions.0, versions.1, &self.request(&shares));
            let passed = match fetched {
                Ok(answer) if answer.message.error_code != 0 => {
                    let failure = refused("fetch", answer.message.error_code, None);
                    self.send(Event::Failed(failure))
                }
                Ok(answer) => {
                    let answers = answer.message.responses.into_iter().flat_map(|topic| {
                        let (name, id) = (topic.topic.to_string(), topic.topic_id);
                        topic.partitions.into_iter().map(move |data| (name.clone(), id, data))
                    });
                    answers.into_iter().try_for_each(|(name, id, data)| {
                        let of = |share: &Share| match by_id {
                            true => share.topic_id == Some(id),
                            false => share.partition.topic == name,
                        };
                        self.take(&mut shares, of, data)
                    })
                }
                Err(error) => return self.give_up(shares, &error.to_string()),
            };
            if passed.is_err() {
                return;
            }
            // A broker fills its answer in the order of the request: the first ones have had their turn.
            if !shares.is_empty() {
                shares.rotate_left(1);
            }
        }
    }

    fn request(&self, shares: &[Share]) -> FetchRequest {
        // Topics in the order of the shares, as that decides who is served first.
        let mut topics: Vec<FetchTopic> = Vec::new();
        for share in shares {
            let partition = FetchPartition::default()
                .with_partition(share.partition.index)
                .with_fetch_offset(share.position)
                .with_partition_max_bytes(PARTITION_BYTES);
            let name = topic_name(&share.partition.topic);
            match topics.iter_mut().find(|topic| topic.topic == name) {
                Some(topic) => topic.partitions.push(partition),
                None => {
                    let id = share.topic_id.unwrap_or_default();
                    let topic = FetchTopic::default().with_topic(name).with_topic_id(id);
                    topics.push(topic.with_partitions(vec![partition]));
                }
            }
        }
        let wait = WAIT.min(self.timeout / 2);
        FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(i32::try_from(wait.as_millis()).unwrap_or(i32::MAX))
            .with_min_bytes(1)
            .with_max_bytes(ANSWER_BYTES)
            .with_isolation_level(self.isolation_level)
            .with_session_epoch(-1)
            .with_topics(topics)
    }

    /// Passes on the answer for a partition of the topic whose shares are `of` it.
    fn take(
        &self,
        shares: &mut Vec<Share>,
        of: impl Fn(&Share) -> bool,
        data: PartitionData,
    ) -> Result<(), Gone> {
        let is_it = |share: &Share| of(share) && share.partition.index == data.partition_index;
        let Some(at) = shares.iter().position(is_it) else { return Ok(()) };
        let Some(partition) = shares.get(at).map(|share| share.partition.clone()) else { return Ok(()) };
        match judge(data.error_code) {
            Judgement::Good => {}
            judgement => {
                let share = shares.swap_remove(at);
                let what = format!("read {} partition {}", partition.topic, partition.index);
                let failure = unreadable(&what, data.error_code);
                return self.send(match judgement {
                    Judgement::OutOfRange => Event::OutOfRange(share),
                    Judgement::Moved => Event::Lost(share, failure.to_string()),
                    Judgement::Good | Judgement::Refused => Event::Failed(failure),
                });
            }
        }
        let Some(share) = shares.get_mut(at) else { return Ok(()) };
        share.lost_since = None;
        let aborted = data.aborted_transactions.unwrap_or_default();
        let Visible { batches, next_offset } = match visible(&data.records.unwrap_or_default(), &aborted) {
            Ok(visible) => visible,
            Err(error) => return self.send(Event::Failed(damaged(&partition, share.position, &error))),
        };
        let (from, until) = (share.position, share.until);
        share.position = share.position.max(next_offset.unwrap_or(0));
        let is_done = share.is_done();
        if !batches.is_empty() {
            self.send(Event::Batches { partition, from, until, batches })?;
        }
        if is_done {
            shares.swap_remove(at);
            self.send(Event::Done)?;
        }
        Ok(())
    }

    fn give_up(self, shares: Vec<Share>, reason: &str) {
        let lost = |share| self.send(Event::Lost(share, reason.to_owned()));
        if self.send(Event::Broken(self.node)).is_err() || shares.into_iter().try_for_each(lost).is_err() {
            return;
        }
        // Those that were assigned meanwhile, until the main thread has heard of it.
        let _ = self.inbox.iter().try_for_each(lost);
    }

    fn send(&self, event: Event) -> Result<(), Gone> {
        self.events.send(event).map_err(|_| Gone)
    }
}

/// The failure for a batch that cannot be read.
pub(super) fn damaged(partition: &Partition, offset: i64, error: &codec::records::BatchError) -> Failure {
    let Partition { topic, index } = partition;
    Failure::failed(format!(
        "{topic} partition {index} from offset {offset} on cannot be read: {error}; skip it by --offset, or look at the broker's disk"
    ))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Good,
    Moved,
    OutOfRange,
    Refused,
}

fn judge(code: i16) -> Judgement {
    match ErrorCode::from_code(code) {
        _ if code == 0 => Judgement::Good,
        Some(ErrorCode::OffsetOutOfRange) => Judgement::OutOfRange,
        Some(
            ErrorCode::FencedLeaderEpoch
            | ErrorCode::UnknownLeaderEpoch
            | ErrorCode::UnknownTopicId
            | ErrorCode::InconsistentTopicId,
        ) => Judgement::Moved,
        _ if has_moved(code) => Judgement::Moved,
        _ => Judgement::Refused,
    }
}

#[cfg(test)]
mod tests;
