//! Groups follow the shard that holds their records: unloaded when it is given up, loaded again when it was taken over. The task
//! that does so is that of all coordinators (`transaction/leading.rs`).

use std::sync::Arc;

use storage::{Storage, StorageError, UnreadableTopic};

use super::{GroupService, OpenError};

impl GroupService {
    /// Unloads groups of an earlier term of the shard, and loads those of the present one if this broker leads it.
    ///
    /// # Errors
    /// It leads it, and they cannot be loaded.
    pub(in super::super) async fn catch_up(self: &Arc<Self>, storage: &Storage) -> Result<(), OpenError> {
        let term = self.shell.term();
        if term.is_ok_and(|term| self.shell.is_loaded_in(term)) {
            return Ok(());
        }
        self.shell.unload();
        let Ok(term) = term else { return Ok(()) };
        match self.load(term, storage).await {
            // Given up meanwhile: the next notification has more.
            Err(OpenError::Storage(StorageError::NotLeader | StorageError::Unavailable)) => Ok(()),
            loaded => loaded,
        }
    }

    /// Loads the groups of a term and forgets offsets of topics that are gone.
    ///
    /// # Errors
    /// The records cannot be read.
    pub(super) async fn load(self: &Arc<Self>, term: u32, storage: &Storage) -> Result<(), OpenError> {
        let (loading, reader) = (Arc::clone(self), storage.shard().clone());
        let load = move || loading.shell.load(term, |prefix, each| reader.scan_coordinator(prefix, each));
        self.shell.tasks().blocking("load-groups", load).await.ok_or(OpenError::Interrupted)??;
        // After the load, with the catalog of now: a topic that is deleted later finds the groups itself.
        let catalog = storage.cluster().catalog();
        self.forget_offsets(|topic, committed| {
            let served = catalog.topic(topic).is_some_and(|topic| committed.is_of_topic(topic.id));
            // A topic that cannot be read now may be readable again after the next start.
            let same = |unreadable: &UnreadableTopic| {
                unreadable.id == committed.topic_id || unreadable.name.as_deref() == Some(topic)
            };
            !served && !catalog.unreadable().iter().any(same)
        });
        Ok(())
    }
}
