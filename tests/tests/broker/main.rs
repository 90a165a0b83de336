//! Tests of a whole broker, an `ottla` process of its own for each. One program holds them all: it is linked once, and its tests
//! run side by side, since most of their time is waiting. A test that measures how long clients wait is a program of its own,
//! beside this folder.

mod access;
mod api_leader_epochs;
mod bad_start;
mod compacted;
mod crash;
mod credentials;
mod damage;
mod descriptors;
mod fairness;
mod full_disk;
mod groups;
mod hostile;
mod http;
mod inspect;
mod late_requests;
mod metrics;
mod power;
mod quotas;
mod registry;
mod restart;
mod retention;
mod signals;
mod slow_consumers;
mod tools;
mod transaction_histories;
mod transaction_liveness;
mod transaction_power;
mod transaction_steps;
mod transaction_timeouts;
mod transactions;
