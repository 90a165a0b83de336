//! The storage through its public face, on real files.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and have threads and ids of their own"
)]

mod aborted;
mod catch_up;
mod clock;
mod common;
mod damage;
mod folder;
mod inspect;
mod leadership;
mod log;
mod metrics;
mod settled;
mod space;
mod transactions;
mod unreadable;
