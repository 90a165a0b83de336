//! The client of a request: the connection it came on, and the address at which the client finds this broker.
//!
//! `logins` lets clients in, `authorizer` decides what a client may do. Quotas are to be added here (docs/architecture.md, Planned).

pub(crate) mod advertised;
pub(crate) mod authorizer;
pub(crate) mod credentials;
pub(crate) mod logins;
pub(crate) mod peer;
