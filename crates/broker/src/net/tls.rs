//! Tests of TLS through the listener of a broker. The handshake itself is in `session/tls.rs`.

mod negative_tests;
mod renewal_tests;
mod revocation_tests;
mod tests;
