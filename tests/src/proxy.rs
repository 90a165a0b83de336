//! A proxy between clients and a broker that makes requests of transactions come late.
//!
//! It reads the headers of frames. Of the requests that belong to transactions (EndTxn, Produce, AddPartitionsToTxn,
//! AddOffsetsToTxn, TxnOffsetCommit, InitProducerId) it holds some back: it cuts the client off, keeps the
//! broker's end of the connection, and delivers them there later, when the client has long sent them again by a
//! new connection (KAFKA-17754, Jepsen's findings in Kafka and Bufstream). Of others it drops the answer, or it
//! delivers them slowly. Those that are safe to repeat by the protocol (KIP-890's, and InitProducerId) it repeats on connections of its
//! own. Everything else passes unchanged.
//!
//! A *border* is the end of a transaction or a new producer epoch: a request that is delivered after one belongs to
//! a transaction that has ended. Half of the requests wait for borders, the others for a time.
//!
//! ```text
//! proxy      Proxy: listens, counts, and ends
//! frame      a request as the proxy understands it
//! fate       its fate, and borders
//! connection one client's connection and the broker's end of it
//! ```

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use parking_lot::Mutex;

mod connection;
mod fate;
mod frame;

use fate::Borders;

/// Requests that are held back or repeated at one time, at most. Each has a thread and a connection.
const WAITING: u64 = 400;

/// How much a proxy disturbs.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Connections with equal numbers treat equal requests alike.
    pub seed: u64,
    /// One of that many requests of transactions is disturbed.
    pub one_in: u32,
    /// A request is delivered after at most this time.
    pub longest: Duration,
}

/// Counts of one proxy.
#[derive(Debug, Default)]
pub struct Counts {
    /// Requests delivered after their client was cut off.
    pub late: AtomicU64,
    /// Requests delivered again on connections of the proxy.
    pub repeated: AtomicU64,
    /// Of these two, those that came after the end of their transaction.
    pub over_borders: AtomicU64,
    /// Answers that were dropped.
    pub dropped: AtomicU64,
    /// Requests that were only delivered slowly.
    pub slow: AtomicU64,
    /// Late and repeated requests whose answer the broker gave; the others found the connection closed.
    pub answered: AtomicU64,
}

impl Counts {
    /// Late deliveries and repeats.
    pub fn deliveries(&self) -> u64 {
        self.late.load(Ordering::Relaxed) + self.repeated.load(Ordering::Relaxed)
    }

    /// All counts, for a report.
    pub fn report(&self) -> String {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        format!(
            "{} requests late, {} repeated, {} of these over a border, {} answered; {} answers dropped, {} requests slow",
            of(&self.late),
            of(&self.repeated),
            of(&self.over_borders),
            of(&self.answered),
            of(&self.dropped),
            of(&self.slow),
        )
    }
}

/// Late and repeated InitProducerId requests of new owners, by transactional id. Each fences the producer that has
/// the id by then, with Kafka as well: no other refusal of a producer is to be expected.
#[derive(Debug, Default)]
pub struct Fences(Mutex<HashMap<String, Deliveries>>);

#[derive(Debug, Default, Clone, Copy)]
struct Deliveries {
    begun: u64,
    ended: u64,
}

impl Fences {
    /// Number of them that the broker may have had so far.
    pub fn begun(&self, id: &str) -> u64 {
        self.of(id).begun
    }

    /// Number of them that it has certainly had: these fence no later owner.
    pub fn ended(&self, id: &str) -> u64 {
        self.of(id).ended
    }

    fn of(&self, id: &str) -> Deliveries {
        self.0.lock().get(id).copied().unwrap_or_default()
    }

    /// Before the delivery.
    fn begin(&self, id: &str) {
        self.0.lock().entry(id.to_owned()).or_default().begun += 1;
    }

    /// After its answer.
    fn end(&self, id: &str) {
        self.0.lock().entry(id.to_owned()).or_default().ended += 1;
    }
}

/// The common part of all threads of a proxy.
#[derive(Debug)]
struct Shared {
    broker: SocketAddr,
    plan: Plan,
    counts: Counts,
    fences: Arc<Fences>,
    borders: Mutex<HashMap<String, Arc<Borders>>>,
    /// Requests that wait for their delivery.
    waiting: AtomicU64,
    /// Nothing is disturbed any more, and what waits is delivered.
    calm: AtomicBool,
    stop: AtomicBool,
}

impl Shared {
    fn borders(&self, id: &str) -> Arc<Borders> {
        Arc::clone(self.borders.lock().entry(id.to_owned()).or_default())
    }

    fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Takes a permit to let a request wait; false if too many do.
    fn may_wait(&self) -> bool {
        let more = |waiting| (waiting < WAITING).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    fn has_waited(&self) {
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A running proxy. It stops when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// If none can be had, or no thread.
    pub fn start(broker: SocketAddr, plan: Plan) -> Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        Proxy::listen(listener, broker, plan)
    }

    /// The same on a given port.
    ///
    /// # Errors
    /// As [`Proxy::start`].
    pub fn start_on(address: SocketAddr, broker: SocketAddr, plan: Plan) -> Result<Proxy> {
        Proxy::listen(TcpListener::bind(address)?, broker, plan)
    }

    fn listen(listener: TcpListener, broker: SocketAddr, plan: Plan) -> Result<Proxy> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            broker,
            plan,
            counts: Counts::default(),
            fences: Arc::default(),
            borders: Mutex::default(),
            waiting: AtomicU64::default(),
            calm: AtomicBool::default(),
            stop: AtomicBool::default(),
        });
        let accepting = Arc::clone(&shared);
        let acceptor =
            thread::Builder::new().name("proxy".to_owned()).spawn(move || accept(&listener, &accepting))?;
        Ok(Proxy { address, shared, acceptor: Some(acceptor) })
    }

    /// The address for clients.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts so far.
    pub fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// See [`Fences`].
    pub fn fences(&self) -> Arc<Fences> {
        Arc::clone(&self.shared.fences)
    }

    /// Disturbs nothing from now on, and delivers all that waits.
    ///
    /// # Errors
    /// If a delivery takes longer than 30 s.
    pub fn calm(&self) -> Result<()> {
        self.shared.calm.store(true, Ordering::Relaxed);
        let since = Instant::now();
        while self.shared.waiting.load(Ordering::SeqCst) > 0 {
            ensure!(since.elapsed() < Duration::from_secs(30), "the broker does not answer late requests");
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    /// If its thread panicked.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.shared.calm.store(true, Ordering::Relaxed);
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        match self.acceptor.take() {
            Some(acceptor) => acceptor.join().map_err(|_| anyhow!("the proxy panicked")),
            None => Ok(()),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for (number, client) in (1_u64..).zip(listener.incoming()) {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        // While the broker is away the client is cut off, as it would be there. Connections reach the broker in the
        // order in which clients made them.
        if let Ok(client) = client
            && let Ok(broker) = TcpStream::connect_timeout(&shared.broker, Duration::from_secs(5))
        {
            let _ = connection::serve(shared, number, client, broker);
        }
    }
}
