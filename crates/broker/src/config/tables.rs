//! Looks broker keys up, in all tables of them.

use super::broker_keys::broker_keys;
use super::inert_keys::{INERT_KEYS, THROTTLE_KEYS};
use super::key::Key;

/// The broker key called `name`, with an effect or without. Walks the tables: for the start and for requests
/// about configurations, not for each record.
pub(super) fn broker_key(name: &str) -> Option<&'static Key> {
    described_keys().chain(&THROTTLE_KEYS).find(|key| key.name == name)
}

/// Every broker key that DescribeConfigs shows even if it was never given.
pub(super) fn described_keys() -> impl Iterator<Item = &'static Key> {
    broker_keys().chain(INERT_KEYS.iter())
}
