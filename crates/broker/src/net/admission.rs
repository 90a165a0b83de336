//! How many connections there may be, in all and from one address, and how fast they may come.
//!
//! Guarantees that a connection counts for as long as its [`Admitted`] lives. What happens to a client that is not admitted
//! is left to `acceptor.rs`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::kafka::limits::Limits;

/// Counts the connections of all listeners.
pub(crate) struct Admission {
    /// A permit for each connection that may be open.
    all: Arc<Semaphore>,
    size: Arc<Mutex<Size>>,
    /// Open connections by address; an address without any has no entry.
    per_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    /// `max.connections.per.ip`
    max_per_address: AtomicUsize,
    /// One pace for all listeners.
    pace: Mutex<Pace>,
    /// Connections that there are descriptors for.
    most: usize,
    /// Those are fewer than `max.connections`.
    is_short: AtomicBool,
}

/// How many connections there may be.
struct Size {
    /// `max.connections`, or fewer where there are not enough descriptors.
    wanted: usize,
    /// Connections beyond that, which were open when it was lowered: their permits are forgotten when they end.
    excess: usize,
}

/// An admitted connection; another may come when this is dropped.
pub(super) struct Admitted {
    permit: Option<OwnedSemaphorePermit>,
    size: Arc<Mutex<Size>>,
    address: IpAddr,
    per_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Admission {
    /// With no connection yet, and descriptors for `most`.
    pub(crate) fn new(limits: &Limits, most: usize) -> Self {
        // A semaphore panics beyond that, and a process without a limit of descriptors has room for more.
        let most = most.min(Semaphore::MAX_PERMITS);
        let wanted = limits.max_connections.min(most);
        Self {
            all: Arc::new(Semaphore::new(wanted)),
            size: Arc::new(Mutex::new(Size { wanted, excess: 0 })),
            per_address: Arc::default(),
            max_per_address: AtomicUsize::new(limits.max_connections_per_ip),
            pace: Mutex::new(Pace::new(limits.max_connection_creation_rate)),
            most,
            is_short: AtomicBool::new(limits.max_connections > most),
        }
    }

    /// Other limits from now on. Connections that are open stay.
    pub(super) fn set(&self, limits: &Limits) {
        self.max_per_address.store(limits.max_connections_per_ip, Ordering::Relaxed);
        self.pace.lock().set(limits.max_connection_creation_rate);
        self.is_short.store(limits.max_connections > self.most, Ordering::Relaxed);
        let wanted = limits.max_connections.min(self.most);
        // Held until the end: connections that end meanwhile must find the excess that belongs to `wanted`.
        let mut size = self.size.lock();
        if wanted > size.wanted {
            let more = wanted - size.wanted;
            // First cancels what an earlier reduction still has to take from open connections.
            let kept = more.min(size.excess);
            size.excess -= kept;
            self.all.add_permits(more - kept);
        } else {
            // Only free permits can be forgotten now, the others as their connections end.
            let fewer = size.wanted - wanted;
            size.excess += fewer - self.all.forget_permits(fewer);
        }
        size.wanted = wanted;
    }

    /// How many connections there may be as of now.
    pub(super) fn wanted(&self) -> usize {
        self.size.lock().wanted
    }

    /// Returns true if no further connection is admitted now.
    pub(super) fn is_full(&self) -> bool {
        self.all.available_permits() == 0
    }

    /// Returns true if a further connection is refused, because the descriptors are used up, instead of waiting for its
    /// turn within `max.connections`.
    pub(super) fn must_refuse(&self) -> bool {
        self.is_full() && self.is_short.load(Ordering::Relaxed)
    }

    /// Waits for a permit among all; as in Kafka, a listener at `max.connections` accepts no client until another leaves.
    pub(super) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// Admits a connection from `address`, or returns `None` if that address has `max.connections.per.ip` already.
    pub(super) fn admit(&self, permit: OwnedSemaphorePermit, address: IpAddr) -> Option<Admitted> {
        // Compared and counted under one lock: several listeners may admit clients of one address at a time.
        let mut per_address = self.per_address.lock();
        let count = per_address.entry(address).or_insert(0);
        if *count >= self.max_per_address.load(Ordering::Relaxed) {
            // With a limit of 0 the entry is new: addresses that are refused must not fill the map.
            if *count == 0 {
                per_address.remove(&address);
            }
            return None;
        }
        *count += 1;
        let (per_address, size) = (Arc::clone(&self.per_address), Arc::clone(&self.size));
        Some(Admitted { permit: Some(permit), size, address, per_address })
    }

    /// How long to wait before the next accept to keep `max.connection.creation.rate`.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        self.pace.lock().next(now)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        // The permit is either forgotten here, or free for the next client when the fields are dropped after
        // this.
        let mut size = self.size.lock();
        if size.excess > 0 {
            size.excess -= 1;
            self.permit.take().into_iter().for_each(OwnedSemaphorePermit::forget);
        }
        // Never both locks at a time, so they need no order.
        drop(size);
        let mut per_address = self.per_address.lock();
        if let Some(count) = per_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                per_address.remove(&self.address);
            }
        }
    }
}

/// Spreads connections over time: a second's worth may come at once, then one per interval.
struct Pace {
    /// Time between two connections at the configured rate.
    interval: Duration,
    /// When the connections so far would have come at an even pace.
    due: Option<Instant>,
}

impl Pace {
    /// Connections may run ahead of the pace by this much.
    const SLACK: Duration = Duration::from_secs(1);

    fn new(per_second: u32) -> Self {
        Self { interval: Self::interval(per_second), due: None }
    }

    fn set(&mut self, per_second: u32) {
        self.interval = Self::interval(per_second);
    }

    fn interval(per_second: u32) -> Duration {
        // Kafka allows a rate of 0; that is one connection a second here.
        Duration::from_secs(1) / per_second.max(1)
    }

    /// Takes in a connection that came now; returns the pause that keeps the rate.
    fn next(&mut self, now: Instant) -> Duration {
        // From now at the earliest: a time without connections does not add to the second's worth.
        let due = self.due.map_or(now, |due| due.max(now)) + self.interval;
        self.due = Some(due);
        due.saturating_duration_since(now).saturating_sub(Self::SLACK)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::BrokerConfig;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    #[tokio::test]
    async fn connections_are_counted_per_address_until_they_end() {
        let config = [("max.connections", "3"), ("max.connections.per.ip", "2")];
        let limits = Limits::new(&BrokerConfig::from_pairs(&config).unwrap());
        let admission = Admission::new(&limits, usize::MAX);
        let first = admission.admit(admission.permit().await.unwrap(), HERE).unwrap();
        let second = admission.admit(admission.permit().await.unwrap(), HERE).unwrap();
        assert!(admission.admit(admission.permit().await.unwrap(), HERE).is_none());
        let third = admission.admit(admission.permit().await.unwrap(), THERE).unwrap();
        assert!(admission.is_full());
        drop(second);
        let again = admission.admit(admission.permit().await.unwrap(), HERE);
        assert!(again.is_some());
        drop((first, again, third));
        assert!(admission.per_address.lock().is_empty());
    }

    #[tokio::test]
    async fn limits_change_while_connections_are_open() {
        let limits = |all: usize, each: usize| {
            let config = [("max.connections", all.to_string()), ("max.connections.per.ip", each.to_string())];
            let config: Vec<_> = config.iter().map(|(key, value)| (*key, value.as_str())).collect();
            Limits::new(&BrokerConfig::from_pairs(&config).unwrap())
        };
        let admission = Admission::new(&limits(3, 3), usize::MAX);
        let mut admitted = Vec::new();
        for _ in 0..3 {
            admitted.push(admission.admit(admission.permit().await.unwrap(), HERE).unwrap());
        }
        admission.set(&limits(1, 3));
        admitted.truncate(1);
        assert!(admission.is_full(), "one is there, one may be");
        admission.set(&limits(2, 1));
        assert!(admission.admit(admission.permit().await.unwrap(), HERE).is_none());
        assert!(admission.admit(admission.permit().await.unwrap(), THERE).is_some());
        admitted.clear();
        assert_eq!(admission.all.available_permits(), 2);
    }

    #[tokio::test]
    async fn without_descriptors_connections_are_refused_instead_of_waiting() {
        let limits = |all: &str| Limits::new(&BrokerConfig::from_pairs(&[("max.connections", all)]).unwrap());
        let admission = Admission::new(&limits("10"), 2);
        let first = admission.admit(admission.permit().await.unwrap(), HERE).unwrap();
        assert!(!admission.must_refuse());
        let second = admission.admit(admission.permit().await.unwrap(), HERE).unwrap();
        assert!(admission.must_refuse());
        drop((first, second));
        assert!(!admission.must_refuse());
        admission.set(&limits("1"));
        let only = admission.admit(admission.permit().await.unwrap(), HERE).unwrap();
        assert!(admission.is_full() && !admission.must_refuse(), "as Kafka, it waits at max.connections");
        drop(only);
        admission.set(&limits("100"));
        assert_eq!(admission.all.available_permits(), 2, "more than there are descriptors for");
    }

    #[test]
    fn pace_lets_a_second_of_connections_through_then_slows() {
        let mut pace = Pace::new(100);
        let now = crate::clock::now();
        let free = (0..100).filter(|_| pace.next(now).is_zero()).count();
        assert_eq!(free, 100);
        assert_eq!(pace.next(now), Duration::from_millis(10));
        assert_eq!(pace.next(now), Duration::from_millis(20));
        assert_eq!(pace.next(now + Duration::from_secs(5)), Duration::ZERO);
    }
}
