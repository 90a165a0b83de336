//! The cluster: its id, its topics with their configurations, the configurations of other resources, access control
//! entries, credentials, delegation tokens, quotas, and the blocks of producer ids. It is changed here whether the shard is led or not, as a folder is a cluster of its own.

use std::{fmt, sync::Arc};

use uuid::Uuid;

use super::folder::Folder;
use crate::{
    Catalog, CatalogError, ConfigsChange, CredentialId, Done, NewTopic, QuotaId, ResourceConfigs,
    SECRET_BYTES, StorageError, StoredAcl, StoredConfigs, StoredCredential, StoredQuota, StoredToken,
    TooLarge, Topic,
    engine::{KeyValue, acl_log, config_log, credential_log, quota_log, token_log},
    write::{CatalogChange, ClusterCommand},
};

/// The cluster of an open folder. Clones share it, and hold the folder against other processes as [`crate::Storage`] does.
#[derive(Clone)]
pub struct Cluster {
    id: Arc<str>,
    folder: Arc<Folder>,
}

impl Cluster {
    pub(super) fn new(id: String, folder: Arc<Folder>) -> Self {
        Self { id: id.into(), folder }
    }

    /// Its id: 22 characters, the same for the folder's whole life.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// All topics as of now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.folder.shared.catalog.load_full()
    }

    /// Creates topics, each or not at all; durable before `done`.
    pub fn create_topics(&self, topics: Vec<NewTopic>, done: Done<Vec<Result<Arc<Topic>, CatalogError>>>) {
        self.change_catalog(CatalogChange::Create(topics, done));
    }

    /// Deletes topics with all that they hold; durable before `done`.
    /// Reads and appends of their partitions are refused as soon as the writer has taken the change, which is
    /// before `done`.
    pub fn delete_topics(&self, ids: Vec<Uuid>, done: Done<Vec<Result<(), CatalogError>>>) {
        self.change_catalog(CatalogChange::Delete(ids, done));
    }

    /// Gives topics more partitions; the counts are totals. Durable before `done`.
    pub fn create_partitions(
        &self,
        counts: Vec<(Uuid, u32)>,
        done: Done<Vec<Result<Arc<Topic>, CatalogError>>>,
    ) {
        self.change_catalog(CatalogChange::CreatePartitions(counts, done));
    }

    /// Changes topics' configs, each or not at all; durable before `done`. A change worked out from configs that are not
    /// the topic's any more is refused: no change is lost to another.
    pub fn alter_topic_configs(
        &self,
        changes: Vec<ConfigsChange>,
        done: Done<Vec<Result<Arc<Topic>, CatalogError>>>,
    ) {
        self.change_catalog(CatalogChange::AlterConfigs(changes, done));
    }

    /// Gives a resource all of its configuration, durable before `done`; in the order of the calls. What is too large to be
    /// stored is refused before anything is written.
    pub fn write_configs(&self, configs: ResourceConfigs, done: Done<Result<(), TooLarge>>) {
        match config_log::record(configs) {
            Ok(record) => {
                self.folder.send(ClusterCommand::Configs(record, Box::new(|durable| done(durable.map(Ok)))));
            }
            Err(too_large) => done(Ok(Err(too_large))),
        }
    }

    /// All that was written by [`Self::write_configs`]. Blocks on the disk.
    ///
    /// # Errors
    /// The disk failed. A record that cannot be read is part of the answer.
    pub fn configs(&self) -> Result<StoredConfigs, StorageError> {
        config_log::all(&self.folder.shared.engine)
    }

    /// Adds access control entries and removes others, all or none; on the disk before `done`, under every flush policy, in
    /// the order of the calls. What is too large to be stored is refused before anything is written.
    pub fn change_acls(&self, added: &[StoredAcl], removed: &[StoredAcl], done: Done<Result<(), TooLarge>>) {
        let added = added.iter().map(acl_log::added);
        self.write_synced(added.chain(removed.iter().map(acl_log::removed)).collect(), done);
    }

    /// Calls `each` for every access control entry. Blocks on the disk.
    ///
    /// # Errors
    /// The disk failed, or an entry cannot be read.
    pub fn acls(&self, each: impl FnMut(StoredAcl)) -> Result<(), StorageError> {
        acl_log::all(&self.folder.shared.engine, each)
    }

    /// Writes credentials and removes others, as [`Self::change_acls`] does entries.
    pub fn change_credentials(
        &self,
        put: &[StoredCredential],
        removed: &[CredentialId],
        done: Done<Result<(), TooLarge>>,
    ) {
        let put = put.iter().map(credential_log::put);
        self.write_synced(put.chain(removed.iter().map(credential_log::removed)).collect(), done);
    }

    /// Every credential. Blocks on the disk.
    ///
    /// # Errors
    /// The disk failed, or a record cannot be read.
    pub fn credentials(&self) -> Result<Vec<StoredCredential>, StorageError> {
        credential_log::all(&self.folder.shared.engine)
    }

    /// Writes delegation tokens and removes those of other ids, as [`Self::change_acls`] does entries.
    pub fn change_tokens(&self, put: &[StoredToken], removed: &[String], done: Done<Result<(), TooLarge>>) {
        let put = put.iter().map(token_log::put);
        let removed = removed.iter().map(|id| token_log::removed(id));
        self.write_synced(put.chain(removed).collect(), done);
    }

    /// Every delegation token. Blocks on the disk.
    ///
    /// # Errors
    /// The disk failed, or a record cannot be read.
    pub fn tokens(&self) -> Result<Vec<StoredToken>, StorageError> {
        token_log::all(&self.folder.shared.engine)
    }

    /// Writes quotas and removes others, as [`Self::change_acls`] does entries.
    pub fn change_quotas(&self, put: &[StoredQuota], removed: &[QuotaId], done: Done<Result<(), TooLarge>>) {
        let put = put.iter().map(quota_log::put);
        self.write_synced(put.chain(removed.iter().map(quota_log::removed)).collect(), done);
    }

    /// Every quota. Blocks on the disk.
    ///
    /// # Errors
    /// The disk failed, or a record cannot be read.
    pub fn quotas(&self) -> Result<Vec<StoredQuota>, StorageError> {
        quota_log::all(&self.folder.shared.engine)
    }

    /// Keeps a secret for this purpose, in place of an earlier one; on the disk before `done`.
    pub fn write_secret(&self, purpose: u8, secret: &[u8; SECRET_BYTES], done: Done<Result<(), TooLarge>>) {
        self.write_synced(Ok(vec![credential_log::put_secret(purpose, secret)]), done);
    }

    /// The secret for this purpose; `None` if none was written. Blocks on the disk.
    ///
    /// # Errors
    /// The disk failed, or the record cannot be read.
    pub fn secret(&self, purpose: u8) -> Result<Option<[u8; SECRET_BYTES]>, StorageError> {
        credential_log::secret(&self.folder.shared.engine, purpose)
    }

    /// A producer id that was never given before, not even by a process that crashed.
    /// Ids are reserved in blocks of 1 000; what is left of a block is lost at a stop.
    pub fn allocate_producer_id(&self, done: Done<i64>) {
        self.folder.send(ClusterCommand::ProducerId(done));
    }

    /// Writes and removes records in one group, on the disk before `done`, unless one of them was too large.
    fn write_synced(&self, records: Result<Vec<KeyValue>, TooLarge>, done: Done<Result<(), TooLarge>>) {
        match records {
            Ok(records) => {
                self.folder.send(ClusterCommand::Security(records, Box::new(|synced| done(synced.map(Ok)))));
            }
            Err(too_large) => done(Ok(Err(too_large))),
        }
    }

    fn change_catalog(&self, change: CatalogChange) {
        self.folder.send(ClusterCommand::Catalog(change));
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("id", &self.id).finish_non_exhaustive()
    }
}
