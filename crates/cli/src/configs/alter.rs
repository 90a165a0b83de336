//! Changes of configs (IncrementalAlterConfigs).

use std::collections::BTreeMap;

use codec::messages::IncrementalAlterConfigsRequest;
use codec::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};

use super::{Kind, text};
use crate::client::{Cluster, ErrorAnswer};
use crate::failure::Failure;

/// The effect of a change on a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Set,
    Unset,
    Append,
    Subtract,
}

impl Operation {
    /// Its code on the wire (`AlterConfigOp.OpType`).
    fn code(self) -> i8 {
        match self {
            Self::Set => 0,
            Self::Unset => 1,
            Self::Append => 2,
            Self::Subtract => 3,
        }
    }
}

/// A change of one key; that which unsets has no value.
pub(crate) fn change(operation: Operation, key: &str, value: Option<&str>) -> AlterableConfig {
    AlterableConfig::default()
        .with_name(text(key))
        .with_config_operation(operation.code())
        .with_value(value.map(text))
}

/// Makes the same changes of each resource; `dry_run`: the broker checks them alone. Returns the failures by resource.
///
/// # Errors
/// The connection fails.
pub(crate) fn alter(
    cluster: &mut Cluster,
    kind: Kind,
    names: &[&str],
    changes: &[AlterableConfig],
    dry_run: bool,
) -> Result<BTreeMap<String, Failure>, Failure> {
    let failed = try_alter(cluster, kind, names, changes, dry_run)?.into_iter().map(|(name, error)| {
        let shown = if name.is_empty() { "default" } else { &name };
        let failure = error.failure(&format!("change the configs of {} {shown}", kind.name()));
        (name, failure)
    });
    Ok(failed.collect())
}

/// As [`alter`], with the errors as the broker answered them.
///
/// # Errors
/// The connection fails.
pub(crate) fn try_alter(
    cluster: &mut Cluster,
    kind: Kind,
    names: &[&str],
    changes: &[AlterableConfig],
    dry_run: bool,
) -> Result<BTreeMap<String, ErrorAnswer>, Failure> {
    if changes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let resource = |name: &&str| {
        AlterConfigsResource::default()
            .with_resource_type(kind.code())
            .with_resource_name(text(name))
            .with_configs(changes.to_vec())
    };
    let request = IncrementalAlterConfigsRequest::default()
        .with_resources(names.iter().map(resource).collect())
        .with_validate_only(dry_run);
    let answer =
        cluster.change(0, &request, |answer| answer.responses.iter().map(|one| one.error_code).collect())?;
    let failed = answer.responses.into_iter().filter_map(|one| {
        let error = ErrorAnswer::check(one.error_code, one.error_message.as_deref()).err()?;
        Some((one.resource_name.to_string(), error))
    });
    Ok(failed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_the_codes_of_kafka() {
        let all = [Operation::Set, Operation::Unset, Operation::Append, Operation::Subtract];
        assert_eq!(all.map(|one| change(one, "a", None).config_operation), [0, 1, 2, 3]);
    }
}
