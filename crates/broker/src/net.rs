//! Sockets: bound, accepted, admitted.
//!
//! ```text
//! listener    binds
//! acceptor    accepts, admits ──► kafka/connection.rs
//! admission   how many, from where
//! strangers   how many that have not logged in
//! descriptors how many there is room for
//! ```
//!
//! Nothing here reads a byte of what a client says; that begins in `kafka/`.

pub(crate) mod acceptor;
mod admission;
pub(crate) mod descriptors;
pub(crate) mod listener;
mod strangers;
