//! The Kafka wire protocol: bytes to typed messages and back. No I/O, no runtime, no clock.
//!
//! ```text
//! frame          length prefix, headers of requests and responses
//! request        Request, Response: one API at one version; fetch_response writes the answer of Fetch
//! older, newer   versions that kafka-protocol lacks, one file per API
//! extended       the messages that have such versions; fields reads and writes what is in them
//! messages       the typed messages                       chain         a response being written
//! shape          the layout of every request: bounds a body before anything is allocated
//! message_set    formats v0 and v1, both ways             records       batches, checked once, opened when needed
//! error_code     Kafka's error codes                      error         errors of decoding and encoding
//! cursor         the checked reader under all of these    varint        writes what has a variable length
//! ```
//! A file uses only those further down.
//!
//! Everything here treats its input as hostile: a length or a count read off the wire is a claim,
//! checked against the bytes that remain before anything is allocated by it.
//!
//! Strings, keys, values and record data are slices of the bytes they were read from
//! (`bytes::Bytes`), not copies: each holds all of those bytes in memory while it lives.
//!
//! Errors are of three kinds. A [`DecodeError`] is for bytes that are no message: the broker closes
//! the connection. A [`BatchError`](records::BatchError) is for record data: the broker answers with
//! the error's Kafka code. An [`EncodeError`] is a fault of the caller.
//!
//! The broker uses all of it; the storage uses [`records`] and [`cursor`], the coordinators
//! [`cursor`] alone. kafka-protocol stays inside: other crates see its types under [`messages`] only.
#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod chain;
pub mod cursor;
pub mod error;
pub mod error_code;
mod extended;
mod fetch_response;
mod fields;
pub mod frame;
pub mod message_set;
pub mod messages;
mod newer;
mod older;
pub mod records;
pub mod request;
pub mod shape;
mod varint;

pub use chain::Chain;
pub use error::{DecodeError, EncodeError};
pub use error_code::ErrorCode;
pub use fetch_response::FetchResponse;
pub use request::{Request, Response};
