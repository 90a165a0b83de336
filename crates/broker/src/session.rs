//! Who asks: the connection a request came on, and the address at which its client finds this broker.

pub(crate) mod advertised;
pub(crate) mod peer;
