//! Identities of clients and what each may do, as pure code.
//!
//! Nothing here reads a clock, draws a random number, opens a file or a socket, or waits: time and random bytes are
//! arguments. So a login that fails at its last message, or a permission that was revoked a moment ago, is a plain unit test.
//! The broker crate holds the connections, the configuration and the stored records around it.
//!
//! | module | what |
//! | --- | --- |
//! | `secret` | the one type of passwords and keys |
//! | `principal` | identities, such as `User:alice` |
//! | `acl` | access control lists and the decisions that follow from them |
//! | `jaas` | Java's texts about logins |
//! | `sasl` | logins, message by message |
//!
//! `tools/check.sh` keeps the crate free of runtimes and random sources.
#![deny(missing_docs)]

pub mod acl;
mod base64;
pub mod jaas;
pub mod principal;
pub mod sasl;
pub mod secret;

pub use principal::Principal;
pub use secret::Secret;
