//! The storage beside the model: offsets, sizes, records, producers, and what readers of committed records see.

use storage::ReadError;

use crate::{Walk, common::UNLIMITED, log::stored_records, transactions::check_committed};

impl Walk {
    pub(crate) fn check_positions(&self) {
        let found: Vec<String> =
            self.storage().cluster().catalog().topics().map(|topic| topic.name.clone()).collect();
        assert!(found.iter().eq(self.topics.keys()), "{}: topics {found:?}", self.context);
        for (name, index) in self.log_names() {
            let (partition, log) = (self.partition(&name, index), &self.topics[&name].logs[index]);
            let context = format!("{} {name}-{index}", self.context);
            let found = (partition.log_start_offset(), partition.high_watermark());
            assert_eq!(found, (log.start, log.end), "{context}");
            let stable = self.last_stable_offset(&(name.clone(), index));
            assert_eq!(partition.last_stable_offset(), stable, "{context}");
            log.check_size(&partition, &context);
        }
    }

    pub(crate) fn check_records(&self) {
        self.check_positions();
        for (name, index) in self.log_names() {
            let (partition, log) = (self.partition(&name, index), &self.topics[&name].logs[index]);
            let context = format!("{} {name}-{index}", self.context);
            let found = stored_records(self.storage(), &partition, log.start);
            assert_eq!(found, log.records_from(log.start), "{context}");
            self.producers.check(&(name.clone(), index), &partition, &context);
            for max_bytes in [3_000, usize::MAX] {
                check_committed(self.storage(), &partition, log, (log.start, max_bytes), &context);
            }
            if log.start > 0 {
                let below = self.storage().shard().read(&partition, log.start - 1, UNLIMITED);
                assert!(matches!(below, Err(ReadError::OffsetOutOfRange { .. })), "{context}");
            }
        }
    }
}
