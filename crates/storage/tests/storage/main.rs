//! The storage through its public face, on real files.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod catch_up;
mod common;
mod folder;
mod log;
mod metrics;
mod space;
mod unreadable;
