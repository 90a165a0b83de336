//! The Kafka wire protocol: bytes to typed messages and back. No I/O, no runtime, no clock.
//!
//! ```text
//! cursor  the checked reader under all of these
//! frame   length prefix, request and response headers          chain   a response being written, record data spliced in
//! request trait Request and Response: decode and encode one API at one version
//! messages the typed messages                                   error_code   Kafka's error codes
//! legacy   old and newest versions of APIs, and message sets, where kafka-protocol ends
//! shape    the layout of every request: bounds a body before anything is allocated
//! records  record batches, checked once, opened when needed
//! ```
//!
//! Everything here treats its input as hostile: a length or a count read off the wire is a claim,
//! checked against the bytes that are there before anything is allocated by it.
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod chain;
pub mod cursor;
pub mod error;
pub mod error_code;
mod fetch_response;
mod fields;
pub mod frame;
pub mod legacy;
pub mod messages;
pub mod records;
pub mod request;
pub mod shape;
mod varint;

pub use chain::Chain;
pub use error::{DecodeError, EncodeError};
pub use error_code::ErrorCode;
pub use fetch_response::FetchResponse;
pub use request::{Request, Response};
