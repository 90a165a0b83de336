//! Waits for many sockets at once and for a point in time, to the nanosecond (ppoll; epoll_wait rounds up to milliseconds).
//!
//! Level-triggered: a socket that was not read or written yet is reported again, so a socket need not be drained.

use std::net::TcpStream;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;

use crate::clock::SECOND;

const MILLISECOND: u64 = SECOND / 1000;
/// Sockets reported per call.
const EVENTS: usize = 256;

/// A set of sockets.
pub(crate) struct Poller {
    epoll: OwnedFd,
    /// Room for the events of one call.
    events: Vec<Event>,
}

/// A socket of the set that is ready.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    /// As given to [`Poller::add`].
    pub(crate) token: usize,
    /// There is something to read, or the connection ended.
    pub(crate) readable: bool,
    /// There is room to write.
    pub(crate) writable: bool,
}

impl Poller {
    /// An empty set. The calling thread's timers become exact.
    pub(crate) fn new() -> Result<Poller> {
        // The kernel may otherwise wake us 50 µs late, to save power.
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1)).context("PR_SET_TIMERSLACK")?;
        let epoll = epoll::create(CreateFlags::CLOEXEC).context("epoll_create1")?;
        Ok(Poller { epoll, events: Vec::with_capacity(EVENTS) })
    }

    /// Watches a socket for something to read.
    pub(crate) fn add(&self, socket: &TcpStream, token: usize) -> Result<()> {
        // Not for room to write: there nearly always is, and a level-triggered poller would report it without
        // end.
        epoll::add(&self.epoll, socket, EventData::new_u64(token as u64), EventFlags::IN).context("epoll_ctl")
    }

    /// Watches it also for room to write, or no longer.
    pub(crate) fn watch_writable(&self, socket: &TcpStream, token: usize, on: bool) -> Result<()> {
        let flags = if on { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        epoll::modify(&self.epoll, socket, EventData::new_u64(token as u64), flags).context("epoll_ctl")
    }

    /// Waits at most this long; ready sockets are appended to `ready`.
    pub(crate) fn wait(&mut self, nanos: u64, ready: &mut Vec<Ready>) -> Result<()> {
        // epoll_wait counts in milliseconds; waiting for the epoll descriptor itself by ppoll is exact.
        let mut timeout = timespec(nanos);
        if !nanos.is_multiple_of(MILLISECOND) {
            let mut set = [PollFd::new(&self.epoll, PollFlags::IN)];
            uninterrupted(poll(&mut set, Some(&timeout))).context("ppoll")?;
            timeout = timespec(0);
        }
        self.events.clear();
        let waited = epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout));
        uninterrupted(waited).context("epoll_wait")?;
        ready.extend(self.events.iter().map(|event| {
            let flags = event.flags;
            Ready {
                token: event.data.u64() as usize,
                // The read that follows returns the end or the error.
                readable: flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR),
                writable: flags.contains(EventFlags::OUT),
            }
        }));
        Ok(())
    }
}

fn timespec(nanos: u64) -> Timespec {
    Timespec { tv_sec: (nanos / SECOND).cast_signed(), tv_nsec: (nanos % SECOND).cast_signed() }
}

/// A signal that cut the wait short is no error: the caller looks at the clock anyway.
fn uninterrupted(waited: Result<usize, Errno>) -> Result<(), Errno> {
    match waited {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error),
    }
}
