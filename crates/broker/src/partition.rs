//! Partitions as the Kafka APIs see them: found by name or id, fetched from with sessions and waiting, produced to.
//!
//! ```text
//! manager         topic name or id, index → partition, topic configuration, counters
//! fetch ─┬─ fetch_session   which sessions exist (KIP-227)        pure
//!        ├─ fetch_set       what a session remembers              pure
//!        ├─ fetch_limits    how much may be taken (KIP-74)        pure
//!        ├─ position        epochs and offsets (KIP-320)          pure
//!        ├─ fetch_budget    bytes in flight over all fetches
//!        └─ delayed_fetch   waiting without polling
//! down_conversion what consumers before Fetch 4 get instead of batches
//! produce         what a batch must be to be appended             pure
//! ```
//! Speaks domain types; messages are left to `api/`, bytes on the disk to storage.

mod delayed_fetch;
pub(crate) mod down_conversion;
pub(crate) mod error;
pub(crate) mod fetch;
pub(crate) mod fetch_budget;
pub(crate) mod fetch_limits;
pub(crate) mod fetch_session;
pub(crate) mod fetch_set;
pub(crate) mod manager;
pub(crate) mod position;
pub(crate) mod produce;
