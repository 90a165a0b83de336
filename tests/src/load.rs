//! Producers, consumers and a committer on threads, writing a [`History`].
//!
//! The load outlives the broker: a part that loses its connection connects again. It is stopped when the
//! broker is up, so that every idempotent batch gets its answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use parking_lot::Mutex;

use crate::admin::{commit, committed, connect_to_coordinator};
use crate::client::Client;
use crate::consumer::{Ask, fetch, read_all, seen, watermarks};
use crate::history::History;
use crate::producer::{Producer, Settings};

/// A running load.
#[derive(Debug)]
pub struct Load {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<History>>>,
    read: Arc<AtomicU64>,
    failure: Arc<Mutex<Option<String>>>,
}

impl Load {
    /// An empty load, against the broker at this address.
    pub fn new(address: SocketAddr) -> Load {
        Load {
            address,
            stop: Arc::default(),
            threads: Vec::new(),
            read: Arc::default(),
            failure: Arc::default(),
        }
    }

    fn spawn(&mut self, name: &str, body: impl FnOnce() -> Result<History> + Send + 'static) -> Result<()> {
        let (failure, who) = (Arc::clone(&self.failure), name.to_owned());
        let noted = move || body().inspect_err(|error| *failure.lock() = Some(format!("{who}: {error:#}")));
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(noted)?);
        Ok(())
    }

    /// Adds a producer.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn produce(&mut self, settings: Settings) -> Result<()> {
        let (stop, producer) = (Arc::clone(&self.stop), Producer::new(self.address, settings));
        self.spawn("producer", move || Ok(History { entries: producer.run(&stop)?, ..History::default() }))
    }

    /// Adds a consumer that follows a partition from its start, in one session over all restarts.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn consume(&mut self, topic: &str, partition: i32) -> Result<()> {
        let (stop, address, topic) = (Arc::clone(&self.stop), self.address, topic.to_owned());
        let read = Arc::clone(&self.read);
        self.spawn("consumer", move || follow(address, &topic, partition, &stop, &read))
    }

    /// Adds a group that commits rising offsets, and checks that no acknowledged commit is lost.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn commit(&mut self, group: &str, topic: &str, partition: i32) -> Result<()> {
        let (stop, address) = (Arc::clone(&self.stop), self.address);
        let (group, topic) = (group.to_owned(), topic.to_owned());
        self.spawn("committer", move || keep_committing(address, (&group, &topic, partition), &stop))
    }

    /// Waits until the consumers have read that many more records: the load is moving.
    ///
    /// # Errors
    /// If a part of it has failed, or no record arrives for 20 s.
    pub fn moves(&self, records: u64) -> Result<()> {
        let (since, before) = (Instant::now(), self.read.load(Ordering::Relaxed));
        while self.read.load(Ordering::Relaxed) < before + records {
            if let Some(failure) = self.failure.lock().clone() {
                bail!(failure);
            }
            ensure!(since.elapsed() < Duration::from_secs(20), "the load does not move");
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Stops it, waits for all answers, and reads the whole log of every partition of these topics.
    ///
    /// # Errors
    /// If any part of the load failed.
    pub fn finish(self, topic: &str, partitions: i32) -> Result<History> {
        self.stop.store(true, Ordering::Relaxed);
        let mut history = History::default();
        for thread in self.threads {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            let part = thread.join().map_err(|_| anyhow!("the {name} panicked"))?;
            history.merge(part.context(name)?);
        }
        let mut client = Client::connect(self.address)?;
        for partition in 0..partitions {
            history.log.insert(partition, read_all(&mut client, topic, partition)?);
        }
        Ok(history)
    }
}

/// Connects when there is no connection; `None` while the broker does not answer.
fn connected(client: &mut Option<Client>, address: SocketAddr) -> Option<&mut Client> {
    if client.is_none() {
        match Client::connect(address) {
            Ok(new) => *client = Some(new),
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
    client.as_mut()
}

fn follow(
    address: SocketAddr,
    topic: &str,
    partition: i32,
    stop: &AtomicBool,
    count: &AtomicU64,
) -> Result<History> {
    let mut history = History::default();
    let mut all = Vec::new();
    let mut client = None;
    let mut offset = 0;
    while !stop.load(Ordering::Relaxed) {
        let Some(connection) = connected(&mut client, address) else { continue };
        let asked = Instant::now();
        let Ok(data) = fetch(connection, &Ask { topic, partition, offset, max_wait_ms: 50 }) else {
            client = None;
            continue;
        };
        if data.error_code != 0 {
            // Offset out of range is what a client gets when visible records were taken back.
            ensure!(data.error_code != 1, "{topic}-{partition}:{offset} was there and is out of range");
            client = None;
            continue;
        }
        history.watermarks.push(watermarks(&data, asked, Instant::now()));
        let high_watermark = data.high_watermark;
        let new = seen(data.records, offset)?;
        if let Some(last) = new.last() {
            ensure!(
                last.offset < high_watermark,
                "record {} is above the high watermark {high_watermark}",
                last.offset
            );
            offset = last.offset + 1;
        }
        count.fetch_add(new.len() as u64, Ordering::Relaxed);
        all.extend(new);
    }
    history.readers.push((partition, all));
    Ok(history)
}

fn keep_committing(
    address: SocketAddr,
    (group, topic, partition): (&str, &str, i32),
    stop: &AtomicBool,
) -> Result<History> {
    let mut client: Option<Client> = None;
    let mut acked = -1;
    let mut sent = -1;
    while !stop.load(Ordering::Relaxed) {
        let fresh = client.is_none();
        if fresh {
            client = connect_to_coordinator(address, group).ok();
        }
        let Some(connection) = connected(&mut client, address) else { continue };
        if fresh {
            let Ok((offset, metadata)) = committed(connection, group, topic, partition) else {
                client = None;
                continue;
            };
            ensure!(
                acked <= offset && offset <= sent,
                "committed {acked} (sent {sent}), after the restart it is {offset}"
            );
            ensure!(
                offset == -1 || metadata == offset.to_string(),
                "offset {offset} with metadata {metadata:?}"
            );
        }
        sent += 1;
        match commit(connection, group, topic, partition, sent, &sent.to_string()) {
            Ok(()) => acked = sent,
            Err(_) => client = None,
        }
    }
    ensure!(acked > 0, "no commit was ever answered");
    Ok(History::default())
}
