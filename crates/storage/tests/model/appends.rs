//! Append requests of a walk, several at once, and their answers.

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
};

use bytes::Bytes;
use codec::records::{BatchBuilder, RecordBatch};
use rand::RngExt;
use storage::{Acks, AppendEntry, AppendError, AppendRequest, AppendResult, Partition, StorageError};

use crate::{
    Walk,
    crash::{Doubt, LogName, Request},
    log::{Batch, Record, stored_records},
};

/// Requests that were made in this order, and the receiver of their answers.
pub(crate) struct Sent {
    requests: Vec<Request>,
    answers: mpsc::Receiver<(usize, Result<Vec<AppendResult>, StorageError>)>,
}

/// The answers to all requests that were sent.
pub(crate) struct Answered {
    /// Those that were refused have no batches.
    pub(crate) requests: Vec<Request>,
    /// How many the operating system has for certain, and how many the disk.
    pub(crate) written: usize,
    pub(crate) synced: usize,
    /// The storage stopped before it answered all.
    pub(crate) failed: bool,
}

impl Answered {
    pub(crate) fn doubt(self) -> Doubt {
        let Self { requests, written, synced, .. } = self;
        Doubt::Appends { requests, written, synced }
    }
}

/// One batch of these records, whose offsets follow from the log's end.
pub(crate) fn entry(partition: &Arc<Partition>, records: &[Record]) -> AppendEntry {
    let mut builder = BatchBuilder::new();
    for (_, key, value) in records {
        builder.push(1, key.as_deref(), value.as_deref(), &[]);
    }
    let batch = RecordBatch::parse(builder.build()).unwrap();
    AppendEntry { partition: Arc::clone(partition), batch, log_append_time: false }
}

/// The shard was not led.
pub(crate) fn is_refused(result: &AppendResult) -> bool {
    matches!(result, Err(AppendError::NotLeader))
}

impl Walk {
    /// A request of at most that many batches.
    fn request(
        &mut self,
        step: u64,
        most: u64,
        ends: &mut BTreeMap<LogName, i64>,
    ) -> (Request, AppendRequest) {
        let acks = match self.random.random_range(0..3) {
            0 => Acks::Leader,
            _ => Acks::All,
        };
        let (mut batches, mut entries) = (Vec::new(), Vec::new());
        for _ in 0..self.random.random_range(1..=most) {
            let name = self.random_log();
            let mut record = |offset| {
                let keyed = self.topics[&name.0].keyed;
                let key = keyed.then(|| Bytes::from(vec![self.random.random_range(0..5) as u8]));
                let value = Bytes::from(vec![step as u8; self.random.random_range(0..9000) as usize]);
                (offset, key, (self.random.random_range(0..5) > 0).then_some(value))
            };
            let base_offset = *ends.entry(name.clone()).or_insert(self.topics[&name.0].logs[name.1].end);
            let end = base_offset + 1 + (step % 4) as i64;
            let records: Vec<_> = (base_offset..end).map(&mut record).collect();
            let entry = entry(&self.partition(&name.0, name.1), &records);
            let (bytes, appended_ms) = (entry.batch.bytes().len() as u64, self.world.now_ms());
            ends.insert(name.clone(), end);
            entries.push(entry);
            batches.push((name, Batch { base_offset, end, records, bytes, appended_ms }));
        }
        (Request { acks, batches }, AppendRequest { entries, acks })
    }

    /// Some requests at once, that is in any grouping, of at most that many batches each.
    pub(crate) fn send_appends(&mut self, step: u64, most: u64) -> Sent {
        let mut ends = BTreeMap::new();
        let (sender, answers) = mpsc::sync_channel(8);
        let count = self.random.random_range(1..4);
        let (requests, calls): (Vec<_>, Vec<_>) =
            (0..count).map(|_| self.request(step, most, &mut ends)).collect::<Vec<_>>().into_iter().unzip();
        for (number, call) in calls.into_iter().enumerate() {
            let sender = sender.clone();
            self.storage().shard().append(call, Box::new(move |answer| drop(sender.send((number, answer)))));
        }
        Sent { requests, answers }
    }

    /// Waits for their answers. None is refused, unless the shard was given up meanwhile (`may_refuse`): then one, and all that come
    /// after it.
    pub(crate) fn answers(&self, sent: Sent, may_refuse: bool) -> Answered {
        let Sent { mut requests, answers } = sent;
        let (mut written, mut synced, mut failed, mut refused) = (0, 0, false, usize::MAX);
        for (number, answer) in answers {
            let request = &mut requests[number];
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    self.failed_on_purpose("to append", &error);
                    failed = true;
                    continue;
                }
            };
            if may_refuse && answer.iter().all(is_refused) {
                refused = refused.min(number);
                request.batches.clear();
                continue;
            }
            let found = answer.into_iter().map(|one| one.unwrap().base_offset).collect::<Vec<_>>();
            let expected = request.batches.iter().map(|(_, batch)| batch.base_offset);
            assert_eq!(found, expected.collect::<Vec<_>>(), "{}", self.context);
            written = written.max(number + 1);
            if request.acks == Acks::All {
                synced = synced.max(number + 1);
            }
        }
        assert!(written <= refused, "{}: one was refused and the next was not", self.context);
        Answered { requests, written, synced, failed }
    }

    /// Some requests at once, then a look at one of the logs.
    pub(crate) fn append(&mut self, step: u64) -> Option<Doubt> {
        if self.topics.is_empty() {
            return None;
        }
        let sent = self.send_appends(step, 3);
        let answered = self.answers(sent, false);
        if answered.failed || !self.rests() {
            return Some(answered.doubt());
        }
        answered.requests.into_iter().for_each(|request| self.appended(request));
        let (name, index) = self.random_log();
        let log = &self.topics[&name].logs[index];
        let from = log.start + self.random.random_range(0..=(log.end - log.start) as u64) as i64;
        let found = stored_records(self.storage(), &self.partition(&name, index), from);
        assert_eq!(found, log.records_from(from), "{} {name}-{index} from {from}", self.context);
        None
    }
}
