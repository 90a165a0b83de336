//! Leadership of a partition or of a whole shard: led here, resigned, being taken over or deleted, with the epoch
//! of the leader.
//!
//! State and epoch are one atomic, so that no thread sees a new epoch with an old state. An epoch only rises. Deleted is final.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// The state of a partition, or of a shard, which is never deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaderState {
    /// Appends and reads are served here.
    Led,
    /// This process has given it up, and another may lead it: nothing is served.
    Resigned,
    /// It will be served here, once its new epoch is durable.
    TakingOver,
    /// It does not exist any more.
    Deleted,
}

const RESIGNED: u64 = 1;
const DELETED: u64 = 2;
/// Beside `RESIGNED`.
const TAKING_OVER: u64 = 4;
const STATE: u64 = RESIGNED | DELETED | TAKING_OVER;
const EPOCH_SHIFT: u32 = 8;

/// State and epoch: the state in the lowest three bits, the epoch above the lowest byte.
pub(crate) struct Leadership(AtomicU64);

impl Leadership {
    /// Led here, in `epoch`.
    pub(crate) fn new(epoch: u32) -> Self {
        Self(AtomicU64::new(u64::from(epoch) << EPOCH_SHIFT))
    }

    /// State and epoch of one moment.
    pub(crate) fn now(&self) -> (LeaderState, u32) {
        let now = self.0.load(Ordering::SeqCst);
        let state = match now & STATE {
            0 => LeaderState::Led,
            RESIGNED => LeaderState::Resigned,
            state if state & DELETED == 0 => LeaderState::TakingOver,
            _ => LeaderState::Deleted,
        };
        (state, u32::try_from(now >> EPOCH_SHIFT).expect("it was put in as one"))
    }

    pub(crate) fn state(&self) -> LeaderState {
        self.now().0
    }

    /// The epoch of the last take-over.
    pub(crate) fn epoch(&self) -> u32 {
        self.now().1
    }

    /// Nothing is served from now on, until a take-over.
    pub(crate) fn resign(&self) {
        self.change(|now| (now | RESIGNED) & !TAKING_OVER);
    }

    /// A take-over has begun. What is led is served meanwhile.
    pub(crate) fn begin_take_over(&self) {
        self.change(|now| if now & RESIGNED == 0 { now } else { now | TAKING_OVER });
    }

    /// Led here from now on, in `epoch`, or in a greater one that it has reached already. Nothing that was deleted comes back.
    pub(crate) fn take_over(&self, epoch: u32) {
        self.change(|now| (now >> EPOCH_SHIFT).max(epoch.into()) << EPOCH_SHIFT | now & DELETED);
    }

    fn change(&self, change: impl Fn(u64) -> u64) {
        let changed = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| Some(change(now)));
        debug_assert!(changed.is_ok(), "the closure always answers");
    }

    /// For good.
    pub(crate) fn delete(&self) {
        self.0.fetch_or(DELETED, Ordering::SeqCst);
    }
}

impl fmt::Debug for Leadership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in epoch {}", self.state(), self.epoch())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_only_rises() {
        let leadership = Leadership::new(3);
        leadership.resign();
        assert_eq!((leadership.state(), leadership.epoch()), (LeaderState::Resigned, 3));
        leadership.take_over(u32::MAX);
        assert_eq!((leadership.state(), leadership.epoch()), (LeaderState::Led, u32::MAX));
        leadership.take_over(4);
        assert_eq!(leadership.epoch(), u32::MAX);
    }

    #[test]
    fn what_was_deleted_does_not_come_back() {
        let leadership = Leadership::new(0);
        leadership.resign();
        leadership.delete();
        assert_eq!(leadership.state(), LeaderState::Deleted);
        leadership.begin_take_over();
        assert_eq!(leadership.state(), LeaderState::Deleted);
        leadership.take_over(1);
        leadership.resign();
        assert_eq!(leadership.state(), LeaderState::Deleted);
    }

    #[test]
    fn a_take_over_that_has_begun_can_be_given_up() {
        let leadership = Leadership::new(0);
        leadership.begin_take_over();
        assert_eq!(leadership.state(), LeaderState::Led, "served until the new epoch begins");
        leadership.resign();
        leadership.begin_take_over();
        assert_eq!(leadership.state(), LeaderState::TakingOver);
        leadership.resign();
        assert_eq!(leadership.state(), LeaderState::Resigned);
        leadership.begin_take_over();
        leadership.take_over(1);
        assert_eq!(leadership.now(), (LeaderState::Led, 1));
    }
}
