//! Limits of connections that are said of one listener or one address: `listener.name.<listener>.max.connections` and
//! `….max.connection.creation.rate`, and `max.connections.per.ip.overrides`.
//!
//! As in Kafka (`ConnectionQuotas`) a listener's own limits hold beside those of all listeners.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::broker_keys::BrokerKeys;
use super::key::Units;
use super::listener::Listener;
use super::listener_keys::{CONNECTION_KEYS, own_settings};
use super::problem::Problem;
use super::setting::Settings;
use super::tables::broker_key;

const CONNECTIONS: &str = "max.connections";
const OVERRIDES: &str = "max.connections.per.ip.overrides";

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// By the listener's name.
    pub listeners: BTreeMap<String, ListenerLimits>,
    /// Connections that an address may have.
    pub per_ip: BTreeMap<IpAddr, usize>,
}

/// The limits of one listener; `None`: only those of all listeners hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerLimits {
    /// The most connections at a time.
    pub connections: Option<usize>,
    /// The most connections in a second.
    pub rate: Option<u32>,
}

/// Reads them; those that are wrong are left out, and are problems.
pub(super) fn resolve(
    keys: &BrokerKeys,
    settings: &Settings,
    listeners: &[Listener],
    problems: &mut Vec<Problem>,
) -> ConnectionLimits {
    let mut wrong = |key: &str, reason: String| {
        let origin = settings.get(key).map(|setting| setting.origin.clone());
        problems.push(Problem::Wrong { key: key.to_owned(), origin, reason });
    };
    let mut limits = ConnectionLimits::default();
    for listener in listeners {
        let own = limits.listeners.entry(listener.name.clone()).or_default();
        for key in CONNECTION_KEYS.into_iter().filter_map(broker_key) {
            let Some((name, setting)) = own_settings(settings, listeners, listener, key.name) else {
                continue;
            };
            match key.normalise(&setting.value, Units::Accepted) {
                Ok(value) if key.name == CONNECTIONS => own.connections = value.parse().ok(),
                Ok(value) => own.rate = value.parse().ok(),
                Err(reason) => wrong(name, format!("{reason}. Give {}", key.expectation())),
            }
        }
    }
    match overrides(&keys.max_connections_per_ip_overrides) {
        Ok(per_ip) => limits.per_ip = per_ip,
        Err(reason) => wrong(OVERRIDES, reason),
    }
    limits
}

/// Reads `address:number,…`. The last colon is before the number, so that an IPv6 address needs no brackets, as in Kafka.
fn overrides(text: &str) -> Result<BTreeMap<IpAddr, usize>, String> {
    let mut per_ip = BTreeMap::new();
    for element in text.split(',').map(str::trim).filter(|element| !element.is_empty()) {
        let parsed = element.rsplit_once(':').and_then(|(address, number)| {
            let address = address.trim().trim_start_matches('[').trim_end_matches(']');
            let address = address.parse::<IpAddr>().ok()?.to_canonical();
            Some((address, number.trim().parse().ok()?))
        });
        let Some((address, number)) = parsed else {
            return Err(format!(
                "{element:?} is not ADDRESS:NUMBER, such as 192.0.2.7:100; names of hosts are not looked up"
            ));
        };
        if per_ip.insert(address, number).is_some() {
            return Err(format!("{address} is there twice"));
        }
    }
    Ok(per_ip)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BrokerConfig;

    fn limits(pairs: &[(&str, &str)]) -> Result<ConnectionLimits, String> {
        let listeners = [
            ("listeners", "A://:1,B.C://:2"),
            ("listener.security.protocol.map", "A:PLAINTEXT,B.C:PLAINTEXT"),
        ];
        let made = BrokerConfig::from_pairs(&[&listeners[..], pairs].concat());
        made.map(|config| config.connection_limits().clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_listener_has_what_is_set_for_it() {
        let made = limits(&[
            ("max.connections", "7"),
            ("listener.name.b.c.max.connections", "5"),
            ("listener.name.a.max.connection.creation.rate", "3"),
        ]);
        let listeners = made.unwrap().listeners;
        assert_eq!(listeners["A"], ListenerLimits { connections: None, rate: Some(3) });
        assert_eq!(listeners["B.C"], ListenerLimits { connections: Some(5), rate: None });
    }

    #[test]
    fn addresses_have_what_is_set_for_them() {
        let made = limits(&[(
            "max.connections.per.ip.overrides",
            "192.0.2.7:100, ::1:5,[2001:db8::1]:0,::ffff:10.0.0.1:2",
        )]);
        let expected = [("192.0.2.7", 100), ("::1", 5), ("2001:db8::1", 0), ("10.0.0.1", 2)];
        let expected = expected.map(|(address, number)| (address.parse().unwrap(), number));
        assert_eq!(made.unwrap().per_ip, BTreeMap::from(expected));
    }

    #[test]
    fn mistakes_are_named_with_their_key() {
        for (key, value, expected) in [
            ("listener.name.a.max.connections", "many", "listener.name.a.max.connections: "),
            (
                "listener.name.a.max.connection.creation.rate",
                "-1",
                "listener.name.a.max.connection.creation.rate: ",
            ),
            ("max.connections.per.ip.overrides", "localhost:5", "names of hosts are not looked up"),
            ("max.connections.per.ip.overrides", "192.0.2.7", "is not ADDRESS:NUMBER"),
            ("max.connections.per.ip.overrides", "192.0.2.7:-1", "is not ADDRESS:NUMBER"),
            ("max.connections.per.ip.overrides", "192.0.2.7:1,::ffff:192.0.2.7:2", "is there twice"),
        ] {
            let text = limits(&[(key, value)]).unwrap_err();
            assert!(text.contains(expected), "{key}={value}: {text}");
        }
    }
}
