//! What the broker tells about itself: metrics, health and (in its own file) logs.
//!
//! Nothing here decides anything; the rest of the broker counts and reports into it.

pub mod http;
pub mod loggers;
pub mod logging;
pub mod metrics;
