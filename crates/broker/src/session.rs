//! The client of a request: the connection it came on, and the address at which the client finds this broker.
//!
//! `tls` is the handshake, `logins` lets clients in, `authorizer` decides what a client may do, `grants` remembers it, `quotas` bounds
//! how much it may use. `turns` has the work for unknown clients done in turn `by_address`.

pub(crate) mod advertised;
pub(crate) mod authorizer;
pub(crate) mod bearer;
pub(crate) mod by_address;
pub(crate) mod credentials;
pub(crate) mod delegation_tokens;
mod grants;
pub(crate) mod logins;
pub(crate) mod peer;
pub(crate) mod quotas;
pub(crate) mod tls;
pub(crate) mod turns;
