//! The client of a request: the connection it came on, and the address at which the client finds this broker.
//!
//! `logins` lets clients in, `authorizer` decides what a client may do, `grants` remembers it. Quotas are to be added here (docs/architecture.md, Planned).

pub(crate) mod advertised;
pub(crate) mod authorizer;
pub(crate) mod credentials;
mod grants;
pub(crate) mod logins;
pub(crate) mod peer;
