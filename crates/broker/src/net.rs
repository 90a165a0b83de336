//! Sockets: bound, accepted, admitted.
//!
//! ```text
//! listener    binds, accepts, admits ──► kafka/connection.rs
//! admission   how many, from where
//! ```
//!
//! Nothing here reads a byte of what a client says; that begins in `kafka/`.

mod admission;
pub(crate) mod listener;
