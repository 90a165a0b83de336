//! The quotas of clients, at start.

use std::sync::Arc;

use storage::Cluster;

use crate::StartError;
use crate::clock::Clock;
use crate::config::BrokerConfig;
use crate::services;
use crate::session::quotas::ClientQuotas;
use crate::tasks::Tasks;

/// The quotas that the data folder holds. Before any client is served: each is bounded from its first request on.
///
/// # Errors
/// They cannot be read.
pub(super) async fn load(
    config: &BrokerConfig,
    cluster: &Cluster,
    (tasks, clock): (&Tasks, &Clock),
) -> Result<Arc<ClientQuotas>, StartError> {
    let cluster = cluster.clone();
    let kept = tasks.blocking("load-quotas", move || cluster.quotas()).await;
    let kept = kept.ok_or(StartError::Interrupted)?.map_err(|error| StartError::Quotas(error.into()))?;
    let quotas = services::quotas::read(kept).map_err(|error| StartError::Quotas(error.into()))?;
    if !quotas.is_empty() {
        tracing::info!(entities = quotas.len(), "clients have quotas");
    }
    Ok(Arc::new(ClientQuotas::new(quotas, config.start(), clock.clone())))
}
