//! Delegation tokens at a start: those of the data folder, if the configuration has a secret for them.

use std::sync::Arc;

use storage::Cluster;

use crate::config::BrokerConfig;
use crate::services::delegation_tokens::read;
use crate::session::delegation_tokens::{DelegationTokens, Lifetimes};
use crate::tasks::Tasks;
use crate::{StartError, random};

/// The tokens that the data folder holds; `None` without a secret.
///
/// # Errors
/// They cannot be read.
pub(super) async fn load(
    config: &BrokerConfig,
    cluster: &Cluster,
    tasks: &Tasks,
) -> Result<Option<Arc<DelegationTokens>>, StartError> {
    let Some(secret) = config.start().delegation_token_secret() else { return Ok(None) };
    let cluster = cluster.clone();
    let kept = tasks.blocking("load-tokens", move || cluster.tokens()).await;
    let kept = kept.ok_or(StartError::Interrupted)?.map_err(|error| StartError::Credentials(error.into()))?;
    let kept = read(kept)
        .ok_or_else(|| StartError::Credentials("a delegation token has a principal without a type".into()))?;
    if !config.start().has_scram() {
        tracing::warn!(
            "delegation.token.secret.key is set, but no listener has SCRAM, by which clients log in with a token"
        );
    }
    let lifetimes = Lifetimes {
        max_ms: i64::try_from(config.delegation_token_max_lifetime_ms.as_u64()).unwrap_or(i64::MAX),
        renewal_ms: i64::try_from(config.delegation_token_expiry_time_ms.as_u64()).unwrap_or(i64::MAX),
    };
    Ok(Some(Arc::new(DelegationTokens::new(kept, secret.clone(), random::key(), lifetimes))))
}
