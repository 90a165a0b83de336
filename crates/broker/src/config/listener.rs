//! The addresses on which the broker listens, and those that it advertises to clients.
//!
//! Reads `listeners`, `advertised.listeners`, `listener.security.protocol.map` and `controller.listener.names` with
//! Kafka's rules (`SocketServerConfigs.listenerListToEndPoints`, `KafkaConfig.validateValues`). Binding sockets and
//! answering Metadata are others' work.

use std::collections::BTreeMap;
use std::fmt;

/// `NAME://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// In upper case, as Kafka normalises it.
    pub name: String,
    /// Without brackets; empty means every interface.
    pub host: String,
    pub port: u16,
}

/// The protocol of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// No login, no encryption: every client is `User:ANONYMOUS`.
    Plaintext,
    /// TLS; a client is known by its certificate, or `User:ANONYMOUS` without one.
    Ssl,
    /// A login by SASL, no encryption.
    SaslPlaintext,
    /// A login by SASL within TLS.
    SaslSsl,
}

impl Protocol {
    /// The names of all, as `listener.security.protocol.map` has them.
    const NAMES: [(&'static str, Self); 4] = [
        ("PLAINTEXT", Self::Plaintext),
        ("SSL", Self::Ssl),
        ("SASL_PLAINTEXT", Self::SaslPlaintext),
        ("SASL_SSL", Self::SaslSsl),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, protocol)| *protocol)
    }

    /// Returns true if clients speak TLS.
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Returns true if clients log in by SASL.
    pub fn has_login(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// One listener and what it advertises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name in upper case, such as `PLAINTEXT` or `EXTERNAL`.
    pub name: String,
    /// `None`: every interface, IPv4 and IPv6 alike.
    pub host: Option<String>,
    /// 0 lets the system choose.
    pub port: u16,
    pub protocol: Protocol,
    pub advertised: Advertised,
}

/// The address that Metadata, FindCoordinator and DescribeCluster give to clients of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advertised {
    /// Nothing was configured: an address that works for the connection that asks.
    PerConnection,
    /// `port` 0 stands for the port that was bound.
    Fixed { host: String, port: u16 },
}

/// The listeners of the four keys, with the names of the listeners that are left to a KRaft controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resolved {
    /// In the order of the key. Never empty.
    pub(super) listeners: Vec<Listener>,
    pub(super) controller_listeners: Vec<String>,
}

/// The texts of the keys, as they stand.
pub(super) struct Texts<'a> {
    pub(super) listeners: &'a [String],
    /// `None` if the key is not set or empty.
    pub(super) advertised: Option<&'a [String]>,
    pub(super) protocol_map: &'a str,
    pub(super) controller_names: &'a [String],
}

/// A key that is wrong, and why (with the remedy).
pub(super) type Wrong = (&'static str, String);

/// Turns the four keys into listeners.
///
/// # Errors
/// Everything that is wrong with them, by key.
pub(super) fn resolve(texts: &Texts<'_>) -> Result<Resolved, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let mut note = |key: &'static str, result: Result<Vec<Endpoint>, String>| {
        result.unwrap_or_else(|reason| {
            wrong.push((key, reason));
            Vec::new()
        })
    };
    let controllers: Vec<String> =
        texts.controller_names.iter().map(|name| name.to_ascii_uppercase()).collect();
    // Kafka's own server.properties is for a broker that is a controller too, and lists the listeners of
    // both.
    let is_broker = |endpoint: &Endpoint| !controllers.contains(&endpoint.name);
    let bound = note("listeners", endpoints(texts.listeners));
    let advertised = note("advertised.listeners", endpoints(texts.advertised.unwrap_or_default()));
    let (bound, left): (Vec<_>, Vec<_>) = bound.into_iter().partition(is_broker);
    let advertised: Vec<Endpoint> = advertised.into_iter().filter(is_broker).collect();

    // Endpoints that could not be read would be reported a second time, as missing.
    let mut served = Vec::new();
    if wrong.is_empty() {
        check_bound(&bound, &mut wrong);
        served = protocols(&bound, texts.protocol_map, &mut wrong);
        check_advertised(&bound, &advertised, &mut wrong);
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    // Nothing is wrong, so each listener has its protocol.
    let listeners = bound.into_iter().zip(served);
    let listeners =
        listeners.map(|(endpoint, protocol)| Listener::new(endpoint, protocol, &advertised)).collect();
    Ok(Resolved { listeners, controller_listeners: left.into_iter().map(|endpoint| endpoint.name).collect() })
}

fn endpoints(texts: &[String]) -> Result<Vec<Endpoint>, String> {
    texts.iter().map(|text| text.parse()).collect()
}

/// At least one listener, and no name or port twice.
fn check_bound(bound: &[Endpoint], wrong: &mut Vec<Wrong>) {
    if bound.is_empty() {
        wrong.push((
            "listeners",
            "no listener is left for clients; add one such as PLAINTEXT://:9092".to_owned(),
        ));
    }
    for (index, endpoint) in bound.iter().enumerate() {
        let earlier = bound.get(..index).unwrap_or_default();
        if earlier.iter().any(|other| other.name == endpoint.name) {
            wrong.push((
                "listeners",
                format!("the name {} is used twice; give each listener its own", endpoint.name),
            ));
        }
        // With port 0 the system gives each its own.
        if earlier
            .iter()
            .any(|other| other.port == endpoint.port && endpoint.port != 0 && other.overlaps(endpoint))
        {
            wrong.push((
                "listeners",
                format!("port {} is used twice; give each listener its own", endpoint.port),
            ));
        }
    }
}

/// The protocol of every listener, in their order. A listener without one is noted and left out.
fn protocols(bound: &[Endpoint], map: &str, wrong: &mut Vec<Wrong>) -> Vec<Protocol> {
    const MAP: &str = "listener.security.protocol.map";
    let mut protocols = BTreeMap::new();
    for pair in map.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        match pair.split_once(':') {
            Some((name, protocol)) => {
                // Kafka ignores the case of listener names (`ListenerName.normalised`).
                protocols.insert(name.trim().to_ascii_uppercase(), protocol.trim().to_ascii_uppercase());
            }
            None => wrong.push((MAP, format!("{pair} is not NAME:PROTOCOL, such as EXTERNAL:PLAINTEXT"))),
        }
    }
    let mut served = Vec::new();
    for Endpoint { name, .. } in bound {
        match protocols.get(name).map(|protocol| (protocol, Protocol::named(protocol))) {
            Some((_, Some(protocol))) => served.push(protocol),
            Some((other, None)) => {
                let names = Protocol::NAMES.map(|(name, _)| name).join(", ");
                wrong.push((MAP, format!("{name}:{other} names no protocol; these are served: {names}")));
            }
            None => wrong.push((MAP, format!("listener {name} has no protocol; add {name}:PLAINTEXT"))),
        }
    }
    served
}

/// Every name is that of a listener, stands there once, and has a host.
fn check_advertised(bound: &[Endpoint], advertised: &[Endpoint], wrong: &mut Vec<Wrong>) {
    const KEY: &str = "advertised.listeners";
    for (index, Endpoint { name, host, .. }) in advertised.iter().enumerate() {
        if !bound.iter().any(|endpoint| endpoint.name == *name) {
            wrong.push((KEY, format!("{name} is not among the listeners; add {name}://:PORT to listeners")));
        }
        if advertised.iter().take(index).any(|other| other.name == *name) {
            wrong.push((KEY, format!("the name {name} is used twice; give each listener one address")));
        }
        // Kafka refuses 0.0.0.0 too (`KafkaConfig.validateValues`): a client that connects to it reaches its
        // own machine.
        if matches!(host.as_str(), "0.0.0.0" | "::" | "") {
            let advice = "name the host that clients can reach, or leave the key out: clients then get an address that \
                          works for their connection";
            wrong.push((KEY, format!("{name} has no host that a client could connect to; {advice}")));
        }
    }
}

impl Listener {
    fn new(endpoint: Endpoint, protocol: Protocol, advertised: &[Endpoint]) -> Self {
        let Endpoint { name, host, port } = endpoint;
        let any_interface = matches!(host.as_str(), "" | "::");
        let advertised = match advertised.iter().find(|advertised| advertised.name == name) {
            Some(fixed) => Advertised::Fixed { host: fixed.host.clone(), port: fixed.port },
            None if any_interface || host == "0.0.0.0" => Advertised::PerConnection,
            // Kafka advertises what it listens on where nothing else is said.
            None => Advertised::Fixed { host: host.clone(), port },
        };
        Self { name, host: (!any_interface).then_some(host), port, protocol, advertised }
    }

    /// Returns true if only clients on this machine can reach it.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(self.host.as_deref())
    }
}

/// Returns true if only clients on this machine can reach that host; `None` is every interface.
pub(crate) fn is_loopback(host: Option<&str>) -> bool {
    let host = host.unwrap_or_default();
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Endpoint {
    /// True if both cannot be bound on one port: the same host, or one of them every interface. Kafka allows a port
    /// twice only for one IPv4 and one IPv6 address.
    fn overlaps(&self, other: &Endpoint) -> bool {
        let every = |host: &str| matches!(host, "" | "::");
        every(&self.host) || every(&other.host) || self.host.contains(':') == other.host.contains(':')
    }
}

impl std::str::FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape =
            || format!("{text} is not NAME://HOST:PORT, such as PLAINTEXT://:9092 or EXTERNAL://[::1]:9093");
        let (name, address) = text.split_once("://").ok_or_else(shape)?;
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        {
            return Err(shape());
        }
        let (host, port) = split_host_port(address).ok_or_else(shape)?;
        Ok(Self { name: name.to_ascii_uppercase(), host, port })
    }
}

/// `host:port`, `[v6]:port` or `:port`; the host comes back without brackets.
pub(super) fn split_host_port(address: &str) -> Option<(String, u16)> {
    // From the right: an IPv6 address has colons too.
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').filter(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())?,
        // An IPv6 address without brackets: its last group would be taken for the port.
        None if host.contains([':', ']', '/', ' ']) => return None,
        None => host,
    };
    // `parse` alone would take a sign: `+9092`.
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| port.parse().ok()).flatten().map(|port| (host.to_owned(), port))
}

/// `host:port`, with brackets around an IPv6 address; `*` for every interface.
pub fn host_port(host: &str, port: u16) -> String {
    match host {
        "" => format!("*:{port}"),
        v6 if v6.contains(':') => format!("[{v6}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}", self.name, host_port(self.host.as_deref().unwrap_or(""), self.port))
    }
}

#[cfg(test)]
mod tests;
