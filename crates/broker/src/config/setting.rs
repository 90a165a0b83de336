//! The keys that are set, with value and origin.

use std::collections::BTreeMap;

use super::problem::Origin;

/// A value that was set, and the source that set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub value: String,
    pub origin: Origin,
}

/// Explicitly set keys, whatever table they are from.
pub(super) type Settings = BTreeMap<String, Setting>;
