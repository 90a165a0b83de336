//! The text on standard output once the broker is ready: its addresses, and how to send and read a first message.
//!
//! Standard output holds nothing else, as the log goes to standard error. The commands can be run as they
//! are.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use broker::config::BrokerConfig;

/// The text, for a broker of this configuration that listens on `addresses` and serves HTTP on `http`.
pub(crate) fn text(config: &BrokerConfig, addresses: &[SocketAddr], http: &[SocketAddr]) -> String {
    let server = addresses.first().map_or("localhost:9092".to_owned(), |first| reachable(*first));
    let bound: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let data = std::path::absolute(config.data_dir()).unwrap_or_else(|_| config.data_dir().to_owned());
    let mut text = format!("Ottla {} is ready\n", env!("CARGO_PKG_VERSION"));
    let mut line = |what: &str, how: &str| {
        let _ = writeln!(text, "  {what:<7} {how}");
    };
    line("Kafka", &format!("{server} (listens on {})", bound.join(", ")));
    if let Some(http) = http.first() {
        let scheme = if config.http_listener().is_some_and(|http| http.tls) { "https" } else { "http" };
        line("HTTP", &format!("{scheme}://{}/ (metrics, livez, readyz)", reachable(*http)));
    }
    line("data", &data.display().to_string());
    line("send", &format!("echo hello | kcat -P -b {server} -t greetings"));
    line("read", &format!("kcat -C -b {server} -t greetings -e"));
    line("or", &format!("kafka-console-producer.sh --bootstrap-server {server} --topic greetings"));
    line(
        "",
        &format!("kafka-console-consumer.sh --bootstrap-server {server} --topic greetings --from-beginning"),
    );
    text
}

/// The address, as host and port, at which a client on this machine reaches the broker.
fn reachable(address: SocketAddr) -> String {
    // Other addresses of loopback are not what `localhost` resolves to first, if at all.
    if address.ip().is_unspecified() || address.ip() == Ipv4Addr::LOCALHOST {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(folder: &str, addresses: &[&str], http: &[&str]) -> String {
        let parsed = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().expect("an address")).collect()
        };
        let config = BrokerConfig::from_pairs(&[("log.dirs", folder)]).expect("valid");
        text(&config, &parsed(addresses), &parsed(http))
    }

    #[test]
    fn names_addresses_that_a_client_can_use() {
        let text = banner("/var/ottla", &["[::]:9092", "0.0.0.0:9092"], &["127.0.0.1:8080", "[::1]:8080"]);
        for part in [
            "Kafka   localhost:9092 (listens on [::]:9092, 0.0.0.0:9092)\n",
            "HTTP    http://localhost:8080/ (metrics, livez, readyz)\n",
            "data    /var/ottla\n",
            "echo hello | kcat -P -b localhost:9092 -t greetings\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(banner("d", &["[::1]:9092"], &["[::1]:8080"]).contains("http://[::1]:8080/"));
        assert!(banner("d", &["[::1]:9092"], &[]).contains("kcat -C -b [::1]:9092 "));
        assert!(banner("d", &["127.0.0.2:9092"], &[]).contains("kcat -C -b 127.0.0.2:9092 "));
        assert!(banner("d", &["192.0.2.7:19092"], &[]).contains("kcat -C -b 192.0.2.7:19092 "));
    }

    #[test]
    fn says_nothing_of_http_where_it_is_off() {
        assert!(!banner("d", &["[::]:9092"], &[]).contains("HTTP"));
    }
}
