//! Consumer groups as config resources: what can be asked of them, changed and described (KIP-848).
//!
//! A group need not exist to be given a configuration. What the keys mean is in `config/group_keys.rs`; acting on them
//! is left to the coordinator.

use coordinator::group::GroupId;

use crate::config::runtime::RuntimeConfigs;
use crate::config::{ConfigEntry, ConfigOp, GroupTimeouts, InvalidGroupConfig, Overrides, describe_group};
use crate::services::configs::{ConfigsError, GROUP};

/// Groups that may have a configuration: each change copies all of them.
const MAX_GROUPS: usize = 10_000;

/// Whether a group of that name may be given something.
pub(super) fn check_name(name: &str) -> Result<(), ConfigsError> {
    match name {
        "" => Err(ConfigsError::InvalidRequest("Default group resources are not allowed.".to_owned())),
        _ => Ok(()),
    }
}

/// What a group's configuration becomes by these changes.
pub(super) fn changed(
    configs: &RuntimeConfigs,
    name: &str,
    current: &Overrides,
    changes: &[(&str, ConfigOp<'_>)],
) -> Result<Overrides, ConfigsError> {
    let set = GroupTimeouts::changed(current, changes, &configs.broker())?;
    if !set.is_empty() {
        configs.has_room_for(GROUP, name, MAX_GROUPS).map_err(ConfigsError::InvalidRequest)?;
    }
    Ok(set)
}

/// Every key of a group, whether it exists or not, as in Kafka.
pub(super) fn describe(configs: &RuntimeConfigs, name: &str) -> Result<Vec<ConfigEntry>, ConfigsError> {
    if name.is_empty() {
        return Err(ConfigsError::InvalidRequest("Group name must not be empty".to_owned()));
    }
    Ok(describe_group(&configs.given(GROUP, name), &configs.broker()))
}

/// The timeouts that a group was given, if any. What does not go with the broker's own configuration any more is left
/// aside, with a line in the log.
pub(crate) fn given(configs: &RuntimeConfigs, name: &str) -> Option<GroupTimeouts> {
    let set = configs.given(GROUP, name);
    match GroupTimeouts::effective(&set, &configs.broker()) {
        Ok(timeouts) => (!set.is_empty()).then_some(timeouts),
        Err(error) => {
            tracing::error!(group = name, %error, "a group's configuration is left aside");
            None
        }
    }
}

/// All groups that were given timeouts.
pub(crate) fn all(configs: &RuntimeConfigs) -> Vec<(GroupId, GroupTimeouts)> {
    let names = configs.names(GROUP).into_iter();
    names.filter_map(|name| Some((GroupId::from(name.as_str()), given(configs, &name)?))).collect()
}

impl From<InvalidGroupConfig> for ConfigsError {
    fn from(error: InvalidGroupConfig) -> Self {
        Self::InvalidConfig(error.to_string())
    }
}
