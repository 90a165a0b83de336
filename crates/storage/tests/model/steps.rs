//! Steps of a walk that change topics, delete records, or change what the storage sees of the world.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use rand::RngExt;
use storage::{Compaction, DeleteBelow, LogPolicy, NewTopic, Retention};
use uuid::Uuid;

use crate::{
    PARTITIONS, Walk,
    common::{Partitions, wait},
    crash::{Doubt, LogName, Request},
    log::{Ended, Kind, Log, Rules, Topic},
};

impl Walk {
    pub(crate) fn create(&mut self) -> Option<Doubt> {
        self.topics_made += 1;
        let name = format!("topic-{}", self.topics_made);
        let keyed = self.random.random();
        let partitions = PARTITIONS as u32;
        let new = NewTopic { name: name.clone(), id: Uuid::new_v4(), partitions, configs: BTreeMap::new() };
        match wait(|done| self.storage().cluster().create_topics(vec![new], done)) {
            Ok(created) => {
                created.into_iter().for_each(|topic| drop(topic.unwrap()));
                self.created(name, keyed);
                self.rests();
                None
            }
            Err(error) => {
                self.failed_on_purpose("to create", &error);
                Some(Doubt::Created { name, keyed })
            }
        }
    }

    pub(crate) fn delete(&mut self) -> Option<Doubt> {
        let names: Vec<&String> = self.topics.keys().collect();
        let name = names[self.random.random_range(0..names.len())].clone();
        let id = self.storage().cluster().catalog().topic(&name).unwrap().id;
        match wait(|done| self.storage().cluster().delete_topics(vec![id], done)) {
            Ok(deleted) => {
                deleted.into_iter().for_each(Result::unwrap);
                self.deleted(&name);
                self.rests();
                None
            }
            Err(error) => {
                self.failed_on_purpose("to delete", &error);
                Some(Doubt::Deleted(name))
            }
        }
    }

    pub(crate) fn close(&mut self) -> Option<Doubt> {
        if let Err(error) = self.storage().close() {
            self.failed_on_purpose("to close", &error);
        }
        Some(Doubt::Closed)
    }

    pub(crate) fn restart(&mut self) -> Option<Doubt> {
        self.storage().close().unwrap();
        self.reopen(Some(false));
        None
    }

    pub(crate) fn delete_records(&mut self) -> Option<Doubt> {
        let (mut asked, mut starts) = (Vec::new(), BTreeMap::new());
        for name in self.topics.keys().cloned().collect::<Vec<_>>() {
            let index = self.random.random_range(0..PARTITIONS);
            let (partition, log) = (self.partition(&name, index), &self.topics[&name].logs[index]);
            let (below, start) = match self.random.random_range(0..6) {
                0 => (DeleteBelow::HighWatermark, Ok(log.end)),
                1 => (DeleteBelow::Offset(log.end + 1), Err(())),
                _ => {
                    let offset = self.random.random_range(0..=log.end as u64) as i64;
                    (DeleteBelow::Offset(offset), Ok(offset.max(log.start)))
                }
            };
            starts.extend(start.map(|start| ((name, index), start)));
            asked.push(((partition, below), start));
        }
        let (calls, expected): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
        match self.storage().shard().delete_records(&calls) {
            Ok(answers) => {
                let answers: Vec<_> = answers.into_iter().map(|answer| answer.map_err(|_| ())).collect();
                assert_eq!(answers, expected, "{} {calls:?}", self.context);
                self.move_log_starts(&starts);
                self.rests();
                None
            }
            Err(error) => {
                self.failed_on_purpose("to delete records", &error);
                Some(Doubt::LogStarts(starts))
            }
        }
    }

    /// Retention, compaction, and the space of what is dead: checks that nothing went too early, nor stayed too long.
    pub(crate) fn tend(&mut self) -> Option<Doubt> {
        self.world.uptime_ms.fetch_add(1, Ordering::SeqCst);
        if let Err(error) = self.storage().tend_logs() {
            self.failed_on_purpose("to tend", &error);
            return Some(Doubt::Tended);
        }
        if !self.rests() {
            return Some(Doubt::Tended);
        }
        self.tended(true);
        None
    }

    pub(crate) fn tended(&mut self, complete: bool) {
        let storage = self.storage().clone();
        let disk_is_full = storage.disk_space().is_some_and(|disk| disk.free <= disk.reserve());
        for (name, topic) in &mut self.topics {
            let policy = self.world.policies.lock().get(name).copied().unwrap_or_default();
            let rules = Rules {
                retention: policy.retention.unwrap_or_default(),
                compacts: policy.compaction.is_some(),
                now_ms: self.world.now_ms(),
                never_restarted: topic.never_restarted,
                complete,
                cleaned: complete && !disk_is_full,
            };
            let catalog = storage.cluster().catalog();
            let partitions = &catalog.topic(name).unwrap().partitions();
            for (index, (log, partition)) in topic.logs.iter_mut().zip(partitions).enumerate() {
                let context = format!("{} {name}-{index} {policy:?}", self.context);
                let first_open = self.producers.first_open(&(name.clone(), index));
                log.tended(&storage, partition, &rules, first_open, &context);
            }
        }
        drop(storage);
        self.check_records();
    }

    pub(crate) fn change_policy(&mut self) -> Option<Doubt> {
        for (name, topic) in &self.topics {
            let ms = (self.random.random_range(0..2) == 0).then(|| self.random.random_range(0..100_000));
            let bytes = (self.random.random_range(0..2) == 0).then(|| self.random.random_range(0..300_000));
            let compaction = Compaction {
                min_cleanable_dirty_ratio: 0.0,
                min_compaction_lag_ms: 0,
                max_compaction_lag_ms: i64::MAX,
                delete_retention_ms: self.random.random_range(0..50_000) as i64,
            };
            let policy = LogPolicy {
                retention: (self.random.random_range(0..2) == 0).then_some(Retention { ms, bytes }),
                compaction: (topic.keyed && self.random.random_range(0..3) > 0).then_some(compaction),
            };
            self.world.policies.lock().insert(name.clone(), policy);
        }
        // Enough, short, too short to move much.
        let free_bytes = [50 << 30, 5 << 30, 100_000][self.random.random_range(0..3)];
        self.world.free_bytes.store(free_bytes, Ordering::SeqCst);
        None
    }

    /// Time passes; the wall clock goes its own way.
    pub(crate) fn pass_time(&mut self) -> Option<Doubt> {
        self.world.uptime_ms.fetch_add(self.random.random_range(0..60_000), Ordering::SeqCst);
        let step = self.random.random_range(-2_000_000_000_000..2_000_000_000_000);
        self.world.wall_ms.fetch_add(step, Ordering::SeqCst);
        None
    }
    pub(crate) fn created(&mut self, name: String, keyed: bool) {
        let topic = self.storage().cluster().catalog().topic(&name).cloned().unwrap();
        assert_eq!(topic.partitions().len(), PARTITIONS, "{}", self.context);
        let log =
            |index: usize| Log { leader_epoch: topic.partitions()[index].leader_epoch(), ..Log::default() };
        let logs = (0..PARTITIONS).map(log).collect();
        self.topics.insert(name, Topic { logs, keyed, never_restarted: true });
    }

    pub(crate) fn deleted(&mut self, name: &str) {
        self.topics.remove(name);
        self.producers.topic_deleted(name);
        self.world.policies.lock().remove(name);
    }

    pub(crate) fn appended(&mut self, request: Request) {
        self.producers.count = request.count.unwrap_or(self.producers.count);
        for (name, batch) in request.batches {
            let first_offset = self.producers.apply(&name, &batch);
            let log = self.log_mut(&name);
            if let (Kind::Marker { producer_id, commit, .. }, Some(first_offset)) = (batch.kind, first_offset)
            {
                let marker_offset = batch.base_offset;
                log.ended.push(Ended { producer_id, first_offset, marker_offset, commit });
            }
            log.push(batch);
        }
    }

    pub(crate) fn move_log_starts(&mut self, starts: &BTreeMap<LogName, i64>) {
        for (name, start) in starts {
            self.log_mut(name).start = *start;
        }
    }
}
