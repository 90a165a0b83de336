//! Holders of the folder's clock: while one exists, the clock is stored four times a second (ADR 3).

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// Reasons to store the folder's clock again and again, shared by the callers, the writer and the maintenance thread.
#[derive(Debug, Default)]
pub(crate) struct TimeKeeping {
    /// The maintenance thread stores the clock until it finds no reason to.
    is_on: AtomicBool,
    /// Existing [`KeptTime`]s.
    holders: AtomicUsize,
}

impl TimeKeeping {
    /// True while the maintenance thread stores the clock.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::SeqCst)
    }

    /// Sets that the maintenance thread stores the clock; returns true if it did already.
    pub(crate) fn set(&self, is_on: bool) -> bool {
        self.is_on.swap(is_on, Ordering::SeqCst)
    }

    /// True while a [`KeptTime`] exists.
    pub(crate) fn is_held(&self) -> bool {
        self.holders.load(Ordering::SeqCst) > 0
    }
}

/// While it lives, a crash takes back about a quarter of a second of the folder's clock at most. See [`Shard::keep_time`](crate::Shard::keep_time).
#[derive(Debug)]
pub struct KeptTime(Arc<TimeKeeping>);

impl KeptTime {
    /// Counted before the caller looks at [`TimeKeeping::is_on`]: a look of the maintenance thread that finds no holder has
    /// switched the storing off before, so that the caller switches it on again.
    pub(crate) fn new(keeping: Arc<TimeKeeping>) -> Self {
        keeping.holders.fetch_add(1, Ordering::SeqCst);
        Self(keeping)
    }
}

impl Drop for KeptTime {
    fn drop(&mut self) {
        self.0.holders.fetch_sub(1, Ordering::SeqCst);
    }
}
