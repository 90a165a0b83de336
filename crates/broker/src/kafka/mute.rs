//! The time for which a connection is not read because its client is above a quota (KIP-219).
//!
//! Guarantees that a connection that was never throttled pays one look at an atomic variable, and that a muted one holds no thread, no lock and no
//! part of the budget: a request that began to arrive is read whole and served, the next one waits in the socket. The mute ends with its time, when
//! the quota is changed or removed, and when the client has left a long one; a shutdown is seen by the connection, which waits for this together
//! with all else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use security::quota::{Key, Limit};
use tokio::time::Instant;

use crate::clock::timer_now;
use crate::session::quotas::{Client, ClientQuotas};
use crate::session::tls::Stream;

/// A client that has left is noticed this often: what it sent before is not read, so no read tells of it.
const LOOK: Duration = Duration::from_secs(1);
/// Of a client that has left, what it sent before is read all the same if the mute ends so soon, as in Kafka: a producer without
/// acknowledgements writes and closes.
const SOON: Duration = Duration::from_secs(10);

/// Set by requests, followed by the connection.
#[derive(Default)]
pub(crate) struct Mute {
    is_set: AtomicBool,
    throttled: Mutex<Option<Throttled>>,
}

/// The throttle that ends last.
struct Throttled {
    until: Instant,
    key: Key,
    /// The quota by which it was throttled.
    limit: Option<Limit>,
    client_id: Box<str>,
}

impl Mute {
    /// Mutes the connection for that long from now on, or for as long as it is muted already, if that is longer.
    pub(crate) fn throttle(&self, quotas: &ClientQuotas, key: Key, client: Client<'_>, throttle_ms: u32) {
        let until = timer_now() + Duration::from_millis(throttle_ms.into());
        let mut throttled = self.throttled.lock();
        if throttled.as_ref().is_none_or(|before| before.until < until) {
            let (limit, client_id) = (quotas.limit(key, client), client.client_id.into());
            *throttled = Some(Throttled { until, key, limit, client_id });
        }
        // Relaxed, here and below: handlers and connection are one task.
        self.is_set.store(true, Ordering::Relaxed);
    }

    /// Returns true if the connection is muted. It stays so until [`ended`] has returned.
    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Relaxed)
    }

    /// The end of the mute, unless that has come.
    fn until(&self) -> Option<Instant> {
        self.throttled.lock().as_ref().map(|throttled| throttled.until).filter(|until| *until > timer_now())
    }

    /// Ends the mute if another quota applies now, or none: the next request is judged anew.
    fn look_at_quotas(&self, quotas: &ClientQuotas, user: &str) {
        let mut throttled = self.throttled.lock();
        let applies = |throttled: &Throttled| {
            let client = Client { user, client_id: &throttled.client_id };
            quotas.limit(throttled.key, client).is_some_and(|limit| throttled.limit == Some(limit))
        };
        *throttled = throttled.take().filter(applies);
    }

    fn lift(&self) {
        *self.throttled.lock() = None;
        self.is_set.store(false, Ordering::Relaxed);
    }
}

/// How a mute ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The connection may be read again.
    Over,
    /// The client has left.
    Left,
}

/// Waits until the connection of this user may be read again, or `has_left` says that there is no client any more.
pub(super) async fn ended(
    mute: &Mute,
    quotas: &ClientQuotas,
    user: &str,
    has_left: impl Fn() -> Option<bool>,
) -> Ended {
    let mut changes = quotas.changes();
    // A quota that was changed before this listened.
    mute.look_at_quotas(quotas, user);
    while let Some(until) = mute.until() {
        tokio::select! {
            () = tokio::time::sleep_until(until.min(timer_now() + LOOK)) => {
                if until.saturating_duration_since(timer_now()) > SOON && has_left() == Some(true) {
                    return Ended::Left;
                }
            }
            // An error: the broker is gone, and the connection with it.
            _ = changes.changed() => mute.look_at_quotas(quotas, user),
        }
    }
    mute.lift();
    Ended::Over
}

/// The reading half of a connection, which may know that the client has left.
pub(crate) trait Departure {
    /// True if the client has closed its side, whatever is still to be read; `None` if this cannot be known.
    fn has_left(&self) -> Option<bool>;
}

impl Departure for tokio::net::tcp::ReadHalf<'_> {
    fn has_left(&self) -> Option<bool> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let stream: &tokio::net::TcpStream = self.as_ref();
        // Not a read: what was sent before would have to be taken out of the socket.
        let mut socket = [PollFd::new(stream, PollFlags::RDHUP)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let ended = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        poll(&mut socket, Some(&now)).ok()?;
        Some(socket.iter().any(|one| one.revents().intersects(ended)))
    }
}

/// A departure is noticed when the connection is read again: the socket is out of reach of half a stream.
impl Departure for &mut tokio::io::ReadHalf<Stream> {
    fn has_left(&self) -> Option<bool> {
        None
    }
}

#[cfg(test)]
impl Departure for tokio::io::ReadHalf<tokio::io::DuplexStream> {
    fn has_left(&self) -> Option<bool> {
        None
    }
}
