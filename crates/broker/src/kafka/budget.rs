//! A bound on the bytes of requests that are received and not yet answered, over all connections.
//!
//! Guarantees that memory for requests stays below the bound plus one frame; that a small request never waits for the
//! bytes of large ones, as part of the bound is for small frames, and part of that for those that are complete; that
//! memory that becomes free goes to the frame that needs least to be complete; and that one frame always makes progress:
//! when others hold all that it may have, one at a time may go beyond (the overdraft) and so comes to its end, and
//! after [`PATIENCE`] the slowest half-received frame gives way. Which bytes are counted, and when, is left to `frames.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::clock;
use crate::kafka::half_received::{HalfReceived, Receiving};

/// Time for which a frame waits for memory before another has to give way, and again before the next.
const PATIENCE: Duration = Duration::from_secs(1);

/// Longest small frame: a producer's largest request by default (`max.request.size`, 1 MiB) and some room around it.
const SHORT_BYTES: usize = (1 << 20) + (64 << 10);

/// The bound. A clone is the same one.
#[derive(Clone)]
pub(super) struct Budget {
    books: Arc<Mutex<Books>>,
    half_received: Arc<HalfReceived>,
}

/// How much of the budget a frame may use. The first kind is served first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Share {
    /// All of it: the frame is complete, and its request is answered without anything more from the client.
    Complete,
    /// All but what is kept for complete frames.
    Short,
    /// All but what is kept for complete and for small frames.
    Long,
}

struct Books {
    /// The bound, in bytes.
    size: usize,
    /// Bytes that grants hold now, without those of the overdraft.
    held: usize,
    /// A frame has the overdraft.
    overdrawn: bool,
    /// Number of the next waiter: of two that miss as much, the earlier one is served first.
    next: u64,
    /// Frames that wait: small before large, then those that miss least.
    waiting: BTreeMap<Turn, Waiting>,
}

/// Share, bytes missing, number of the waiter.
type Turn = (Share, usize, u64);

struct Waiting {
    /// Bytes that it asks for, beyond what it has.
    bytes: usize,
    /// Is told what was taken for it; `None` is the overdraft.
    granted: oneshot::Sender<Option<usize>>,
}

/// A frame that waits, and how it gets what was taken for it. Dropped early, it gives that back.
struct Queued {
    books: Arc<Mutex<Books>>,
    turn: Turn,
    granted: oneshot::Receiver<Option<usize>>,
}

/// Bytes taken from a [`Budget`]; dropping it gives them back.
#[derive(Default)]
pub(super) struct Grant {
    /// The size up to which the frame may grow.
    bytes: usize,
    /// Bytes that were taken for it, without the overdraft.
    taken: usize,
    /// It has the overdraft: then any size is covered.
    overdrawn: bool,
    /// The account that gets its bytes when it is dropped; `None` while it holds nothing.
    books: Option<Arc<Mutex<Books>>>,
}

impl Grant {
    /// Returns true if a frame may grow to that many bytes without a wait.
    pub(super) fn covers(&self, bytes: usize) -> bool {
        self.overdrawn || bytes <= self.bytes
    }

    /// Adds what was taken (`None` is the overdraft), after which the frame may grow to `bytes` in all.
    fn add(&mut self, books: &Arc<Mutex<Books>>, taken: Option<usize>, bytes: usize) {
        match taken {
            Some(more) => self.taken += more,
            None => self.overdrawn = true,
        }
        self.bytes = bytes;
        self.books.get_or_insert_with(|| Arc::clone(books));
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        let Some(books) = &self.books else { return };
        let mut books = books.lock();
        books.put_back(Some(self.taken));
        if self.overdrawn {
            books.put_back(None);
        }
        books.serve();
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let mut books = self.books.lock();
        books.waiting.remove(&self.turn);
        // Taken for it just before its connection ended. After a wait that ended well the channel is empty.
        // Under the lock, under which `serve` sends too: a grant is in the channel now or never comes.
        if let Ok(taken) = self.granted.try_recv() {
            books.put_back(taken);
        }
        books.serve();
    }
}

impl Share {
    /// Share of a frame of which `received` bytes of `length` came; `None` while its length is not known.
    fn of(received: usize, length: Option<usize>) -> Self {
        match length {
            Some(length) if received >= length => Self::Complete,
            Some(length) if length > SHORT_BYTES => Self::Long,
            // A length that is not known yet holds a few bytes.
            _ => Self::Short,
        }
    }

    /// The most bytes that all frames together may hold for this share to get more, of a budget of `size`.
    fn limit(self, size: usize) -> usize {
        match self {
            // A quarter is kept from large frames, a quarter of that from all that are not complete: frames
            // that clients began and did not end once held up a request of 900 KB for more than a minute.
            Self::Complete => size,
            Self::Short => size - size / 16,
            Self::Long => size - size / 4,
        }
    }
}

impl Books {
    /// Takes bytes from what this share may use, if they are free and no frame that is served earlier waits for them.
    fn try_take(&mut self, share: Share, bytes: usize) -> bool {
        // One of the same share waits its turn as well: else those that come later could take all that
        // becomes free.
        let waits = self.waiting.first_key_value().is_some_and(|((first, ..), _)| *first <= share);
        !waits && self.take(share, bytes)
    }

    /// Takes bytes from what this share may use, also while others wait: for the frame whose turn it is.
    fn take(&mut self, share: Share, bytes: usize) -> bool {
        let held = self.held.saturating_add(bytes);
        let fits = held <= share.limit(self.size);
        if fits {
            self.held = held;
        }
        fits
    }

    /// Returns what was taken. Does not serve those that wait: the caller does, under the same lock.
    fn put_back(&mut self, taken: Option<usize>) {
        match taken {
            Some(bytes) => self.held -= bytes,
            None => self.overdrawn = false,
        }
    }

    /// Gives what is free to the frames that wait, in their order.
    fn serve(&mut self) {
        while let Some(((share, ..), first)) = self.waiting.first_key_value() {
            let (share, bytes) = (*share, first.bytes);
            // Bytes first: all connections share one overdraft, which is for a frame that cannot have them.
            let taken = if self.take(share, bytes) {
                Some(bytes)
            } else if self.overdrawn {
                // None after it is served: what is free may soon be enough for the first.
                return;
            } else {
                self.overdrawn = true;
                None
            };
            let (_, first) = self.waiting.pop_first().expect("it was found at the head of this round");
            // Its connection ended while it waited.
            // The channel carries a number, not a `Grant`: dropped here, that would lock the books a second
            // time.
            if first.granted.send(taken).is_err() {
                self.put_back(taken);
            }
        }
    }
}

impl Budget {
    /// `None` for no bound.
    pub(super) fn new(bytes: Option<usize>) -> Self {
        // Half of what a number can hold is no bound that memory reaches, and sums do not overflow.
        let size = bytes.unwrap_or(usize::MAX / 2);
        let books = Books { size, held: 0, overdrawn: false, next: 0, waiting: BTreeMap::new() };
        Self { books: Arc::new(Mutex::new(books)), half_received: Arc::default() }
    }

    /// A frame begins whose bytes will be counted here as they come.
    pub(super) fn begin(&self) -> Receiving {
        self.half_received.begin(clock::now())
    }

    /// Raises `grant` to `bytes` in all, for a frame of which `received` bytes of `length` came, if that needs no wait.
    pub(super) fn try_raise(
        &self,
        grant: &mut Grant,
        bytes: usize,
        received: usize,
        length: Option<usize>,
    ) -> bool {
        if grant.covers(bytes) {
            return true;
        }
        let more = bytes - grant.bytes;
        let taken = self.books.lock().try_take(Share::of(received, length), more);
        if taken {
            grant.add(&self.books, Some(more), bytes);
        }
        taken
    }

    /// As [`Budget::try_raise`], but waits while the budget is spent.
    /// Waits without a deadline of its own: the memory comes back when requests are answered or a frame gives
    /// way. Cancel-safe: dropped while it waits, it holds no more than before.
    pub(super) async fn raise(
        &self,
        grant: &mut Grant,
        bytes: usize,
        received: usize,
        length: Option<usize>,
    ) {
        if self.try_raise(grant, bytes, received, length) {
            return;
        }
        let more = bytes - grant.bytes;
        // A frame whose length is not known misses a few bytes.
        let missing = length.map_or(0, |length| length.saturating_sub(received));
        let mut queued = self.wait(Share::of(received, length), missing, more);
        loop {
            match tokio::time::timeout(PATIENCE, &mut queued.granted).await {
                Ok(taken) => {
                    let taken = taken.expect("its sender is dropped only by the waiter itself");
                    return grant.add(&self.books, taken, bytes);
                }
                // This frees nothing yet: the bytes come back when the connection that gives way drops its
                // grant.
                Err(_) => self.half_received.give_way(clock::now()),
            }
        }
    }

    /// Joins those that wait, and serves at once what can be served. Dropping the result leaves the queue.
    fn wait(&self, share: Share, missing: usize, bytes: usize) -> Queued {
        let (granted, receiver) = oneshot::channel();
        let mut books = self.books.lock();
        let turn = (share, missing, books.next);
        books.next += 1;
        books.waiting.insert(turn, Waiting { bytes, granted });
        // The overdraft may be free.
        books.serve();
        Queued { books: Arc::clone(&self.books), turn, granted: receiver }
    }

    #[cfg(test)]
    pub(super) fn available(&self) -> usize {
        let books = self.books.lock();
        books.size - books.held
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG_FRAME: usize = 8 << 20;

    /// For a frame that is whole.
    async fn raise(budget: &Budget, grant: &mut Grant, bytes: usize) {
        budget.raise(grant, bytes, bytes, Some(bytes)).await;
    }

    /// For a large frame that misses this much.
    async fn raise_long(budget: &Budget, grant: &mut Grant, bytes: usize, missing: usize) {
        budget.raise(grant, bytes, LONG_FRAME - missing, Some(LONG_FRAME)).await;
    }

    #[tokio::test]
    async fn grants_are_given_back_when_dropped() {
        let budget = Budget::new(Some(100));
        let mut grant = Grant::default();
        raise(&budget, &mut grant, 60).await;
        raise(&budget, &mut grant, 80).await;
        raise(&budget, &mut grant, 10).await;
        assert_eq!(budget.available(), 20);
        drop(grant);
        assert_eq!(budget.available(), 100);
    }

    #[tokio::test]
    async fn one_frame_at_a_time_may_overdraw() {
        let budget = Budget::new(Some(100));
        let (mut first, mut second, mut third) = (Grant::default(), Grant::default(), Grant::default());
        raise(&budget, &mut first, 100).await;
        timeout(SHORT, raise(&budget, &mut second, 500)).await.unwrap();
        timeout(SHORT, raise(&budget, &mut second, 900)).await.unwrap();
        timeout(SHORT, raise(&budget, &mut third, 50)).await.unwrap_err();
        drop(second);
        timeout(SHORT, raise(&budget, &mut third, 50)).await.unwrap();
        drop(first);
        assert_eq!(budget.available(), 100);
    }

    #[tokio::test]
    async fn waits_until_another_gives_back() {
        let budget = Budget::new(Some(100));
        let (mut first, mut overdrawn) = (Grant::default(), Grant::default());
        raise(&budget, &mut first, 100).await;
        raise(&budget, &mut overdrawn, 1).await;
        let mut grant = Grant::default();
        {
            let waiting = raise(&budget, &mut grant, 70);
            tokio::pin!(waiting);
            timeout(SHORT, &mut waiting).await.unwrap_err();
            drop(first);
            timeout(SHORT, waiting).await.unwrap();
        }
        assert!(!grant.overdrawn);
        drop((grant, overdrawn));
        assert_eq!(budget.available(), 100);
    }

    #[tokio::test]
    async fn large_frames_leave_room_for_small_ones_and_those_for_complete_ones() {
        let budget = Budget::new(Some(1600));
        let (mut large, mut overdrawn) = (Grant::default(), Grant::default());
        raise_long(&budget, &mut large, 1200, 1).await;
        raise_long(&budget, &mut overdrawn, 1, 1).await;
        assert!(overdrawn.overdrawn, "1200 is all that large frames may have");
        let mut small = Grant::default();
        assert!(budget.try_raise(&mut small, 300, 300, Some(400)));
        assert!(!budget.try_raise(&mut small, 301, 301, Some(400)), "the rest is for complete frames");
        let mut complete = Grant::default();
        assert!(budget.try_raise(&mut complete, 100, 100, Some(100)));
        drop((large, overdrawn, small, complete));
        assert_eq!(budget.available(), 1600);
    }

    #[tokio::test]
    async fn free_memory_goes_to_the_frame_that_misses_least() {
        let budget = Budget::new(Some(1600));
        let (mut held, mut overdrawn) = (Grant::default(), Grant::default());
        raise_long(&budget, &mut held, 1200, 1).await;
        raise_long(&budget, &mut overdrawn, 1, 1).await;
        let (mut first, mut second) = (Grant::default(), Grant::default());
        let misses_much = raise_long(&budget, &mut first, 1000, 2 << 20);
        let misses_little = raise_long(&budget, &mut second, 1000, 1 << 20);
        tokio::pin!(misses_much, misses_little);
        timeout(SHORT, &mut misses_much).await.unwrap_err();
        timeout(SHORT, &mut misses_little).await.unwrap_err();
        drop(held);
        timeout(SHORT, &mut misses_little).await.unwrap();
        timeout(SHORT, &mut misses_much).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_leaves_nothing_behind() {
        let budget = Budget::new(Some(100));
        let (mut first, mut overdrawn, mut gone) = (Grant::default(), Grant::default(), Grant::default());
        raise(&budget, &mut first, 100).await;
        raise(&budget, &mut overdrawn, 1).await;
        timeout(SHORT, raise(&budget, &mut gone, 70)).await.unwrap_err();
        assert!(budget.books.lock().waiting.is_empty());
        {
            let mut waiting = Box::pin(raise(&budget, &mut gone, 70));
            timeout(SHORT, &mut waiting).await.unwrap_err();
            // It is given its bytes, and its connection ends before it learns of them.
            drop(first);
            assert_eq!(budget.available(), 30);
        }
        drop((overdrawn, gone));
        assert_eq!(budget.available(), 100);
    }

    #[tokio::test]
    async fn no_bound_never_waits() {
        let budget = Budget::new(None);
        let mut grants: Vec<Grant> = Vec::new();
        for _ in 0..100 {
            let mut grant = Grant::default();
            timeout(SHORT, raise(&budget, &mut grant, 1 << 30)).await.unwrap();
            grants.push(grant);
        }
        assert_eq!(grants.iter().filter(|grant| grant.overdrawn).count(), 0);
    }
}
