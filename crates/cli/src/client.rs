//! A client of any Kafka: one blocking connection, TLS by rustls, logins by SASL. It depends on the codec and the security crate alone.
//!
//! | module | what |
//! | --- | --- |
//! | `address` | `host:port` |
//! | `target` | the options and variables that name brokers and settings |
//! | `properties` | Java's client keys, of a file and of options |
//! | `settings` | what these keys say: protocol, TLS, login |
//! | `stores` | keystore and truststore, of PEM and PKCS12 |
//! | `verifier` | the check of a server's certificate |
//! | `stream` | a socket, with or without TLS |
//! | `connection` | requests and answers on one stream; versions |
//! | `login` | the messages of a login |
//! | `cluster` | the bootstrap list, and the controller where a broker asks for it |
//! | `leaders` | the leader of each partition, and a connection to it |
//! | `offsets` | offsets of logs, of their leaders |
//! | `coordinators` | the coordinator of each group or transactional id, and a connection to it |
//! | `error` | why it did not work, with the remedy |
//! | `fake` | a broker of tests |
//!
//! Nothing is tried again by itself, except the next address of the bootstrap list, the next leader of a partition, and a coordinator that
//! loads or has moved. A connection is used by one thread and has one request under way. One that the broker closed while it was idle
//! (`connections.max.idle.ms`) is opened anew before the next request, as is one whose session ends soon (`connections.max.reauth.ms`):
//! no command logs in again on the same connection.

mod address;
mod cluster;
mod connection;
mod coordinators;
mod error;
#[cfg(test)]
pub(crate) mod fake;
mod leaders;
mod login;
mod offsets;
mod properties;
mod settings;
mod stores;
mod stream;
mod target;
mod verifier;

pub(crate) use address::Address;
pub(crate) use cluster::Cluster;
pub(crate) use connection::Connection;
pub(crate) use coordinators::{Coordinators, Node, patiently};
pub(crate) use error::{ClientError, ErrorAnswer, refused};
pub(crate) use leaders::{Leaders, Partition, by_topic, has_moved, topic_name};
pub(crate) use offsets::{Offsets, Position, offsets};
pub(crate) use properties::serves_key;
pub(crate) use settings::{Login, Settings};
pub(crate) use stream::{Stream, client_hello, connect, resolve};
pub(crate) use target::Target;
