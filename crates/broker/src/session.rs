//! The client of a request: the connection it came on, and the address at which the client finds this broker.

pub(crate) mod advertised;
pub(crate) mod peer;
