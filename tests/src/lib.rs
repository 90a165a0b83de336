//! Shared by the end-to-end tests: a real broker process, a raw client of the wire protocol, a
//! load that remembers the broker's promises, and the checker of those promises.
//!
//! ```text
//! broker    TestBroker: spawn the ottla binary, kill -9, SIGTERM, restart on the same folder and ports
//! ports     ports that no other test of this machine has
//! process   /proc: resident memory, and signals
//! client    Client: typed calls, pipelined sends, raw bytes
//! admin     create topics, metadata, offsets: the calls that every test needs
//! proxy     Proxy: between a client and a broker, delivers requests late, drops answers
//! producer  Producer: idempotent or not, several batches in flight, retried until answered
//! consumer  reads of one partition, batch by batch
//! load      Load: producers and consumers on threads, writing a History
//! history   History: every promise made and every record seen, and the rules for them
//! member    Member: a consumer of a group, on a thread
//! honest    a well-behaved client that notices errors and delays
//! disk      Disk: an ext4 of its own whose power can be cut
//! samples   a filled request of every API
//! transactions  what producers did in transactions, what readers saw, and the checker of the two
//! ```
//!
//! Everything blocks and runs on threads: a test reads top to bottom. Nothing sleeps in the
//! hope that a time is enough; tests wait with [`eventually!`].

pub mod admin;
pub mod broker;
pub mod client;
pub mod consumer;
pub mod disk;
pub mod history;
pub mod honest;
pub mod load;
pub mod login;
pub mod member;
pub mod ports;
pub mod process;
pub mod producer;
pub mod proxy;
pub mod records;
pub mod samples;
pub mod transactions;

/// Waits until the expression is true (or `Some`, giving its value), looking every 5 ms.
/// `eventually!(seconds, expression, "what was awaited {}", args…)`; panics after the deadline.
#[macro_export]
macro_rules! eventually {
    ($seconds:expr, $condition:expr, $($what:tt)+) => {{
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs_f64($seconds as f64);
        loop {
            if let Some(value) = $crate::Holds::holds($condition) {
                break value;
            }
            assert!(std::time::Instant::now() < deadline, "not within {} s: {}", $seconds, format!($($what)+));
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }};
}

/// A value that [`eventually!`] can wait for.
pub trait Holds {
    /// The type of the result.
    type Value;
    /// The value, once it exists.
    fn holds(self) -> Option<Self::Value>;
}

impl Holds for bool {
    type Value = ();
    fn holds(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Holds for Option<T> {
    type Value = T;
    fn holds(self) -> Option<T> {
        self
    }
}
