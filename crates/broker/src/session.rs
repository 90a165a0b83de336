//! The client of a request: the connection it came on, and the address at which the client finds this broker.
//!
//! Logins, permissions and quotas are to be added here (docs/architecture.md, Planned).

pub(crate) mod advertised;
pub(crate) mod peer;
