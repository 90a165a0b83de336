//! How many connections there may be: in all, on one listener, and from one address (Kafka's `ConnectionQuotas`).
//!
//! Guarantees that a connection counts for as long as its [`Admitted`] lives, and that a listener which has as many as it may have holds up no other.
//! How fast they may come is left to `pace.rs`, a client that is not admitted to `acceptor.rs`.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::kafka::limits::Limits;
use crate::net::room::{MOST, Room, Taken};

/// Counts the connections of all listeners.
pub(crate) struct Admission {
    all: Room,
    /// `listener.name.<listener>.max.connections`, by the listener's name.
    listeners: BTreeMap<Arc<str>, Room>,
    addresses: Arc<Mutex<Addresses>>,
    /// Connections that there are descriptors for.
    most: usize,
    /// Those are fewer than `max.connections`.
    is_short: AtomicBool,
}

/// Connections by address.
struct Addresses {
    /// Open ones; an address without any has no entry.
    open: HashMap<IpAddr, usize>,
    /// `max.connections.per.ip`
    most: usize,
    /// `max.connections.per.ip.overrides`
    overrides: BTreeMap<IpAddr, usize>,
}

/// An admitted connection; another may come when this is dropped.
pub(super) struct Admitted {
    _room: [Taken; 2],
    address: IpAddr,
    addresses: Arc<Mutex<Addresses>>,
}

impl Admission {
    /// With no connection yet, descriptors for `most`, and these listeners.
    pub(crate) fn new(limits: &Limits, most: usize, listeners: impl Iterator<Item = Arc<str>>) -> Self {
        let most = most.min(MOST);
        let room =
            |name: Arc<str>| (Arc::clone(&name), Room::new(limits.of(&name).connections.unwrap_or(MOST)));
        let addresses = Addresses {
            open: HashMap::new(),
            most: limits.max_connections_per_ip,
            overrides: limits.single.per_ip.clone(),
        };
        Self {
            all: Room::new(limits.max_connections.min(most)),
            listeners: listeners.map(room).collect(),
            addresses: Arc::new(Mutex::new(addresses)),
            most,
            is_short: AtomicBool::new(limits.max_connections > most),
        }
    }

    /// Other limits from now on. Connections that are open stay.
    pub(super) fn set(&self, limits: &Limits) {
        let mut addresses = self.addresses.lock();
        addresses.most = limits.max_connections_per_ip;
        addresses.overrides.clone_from(&limits.single.per_ip);
        drop(addresses);
        self.is_short.store(limits.max_connections > self.most, Ordering::Relaxed);
        self.all.set(limits.max_connections.min(self.most));
        for (name, room) in &self.listeners {
            room.set(limits.of(name).connections.unwrap_or(MOST));
        }
    }

    /// How many connections there may be as of now.
    pub(super) fn wanted(&self) -> usize {
        self.all.wanted()
    }

    /// The key by which a listener accepts no further connection now; `None`: it does.
    pub(super) fn is_full(&self, listener: &str) -> Option<&'static str> {
        if self.all.is_full() {
            return Some("max.connections is reached");
        }
        let room = self.listeners.get(listener)?;
        room.is_full().then_some("max.connections of this listener is reached")
    }

    /// Returns true if a further connection is refused, because the descriptors are used up, instead of waiting for its
    /// turn within `max.connections`.
    pub(super) fn must_refuse(&self) -> bool {
        self.all.is_full() && self.is_short.load(Ordering::Relaxed)
    }

    /// Waits for room on the listener and among all; as in Kafka, a listener at `max.connections` accepts no client until another
    /// leaves.
    pub(super) async fn room(&self, listener: &str) -> Option<[Taken; 2]> {
        // The listener's first: while it waits for its own clients it holds no room of others.
        let own = self.listeners.get(listener)?.take().await?;
        Some([own, self.all.take().await?])
    }

    /// Admits a connection from `address`, or returns `None` if that address has as many as it may have.
    pub(super) fn admit(&self, room: [Taken; 2], address: IpAddr) -> Option<Admitted> {
        // Compared and counted under one lock: several listeners may admit clients of one address at a time.
        let mut addresses = self.addresses.lock();
        let most = addresses.overrides.get(&address).copied().unwrap_or(addresses.most);
        let count = addresses.open.get(&address).copied().unwrap_or_default();
        if count >= most {
            return None;
        }
        addresses.open.insert(address, count + 1);
        Some(Admitted { _room: room, address, addresses: Arc::clone(&self.addresses) })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut addresses = self.addresses.lock();
        if let Some(count) = addresses.open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                addresses.open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::BrokerConfig;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn limits(pairs: &[(&str, &str)]) -> Limits {
        let listeners =
            [("listeners", "A://:1,B://:2"), ("listener.security.protocol.map", "A:PLAINTEXT,B:PLAINTEXT")];
        Limits::new(&BrokerConfig::from_pairs(&[&listeners[..], pairs].concat()).unwrap())
    }

    fn admission(limits: &Limits, most: usize) -> Admission {
        Admission::new(limits, most, ["A".into(), "B".into()].into_iter())
    }

    async fn admit(admission: &Admission, listener: &str, address: IpAddr) -> Option<Admitted> {
        admission.admit(admission.room(listener).await.unwrap(), address)
    }

    #[tokio::test]
    async fn connections_are_counted_per_address_until_they_end() {
        let limits = limits(&[("max.connections", "3"), ("max.connections.per.ip", "2")]);
        let admission = admission(&limits, usize::MAX);
        let first = admit(&admission, "A", HERE).await.unwrap();
        let second = admit(&admission, "B", HERE).await.unwrap();
        assert!(admit(&admission, "A", HERE).await.is_none(), "on all listeners together");
        let third = admit(&admission, "A", THERE).await.unwrap();
        assert_eq!(admission.is_full("B"), Some("max.connections is reached"));
        drop(second);
        let again = admit(&admission, "A", HERE).await;
        assert!(again.is_some());
        drop((first, again, third));
        assert!(admission.addresses.lock().open.is_empty());
    }

    #[tokio::test]
    async fn an_address_may_have_a_number_of_its_own() {
        let own = ("max.connections.per.ip.overrides", "127.0.0.1:2,192.0.2.1:0");
        let admission = admission(&limits(&[("max.connections.per.ip", "1"), own]), usize::MAX);
        let here = [admit(&admission, "A", HERE).await, admit(&admission, "A", HERE).await];
        assert!(here.iter().all(Option::is_some) && admit(&admission, "A", HERE).await.is_none());
        assert!(admit(&admission, "A", THERE).await.is_none());
        let other = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
        let one = admit(&admission, "A", other).await;
        assert!(one.is_some() && admit(&admission, "A", other).await.is_none());
        drop((here, one));
        assert!(admission.addresses.lock().open.is_empty(), "addresses that are refused do not fill the map");
    }

    #[tokio::test]
    async fn a_full_listener_holds_up_no_other() {
        let own = |number| limits(&[("listener.name.a.max.connections", number)]);
        // Room for two in all.
        let admission = admission(&own("1"), 2);
        let only = admit(&admission, "A", HERE).await;
        assert_eq!(admission.is_full("A"), Some("max.connections of this listener is reached"));
        let mut waits = Box::pin(admission.room("A"));
        let soon = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(soon, &mut waits).await.is_err());
        assert!(admission.is_full("B").is_none(), "who waits for one listener takes no place of another");
        let other = admit(&admission, "B", HERE).await;
        assert!(only.is_some() && other.is_some());
        drop((waits, other));
        admission.set(&own("2"));
        assert!(admit(&admission, "A", HERE).await.is_some(), "the number may change");
    }

    #[tokio::test]
    async fn without_descriptors_connections_are_refused_instead_of_waiting() {
        let of = |all| limits(&[("max.connections", all)]);
        let admission = admission(&of("10"), 2);
        let first = admit(&admission, "A", HERE).await;
        assert!(!admission.must_refuse());
        let second = admit(&admission, "A", HERE).await;
        assert!(admission.must_refuse());
        drop((first, second));
        assert!(!admission.must_refuse());
        admission.set(&of("1"));
        let only = admit(&admission, "A", HERE).await;
        assert!(
            admission.is_full("A").is_some() && !admission.must_refuse(),
            "as Kafka, it waits at max.connections"
        );
        drop(only);
        admission.set(&of("100"));
        assert_eq!(admission.wanted(), 2, "more than there are descriptors for");
    }
}
