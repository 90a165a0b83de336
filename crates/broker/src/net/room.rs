//! Room for a number of connections, which may change while they are open.
//!
//! Guarantees that a connection counts for as long as its [`Taken`] lives, and that a lower number counts at once for those that come, while those that
//! are open stay.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A semaphore panics beyond that, and a process without a limit of descriptors has room for more.
pub(super) const MOST: usize = Semaphore::MAX_PERMITS;

/// See the module.
pub(super) struct Room {
    /// A permit for each connection that may be open.
    permits: Arc<Semaphore>,
    size: Arc<Mutex<Size>>,
}

/// How many connections there may be.
struct Size {
    wanted: usize,
    /// Connections beyond that, which were open when it was lowered: their permits are forgotten when they end.
    excess: usize,
}

/// The room of one connection; another may come when this is dropped.
pub(super) struct Taken {
    permit: Option<OwnedSemaphorePermit>,
    size: Arc<Mutex<Size>>,
}

impl Room {
    /// For that many connections, [`MOST`] at most.
    pub(super) fn new(wanted: usize) -> Self {
        let wanted = wanted.min(MOST);
        Self {
            permits: Arc::new(Semaphore::new(wanted)),
            size: Arc::new(Mutex::new(Size { wanted, excess: 0 })),
        }
    }

    /// For that many from now on.
    pub(super) fn set(&self, wanted: usize) {
        let wanted = wanted.min(MOST);
        // Held until the end: connections that end meanwhile must find the excess that belongs to `wanted`.
        let mut size = self.size.lock();
        if wanted > size.wanted {
            let more = wanted - size.wanted;
            // First cancels what an earlier reduction still has to take from open connections.
            let kept = more.min(size.excess);
            size.excess -= kept;
            self.permits.add_permits(more - kept);
        } else {
            // Only free permits can be forgotten now, the others as their connections end.
            let fewer = size.wanted - wanted;
            size.excess += fewer - self.permits.forget_permits(fewer);
        }
        size.wanted = wanted;
    }

    /// How many connections there may be as of now.
    pub(super) fn wanted(&self) -> usize {
        self.size.lock().wanted
    }

    /// Returns true if there is no room for a further connection now.
    pub(super) fn is_full(&self) -> bool {
        self.permits.available_permits() == 0
    }

    /// Waits for room. `None` if the semaphore were closed, which it never is.
    pub(super) async fn take(&self) -> Option<Taken> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        Some(Taken { permit: Some(permit), size: Arc::clone(&self.size) })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // The permit is either forgotten here, or free for the next client when the fields are dropped after this.
        let mut size = self.size.lock();
        if size.excess > 0 {
            size.excess -= 1;
            self.permit.take().into_iter().for_each(OwnedSemaphorePermit::forget);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_changes_while_connections_are_open() {
        let room = Room::new(3);
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(room.take().await.expect("room"));
        }
        assert!(room.is_full());
        room.set(1);
        taken.truncate(1);
        assert!(room.is_full(), "one is there, one may be");
        room.set(2);
        taken.push(room.take().await.expect("room"));
        assert!(room.is_full());
        taken.clear();
        assert_eq!((room.permits.available_permits(), room.wanted()), (2, 2));
        room.set(usize::MAX);
        room.set(5);
        assert_eq!(room.permits.available_permits(), 5);
    }
}
