//! The Kafka wire protocol: bytes to typed messages and back. No I/O, no runtime, no clock.
#![warn(missing_docs)]
