//! Every kind of configuration resource, by its code.

use super::kind::{ConfigResources, ConfigsError, ResourceKind};
use super::{broker, client_metrics, group, logger, topic};
use crate::config::ConfigEntry;

/// Every kind, by code.
static KINDS: [&ResourceKind; 5] =
    [&topic::KIND, &broker::KIND, &logger::KIND, &client_metrics::KIND, &group::KIND];

/// Every kind of resource, by code.
pub(crate) fn kinds() -> impl Iterator<Item = &'static ResourceKind> {
    KINDS.into_iter()
}

/// The kind with that code; `None` for one that this broker has no resources of.
pub(crate) fn kind(code: i8) -> Option<&'static ResourceKind> {
    kinds().find(|kind| kind.code == code)
}

/// Every key of a resource, by name.
///
/// # Errors
/// There is no such resource.
pub(crate) fn describe(
    resources: &ConfigResources,
    code: i8,
    name: &str,
) -> Result<Vec<ConfigEntry>, ConfigsError> {
    let kind = kind(code).ok_or_else(|| unknown_kind(name))?;
    (kind.describe)(resources, name)
}

impl ResourceKind {
    /// The names of all resources of this kind that have a configuration.
    pub(crate) fn names(&self, resources: &ConfigResources) -> Vec<String> {
        (self.names)(resources)
    }
}

/// The refusal of a resource of a kind that does not exist.
pub(super) fn unknown_kind(name: &str) -> ConfigsError {
    ConfigsError::InvalidRequest(format!("Unexpected resource type UNKNOWN for resource {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_in_the_order_of_their_codes_each_once() {
        let codes: Vec<i8> = kinds().map(|kind| kind.code).collect();
        assert!(codes.is_sorted_by(|one, other| one < other), "{codes:?}");
        assert_eq!(kind(16).map(|kind| kind.code), Some(16));
        assert!(kind(3).is_none());
    }
}
