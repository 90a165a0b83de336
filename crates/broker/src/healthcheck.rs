//! `ottla healthcheck`: asks a broker's `/readyz`, for containers that have no other program to ask with; or its Kafka
//! listener, where it serves no HTTP.
//!
//! Guarantees to end within twice `TIMEOUT` per address and to read a bounded answer. Exit codes are left to the caller.

mod tls;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use crate::clock;
use crate::telemetry::logging::without_control;

/// Longest time for connecting, and for the answer.
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
        /// The resolver's error.
        source: std::io::Error,
    },
    /// The address cannot be connected to, or the connection fails before an answer is complete.
    #[error("no answer from {address}: {source}")]
    Unreachable {
        /// The address as given.
        address: String,
        /// The error of the last address that was tried.
        source: std::io::Error,
    },
    /// Connecting, or the answer, takes too long.
    #[error("{candidate} {late} within {} s", .after.as_secs_f32())]
    Late {
        /// The address that was tried.
        candidate: SocketAddr,
        /// The step that did not happen.
        late: &'static str,
        /// The time that was waited.
        after: Duration,
    },
    /// Something answers that does not speak HTTP.
    #[error("{address} does not speak HTTP")]
    NotHttp {
        /// The address as given.
        address: String,
    },
    /// Something answers that does not speak the Kafka protocol.
    #[error(
        "{address} does not answer as a Kafka broker does (HTTP is switched off, so its Kafka listener was asked)"
    )]
    NotKafka {
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

impl HealthcheckError {
    /// Returns true if a broker itself answered that it is not ready: its answers are 200 and 503 only.
    pub fn is_of_a_broker(&self) -> bool {
        matches!(self, Self::NotReady { status: 503, .. })
    }
}

/// Encryption of what is asked.
#[derive(Clone, Copy)]
enum Scheme {
    Plain,
    Tls,
}

/// Asks the broker whose HTTP listener is at `address` (`HOST:PORT` or `https://HOST:PORT`) whether it is ready to serve.
///
/// # Errors
/// Nothing answers there, or what does is not ready.
pub fn http(address: &str) -> Result<(), HealthcheckError> {
    let (scheme, address) = match address.strip_prefix("https://") {
        Some(address) => (Scheme::Tls, address),
        None => (Scheme::Plain, address.strip_prefix("http://").unwrap_or(address)),
    };
    let address = address.trim_end_matches('/');
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let answer = ask(address, scheme, request.as_bytes(), MAX_ANSWER_BYTES)?;
    verdict(address, &String::from_utf8_lossy(&answer))
}

/// ApiVersions v0, correlation id 7, without a client id, with its length prefix.
const API_VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

/// Asks the broker whose Kafka listener is at `address` (`HOST:PORT`) whether it answers: it does so once it is ready.
///
/// # Errors
/// Nothing answers there, or not as a broker.
pub fn kafka(address: &str) -> Result<(), HealthcheckError> {
    // Length, correlation id and error code; the list of APIs after them is not needed.
    let answer = ask(address, Scheme::Plain, &API_VERSIONS, 10)?;
    match answer.get(4..10) {
        // The correlation id that was sent, and no error.
        Some([0, 0, 0, 7, 0, 0]) => Ok(()),
        _ => Err(HealthcheckError::NotKafka { address: address.to_owned() }),
    }
}

/// Asks each address that the name resolves to, until one answers; returns at most `most` bytes of the
/// answer.
fn ask(address: &str, scheme: Scheme, request: &[u8], most: u64) -> Result<Vec<u8>, HealthcheckError> {
    let named = || address.to_owned();
    let resolved =
        address.to_socket_addrs().map_err(|source| HealthcheckError::Resolve { address: named(), source })?;
    let (mut source, mut late) = (io::Error::from(io::ErrorKind::NotFound), None);
    // `localhost` may resolve to two addresses, of which the broker listens on one.
    for candidate in resolved {
        match ask_at(candidate, scheme, request, most) {
            Ok(answer) => return Ok(answer),
            Err(Failure::Late(what)) => {
                late = Some(HealthcheckError::Late { candidate, late: what, after: TIMEOUT });
            }
            Err(Failure::Io(error)) => source = error,
        }
    }
    // An address that is late says more than its sibling on which nothing listens.
    Err(late.unwrap_or_else(|| HealthcheckError::Unreachable { address: named(), source }))
}

/// Why one address gave no answer.
enum Failure {
    /// The time is up; the step that did not happen.
    Late(&'static str),
    /// The socket failed.
    Io(io::Error),
}

/// An error of a socket with a timeout, which says "temporarily unavailable" where the time is up.
fn failure(late: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Failure::Late(late),
        _ => Failure::Io(error),
    }
}

/// Asks one address. The peer must close the connection, or send `most` bytes, within [`TIMEOUT`].
fn ask_at(candidate: SocketAddr, scheme: Scheme, request: &[u8], most: u64) -> Result<Vec<u8>, Failure> {
    let stream =
        TcpStream::connect_timeout(&candidate, TIMEOUT).map_err(failure("did not accept a connection"))?;
    stream.set_write_timeout(Some(TIMEOUT)).map_err(Failure::Io)?;
    let stream = Timed { stream, deadline: clock::now() + TIMEOUT };
    match scheme {
        Scheme::Plain => exchange(stream, request, most),
        Scheme::Tls => exchange(tls::client(candidate.ip(), stream).map_err(Failure::Io)?, request, most),
    }
}

/// Sends the request and reads the answer.
fn exchange<S: Read + Write>(mut stream: S, request: &[u8], most: u64) -> Result<Vec<u8>, Failure> {
    // One write, so that a peer which answers after its first read has seen all of it.
    stream.write_all(request).map_err(failure("did not take the request"))?;
    let mut answer = Vec::new();
    // A peer that never ends its answer must not fill the memory.
    match stream.take(most).read_to_end(&mut answer) {
        // Closed without the announcement of TLS; a cut answer is judged by its status as well.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(answer),
        read => read.map(|_| answer).map_err(failure("accepted a connection and did not answer")),
    }
}

/// A socket whose reads all end by one time: a timeout holds for one read, and a peer that answers byte by byte would never be late.
struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(clock::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The meaning of an HTTP answer: 200 is ready, any other status is not.
fn verdict(address: &str, answer: &str) -> Result<(), HealthcheckError> {
    let address = address.to_owned();
    // The reason after the status may be missing (RFC 9112, 4), so the status may end at the line's end.
    let status =
        answer.strip_prefix("HTTP/1.").and_then(|rest| rest.split([' ', '\r']).nth(1)?.parse::<u16>().ok());
    match status {
        Some(200) => Ok(()),
        Some(status) => {
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            // Whatever answers there must not steer the terminal.
            let body = body.trim().lines().map(without_control).collect::<Vec<_>>().join("\n");
            Err(HealthcheckError::NotReady { address, status, body })
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
        http(&address).unwrap();
        assert!(asked.join().unwrap().starts_with("GET /readyz HTTP/1.1\r\n"));
    }

    #[test]
    fn kafka_listener_that_answers_is_healthy() {
        let (address, asked) = answering("\0\0\0\u{7f}\0\0\0\u{7}\0\0 and what it serves");
        kafka(&address).unwrap();
        assert_eq!(asked.join().unwrap().len(), "..............".len() + 4, "two bytes are no UTF-8");
        for answer in ["", "HTTP/1.1 400 Bad Request", "\0\0\0\u{7f}\0\0\0\u{7}\0#"] {
            let (address, _) = answering(answer);
            assert!(kafka(&address).is_err(), "{answer:?}");
        }
    }

    #[test]
    fn broker_that_is_not_ready_says_why() {
        let (address, _) =
            answering("HTTP/1.1 503 Service Unavailable\r\n\r\n[-] storage failed: recovering\n");
        let error = http(&address).unwrap_err().to_string();
        assert!(error.ends_with("answered 503: [-] storage failed: recovering"), "{error}");
    }

    #[test]
    fn other_servers_and_odd_answers_are_not_healthy() {
        for answer in ["", "HTTP/1.1", "HTTP/1.1 2\u{e9}", "HTTP/1.1 2000 OK\r\n", "SSH-2.0-x 200 OK\r\n"] {
            let (address, _) = answering(answer);
            assert!(http(&address).is_err(), "{answer:?}");
        }
    }

    /// It said "Resource temporarily unavailable".
    #[test]
    fn peer_that_does_not_answer_is_named_with_the_time_waited() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap().to_string();
        let error = http(&address).unwrap_err().to_string();
        assert_eq!(error, format!("{address} accepted a connection and did not answer within 3 s"));
    }

    #[test]
    fn answer_of_a_stranger_does_not_steer_the_terminal() {
        let (address, _) = answering("HTTP/1.1 500 No\r\n\r\n\u{1b}[2Jone\r\ntwo\u{202e}");
        let error = http(&address).unwrap_err().to_string();
        assert!(error.ends_with("answered 500: \\u{1b}[2Jone\ntwo\\u{202e}"), "{error}");
    }

    #[test]
    fn nobody_there_is_unreachable() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        assert!(matches!(http(&free), Err(HealthcheckError::Unreachable { .. })));
        assert!(matches!(http("8080"), Err(HealthcheckError::Resolve { .. })));
    }
}
