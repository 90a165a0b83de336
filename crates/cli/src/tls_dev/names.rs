//! The names and addresses by which clients reach a broker on this machine, also from a container or in one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use security::certificate::AlternativeName;

use crate::failure::Failure;

/// Names that a broker has in containers: `host.docker.internal` is the machine as a container sees it, the others are usual names of
/// services in Compose files.
const USUAL: [&str; 5] = ["localhost", "host.docker.internal", "ottla", "broker", "kafka"];

/// Host name, usual names, and the addresses of all interfaces by which a client could name this machine tomorrow.
pub(super) fn of_this_machine() -> Vec<AlternativeName> {
    // Missing outside Linux, and without a network: there `--host` gives the addresses.
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut names: Vec<AlternativeName> =
        USUAL.iter().map(|name| AlternativeName::Dns((*name).to_owned())).collect();
    // A host name that no certificate can hold is left out.
    names.extend(parse(read("/proc/sys/kernel/hostname").trim()).ok());
    let addresses = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].into_iter();
    let addresses =
        addresses.chain(ipv4(&read("/proc/net/fib_trie"))).chain(ipv6(&read("/proc/net/if_inet6")));
    names.extend(addresses.map(AlternativeName::Address));
    names
}

/// A host name, whose first part may be `*`, or an address.
///
/// # Errors
/// It is neither.
pub(super) fn parse(text: &str) -> Result<AlternativeName, Failure> {
    if let Ok(address) = text.trim_matches(['[', ']']).parse() {
        return Ok(AlternativeName::Address(address));
    }
    let name = text.to_ascii_lowercase();
    let is_part = |part: &str| {
        let is_known = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        !part.is_empty() && part.len() <= 63 && part.chars().all(is_known)
    };
    let rest = name.strip_prefix("*.").unwrap_or(&name);
    match name.len() <= 253 && rest.split('.').all(is_part) {
        true => Ok(AlternativeName::Dns(name)),
        false => Err(Failure::usage(format!(
            "--host {text:?} is neither a host name nor an address; write it without a port"
        ))),
    }
}

/// The addresses in the kernel's routing table of IPv4 that are this machine's.
///
/// ```text
///            |-- 172.17.0.2
///               /32 host LOCAL
/// ```
fn ipv4(table: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    let mut last = None;
    for line in table.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line.starts_with("/32 host LOCAL") {
            found.extend(last.filter(|address| !found.contains(address)));
        }
    }
    found
}

/// The lasting addresses in the kernel's list of IPv6: 32 digits, interface, length of the prefix, scope, flags, name of the interface.
///
/// Left out are temporary ones (RFC 8981), which change each day, and link-local ones, which need the name of an interface beside
/// them, and of which a machine gets a new one with each container.
fn ipv6(list: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let digits = fields.next().filter(|digits| digits.len() == 32)?;
        let flags = u32::from_str_radix(fields.nth(3)?, 16).ok()?;
        let address = Ipv6Addr::from_bits(u128::from_str_radix(digits, 16).ok()?);
        let is_lasting = flags & IFA_F_TEMPORARY == 0 && !address.is_unicast_link_local();
        is_lasting.then_some(address.into())
    };
    list.lines().filter_map(address).collect()
}

/// Of `linux/if_addr.h`.
const IFA_F_TEMPORARY: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_the_kernels_tables() {
        let table = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 127.0.0.0/8 2 0 2\n        \
                     |-- 127.0.0.1\n           /32 host LOCAL\n        |-- 127.255.255.255\n           /32 link BROADCAST\n     \
                     |-- 172.17.0.2\n           /32 host LOCAL\nLocal:\n     |-- 172.17.0.2\n           /32 host LOCAL\n";
        assert_eq!(ipv4(table), ["127.0.0.1", "172.17.0.2"].map(|text| text.parse::<IpAddr>().unwrap()));
        let list = "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n\
                    20010db8000000010000000000000007 04 40 00 80     eth0\n\
                    20010db8000000019c3f51d2aa10e6f4 04 40 00 01     eth0\n\
                    00000000000000000000000000000001 01 80 10 80       lo\nbroken\n";
        let lasting = ["2001:db8:0:1::7", "::1"].map(|text| text.parse::<IpAddr>().unwrap());
        assert_eq!(ipv6(list), lasting, "neither the link-local one nor the temporary one");
    }

    #[test]
    fn this_machine_has_its_loopback_addresses() {
        let names: Vec<String> = of_this_machine().iter().map(ToString::to_string).collect();
        for name in ["localhost", "kafka", "127.0.0.1", "::1", "host.docker.internal"] {
            assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        for (text, shown) in [
            ("Kafka.Example.org", "kafka.example.org"),
            ("*.a.b", "*.a.b"),
            ("[::1]", "::1"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), shown);
        }
        for text in ["", "a:9092", "a..b", "a b", "*", "a.*.b", "https://a", &"a".repeat(64)] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{text}");
        }
    }
}
