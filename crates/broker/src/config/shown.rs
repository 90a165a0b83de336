//! The keys whose values may be written where many can read them.

use super::resources::client_metrics::is_client_metrics_key;
use super::resources::group::group_key;
use super::resources::topic::topic_key;
use super::tables::broker_key;

/// Returns true if a table has the key, of whatever resource, and it is no secret. An unknown key may be a slip of the pen in the
/// name of a password.
pub(crate) fn may_be_shown(name: &str) -> bool {
    let broker = broker_key(name).map(|key| !key.sensitive());
    broker.unwrap_or_else(|| {
        topic_key(name).is_some() || group_key(name).is_some() || is_client_metrics_key(name)
    })
}
