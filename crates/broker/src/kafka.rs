//! The Kafka protocol: frames in, one handler per API, ordered replies out.
//!
//! ```text
//! connection   one task per client: order, pauses, deadlines
//! ├── frames     bytes ─► frames, memory by what was received
//! ├── in_flight  requests running, answers in arrival order
//! ├── idle       time since something moved
//! └── outgoing   answers ─► vectored writes
//! login        the login of a connection, before all that; reauthentication: another one on the same connection
//! dispatch     the path of a request: header, registry entry, version, decoding, call, encoding, counting
//! access       the permissions that APIs declare
//! api          what is served; one file per API
//! answered     the outcome of a request
//! audit        the changes in requests of administrators
//! context      all that a handler may touch
//! group_description  the questions that the descriptions of groups have in common
//! error        domain errors ─► Kafka's codes
//! limits       what connections may take, and what they share: budget (bytes in flight), half_received (which frame
//!              gives way), notices (log lines)
//! ```
//! Listening and accepting are left to `net/`, rules to `services/`.

mod access;
mod answered;
pub(crate) mod api;
pub(crate) mod audit;
mod budget;
pub(crate) mod connection;
pub(crate) mod context;
mod dispatch;
mod error;
mod frames;
mod group_description;
mod half_received;
mod idle;
mod in_flight;
pub(crate) mod limits;
pub(crate) mod login;
pub(crate) mod mute;
pub(crate) mod notices;
mod outgoing;
#[cfg(test)]
mod protocol_page;
pub(crate) mod reauthentication;
pub(crate) mod request_quota;
