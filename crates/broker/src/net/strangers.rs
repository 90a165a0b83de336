//! Connections that have not logged in, of all listeners that ask for a login.
//!
//! Guarantees that they are at most a quarter of `max.connections`, of all listeners and of each that has its own, and half of those from one address,
//! so that strangers cannot keep users out. A small `max.connections` has [`LEAST`] slots. Where all slots are taken, an address that holds fewer than
//! another gets in: the oldest connection of the address that holds the most is closed. So addresses take turns, and a flood from one of them costs
//! that one. No connection is closed for a client that is refused. The addresses of an IPv6 network of 64 bits, which one client may have, count as one.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::kafka::limits::Limits;
use crate::net::room::MOST;
use crate::session::by_address::network;

/// Slots where a quarter of the connections would be fewer: with one or two, a stranger or two could keep users out.
const LEAST: usize = 4;

/// See the module.
pub(crate) struct Strangers {
    all: Arc<Slots>,
    listeners: BTreeMap<Arc<str>, Arc<Slots>>,
}

/// A connection that has not logged in; its slots are free when this is dropped.
pub(super) struct Stranger {
    must_leave: CancellationToken,
    _taken: [Taken; 2],
}

impl Strangers {
    /// With slots for a quarter of that many connections, and of those that each listener may have.
    pub(super) fn new(
        connections: usize,
        limits: &Limits,
        listeners: impl Iterator<Item = Arc<str>>,
    ) -> Self {
        let own =
            |name: Arc<str>| (Arc::clone(&name), Slots::new(limits.of(&name).connections.unwrap_or(MOST)));
        Self { all: Slots::new(connections), listeners: listeners.map(own).collect() }
    }

    /// Other limits from now on. Connections that are open stay.
    pub(super) fn set(&self, connections: usize, limits: &Limits) {
        self.all.set(connections);
        for (name, slots) in &self.listeners {
            slots.set(limits.of(name).connections.unwrap_or(MOST));
        }
    }

    /// A slot for a connection from that address, for which another one may have to leave. `None`: the address holds half of all
    /// slots, or no other address holds more than it.
    pub(super) fn admit(&self, listener: &str, address: IpAddr) -> Option<Stranger> {
        let (listener, address) = (self.listeners.get(listener)?, network(address));
        // In this order everywhere.
        let (mut own, mut all) = (listener.waiting.lock(), self.all.waiting.lock());
        // Both decide before a connection leaves: else it could leave for a client that the other refuses.
        let (of_own, of_all) = (listener.room(&own, address)?, self.all.room(&all, address)?);
        if let Room::OfAnother(oldest) = of_own {
            own.leave(oldest);
            all.leave(oldest);
        }
        // What left the listener may have made room among all.
        if let Room::OfAnother(oldest) = of_all
            && self.all.is_full(&all)
        {
            own.leave(oldest);
            all.leave(oldest);
        }
        let (number, must_leave) = (all.next, CancellationToken::new());
        all.next += 1;
        let id = SlotId { address, number };
        own.enter(id, &must_leave);
        all.enter(id, &must_leave);
        let taken = [listener, &self.all].map(|slots| Taken { id, slots: Arc::clone(slots) });
        Some(Stranger { must_leave, _taken: taken })
    }
}

impl Stranger {
    /// Cancelled when the connection has to make room for one of another address.
    pub(super) fn must_leave(&self) -> &CancellationToken {
        &self.must_leave
    }
}

/// The slots of one listener, or of all.
struct Slots {
    /// How many there may be.
    most: AtomicUsize,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// Of each address the oldest comes first; an address without any has no entry.
    by_address: HashMap<IpAddr, VecDeque<Slot>>,
    count: usize,
    /// The number of the next connection. Counted among all, so that a connection has the same number in both sets of slots.
    next: u64,
}

struct Slot {
    number: u64,
    /// Cancelled when the connection has to make room.
    must_leave: CancellationToken,
}

/// The owner of a slot: an address, and the number of its connection.
#[derive(Clone, Copy)]
struct SlotId {
    address: IpAddr,
    number: u64,
}

/// A slot of a connection.
struct Taken {
    id: SlotId,
    slots: Arc<Slots>,
}

/// The room for a further connection.
enum Room {
    /// A slot is free.
    Free,
    /// This connection has to leave.
    OfAnother(SlotId),
}

impl Slots {
    /// With slots for a quarter of that many connections.
    fn new(connections: usize) -> Arc<Self> {
        Arc::new(Self { most: AtomicUsize::new(quarter(connections)), waiting: Mutex::default() })
    }

    fn set(&self, connections: usize) {
        self.most.store(quarter(connections), Ordering::Relaxed);
    }

    fn is_full(&self, waiting: &Waiting) -> bool {
        waiting.count >= self.most.load(Ordering::Relaxed)
    }

    /// See [`Strangers::admit`]. Changes nothing.
    fn room(&self, waiting: &Waiting, address: IpAddr) -> Option<Room> {
        let most = self.most.load(Ordering::Relaxed);
        let own = waiting.by_address.get(&address).map_or(0, VecDeque::len);
        if own >= (most / 2).max(1) {
            return None;
        }
        if !self.is_full(waiting) {
            return Some(Room::Free);
        }
        waiting.heaviest(own).map(Room::OfAnother)
    }
}

impl Waiting {
    /// The oldest connection of the address that holds the most; `None` if that holds no more than `own`. Of several such
    /// addresses it is the one whose connection has waited the longest.
    fn heaviest(&self, own: usize) -> Option<SlotId> {
        let oldest = |slots: &VecDeque<Slot>| slots.front().map_or(u64::MAX, |slot| slot.number);
        let heaviest = self
            .by_address
            .iter()
            .filter(|(_, slots)| slots.len() > own)
            .max_by_key(|(_, slots)| (slots.len(), std::cmp::Reverse(oldest(slots))));
        heaviest.map(|(address, slots)| SlotId { address: *address, number: oldest(slots) })
    }

    fn enter(&mut self, SlotId { address, number }: SlotId, must_leave: &CancellationToken) {
        self.count += 1;
        let slot = Slot { number, must_leave: must_leave.clone() };
        self.by_address.entry(address).or_default().push_back(slot);
    }

    /// Frees a slot, if it is not free already, and tells its connection.
    fn leave(&mut self, SlotId { address, number }: SlotId) {
        let Some(slots) = self.by_address.get_mut(&address) else { return };
        let Some(at) = slots.iter().position(|slot| slot.number == number) else { return };
        if let Some(slot) = slots.remove(at) {
            slot.must_leave.cancel();
            self.count -= 1;
        }
        if slots.is_empty() {
            self.by_address.remove(&address);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.slots.waiting.lock().leave(self.id);
    }
}

/// A quarter of that many, and at least [`LEAST`]. One fewer than there may be connections where those are few: the next client has
/// to be accepted before another leaves for it.
fn quarter(connections: usize) -> usize {
    (connections / 4).max(LEAST.min(connections.saturating_sub(1))).max(1)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::BrokerConfig;

    fn address(number: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, number).into()
    }

    fn limits(pairs: &[(&str, &str)]) -> Limits {
        let listeners =
            [("listeners", "A://:1,B://:2"), ("listener.security.protocol.map", "A:PLAINTEXT,B:PLAINTEXT")];
        Limits::new(&BrokerConfig::from_pairs(&[&listeners[..], pairs].concat()).unwrap())
    }

    fn strangers(connections: usize, limits: &Limits) -> Strangers {
        Strangers::new(connections, limits, ["A".into(), "B".into()].into_iter())
    }

    fn is_empty(strangers: &Strangers) -> bool {
        let slots = strangers.listeners.values().chain([&strangers.all]);
        slots
            .map(|slots| slots.waiting.lock())
            .all(|waiting| waiting.by_address.is_empty() && waiting.count == 0)
    }

    #[test]
    fn a_quarter_may_wait_and_half_of_those_from_one_address() {
        let strangers = strangers(32, &limits(&[]));
        let of = |number| strangers.admit("A", address(number));
        let mut first: Vec<Stranger> = (0..4).map(|_| of(1).expect("a slot")).collect();
        assert!(of(1).is_none() && strangers.admit("B", address(1)).is_none(), "half of the slots");
        let second: Vec<Stranger> = (0..4).map(|_| of(2).expect("a slot")).collect();
        drop(first.pop());
        assert!(of(1).is_some(), "the slot is free again");
        drop((first, second));
        assert!(is_empty(&strangers));
    }

    /// S21: strangers who held all slots kept every user out.
    #[test]
    fn an_address_with_fewer_gets_in_at_the_cost_of_the_one_with_the_most() {
        let strangers = strangers(32, &limits(&[]));
        let of = |number| strangers.admit("A", address(number));
        let heavy: Vec<Stranger> = (0..4).filter_map(|_| of(1)).collect();
        let light: Vec<Stranger> = (0..3).filter_map(|_| of(2)).collect();
        let third = of(3).expect("the last slot");
        let left =
            |slots: &[Stranger]| slots.iter().map(|slot| slot.must_leave.is_cancelled()).collect::<Vec<_>>();
        let user = of(4).expect("room is made");
        assert_eq!(left(&heavy), [true, false, false, false], "the oldest of the heaviest");
        let more = of(3).expect("room is made");
        assert_eq!(left(&heavy), [true, true, false, false]);
        assert!(of(2).is_none(), "no other address holds more");
        drop(heavy);
        assert!(of(2).is_some(), "what left by itself counts once");
        assert!(!left(&light).contains(&true) && !left(&[third, user, more]).contains(&true));
    }

    #[test]
    fn with_all_addresses_alike_the_oldest_makes_room_for_a_new_one() {
        let limits = limits(&[]);
        let strangers = strangers(16, &limits);
        let all: Vec<Stranger> = (1..=4).filter_map(|number| strangers.admit("A", address(number))).collect();
        let new = strangers.admit("A", address(5)).expect("room is made");
        assert!(all[0].must_leave.is_cancelled() && !all[1].must_leave.is_cancelled());
        assert!(strangers.admit("A", address(5)).is_none(), "it would hold more than the others");
        strangers.set(64, &limits);
        assert!(strangers.admit("A", address(5)).is_some());
        drop((all, new));
        assert!(is_empty(&strangers));
    }

    /// A listener with few connections of its own could be filled by strangers alone.
    #[test]
    fn a_listener_with_its_own_limit_has_a_quarter_of_that() {
        let strangers = strangers(1000, &limits(&[("listener.name.a.max.connections", "16")]));
        let of = |number| strangers.admit("A", address(number));
        let mut all: Vec<Stranger> = (1..=4).filter_map(of).collect();
        assert_eq!(all.len(), 4);
        all.extend(of(5));
        assert!(all[0].must_leave.is_cancelled());
        assert!(strangers.admit("B", address(1)).is_some());
    }

    /// With `max.connections=7` one stranger who said nothing kept every user out.
    #[test]
    fn few_connections_leave_room_for_several_logins() {
        let counts = [0, 1, 2, 4, 5, 7, 16, 19, 20].map(quarter);
        assert_eq!(counts, [1, 1, 1, 3, 4, 4, 4, 4, 5]);
        let strangers = strangers(7, &limits(&[("listener.name.a.max.connections", "5")]));
        let all: Vec<Stranger> =
            [1, 1, 2, 3].into_iter().filter_map(|number| strangers.admit("A", address(number))).collect();
        assert!(all.len() == 4 && !all.iter().any(|one| one.must_leave.is_cancelled()));
    }

    /// Its listener made room for a client that all listeners together refused.
    #[test]
    fn no_connection_leaves_for_a_client_that_is_refused() {
        let strangers = strangers(32, &limits(&[("listener.name.a.max.connections", "16")]));
        let of = |listener: &str, number| strangers.admit(listener, address(number));
        let own: Vec<Stranger> = [1, 1, 2, 3].into_iter().filter_map(|number| of("A", number)).collect();
        let others: Vec<Stranger> = (0..4).filter_map(|_| of("B", 4)).collect();
        assert_eq!((own.len(), others.len()), (4, 4));
        assert!(of("A", 4).is_none(), "half of all slots");
        assert!(!own.iter().chain(&others).any(|one| one.must_leave.is_cancelled()));
        // One that leaves its listener's slots leaves those of all: no second one leaves for the same client.
        let fifth = of("A", 5).expect("room is made");
        assert!(own[0].must_leave.is_cancelled());
        assert!(!own[1..].iter().chain(&others).any(|one| one.must_leave.is_cancelled()));
        drop((own, others, fifth));
        assert!(is_empty(&strangers));
    }

    /// One client with IPv6 has more addresses than there are slots.
    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let strangers = strangers(32, &limits(&[]));
        let of = |text: &str| strangers.admit("A", text.parse().unwrap());
        let held: Vec<_> = (0..5).filter_map(|number| of(&format!("2001:db8::{number}"))).collect();
        assert_eq!(held.len(), 4);
        assert!(of("2001:db8:0:1::1").is_some());
    }
}
