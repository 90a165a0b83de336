//! Addresses as users write them.

use std::fmt;
use std::str::FromStr;

/// A host name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl FromStr for Address {
    type Err = String;

    /// Reads `host:port` or `[::1]:port`, also after `PROTOCOL://`, as Kafka does (`ClientUtils.parseAndValidateAddresses`).
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not HOST:PORT, such as localhost:9092");
        let bare = text.trim();
        let bare = bare.split_once("://").map_or(bare, |(_, rest)| rest);
        let (host, port) = bare.rsplit_once(':').ok_or_else(wrong)?;
        let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        // Without brackets it is not clear which colon comes before the port.
        if host.is_empty() || (inner.is_none() && host.contains([':', '[', ']', '/', ' '])) {
            return Err(wrong());
        }
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        Ok(Self { host: inner.unwrap_or(host).to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_kafka_reads_them() {
        for (text, shown) in [
            ("localhost:9092", "localhost:9092"),
            (" a.b:1 ", "a.b:1"),
            ("[::1]:9092", "[::1]:9092"),
            ("SASL_SSL://10.0.0.1:65535", "10.0.0.1:65535"),
        ] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()).as_deref(), Ok(shown));
        }
        for text in ["", "localhost", ":9092", "a:0", "a:65536", "::1:9092", "a:b:1", "a:", "[::1]", "a/b:1"]
        {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}
