//! Decisions and throttle times beside those of Kafka's own classes, by random histories. They need a JDK and Kafka's jars: `tools/acls.sh`
//! and `tools/quotas.sh` run them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, which says how much it compared")]

mod acls;
mod kafka;
mod quotas;
mod random;
