//! Sockets: bound, accepted, admitted.
//!
//! ```text
//! listener    binds
//! acceptor    accepts, admits
//! client      from the handshake to the end ──► kafka/login.rs, kafka/connection.rs
//! admission   how many, from where ──► room
//! pace        how fast
//! strangers   how many that have not logged in
//! descriptors how many there is room for
//! ```
//!
//! Nothing here reads a byte of what a client says, except its handshake (`session/tls.rs`); that begins in `kafka/`.

pub(crate) mod acceptor;
mod admission;
mod client;
pub(crate) mod descriptors;
pub(crate) mod listener;
mod pace;
mod room;
mod strangers;
#[cfg(test)]
mod tls;
