//! The group coordinator of this broker: the async shell around the state machines of `coordinator::group`.
//!
//! ```text
//! api/join_group … delete_groups ──► service (locks, timers, waiting requests, records) ──► coordinator::group
//! ```

pub(crate) mod service;
pub(crate) mod topics;

#[cfg(test)]
mod wire_tests;
