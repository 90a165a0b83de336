//! How fast connections may come: `max.connection.creation.rate`, of all listeners or one.
//!
//! Guarantees that a connection which comes too early waits alone: acceptors go on, and those that wait come in turn by address. A
//! second's worth may come at once, then one per interval.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::kafka::limits::Limits;
use crate::kafka::notices::Notices;
use crate::net::strangers::Stranger;
use crate::session::by_address::ByAddress;
use crate::session::peer::Peer;
use crate::tasks::Tasks;

/// Connections may run ahead of the pace by this much.
const SLACK: Duration = Duration::from_secs(1);

/// How long a connection waits at most: clients have given up then.
const LONGEST: Duration = Duration::from_secs(10);

/// The paces of all listeners.
pub(super) struct Paces {
    all: Arc<Pace>,
    listeners: BTreeMap<Arc<str>, Arc<Pace>>,
}

/// The paces by which one connection has to go, that of its listener first.
pub(super) struct Both([Arc<Pace>; 2]);

impl Paces {
    /// As configured.
    pub(super) fn new(limits: &Limits, listeners: impl Iterator<Item = Arc<str>>) -> Self {
        let own = |name: Arc<str>| (Arc::clone(&name), Pace::new(limits.of(&name).rate));
        let all = Pace::new(Some(limits.max_connection_creation_rate));
        Self { all, listeners: listeners.map(own).collect() }
    }

    /// Other rates from now on.
    pub(super) fn set(&self, limits: &Limits) {
        self.all.set(Some(limits.max_connection_creation_rate));
        for (name, pace) in &self.listeners {
            pace.set(limits.of(name).rate);
        }
    }

    /// Lets waiting connections come until `stop` is cancelled.
    pub(super) fn keep(&self, tasks: &Tasks, stop: &CancellationToken) {
        for pace in self.listeners.values().chain([&self.all]) {
            let (pace, stop) = (Arc::clone(pace), stop.clone());
            tasks.spawn("connection-pace", async move {
                let _ended = stop.run_until_cancelled(pace.keep()).await;
            });
        }
    }

    /// Those of a connection of that listener.
    pub(super) fn of(&self, listener: &str) -> Both {
        let own = self.listeners.get(listener).unwrap_or(&self.all);
        Both([Arc::clone(own), Arc::clone(&self.all)])
    }
}

impl Both {
    /// Waits until the connection is not too early. False: the broker stops, it has to make room, or it would wait for too long.
    pub(super) async fn lets_in(
        &self,
        peer: &Peer,
        stranger: Option<&Stranger>,
        stop: &CancellationToken,
        notices: &Notices,
    ) -> bool {
        let address = peer.address.ip();
        let waits = async {
            for pace in &self.0 {
                if let Some(early) = pace.come(address, clock::now()) {
                    early.over().await;
                }
            }
        };
        let staying = async {
            match stranger {
                Some(stranger) => stranger.must_leave().run_until_cancelled(waits).await,
                None => {
                    waits.await;
                    Some(())
                }
            }
        };
        match stop.run_until_cancelled(timeout(LONGEST, staying)).await {
            Some(Ok(Some(()))) => true,
            Some(Err(_)) => {
                let reason = "max.connection.creation.rate: its turn did not come within 10 s";
                notices.refused(peer.address, &peer.listener, reason);
                false
            }
            Some(Ok(None)) => {
                let reason = "it made room: too many connections waited for max.connection.creation.rate, most of them from this address";
                notices.refused(peer.address, &peer.listener, reason);
                false
            }
            None => false,
        }
    }
}

/// See the module.
pub(super) struct Pace {
    state: Mutex<State>,
    /// Something waits, or the rate is another one.
    changed: Notify,
}

struct State {
    /// Time between two connections at the configured rate; `None`: there is no rate.
    interval: Option<Duration>,
    /// When the connections so far would have come at an even pace.
    due: Option<Instant>,
    waiting: ByAddress<oneshot::Sender<()>>,
}

/// A connection that came too early.
pub(super) struct Early {
    pace: Arc<Pace>,
    address: IpAddr,
    number: u64,
    told: oneshot::Receiver<()>,
}

impl Pace {
    /// `None`: without a bound.
    pub(super) fn new(per_second: Option<u32>) -> Arc<Self> {
        let state = State { interval: interval(per_second), due: None, waiting: ByAddress::default() };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new() })
    }

    /// Another rate from now on.
    pub(super) fn set(&self, per_second: Option<u32>) {
        self.state.lock().interval = interval(per_second);
        self.changed.notify_one();
    }

    /// A connection comes. `None`: it is not too early.
    pub(super) fn come(self: &Arc<Self>, address: IpAddr, now: Instant) -> Option<Early> {
        let mut state = self.state.lock();
        if state.waiting.is_empty() && state.wait(now).is_zero() {
            state.take(now);
            return None;
        }
        let (tell, told) = oneshot::channel();
        let number = state.waiting.push(address, tell);
        drop(state);
        self.changed.notify_one();
        Some(Early { pace: Arc::clone(self), address, number, told })
    }

    /// Lets those that wait come, as the rate allows. Never ends.
    pub(super) async fn keep(&self) {
        loop {
            let wait = self.state.lock().let_come(clock::now());
            match wait {
                None => self.changed.notified().await,
                // The rate may be raised meanwhile.
                Some(wait) => drop(timeout(wait, self.changed.notified()).await),
            }
        }
    }
}

impl State {
    /// How long the next connection has to wait.
    fn wait(&self, now: Instant) -> Duration {
        let (Some(interval), Some(due)) = (self.interval, self.due) else { return Duration::ZERO };
        (due.max(now) + interval).saturating_duration_since(now).saturating_sub(SLACK)
    }

    /// Counts a connection.
    fn take(&mut self, now: Instant) {
        // From now at the earliest: a time without connections does not add to the second's worth.
        self.due = self.interval.map(|interval| self.due.map_or(now, |due| due.max(now)) + interval);
    }

    /// Tells those that may come now; returns the time until the next may, `None` if none waits.
    fn let_come(&mut self, now: Instant) -> Option<Duration> {
        while !self.waiting.is_empty() {
            let wait = self.wait(now);
            if !wait.is_zero() {
                return Some(wait);
            }
            // One that leaves at this moment does not count.
            if self.waiting.pop().is_some_and(|one| one.send(()).is_ok()) {
                self.take(now);
            }
        }
        None
    }
}

impl Early {
    /// Waits until the connection is not too early any more.
    pub(super) async fn over(mut self) {
        // An error: the pace is gone, and with it the broker.
        let _told = (&mut self.told).await;
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        self.pace.state.lock().waiting.remove(self.address, self.number);
    }
}

fn interval(per_second: Option<u32>) -> Option<Duration> {
    // Kafka allows a rate of 0; that is one connection a second here.
    per_second.map(|rate| Duration::from_secs(1) / rate.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, number])
    }

    #[test]
    fn a_second_of_connections_comes_at_once_and_others_at_the_rate() {
        let (pace, now) = (Pace::new(Some(100)), clock::now());
        let mut early: Vec<Early> = (0..150).filter_map(|_| pace.come(address(1), now)).collect();
        assert_eq!(early.len(), 50);
        let came = |early: &mut Vec<Early>, at: Duration| {
            let wait = pace.state.lock().let_come(now + at);
            early.retain_mut(|one| one.told.try_recv().is_err());
            (50 - early.len(), wait)
        };
        assert_eq!(came(&mut early, Duration::ZERO), (0, Some(Duration::from_millis(10))));
        assert_eq!(came(&mut early, Duration::from_millis(10)), (1, Some(Duration::from_millis(10))));
        assert_eq!(came(&mut early, Duration::from_millis(210)), (21, Some(Duration::from_millis(10))));
        early.clear();
        assert!(pace.state.lock().waiting.is_empty(), "those that left do not wait");
        assert!(pace.come(address(1), now + Duration::from_secs(5)).is_none());
    }

    #[test]
    fn those_that_wait_come_in_turn_by_address() {
        let (pace, now) = (Pace::new(Some(1)), clock::now());
        assert!(pace.come(address(1), now).is_none());
        let _flood: Vec<Early> = (0..100).filter_map(|_| pace.come(address(1), now)).collect();
        let mut other = pace.come(address(2), now).expect("it is early");
        let mut state = pace.state.lock();
        state.let_come(now + Duration::from_millis(1100));
        assert!(other.told.try_recv().is_err(), "another address came first");
        state.let_come(now + Duration::from_millis(2200));
        assert!(other.told.try_recv().is_ok(), "its turn");
    }

    #[tokio::test]
    async fn a_higher_rate_counts_at_once() {
        let (pace, now) = (Pace::new(Some(0)), clock::now());
        assert!(pace.come(address(1), now).is_none());
        let early = pace.come(address(1), now).expect("it is early");
        pace.set(None);
        let keeping = pace.keep();
        let come = tokio::time::timeout(Duration::from_secs(60), early.over());
        tokio::select! {
            () = keeping => {}
            came = come => came.expect("it may come"),
        }
    }
}
