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
//! | `pem`, `certificate` | certificates: their texts, and the subject of one |
//! | `stores` | keys and certificates that a password protects |
//! | `mapping` | rules that make a principal of a subject |
//! | `acl` | access control lists and the decisions that follow from them |
//! | `properties` | Java's files of keys and values |
//! | `jaas` | Java's texts about logins |
//! | `quota` | quotas, and for how long a client is throttled |
//! | `bearer` | tokens that an issuer has signed |
//! | `delegation_token` | tokens that the broker makes for its users |
//! | `sasl` | logins, message by message |
//! | `http` | credentials of HTTP requests |
//!
//! `tools/check.sh` keeps the crate free of runtimes and random sources.
#![deny(missing_docs)]

pub mod acl;
mod base64;
pub mod bearer;
pub mod certificate;
pub mod delegation_token;
mod der;
pub mod http;
pub mod jaas;
pub mod mapping;
pub mod pem;
pub mod principal;
pub mod properties;
pub mod quota;
pub mod sasl;
pub mod secret;
pub mod stores;

pub use principal::Principal;
pub use secret::Secret;
