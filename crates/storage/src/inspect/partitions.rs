//! A partition as the state and its last batches tell of it, read as a start reads them.

use super::{ExtentReport, Inspector, OpenTransaction, PartitionReport};
use crate::{Partition, ProducerState, StorageError, Topic, engine::aborted, log::Extent};

impl Inspector {
    pub(super) fn partition_report(
        &self,
        topic: &Topic,
        partition: &Partition,
    ) -> Result<PartitionReport, StorageError> {
        let producers = partition.producers();
        let open = |(producer_id, state): &(i64, ProducerState)| {
            let (producer_id, producer_epoch) = (*producer_id, state.producer_epoch);
            let first_offset = state.current_txn_start_offset?;
            Some(OpenTransaction { producer_id, producer_epoch, first_offset })
        };
        let mut aborted_transactions = 0;
        if let Some(engine) = &self.found.engine {
            aborted::each(engine, partition.number(), |_| aborted_transactions += 1)?;
        }
        Ok(PartitionReport {
            topic: topic.name.clone(),
            topic_id: topic.id,
            partition: partition.index(),
            number: partition.number().0,
            log_start_offset: partition.log_start_offset(),
            log_end_offset: partition.log_end_offset(),
            leader_epoch: partition.leader_epoch(),
            size_bytes: partition.size_bytes(),
            last_stable_offset: partition.last_stable_offset(),
            open_transactions: producers.iter().filter_map(open).collect(),
            producers: producers.len(),
            aborted_transactions,
            extents: extents(partition),
        })
    }
}

fn extents(partition: &Partition) -> Vec<ExtentReport> {
    let ends = partition.extents_with_ends(partition.log_end_offset());
    let report = |((extent, live_bytes), (_, end_offset)): ((Extent, u64), (Extent, i64))| ExtentReport {
        base_offset: extent.base_offset,
        end_offset,
        family: extent.family.family(),
        live_bytes,
    };
    partition.live_extents().into_iter().zip(ends).map(report).collect()
}
