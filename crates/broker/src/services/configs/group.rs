//! Consumer groups as config resources (KIP-848). What the keys mean is in `config/resources/group.rs`; acting on them is
//! left to the coordinator.
//!
//! A group need not exist to be given a configuration.

use coordinator::group::GroupId;

use super::kind::{ConfigResources, ConfigsError, Kept, Record, ResourceKind};
use crate::config::resources::resource_type::GROUP;
use crate::config::runtime::RuntimeConfigs;
use crate::config::{ConfigEntry, GroupTimeouts, describe_group};

/// Most groups that may have a configuration: each change copies all of them.
const MAX_GROUPS: usize = 10_000;

pub(super) static KIND: ResourceKind = ResourceKind {
    code: GROUP,
    check_name: |_, name| check_name(name),
    describe,
    names: |resources| resources.configs.names(GROUP),
    kept: Kept::Record(Record {
        changed: |broker, current, changes| GroupTimeouts::changed(current, changes.iter().copied(), broker),
        most: MAX_GROUPS,
        after: |resources, name| {
            // Without keys `given` is `None`, which takes the group's own timeouts back.
            resources.groups.configure(&GroupId::from(name), given(&resources.configs, name))
        },
    }),
};

/// All groups that were given timeouts.
pub(crate) fn all(configs: &RuntimeConfigs) -> Vec<(GroupId, GroupTimeouts)> {
    let names = configs.names(GROUP).into_iter();
    names.filter_map(|name| Some((GroupId::from(name.as_str()), given(configs, &name)?))).collect()
}

fn check_name(name: &str) -> Result<(), ConfigsError> {
    match name {
        "" => Err(ConfigsError::InvalidRequest("Default group resources are not allowed.".to_owned())),
        _ => Ok(()),
    }
}

/// Answers for groups that do not exist, too, as Kafka does.
fn describe(resources: &ConfigResources, name: &str) -> Result<Vec<ConfigEntry>, ConfigsError> {
    // Kafka's text here (`ConfigHelper`); for a change it has another (`ControllerConfigurationValidator`).
    if name.is_empty() {
        return Err(ConfigsError::InvalidRequest("Group name must not be empty".to_owned()));
    }
    Ok(describe_group(&resources.configs.given(GROUP, name), &resources.configs.broker()))
}

/// The timeouts that a group was given, if any. What does not go with the broker's own configuration any more is left
/// out, with a line in the log.
fn given(configs: &RuntimeConfigs, name: &str) -> Option<GroupTimeouts> {
    let set = configs.given(GROUP, name);
    match GroupTimeouts::effective(&set, &configs.broker()) {
        Ok(timeouts) => (!set.is_empty()).then_some(timeouts),
        Err(error) => {
            tracing::error!(group = name, %error, "a group's configuration is left out");
            None
        }
    }
}
