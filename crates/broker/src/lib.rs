//! The broker: sockets, the request path, the Kafka APIs and the coordinators behind them.

pub mod clock;
pub mod config;
pub mod healthcheck;
pub mod tasks;
pub mod telemetry;
