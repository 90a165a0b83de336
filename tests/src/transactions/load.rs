//! A load of transactions on threads that writes down its own history: writers, readers, and a group's
//! auditor. It outlives the broker: a part that loses its connection connects again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use parking_lot::Mutex;

use super::{GroupPartition, History, Partition, Time, Transaction};
use crate::client::Client;

mod link;
mod reader;
mod writer;

pub use link::{Lost, Refused};
pub use writer::{Again, Refusal, Writer, Writing};

/// The time of a history.
#[derive(Debug, Clone, Copy)]
struct Clock(Instant);

impl Clock {
    fn now(self) -> Time {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(Time::MAX)
    }
}

/// The common part of all threads of a load.
#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    topic: String,
    partitions: i32,
    group: String,
    clock: Clock,
    stop: AtomicBool,
    /// The next transaction's number.
    next: AtomicU64,
    /// The next offset that is committed: each is used once.
    next_offset: AtomicU64,
    /// Transactions of which the commit was answered.
    committed: AtomicU64,
    refusals: Arc<Mutex<Vec<Refusal>>>,
    /// Seed of the writers' random numbers.
    seed: u64,
}

impl Shared {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Connects when there is no connection; `None` while the broker does not answer.
    fn connected<'a>(&self, client: &'a mut Option<Client>) -> Option<&'a mut Client> {
        if client.is_none() {
            match Client::connect(self.address) {
                Ok(new) => *client = Some(new),
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        }
        client.as_mut()
    }
}

/// A running load on one topic.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Result<History>>>,
    writers: u32,
    readers: u32,
    added: Vec<Transaction>,
}

impl Load {
    /// An empty load. The topic exists, and is empty.
    pub fn new(address: SocketAddr, topic: &str, partitions: i32) -> Load {
        Load::seeded(address, topic, partitions, rand::random())
    }

    /// The same with a seed: writers of two runs with one seed decide alike.
    pub fn seeded(address: SocketAddr, topic: &str, partitions: i32, seed: u64) -> Load {
        let shared = Shared {
            address,
            topic: topic.to_owned(),
            partitions,
            group: format!("{topic}-group"),
            clock: Clock(Instant::now()),
            stop: AtomicBool::default(),
            next: AtomicU64::default(),
            next_offset: AtomicU64::default(),
            committed: AtomicU64::default(),
            refusals: Arc::default(),
            seed,
        };
        Load { shared: Arc::new(shared), threads: Vec::new(), writers: 0, readers: 0, added: Vec::new() }
    }

    fn spawn(
        &mut self,
        name: &str,
        body: impl FnOnce(&Shared) -> Result<History> + Send + 'static,
    ) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(move || body(&shared))?);
        Ok(())
    }

    /// Adds a producer that writes in this way, with a transactional id of its own.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn write_as(&mut self, writing: Writing) -> Result<()> {
        let number = self.writers;
        self.writers += 1;
        self.spawn("writer", move |shared| Writer::new(shared, number, writing).run())
    }

    /// A producer that the caller drives, request by request. Its transactions are given to [`Load::add`].
    pub fn writer(&mut self, writing: Writing) -> Writer<'_> {
        let number = self.writers;
        self.writers += 1;
        Writer::new(&self.shared, number, writing)
    }

    /// Adds transactions of a [`Writer`] to the history.
    pub fn add(&mut self, transactions: Vec<Transaction>) {
        self.added.extend(transactions);
    }

    /// Every answer with which a producer had to begin anew; it fills while the load runs.
    pub fn refusals(&self) -> Arc<Mutex<Vec<Refusal>>> {
        Arc::clone(&self.shared.refusals)
    }

    /// Transactions of which the commit was answered.
    pub fn committed(&self) -> u64 {
        self.shared.committed.load(Ordering::Relaxed)
    }

    /// Adds a reader of a partition, from its start.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn read(&mut self, partition: i32, committed_only: bool) -> Result<()> {
        let number = self.readers;
        self.readers += 1;
        self.spawn("reader", move |shared| reader::follow(shared, number, partition, committed_only))
    }

    /// Adds a client that asks for the committed offsets of the writers' group.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn audit(&mut self) -> Result<()> {
        self.spawn("auditor", reader::audit)
    }

    /// Waits until that many more transactions were committed.
    ///
    /// # Errors
    /// If none is for 30 s.
    pub fn moves(&self, transactions: u64) -> Result<()> {
        let (since, before) = (Instant::now(), self.committed());
        while self.committed() < before + transactions {
            ensure!(since.elapsed() < Duration::from_secs(30), "no transaction is committed");
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Stops it, ends what is open, and reads the whole log.
    ///
    /// # Errors
    /// If any part of the load failed, or a transaction stays open.
    pub fn finish(self) -> Result<History> {
        let shared = &self.shared;
        shared.stop.store(true, Ordering::Relaxed);
        let names = (0..shared.partitions).map(|index| format!("{}-{index}", shared.topic));
        let mut history = History { partitions: names.collect(), ..History::default() };
        let groups = history.partitions.iter().map(|name| format!("{}/{name}", shared.group));
        history.group_partitions = groups.collect();
        history.transactions = self.added;
        for thread in self.threads {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            let part = thread.join().map_err(|_| anyhow!("the {name} panicked"))?.context(name)?;
            history.transactions.extend(part.transactions);
            history.polls.extend(part.polls);
            history.unsorted_lists += part.unsorted_lists;
            history.stable_ends.extend(part.stable_ends);
            history.offset_reads.extend(part.offset_reads);
        }
        for number in 0..self.writers {
            writer::end_open(shared.address, number).context("ending what is open")?;
        }
        let mut client = Client::connect(shared.address)?;
        for partition in 0..shared.partitions {
            let log = reader::read_all(shared, &mut client, partition)?;
            history.log.insert(Partition(u32::try_from(partition)?), log);
        }
        history.log_read = shared.clock.now();
        for partition in 0..shared.partitions {
            let read = reader::committed(shared, &mut client, partition, true)?;
            history.offset_reads.push(read.context("an offset is pending, and no transaction is open")?);
        }
        Ok(history)
    }
}

/// Of a partition of the topic.
fn partition(index: i32) -> Partition {
    Partition(u32::try_from(index).unwrap_or(u32::MAX))
}

/// Of a partition of the topic, for the writers' group.
fn group_partition(index: i32) -> GroupPartition {
    GroupPartition(u32::try_from(index).unwrap_or(u32::MAX))
}
