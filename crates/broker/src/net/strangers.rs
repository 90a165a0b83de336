//! Connections that have not logged in, of all listeners that ask for a login.
//!
//! Guarantees that they are at most a quarter of `max.connections`, and half of those from one address, so that strangers cannot
//! keep users out. Where all slots are taken, an address that holds fewer than another gets in: the oldest connection of
//! the address that holds the most is closed. So addresses take turns, and a flood from one of them costs that one.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The slots of all connections that have not logged in.
pub(crate) struct Strangers {
    /// How many there may be.
    most: AtomicUsize,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// Of each address the oldest comes first; an address without any has no entry.
    by_address: HashMap<IpAddr, VecDeque<Slot>>,
    count: usize,
    next: u64,
}

struct Slot {
    number: u64,
    /// Cancelled when the connection has to make room.
    must_leave: CancellationToken,
}

/// A connection that has not logged in; its slot is free when this is dropped.
pub(super) struct Stranger {
    address: IpAddr,
    number: u64,
    must_leave: CancellationToken,
    strangers: Arc<Strangers>,
}

impl Strangers {
    /// With slots for a quarter of that many connections.
    pub(super) fn new(connections: usize) -> Arc<Self> {
        Arc::new(Self { most: AtomicUsize::new(quarter(connections)), waiting: Mutex::default() })
    }

    /// Other limits from now on. Connections that are open stay.
    pub(super) fn set(&self, connections: usize) {
        self.most.store(quarter(connections), Ordering::Relaxed);
    }

    /// A slot for a connection from that address, for which another one may have to leave. `None`: the address holds half of all
    /// slots, or no other address holds more than it.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Stranger> {
        let most = self.most.load(Ordering::Relaxed);
        let mut waiting = self.waiting.lock();
        let own = waiting.by_address.get(&address).map_or(0, VecDeque::len);
        if own >= (most / 2).max(1) {
            return None;
        }
        if waiting.count >= most && !waiting.make_room(own) {
            return None;
        }
        let number = waiting.next;
        waiting.next += 1;
        waiting.count += 1;
        let must_leave = CancellationToken::new();
        let slot = Slot { number, must_leave: must_leave.clone() };
        waiting.by_address.entry(address).or_default().push_back(slot);
        Some(Stranger { address, number, must_leave, strangers: Arc::clone(self) })
    }
}

impl Waiting {
    /// Takes the slot of the oldest connection of the address that holds the most; returns false if that holds no more than
    /// `own`. Of several such addresses it is the one whose connection has waited the longest.
    fn make_room(&mut self, own: usize) -> bool {
        let oldest = |slots: &VecDeque<Slot>| slots.front().map_or(u64::MAX, |slot| slot.number);
        let heaviest = self
            .by_address
            .iter()
            .filter(|(_, slots)| slots.len() > own)
            .max_by_key(|(_, slots)| (slots.len(), std::cmp::Reverse(oldest(slots))));
        let Some((address, number)) = heaviest.map(|(address, slots)| (*address, oldest(slots))) else {
            return false;
        };
        self.leave(address, number);
        true
    }

    /// Frees a slot, if it is not free already, and tells its connection.
    fn leave(&mut self, address: IpAddr, number: u64) {
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

impl Stranger {
    /// Cancelled when the connection has to make room for one of another address.
    pub(super) fn must_leave(&self) -> &CancellationToken {
        &self.must_leave
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.strangers.waiting.lock().leave(self.address, self.number);
    }
}

fn quarter(connections: usize) -> usize {
    (connections / 4).max(1)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, number).into()
    }

    #[test]
    fn a_quarter_may_wait_and_half_of_those_from_one_address() {
        let strangers = Strangers::new(32);
        let of = |number| strangers.admit(address(number));
        let mut first: Vec<Stranger> = (0..4).map(|_| of(1).expect("a slot")).collect();
        assert!(of(1).is_none(), "half of the slots");
        let second: Vec<Stranger> = (0..4).map(|_| of(2).expect("a slot")).collect();
        drop(first.pop());
        assert!(of(1).is_some(), "the slot is free again");
        drop((first, second));
        let waiting = strangers.waiting.lock();
        assert!(waiting.by_address.is_empty() && waiting.count == 0);
    }

    /// S21: strangers who held all slots kept every user out.
    #[test]
    fn an_address_with_fewer_gets_in_at_the_cost_of_the_one_with_the_most() {
        let strangers = Strangers::new(32);
        let of = |number| strangers.admit(address(number));
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
        let strangers = Strangers::new(16);
        let all: Vec<Stranger> = (1..=4).filter_map(|number| strangers.admit(address(number))).collect();
        let new = strangers.admit(address(5)).expect("room is made");
        assert!(all[0].must_leave.is_cancelled() && !all[1].must_leave.is_cancelled());
        assert!(strangers.admit(address(5)).is_none(), "it would hold more than the others");
        strangers.set(64);
        assert!(strangers.admit(address(5)).is_some());
        drop((all, new));
    }
}
