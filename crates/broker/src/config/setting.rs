//! The keys that somebody set, with value and origin.

use std::collections::BTreeMap;

use super::problem::Origin;

/// A value that somebody set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub value: String,
    pub origin: Origin,
}

/// Explicitly set keys, whatever table they are from.
pub(super) type Settings = BTreeMap<String, Setting>;
