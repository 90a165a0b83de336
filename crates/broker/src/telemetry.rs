//! What the broker tells about itself: metrics and logs.
//!
//! Nothing here decides anything; the rest of the broker counts and reports into it.

pub mod loggers;
pub mod logging;
pub mod metrics;
