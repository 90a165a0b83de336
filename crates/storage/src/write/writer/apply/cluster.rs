//! Commands for what belongs to the cluster: topics, configurations, blocks of producer ids.

use crate::{
    Done,
    engine::{NodeKey, keys},
    write::{catalog::CatalogChange, command::ClusterCommand, group::WriteGroup, writer::Writer},
};

/// Producer ids taken from the disk at a time; what is left of a block is lost at a stop.
const PRODUCER_ID_BLOCK: i64 = 1000;

impl Writer {
    /// Callers see its effect once the group is as durable as the flush policy says.
    pub(super) fn apply_to_cluster(&mut self, group: &mut WriteGroup<'_>, command: ClusterCommand) {
        match command {
            ClusterCommand::Catalog(change) => self.change_catalog(group, change),
            ClusterCommand::Configs((key, value), done) => {
                match value {
                    Some(value) => group.put_state(key, value),
                    None => group.delete_state(key),
                }
                self.after_durable(group, done);
            }
            ClusterCommand::Security(records, done) => {
                for (key, value) in records {
                    match value {
                        Some(value) => group.put_state(key, value),
                        None => group.delete_state(key),
                    }
                }
                // Under every flush policy: a permission or a login that was taken away must not come back.
                group.after_sync.push(done);
            }
            ClusterCommand::ProducerId(done) => {
                let id = self.take_producer_id(group);
                self.after_durable(group, Box::new(move |durable| done(durable.map(|()| id))));
            }
        }
    }

    /// Applies a change of topics to the writer's own catalog. Callers see it once the group is as durable as
    /// the flush policy says.
    fn change_catalog(&mut self, group: &mut WriteGroup<'_>, change: CatalogChange) {
        group.catalog_changed = true;
        // New partitions begin in the shard as it is at this place in the queue.
        let (catalog, term) = (&mut self.catalog, self.term);
        let answer: Done<()> = match change {
            CatalogChange::Create(topics, done) => {
                let results: Vec<_> =
                    topics.into_iter().map(|new| catalog.create(group, new, term)).collect();
                Box::new(move |durable| done(durable.map(|()| results)))
            }
            CatalogChange::CreatePartitions(counts, done) => {
                let mut create = |(id, wanted)| catalog.create_partitions(group, id, wanted, term);
                let results: Vec<_> = counts.into_iter().map(&mut create).collect();
                Box::new(move |durable| done(durable.map(|()| results)))
            }
            CatalogChange::AlterConfigs(changes, done) => {
                let mut alter = |change| catalog.alter_configs(group, change, term);
                let results: Vec<_> = changes.into_iter().map(&mut alter).collect();
                Box::new(move |durable| done(durable.map(|()| results)))
            }
            CatalogChange::Delete(ids, done) => {
                let mut results = Vec::with_capacity(ids.len());
                for id in ids {
                    let removed = catalog.delete(group, id);
                    results.push(removed.map(|extents| group.extents_removed.extend(extents)));
                }
                Box::new(move |durable| done(durable.map(|()| results)))
            }
        };
        self.after_durable(group, answer);
    }

    /// The next producer id. Reserves a block of [`PRODUCER_ID_BLOCK`] in this group if the last one is used
    /// up.
    fn take_producer_id(&mut self, group: &mut WriteGroup<'_>) -> i64 {
        // The block is synced with the first id of it: an id is not given twice, whatever crashes.
        if self.next_producer_id == self.producer_ids_end {
            self.producer_ids_end += PRODUCER_ID_BLOCK;
            group.put_state(keys::node(NodeKey::NextProducerId), self.producer_ids_end.to_be_bytes());
        }
        self.next_producer_id += 1;
        self.next_producer_id - 1
    }
}
