//! Transactions of which a part cannot be read: a topic, a group, or the transactional id itself.
//!
//! A commit is refused until its parts can be read again or are deleted, since it would keep one part and lose another. An
//! abort keeps nothing: it ends what can be reached, and one line says what it left. Offsets that it cannot reach are dropped
//! when their group is loaded. An id whose records cannot be read begins anew with the next InitProducerId, which aborts what the
//! id has open, as that of any other id does.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use coordinator::record_kinds::RecordKind;
use coordinator::transaction::records::{Key, open_producer};
use coordinator::transaction::{
    EndCause, Ending, GroupRef, ProducerId, Sender, TopicPartitionRef, TransactionError, TransactionMachine,
    TransactionalId,
};
use coordinator::{group::GroupId, state_machine::StateMachine as _};
use storage::{Shard, StorageError, UnreadableTopic};
use uuid::Uuid;

use super::super::kind::StepWrite;
use super::{OWN_SHARD, TransactionService, Transactions, unwritten};
use crate::telemetry::line_limit::FAULTS;
use crate::topics::names::TopicRef;

impl Transactions {
    /// Checks before a commit that nothing of it would be lost.
    ///
    /// # Errors
    /// COORDINATOR_NOT_AVAILABLE, which clients retry, if `sender` has a transaction open and a part of it cannot be read.
    pub(super) fn ensure_readable(
        &self,
        machine: &TransactionMachine,
        sender: Sender,
    ) -> Result<(), TransactionError> {
        let catalog = self.topics.catalog();
        let all_readable = catalog.unreadable().is_empty() && !self.groups.has_unreadable();
        if all_readable || machine.open_producer() != Some(sender.producer) {
            return Ok(());
        }
        let topic = machine.partitions().find(|part| is_unreadable(catalog.unreadable(), part.topic_id));
        let group = machine.groups().find(|part| self.groups.is_unreadable(&part.group));
        if topic.is_none() && group.is_none() {
            return Ok(());
        }
        if let Some(suppressed) = FAULTS.take("commit of an unreadable part") {
            tracing::error!(
                transactional_id = %machine.id(),
                topic = topic.map(|part| part.topic.to_string()),
                group = group.map(|part| part.group.to_string()),
                suppressed,
                "a transaction is not committed, as records of its topic or group cannot be read: its producer is told to try \
                 again until the timeout aborts it. Start the release that can read them, or delete the topic or the group"
            );
        }
        Err(TransactionError::CoordinatorNotAvailable)
    }

    /// One line for what an abort cannot reach.
    pub(super) fn note_left(&self, ending: &Ending) {
        let catalog = self.topics.catalog();
        if catalog.unreadable().is_empty() {
            return;
        }
        let left = ending.partitions.iter().filter(|part| is_unreadable(catalog.unreadable(), part.topic_id));
        let topics: BTreeSet<&str> = left.map(|part| &*part.topic).collect();
        let topics = topics.into_iter().collect::<Vec<_>>().join(", ");
        if !topics.is_empty()
            && let Some(suppressed) = FAULTS.take("end of an unreadable part")
        {
            tracing::error!(
                transactional_id = %ending.transactional_id, producer_id = %ending.producer_id, topics, suppressed,
                "an aborted transaction stays open in topics that cannot be read: once they can be, kafka-transactions.sh find-hanging \
                 lists it there, and abort ends it"
            );
        }
    }
}

fn is_unreadable(unreadable: &[UnreadableTopic], topic_id: Uuid) -> bool {
    unreadable.iter().any(|topic| topic.id == topic_id)
}

/// The parts of a transaction, by the keys of its id's records.
#[derive(Default)]
struct Parts {
    partitions: BTreeSet<(Uuid, i32)>,
    groups: BTreeSet<GroupId>,
}

impl Parts {
    fn of<'a>(keys: impl Iterator<Item = &'a [u8]>) -> Parts {
        let mut parts = Parts::default();
        for key in keys.filter_map(|key| Key::decode(key).ok()) {
            match key {
                Key::Partition { topic_id, partition, .. } => {
                    parts.partitions.insert((topic_id, partition));
                }
                Key::Group { group, .. } => {
                    parts.groups.insert(group);
                }
                Key::Transaction { .. } => {}
            }
        }
        parts
    }
}

/// The open parts of a producer.
#[derive(Default)]
struct Open {
    partitions: Vec<TopicPartitionRef>,
    groups: Vec<GroupRef>,
    epoch: i16,
}

impl TransactionService {
    /// Deletes the records of an id that cannot be read, and aborts what the id has open. Does nothing if it can be read, or will
    /// be by the next start.
    ///
    /// # Errors
    /// It could not be written.
    pub(super) async fn begin_anew(&self, id: &TransactionalId) -> Result<(), TransactionError> {
        let own = self.shell.unreadable_keys(|other| other == id);
        if own.is_empty() {
            return Ok(());
        }
        let others = self.shell.unreadable_keys(|other| other != id);
        let parts = |keys: &[Bytes]| Parts::of(keys.iter().map(AsRef::as_ref));
        let effects = self.open_of(id, &parts(&own), &parts(&others));
        let discarded = self.shell.discard_and_write(id, |term, records, written| {
            self.shell.kind().end(StepWrite { term, records, effects, written });
        });
        match discarded {
            Some(ticket) => ticket.durable().await.map_err(unwritten),
            None => Ok(()),
        }
    }

    /// The aborts of what is open in these parts and belongs to no id that can be read. What another unreadable id names as well is
    /// left alone: it may be open there.
    fn open_of(&self, id: &TransactionalId, parts: &Parts, shared: &Parts) -> Vec<Ending> {
        let kind = self.shell.kind();
        let mut open: BTreeMap<i64, Open> = BTreeMap::new();
        for (topic_id, partition) in parts.partitions.difference(&shared.partitions) {
            let Ok(found) = kind.topics.find(&TopicRef::Id(*topic_id), *partition) else { continue };
            for (producer_id, state) in found.partition.producers() {
                if state.current_txn_start_offset.is_none() {
                    continue;
                }
                let open = open.entry(producer_id).or_default();
                open.epoch = open.epoch.max(state.producer_epoch);
                let (shard, topic) = (OWN_SHARD, found.topic.topic.name.as_str().into());
                open.partitions.push(TopicPartitionRef {
                    shard,
                    topic_id: *topic_id,
                    topic,
                    partition: *partition,
                });
            }
        }
        for group in parts.groups.difference(&shared.groups) {
            for producer_id in kind.groups.pending_in(group) {
                let part = GroupRef { shard: OWN_SHARD, group: group.clone() };
                open.entry(producer_id).or_default().groups.push(part);
            }
        }
        let left = parts.partitions.intersection(&shared.partitions).count()
            + parts.groups.intersection(&shared.groups).count();
        if left > 0 {
            tracing::error!(
                transactional_id = %id, left,
                "a transactional id that could not be read begins anew, and partitions or groups that others name, too, are left as they are: \
                 kafka-transactions.sh find-hanging lists what stays open, and abort ends it"
            );
        }
        // After the look at what is open: its owner, if it can be read, has it open since before that look.
        let owned: HashSet<i64> = self
            .shell
            .view_all(|machine| machine.open_producer())
            .into_iter()
            .filter_map(|(producer, _)| producer.map(|producer| producer.id.0))
            .collect();
        let ending = |(producer_id, open): (i64, Open)| Ending {
            transactional_id: id.clone(),
            shard: OWN_SHARD,
            // No other shard is told of it.
            number: 0,
            producer_id: ProducerId(producer_id),
            marker_epoch: open.epoch.saturating_add(1),
            raises_epoch: true,
            commit: false,
            partitions: open.partitions,
            groups: open.groups,
            cause: EndCause::Fenced,
            duration_ms: 0,
        };
        open.into_iter().filter(|(producer_id, _)| !owned.contains(producer_id)).map(ending).collect()
    }

    /// Drops pending offsets whose transaction has ended: their group could not be read then. Before ids are loaded, so that none
    /// begins a transaction meanwhile; blocks.
    ///
    /// # Errors
    /// The records of ids cannot be read from storage.
    pub(super) fn drop_ended_offsets(&self, reader: &Shard) -> Result<(), StorageError> {
        let groups = &self.shell.kind().groups;
        let mut pending = groups.pending_producers();
        if pending.is_empty() {
            return Ok(());
        }
        let mut all_read = true;
        reader.scan_coordinator(&[RecordKind::Transaction.number()], &mut |_, value| match open_producer(
            value,
        ) {
            Ok(Some(producer)) => drop(pending.remove(&producer.0)),
            Ok(None) => {}
            Err(_) => all_read = false,
        })?;
        // An id that cannot be read may have some of them open.
        if all_read && !pending.is_empty() {
            tracing::warn!(
                producers = pending.len(),
                "pending offsets of transactions that have ended are dropped: their groups could not be read at the end"
            );
            groups.drop_pending(&pending);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_unreadable_by_its_id() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let topic = UnreadableTopic { id: one, name: None, error: StorageError::Stopped };
        assert!(is_unreadable(std::slice::from_ref(&topic), one));
        assert!(!is_unreadable(&[topic], other), "another under the same name");
    }
}
