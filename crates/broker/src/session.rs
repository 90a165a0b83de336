//! The client of a request: the connection it came on, and the address at which the client finds this broker.
//!
//! `authorizer` decides what the client may do. Logins and quotas are to be added here (docs/architecture.md, Planned).

pub(crate) mod advertised;
pub(crate) mod authorizer;
pub(crate) mod peer;
