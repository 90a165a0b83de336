//! Old records: which may be deleted, and how their space is freed.
//!
//! `lifecycle.rs` has the thread that looks for them. `retention.rs` moves log starts, `compaction/` rewrites
//! compacted logs, `settle.rs` empties generations that are mostly dead, `resettle.rs` settled files. None of them
//! writes: each works out a change and has `write/` make it, except that `edits.rs` has large batches written to a
//! settled file.

mod compaction;
mod edits;
mod lifecycle;
mod resettle;
mod retention;
mod settle;

pub use retention::DeleteBelow;
pub(crate) use {
    lifecycle::Lifecycle,
    resettle::{Living, living},
};
