//! The address that a client is told to connect to, chosen for its connection.
//!
//! Guarantees that `advertised.listeners` is followed to the letter where it is set. Where nothing is set, a client gets
//! an address that works for it: one on this machine, or one behind the default gateway (which is how a container
//! sees a published port), gets `localhost`; any other gets the address that it reached us by. So a broker in a
//! container is found from inside and outside without a second listener. Resolving names is left to clients.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::config::{Advertised, host_port};
use crate::session::peer::Peer;

/// The address that each listener advertises.
#[derive(Debug, Default)]
pub(crate) struct AdvertisedAddresses {
    listeners: HashMap<Arc<str>, (Advertised, u16)>,
    gateways: Vec<IpAddr>,
}

impl AdvertisedAddresses {
    /// Nothing yet; reads this machine's default gateways.
    pub(crate) fn new() -> Self {
        // Only Linux has these files; without them no client is taken for a gateway.
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let (v4, v6) = (read("/proc/net/route"), read("/proc/net/ipv6_route"));
        Self { listeners: HashMap::new(), gateways: gateways_v4(&v4).chain(gateways_v6(&v6)).collect() }
    }

    /// Adds a listener that was bound to `port`.
    pub(crate) fn add(&mut self, listener: Arc<str>, advertised: Advertised, port: u16) {
        self.listeners.insert(listener, (advertised, port));
    }

    /// Host and port for the client at the other end.
    pub(crate) fn to(&self, peer: &Peer) -> (String, u16) {
        match self.listeners.get(&peer.listener) {
            Some((Advertised::Fixed { host, port: 0 }, bound)) => (host.clone(), *bound),
            Some((Advertised::Fixed { host, port }, _)) => (host.clone(), *port),
            Some((Advertised::PerConnection, bound)) => (self.host(peer), *bound),
            None => (self.host(peer), peer.local_address.port()),
        }
    }

    /// Host and port as a client on this machine would use them: for people and dashboards.
    pub(crate) fn outside(&self) -> String {
        // By name, as a hash map has no order: a label of the metrics must not change between two scrapes.
        let first = self.listeners.iter().min_by_key(|(name, _)| Arc::clone(name));
        match first {
            Some((_, (Advertised::Fixed { host, port: 0 }, bound))) => host_port(host, *bound),
            Some((_, (Advertised::Fixed { host, port }, _))) => host_port(host, *port),
            Some((_, (Advertised::PerConnection, bound))) => host_port("localhost", *bound),
            None => String::new(),
        }
    }

    fn host(&self, peer: &Peer) -> String {
        let (other, own) = (peer.address.ip(), peer.local_address.ip());
        if other.is_loopback() || self.gateways.contains(&other) {
            return "localhost".to_owned();
        }
        own.to_string()
    }
}

/// Default gateways in Linux's `/proc/net/route`: addresses are hexadecimal, in the order of the machine's memory.
fn gateways_v4(routes: &str) -> impl Iterator<Item = IpAddr> {
    routes.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (destination, gateway) = (fields.next()?, fields.next()?);
        let gateway = u32::from_str_radix(gateway, 16).ok()?;
        // A default route may have no gateway, as that of a tunnel.
        let is_default = destination == "00000000" && gateway != 0;
        is_default.then(|| IpAddr::V4(Ipv4Addr::from(gateway.to_ne_bytes())))
    })
}

/// Default gateways in Linux's `/proc/net/ipv6_route`.
fn gateways_v6(routes: &str) -> impl Iterator<Item = IpAddr> {
    routes.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (destination, length) = (fields.next()?, fields.next()?);
        // After destination and length come the source, its length, and the gateway.
        let gateway = Ipv6Addr::from(u128::from_str_radix(fields.nth(2)?, 16).ok()?);
        let is_default = length == "00" && destination.bytes().all(|digit| digit == b'0');
        (is_default && !gateway.is_unspecified()).then_some(IpAddr::V6(gateway))
    })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
    const ROUTES_V6: &str = "\
        fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0\n\
        00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n\
        00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200   lo\n";

    fn addresses(advertised: Advertised) -> AdvertisedAddresses {
        let gateways = gateways_v4(ROUTES).chain(gateways_v6(ROUTES_V6)).collect();
        let mut addresses = AdvertisedAddresses { listeners: HashMap::new(), gateways };
        addresses.add("PLAINTEXT".into(), advertised, 9092);
        addresses
    }

    fn told(addresses: &AdvertisedAddresses, peer: &str, own: &str) -> (String, u16) {
        let at = |ip: &str, port| SocketAddr::new(ip.parse().unwrap(), port);
        addresses.to(&Peer::new(at(peer, 50_000), at(own, 9092), "PLAINTEXT".into()))
    }

    #[test]
    fn gateways_are_read_from_the_routing_tables() {
        if cfg!(target_endian = "little") {
            assert_eq!(gateways_v4(ROUTES).collect::<Vec<_>>(), ["172.17.0.1".parse::<IpAddr>().unwrap()]);
        }
        assert_eq!(gateways_v6(ROUTES_V6).collect::<Vec<_>>(), ["fd00::1".parse::<IpAddr>().unwrap()]);
        assert_eq!(gateways_v4("garbage\n\n a b c").count() + gateways_v6("x y z\n0 00").count(), 0);
    }

    #[test]
    fn each_peer_gets_an_address_that_works_for_it() {
        let addresses = addresses(Advertised::PerConnection);
        for (peer, own, host) in [
            ("127.0.0.1", "127.0.0.1", "localhost"),
            ("::1", "::1", "localhost"),
            ("172.17.0.1", "172.17.0.2", "localhost"),
            ("fd00::1", "fd00::2", "localhost"),
            ("172.17.0.3", "172.17.0.2", "172.17.0.2"),
            ("192.0.2.7", "192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(told(&addresses, peer, own), (host.to_owned(), 9092), "{peer} to {own}");
        }
    }

    #[test]
    fn configured_address_always_wins() {
        let fixed = Advertised::Fixed { host: "broker.example".to_owned(), port: 19092 };
        assert_eq!(told(&addresses(fixed), "127.0.0.1", "127.0.0.1"), ("broker.example".to_owned(), 19092));
        let bound = Advertised::Fixed { host: "broker.example".to_owned(), port: 0 };
        assert_eq!(told(&addresses(bound), "127.0.0.1", "127.0.0.1"), ("broker.example".to_owned(), 9092));
    }
}
