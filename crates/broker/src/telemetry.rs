//! Metrics, logs and the audit log of the broker.
//!
//! Nothing here decides anything; the rest of the broker counts and reports into it.

pub(crate) mod audit;
mod group_lines;
pub(crate) mod line_limit;
pub mod loggers;
pub mod logging;
pub mod metrics;
pub(crate) mod named_once;
