//! A queue that serves clients in turn by address.
//!
//! Guarantees that each address has its turn once before any has it again, however many entries of it wait, and that the entries of one
//! address are taken in their order. `turns.rs` queues work in it, `net/pace.rs` connections.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

/// See the module.
pub(crate) struct ByAddress<T> {
    /// An address stays in both until its turn comes and nothing of it waits.
    waiting: HashMap<IpAddr, VecDeque<(u64, T)>>,
    order: VecDeque<IpAddr>,
    count: usize,
    next: u64,
}

impl<T> Default for ByAddress<T> {
    fn default() -> Self {
        Self { waiting: HashMap::new(), order: VecDeque::new(), count: 0, next: 0 }
    }
}

impl<T> ByAddress<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds an entry of an address; returns its number.
    pub(crate) fn push(&mut self, address: IpAddr, entry: T) -> u64 {
        let (address, number) = (network(address), self.next);
        self.next += 1;
        self.count += 1;
        let entries = self.waiting.entry(address).or_insert_with(|| {
            self.order.push_back(address);
            VecDeque::new()
        });
        entries.push_back((number, entry));
        number
    }

    /// The oldest entry of the address whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<T> {
        while let Some(address) = self.order.pop_front() {
            let entries = self.waiting.get_mut(&address)?;
            let Some((_, entry)) = entries.pop_front() else {
                self.waiting.remove(&address);
                continue;
            };
            self.order.push_back(address);
            self.took_one();
            return Some(entry);
        }
        None
    }

    /// Takes an entry out of its turn, if it still waits.
    pub(crate) fn remove(&mut self, address: IpAddr, number: u64) -> Option<T> {
        let entries = self.waiting.get_mut(&network(address))?;
        // Numbers rise within an address.
        let at = entries.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        let (_, entry) = entries.remove(at)?;
        self.took_one();
        Some(entry)
    }

    /// Addresses of which nothing waits must not fill the memory.
    fn took_one(&mut self) {
        self.count -= 1;
        if self.count == 0 {
            self.waiting.clear();
            self.order.clear();
        }
    }
}

/// The addresses that one client may have: with IPv6 it has 2^64 of them at the least (RFC 6177). An IPv4 client on a socket of
/// both families has one.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn addresses_take_turns() {
        let mut queue = ByAddress::default();
        for number in 0..3 {
            queue.push(address("192.0.2.1"), ("one", number));
        }
        queue.push(address("192.0.2.2"), ("two", 0));
        let third = queue.push(address("2001:db8::1"), ("three", 0));
        queue.push(address("2001:db8::ffff"), ("three", 1));
        assert_eq!(queue.remove(address("2001:db8::1"), third), Some(("three", 0)));
        assert_eq!(queue.remove(address("2001:db8::1"), third), None);
        let mut taken = Vec::new();
        while let Some(entry) = queue.pop() {
            taken.push(entry);
        }
        assert_eq!(taken, [("one", 0), ("two", 0), ("three", 1), ("one", 1), ("one", 2)]);
        assert!(queue.waiting.is_empty() && queue.order.is_empty());
    }

    /// All clients of IPv4 would be one on a socket of both families.
    #[test]
    fn a_network_is_an_address_of_ipv4_or_64_bits_of_ipv6() {
        let of = |text| network(address(text)).to_string();
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(of("192.0.2.1"), "192.0.2.1");
        assert_eq!(of("2001:db8:0:1:2::3"), "2001:db8:0:1::");
    }

    /// Else an address could come twice in the order, and have two turns.
    #[test]
    fn an_address_whose_entries_left_has_one_turn() {
        let mut queue = ByAddress::default();
        let first = queue.push(address("192.0.2.1"), 1);
        queue.push(address("192.0.2.2"), 2);
        queue.remove(address("192.0.2.1"), first);
        queue.push(address("192.0.2.1"), 3);
        queue.push(address("192.0.2.1"), 4);
        let taken: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(taken, [3, 2, 4]);
    }
}
