//! The shard is given up and taken over while the process runs: nothing that was acknowledged is lost, nothing is served between the
//! two, and every take-over begins a greater epoch.

use std::sync::{Arc, mpsc};

use rand::RngExt;
use storage::{Acks, AppendRequest, CoordinatorRecord, Partition, ReadError, StorageError};

use crate::{
    Walk,
    appends::{Answered, entry, is_refused},
    common::{UNLIMITED, wait},
    crash::{Doubt, LogName},
};

impl Walk {
    /// Appends that are under way while the shard is given up, then a take-over.
    pub(crate) fn take_over(&mut self, step: u64) -> Option<Doubt> {
        if self.topics.is_empty() {
            return None;
        }
        let led = |name: LogName| (self.partition(&name.0, name.1), name);
        let partitions: Vec<(Arc<Partition>, LogName)> = self.log_names().into_iter().map(led).collect();
        let epoch = self.storage().shard().led_epoch().unwrap();
        // Of one batch each: a request of more may meet the end between two of its partitions.
        let sent = self.send_appends(step, 1);
        let resigned = (self.random.random_range(0..4) > 0).then(|| self.begin_to_lead(false));
        let mut answered = self.answers(sent, resigned.is_some());
        if answered.failed {
            return Some(answered.doubt());
        }
        if let Some(resigned) = resigned {
            if !self.has_led(&resigned, &mut answered) || !self.serves_nothing(step, &partitions) {
                return Some(answered.doubt());
            }
            // Overtaken by the next call: it may lead for a moment, or not at all.
            if self.random.random_range(0..4) == 0 {
                drop((self.begin_to_lead(true), self.begin_to_lead(false)));
            }
        }
        let taken_over = self.begin_to_lead(true);
        if !self.has_led(&taken_over, &mut answered) {
            return Some(answered.doubt());
        }
        // At once: a client may have seen them, so a crash that comes next must not give them again.
        for (partition, name) in partitions {
            let (found, before) = (partition.leader_epoch(), self.log(&name).leader_epoch);
            assert!(found > before, "{} {name:?}: epoch {found} after {before}", self.context);
            self.log_mut(&name).leader_epoch = found;
        }
        if !self.refuses_records_of(epoch) || !self.rests() {
            return Some(answered.doubt());
        }
        answered.requests.into_iter().for_each(|request| self.appended(request));
        self.check_records();
        None
    }

    fn begin_to_lead(&self, lead: bool) -> mpsc::Receiver<Result<(), StorageError>> {
        let (sender, outcome) = mpsc::sync_channel(1);
        self.storage().shard().lead(lead, Box::new(move |done| sender.send(done).unwrap_or_default()));
        outcome
    }

    /// Waits for the outcome; false if the storage stopped. What was written before is on the disk then.
    fn has_led(&self, outcome: &mpsc::Receiver<Result<(), StorageError>>, answered: &mut Answered) -> bool {
        match outcome.recv().unwrap() {
            Ok(()) => {
                answered.synced = answered.written;
                true
            }
            Err(error) => {
                self.failed_on_purpose("to lead or to resign", &error);
                false
            }
        }
    }

    /// Appends and reads are refused; false if the storage stopped.
    fn serves_nothing(&mut self, step: u64, partitions: &[(Arc<Partition>, LogName)]) -> bool {
        let (partition, _) = &partitions[self.random.random_range(0..partitions.len())];
        for from in [0, partition.high_watermark()] {
            let read = self.storage().shard().read(partition, from, UNLIMITED);
            assert!(matches!(read, Err(ReadError::NotLeader)), "{}: {read:?}", self.context);
        }
        let acks = [Acks::Leader, Acks::All][self.random.random_range(0..2)];
        let entries = vec![entry(partition, &[(0, None, Some(vec![step as u8; 100].into()))])];
        match wait(|done| {
            self.storage().shard().append(AppendRequest { entries, acks, coordinator: None }, done)
        }) {
            Ok(results) => {
                assert!(results.iter().all(is_refused), "{}: {results:?}", self.context);
                true
            }
            Err(error) => {
                self.failed_on_purpose("to append to what is not led", &error);
                false
            }
        }
    }

    /// Records of a coordinator that was loaded before the take-over; false if the storage stopped.
    fn refuses_records_of(&self, epoch: u32) -> bool {
        let record = CoordinatorRecord { key: "stale".into(), value: Some("".into()) };
        match wait(|done| self.storage().shard().write_coordinator(epoch, vec![record], done)) {
            Err(StorageError::NotLeader) => true,
            Err(error) => {
                self.failed_on_purpose("to write what is refused", &error);
                false
            }
            Ok(()) => panic!("{}: records of epoch {epoch} were written", self.context),
        }
    }
}
