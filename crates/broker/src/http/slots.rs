//! The connections that may be open at once, and which of them gives way when there are too many.
//!
//! Guarantees that a connection counts for as long as its [`Slot`] lives, and that clients that open connections without
//! asking anything cannot keep others out: their connections are the first to go, and where a login is needed, those of clients without
//! one. Closing a connection that gives way is
//! left to `server.rs`, which waits for [`Slot::gives_way`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::clock;

/// A connection that has asked something is left alone for this long: a scrape may take its time.
const GRACE: Duration = Duration::from_secs(10);

/// See the module. A clone is the same slots.
#[derive(Clone)]
pub(super) struct Slots {
    /// One for each connection that may be open.
    permits: Arc<Semaphore>,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    /// The id of the next connection.
    next: u64,
    /// Those that may have to give way. One that was told to is not among them, though its permit is still
    /// taken.
    connections: BTreeMap<u64, Connection>,
}

struct Connection {
    /// It sent a request that was admitted at least once.
    has_asked: bool,
    /// When it was opened, or its last request began or was answered. Not when bytes came: a client that sends a head byte
    /// by byte would look busy for ever.
    progress: Instant,
    /// Tells its task to give way.
    way: CancellationToken,
}

/// The requests of one connection: each that is admitted keeps it for a while.
#[derive(Clone)]
pub(super) struct Asked {
    id: u64,
    open: Arc<Mutex<Open>>,
}

/// The right to have a connection open.
pub(super) struct Slot {
    asked: Asked,
    way: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    /// For that many connections.
    pub(super) fn new(connections: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(connections)), open: Arc::default() }
    }

    /// A slot; where none is free, that of the connection which has been longest without progress, as soon as it is closed.
    /// `None` if all are in use by clients that get on.
    pub(super) async fn take(&self) -> Option<Slot> {
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                self.open.lock().make_room(clock::now())?;
                // Not taken over at once: until the other is closed, both would have a file descriptor.
                Arc::clone(&self.permits).acquire_owned().await.ok()?
            }
        };
        let way = CancellationToken::new();
        let mut open = self.open.lock();
        let id = open.next;
        open.next += 1;
        let connection = Connection { has_asked: false, progress: clock::now(), way: way.clone() };
        open.connections.insert(id, connection);
        let asked = Asked { id, open: Arc::clone(&self.open) };
        Some(Slot { asked, way, _permit: permit })
    }
}

impl Open {
    /// Has a connection give way. Those without an admitted request go first, the oldest before others.
    fn make_room(&mut self, now: Instant) -> Option<()> {
        // `false` sorts first: any connection that never asked goes before one that did, however old that is.
        let slowest = self.connections.iter().min_by_key(|(_, one)| (one.has_asked, one.progress));
        let (id, connection) = slowest?;
        if connection.has_asked && now.saturating_duration_since(connection.progress) < GRACE {
            return None;
        }
        connection.way.cancel();
        // Out of the list, or the next client would choose it again and wait for a slot that is promised already.
        let id = *id;
        self.connections.remove(&id);
        Some(())
    }
}

impl Asked {
    /// A request is admitted.
    pub(super) fn progress(&self) {
        if let Some(connection) = self.open.lock().connections.get_mut(&self.id) {
            connection.has_asked = true;
            connection.progress = clock::now();
        }
    }

    /// An answer is ready. One to a request that was not admitted is no progress: it costs its client nothing to ask again.
    pub(super) fn answered(&self) {
        let mut open = self.open.lock();
        if let Some(connection) = open.connections.get_mut(&self.id).filter(|one| one.has_asked) {
            connection.progress = clock::now();
        }
    }
}

impl Slot {
    /// The requests of its connection.
    pub(super) fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Waits until this connection has to give way to others.
    pub(super) async fn gives_way(&self) {
        self.way.cancelled().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.asked.open.lock().connections.remove(&self.asked.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_told(slot: &Slot) -> bool {
        tokio::time::timeout(Duration::ZERO, slot.gives_way()).await.is_ok()
    }

    #[tokio::test]
    async fn the_oldest_that_never_asked_gives_way_and_is_waited_for() {
        let slots = Slots::new(3);
        let (first, second) = (slots.take().await.unwrap(), slots.take().await.unwrap());
        let third = slots.take().await.unwrap();
        first.asked().progress();
        let waiting = tokio::time::timeout(Duration::from_millis(20), slots.take()).await;
        assert!(waiting.is_err(), "the slot is free only once its connection is closed");
        assert!(!is_told(&first).await && is_told(&second).await && !is_told(&third).await);
        drop(second);
        assert!(slots.take().await.is_some());
    }

    /// Probes and refusals kept the connections of strangers open for as long as they liked.
    #[tokio::test]
    async fn clients_that_are_not_admitted_give_way() {
        let slots = Slots::new(2);
        let (stranger, user) = (slots.take().await.unwrap(), slots.take().await.unwrap());
        user.asked().progress();
        stranger.asked().answered();
        let waiting = tokio::time::timeout(Duration::from_millis(20), slots.take()).await;
        assert!(waiting.is_err() && is_told(&stranger).await && !is_told(&user).await);
    }

    #[tokio::test]
    async fn clients_that_get_on_are_left_alone() {
        let slots = Slots::new(1);
        let only = slots.take().await.unwrap();
        only.asked().progress();
        assert!(slots.take().await.is_none());
        let later = clock::now() + GRACE;
        assert!(slots.open.lock().make_room(later).is_some(), "an idle connection that is kept open");
        assert!(is_told(&only).await);
    }
}
