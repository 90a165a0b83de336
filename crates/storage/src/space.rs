//! Old records: which may be deleted, and how their space is freed.
//!
//! `lifecycle.rs` has the thread that looks for them. `retention.rs` moves log starts, `compaction/` rewrites compacted logs,
//! `settle.rs` empties generations that are mostly dead. None of them writes: each works out a change and has `write/` make it.

mod compaction;
mod lifecycle;
mod retention;
mod settle;

pub(crate) use lifecycle::Lifecycle;
pub use retention::DeleteBelow;
