//! Append requests of a walk, several at once, and their answers.

use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc},
};

use bytes::Bytes;
use codec::records::{BatchBuilder, RecordBatch};
use rand::RngExt;
use storage::{
    Acks, AppendEntry, AppendError, AppendRequest, AppendResult, MarkerError, Partition, Storage,
    StorageError, TransactionEnd,
};

use crate::{
    Walk,
    crash::{Doubt, LogName, Request},
    log::{Batch, Kind, Record, stored_records},
    transactions::{Producers, check_committed},
};

/// The offset of each batch or marker of a request; `None`: the shard was not led.
type Offsets = Result<Vec<Option<i64>>, StorageError>;

/// Requests that were made in this order, and the receiver of their answers.
pub(crate) struct Sent {
    requests: Vec<Request>,
    answers: mpsc::Receiver<(usize, Offsets)>,
}

/// A request as the storage is asked.
enum Call {
    Append(AppendRequest),
    End(TransactionEnd),
}

impl Call {
    fn send(self, storage: &Storage, answered: impl FnOnce(Offsets) + Send + 'static) {
        match self {
            Self::Append(request) => {
                let batches = request.entries.len();
                let offset = |one: &AppendResult| match one {
                    refused if is_refused(refused) => None,
                    one => Some(one.as_ref().unwrap().base_offset),
                };
                let answer = move |answer| match answer {
                    Err(StorageError::NotLeader) => answered(Ok(vec![None; batches])),
                    Err(error) => answered(Err(error)),
                    Ok(results) => {
                        let results: Vec<AppendResult> = results;
                        answered(Ok(results.iter().map(offset).collect()));
                    }
                };
                storage.shard().append(request, Box::new(answer));
            }
            Self::End(end) => {
                let markers = end.markers.len();
                let answer = move |answer| match answer {
                    Err(StorageError::NotLeader) => answered(Ok(vec![None; markers])),
                    Err(error) => answered(Err(error)),
                    Ok(offsets) => {
                        let offsets: Vec<Result<i64, MarkerError>> = offsets;
                        answered(Ok(offsets.into_iter().map(|one| Some(one.unwrap())).collect()));
                    }
                };
                storage.shard().end_transaction(end, Box::new(answer));
            }
        }
    }
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
    AppendEntry {
        partition: Arc::clone(partition),
        batch,
        log_append_time: false,
        unknown_producer_begins_at_zero: false,
    }
}

/// The shard was not led.
pub(crate) fn is_refused(result: &AppendResult) -> bool {
    matches!(result, Err(AppendError::NotLeader))
}

impl Walk {
    /// A request of at most that many batches, or the end of a transaction.
    fn request(
        &mut self,
        step: u64,
        most: u64,
        ends: &mut BTreeMap<LogName, i64>,
        producers: &mut Producers,
    ) -> (Request, Call) {
        if self.random.random_range(0..4) == 0
            && let Some((request, end)) = self.end(producers, ends)
        {
            return (request, Call::End(end));
        }
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
            let partition = self.partition(&name.0, name.1);
            let (entry, kind) = match self.random.random_range(0..2) {
                0 => (entry(&partition, &records), Kind::Plain),
                _ => self.transactional(producers, &name, &partition, &records),
            };
            let (bytes, appended_ms) = (entry.batch.bytes().len() as u64, self.world.now_ms());
            let batch = Batch { base_offset, end, records, bytes, appended_ms, kind };
            producers.apply(&name, &batch);
            ends.insert(name.clone(), end);
            entries.push(entry);
            batches.push((name, batch));
        }
        // Where the shard may be given up, a batch may be refused whose records are written.
        let carries = most > 1 && self.random.random_range(0..3) == 0;
        let (count, coordinator) = carries.then(|| self.counted(producers)).unzip();
        (Request { acks, batches, count }, Call::Append(AppendRequest { entries, acks, coordinator }))
    }

    /// Some requests at once, that is in any grouping, of at most that many batches each.
    pub(crate) fn send_appends(&mut self, step: u64, most: u64) -> Sent {
        let (mut ends, mut producers) = (BTreeMap::new(), self.producers.clone());
        let (sender, answers) = mpsc::sync_channel(8);
        let count = self.random.random_range(1..4);
        let calls = (0..count).map(|_| self.request(step, most, &mut ends, &mut producers));
        let (requests, calls): (Vec<_>, Vec<_>) = calls.collect::<Vec<_>>().into_iter().unzip();
        for (number, call) in calls.into_iter().enumerate() {
            let sender = sender.clone();
            call.send(self.storage(), move |answer| drop(sender.send((number, answer))));
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
            if may_refuse && answer.iter().all(Option::is_none) {
                refused = refused.min(number);
                (request.batches, request.count) = (Vec::new(), None);
                continue;
            }
            let found = answer;
            let expected = request.batches.iter().map(|(_, batch)| Some(batch.base_offset));
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
        let context = format!("{} {name}-{index} from {from}", self.context);
        assert_eq!(found, log.records_from(from), "{context}");
        let partition = self.partition(&name, index);
        check_committed(self.storage(), &partition, log, (from, 1 + step as usize * 400), &context);
        None
    }
}
