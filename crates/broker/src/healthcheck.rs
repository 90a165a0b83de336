//! `ottla healthcheck`: asks a broker's `/readyz`, for containers that have no other program to ask with.
//!
//! Guarantees to end within `TIMEOUT` per address and to read a bounded answer. Exit codes are left to the caller.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// Longest time for each of connecting, sending and receiving.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Most bytes of an answer that are read.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Why the broker does not count as healthy.
#[derive(Debug, thiserror::Error)]
pub enum HealthcheckError {
    /// The address is not `HOST:PORT`, or its host is unknown.
    #[error("cannot resolve {address}: {source}; give HOST:PORT")]
    Resolve {
        /// The address as given.
        address: String,
        /// What the resolver said.
        source: std::io::Error,
    },
    /// Nobody answers there.
    #[error("no answer from {address}: {source}")]
    Unreachable {
        /// The address as given.
        address: String,
        /// What the last attempt said.
        source: std::io::Error,
    },
    /// Something answers that does not speak HTTP.
    #[error("{address} does not speak HTTP")]
    NotHttp {
        /// The address as given.
        address: String,
    },
    /// The broker answers that it is not ready.
    #[error("{address} answered {status}: {body}")]
    NotReady {
        /// The address as given.
        address: String,
        /// The HTTP status.
        status: u16,
        /// The answer, which names the failed checks.
        body: String,
    },
}

/// Asks the broker whose HTTP listener is at `address` (`HOST:PORT`) whether it is ready to serve.
pub fn healthcheck(address: &str) -> Result<(), HealthcheckError> {
    let named = || address.to_owned();
    let resolved =
        address.to_socket_addrs().map_err(|source| HealthcheckError::Resolve { address: named(), source })?;
    let mut source = std::io::Error::from(std::io::ErrorKind::NotFound);
    // `localhost` may be two addresses of which one is listened on.
    for candidate in resolved {
        match ask(candidate, address) {
            Ok(answer) => return verdict(address, &answer),
            Err(error) => source = error,
        }
    }
    Err(HealthcheckError::Unreachable { address: named(), source })
}

fn ask(candidate: SocketAddr, host: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&candidate, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // One write, so that a peer which answers after its first read has seen all of it.
    stream
        .write_all(format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn verdict(address: &str, answer: &str) -> Result<(), HealthcheckError> {
    let address = address.to_owned();
    let status =
        answer.strip_prefix("HTTP/1.").and_then(|rest| rest.split([' ', '\r']).nth(1)?.parse::<u16>().ok());
    match status {
        Some(200) => Ok(()),
        Some(status) => {
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            Err(HealthcheckError::NotReady { address, status, body: body.trim().to_owned() })
        }
        None => Err(HealthcheckError::NotHttp { address }),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers one connection with `answer` and gives what was asked.
    fn answering(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        #[allow(clippy::disallowed_methods, reason = "a test's own thread")]
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            let read = stream.read(&mut asked).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        (address, asked)
    }

    #[test]
    fn ready_broker_is_healthy() {
        let (address, asked) = answering("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n");
        healthcheck(&address).unwrap();
        assert!(asked.join().unwrap().starts_with("GET /readyz HTTP/1.1\r\n"));
    }

    #[test]
    fn broker_that_is_not_ready_says_why() {
        let (address, _) =
            answering("HTTP/1.1 503 Service Unavailable\r\n\r\n[-] storage failed: recovering\n");
        let error = healthcheck(&address).unwrap_err().to_string();
        assert!(error.ends_with("answered 503: [-] storage failed: recovering"), "{error}");
    }

    #[test]
    fn other_servers_and_odd_answers_are_not_healthy() {
        for answer in ["", "HTTP/1.1", "HTTP/1.1 2\u{e9}", "HTTP/1.1 2000 OK\r\n", "SSH-2.0-x 200 OK\r\n"] {
            let (address, _) = answering(answer);
            assert!(healthcheck(&address).is_err(), "{answer:?}");
        }
    }

    #[test]
    fn nobody_there_is_unreachable() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        assert!(matches!(healthcheck(&free), Err(HealthcheckError::Unreachable { .. })));
        assert!(matches!(healthcheck("8080"), Err(HealthcheckError::Resolve { .. })));
    }
}
