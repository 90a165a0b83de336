//! Calls to the cluster: topics, configurations, producer ids.

use std::{future::Future, sync::Arc};

use storage::{
    Catalog, CatalogError, Cluster, ConfigsChange, CredentialId, NewTopic, QuotaId, ResourceConfigs,
    SECRET_BYTES, StorageError, StoredAcl, StoredCredential, StoredQuota, StoredToken, TooLarge, Topic,
};
use uuid::Uuid;

use super::answer;

/// The bridge to the cluster. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct ClusterIo {
    cluster: Cluster,
}

impl ClusterIo {
    pub(crate) fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    /// The cluster's id.
    pub(crate) fn id(&self) -> &str {
        self.cluster.id()
    }

    /// All topics as of now.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.cluster.catalog()
    }

    /// Creates topics, each or not at all.
    /// Durable when it resolves.
    pub(crate) fn create_topics(
        &self,
        topics: Vec<NewTopic>,
    ) -> impl Future<Output = Result<Vec<Result<Arc<Topic>, CatalogError>>, StorageError>> + Send + use<>
    {
        let (done, answer) = answer();
        self.cluster.create_topics(topics, done);
        answer
    }

    /// Deletes topics with all that they hold.
    /// Durable when it resolves; space is freed later.
    pub(crate) fn delete_topics(
        &self,
        ids: Vec<Uuid>,
    ) -> impl Future<Output = Result<Vec<Result<(), CatalogError>>, StorageError>> + Send + use<> {
        let (done, answer) = answer();
        self.cluster.delete_topics(ids, done);
        answer
    }

    /// Gives topics more partitions; the counts are totals.
    /// Durable when it resolves.
    pub(crate) fn create_partitions(
        &self,
        counts: Vec<(Uuid, u32)>,
    ) -> impl Future<Output = Result<Vec<Result<Arc<Topic>, CatalogError>>, StorageError>> + Send + use<>
    {
        let (done, answer) = answer();
        self.cluster.create_partitions(counts, done);
        answer
    }

    /// Changes topics' configs, each or not at all.
    /// Durable when it resolves. A change that does not start from the present configs is refused
    /// (`CatalogError::ConfigsChanged`).
    pub(crate) fn alter_topic_configs(
        &self,
        changes: Vec<ConfigsChange>,
    ) -> impl Future<Output = Result<Vec<Result<Arc<Topic>, CatalogError>>, StorageError>> + Send + use<>
    {
        let (done, answer) = answer();
        self.cluster.alter_topic_configs(changes, done);
        answer
    }

    /// Gives a resource that is no topic all of its configuration, durable before the answer; refused if it is too large.
    pub(crate) fn write_configs(
        &self,
        configs: ResourceConfigs,
    ) -> impl Future<Output = Result<Result<(), TooLarge>, StorageError>> + Send + use<> {
        let (done, answer) = answer();
        self.cluster.write_configs(configs, done);
        answer
    }

    /// Adds access control entries and removes others, all or none.
    /// On the disk when it resolves, under every flush policy.
    pub(crate) fn change_acls(
        &self,
        added: &[StoredAcl],
        removed: &[StoredAcl],
    ) -> impl Future<Output = Result<Result<(), TooLarge>, StorageError>> + Send + use<> {
        let (done, answer) = answer();
        self.cluster.change_acls(added, removed, done);
        answer
    }

    /// Writes credentials and removes others, all or none.
    /// On the disk when it resolves, under every flush policy.
    pub(crate) fn change_credentials(
        &self,
        put: &[StoredCredential],
        removed: &[CredentialId],
    ) -> impl Future<Output = Result<Result<(), TooLarge>, StorageError>> + Send + use<> {
        let (done, answer) = answer();
        self.cluster.change_credentials(put, removed, done);
        answer
    }

    /// Writes delegation tokens and removes those of other ids, all or none.
    /// On the disk when it resolves, under every flush policy.
    pub(crate) fn change_tokens(
        &self,
        put: &[StoredToken],
        removed: &[String],
    ) -> impl Future<Output = Result<Result<(), TooLarge>, StorageError>> + Send + use<> {
        let (done, answer) = answer();
        self.cluster.change_tokens(put, removed, done);
        answer
    }

    /// Writes quotas and removes others, all or none.
    /// On the disk when it resolves, under every flush policy.
    pub(crate) fn change_quotas(
        &self,
        put: &[StoredQuota],
        removed: &[QuotaId],
    ) -> impl Future<Output = Result<Result<(), TooLarge>, StorageError>> + Send + use<> {
        let (done, answer) = answer();
        self.cluster.change_quotas(put, removed, done);
        answer
    }

    /// Keeps a secret of the data folder for this purpose.
    /// On the disk when it resolves.
    pub(crate) fn write_secret(
        &self,
        purpose: u8,
        secret: &[u8; SECRET_BYTES],
    ) -> impl Future<Output = Result<Result<(), TooLarge>, StorageError>> + Send + use<> {
        let (done, answer) = answer();
        self.cluster.write_secret(purpose, secret, done);
        answer
    }

    /// A producer id that was never given before.
    /// Not even by a process that crashed.
    pub(crate) fn allocate_producer_id(
        &self,
    ) -> impl Future<Output = Result<i64, StorageError>> + Send + use<> {
        let (done, answer) = answer();
        self.cluster.allocate_producer_id(done);
        answer
    }
}
