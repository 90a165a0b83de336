//! A producer that remembers the broker's promises.
//!
//! Several batches are in flight. When the connection breaks or the broker says "try again", an
//! idempotent producer connects again and resends all unanswered batches, in order, with the
//! same sequences, until they are answered; another one counts them as unknown and goes on.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use codec::messages::ProduceRequest;
use codec::messages::ProduceResponse;
use codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use codec::messages::produce_response::PartitionProduceResponse;

use crate::admin::{init_producer_id, topic_name};
use crate::client::Client;
use crate::history::{Entry, Id, Outcome};
use crate::records::{Content, Sequenced, batch};

/// Produce by topic name.
pub const PRODUCE_VERSION: i16 = 9;

/// NOT_LEADER_OR_FOLLOWER and its like: nothing was written, try again.
const RETRIABLE: [i16; 8] = [3, 5, 6, 7, 14, 15, 16, 56];
/// The answer to a later batch in flight when an earlier one was refused.
const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;

/// Settings of a producer.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its topic.
    pub topic: String,
    /// Partitions, used in turn.
    pub partitions: Vec<i32>,
    /// 1 or -1.
    pub acks: i16,
    /// True: it numbers its batches and resends them.
    pub idempotent: bool,
    /// Batches unanswered at once; at most 5 for idempotence.
    pub in_flight: usize,
    /// Unique in a run; part of its records' names.
    pub number: u32,
}

/// One batch, sent or to be sent.
#[derive(Debug)]
struct Pending {
    partition: i32,
    ids: Vec<Id>,
    invoked: Instant,
    batch: Bytes,
}

/// The producer.
#[derive(Debug)]
pub struct Producer {
    settings: Settings,
    address: SocketAddr,
    client: Option<Client>,
    identity: Option<(i64, i16)>,
    sequences: BTreeMap<i32, i32>,
    next: u64,
    batches: u64,
    pending: VecDeque<Pending>,
    entries: Vec<Entry>,
}

impl Producer {
    /// One that has sent nothing yet.
    pub fn new(address: SocketAddr, settings: Settings) -> Producer {
        Producer {
            settings,
            address,
            client: None,
            identity: None,
            sequences: BTreeMap::new(),
            next: 0,
            batches: 0,
            pending: VecDeque::new(),
            entries: Vec::new(),
        }
    }

    /// Produces until told to stop, then until every request is answered; returns the outcome of each record.
    ///
    /// # Errors
    /// If a record is refused for good, or nothing gets through for 30 s.
    pub fn run(mut self, stop: &Arc<AtomicBool>) -> Result<Vec<Entry>> {
        let mut progress = Instant::now();
        while !stop.load(Ordering::Relaxed) || !self.pending.is_empty() {
            match self.turn(!stop.load(Ordering::Relaxed))? {
                Turn::Answered => progress = Instant::now(),
                Turn::Broken => {
                    self.client = None;
                    self.give_up_unless_idempotent();
                    thread::sleep(Duration::from_millis(2));
                }
            }
            ensure!(progress.elapsed() < Duration::from_secs(30), "producer {}: stuck", self.settings.number);
        }
        Ok(self.entries)
    }

    /// Fills the window and receives one answer.
    fn turn(&mut self, more: bool) -> Result<Turn> {
        if self.client.is_none() && self.connect().is_err() {
            return Ok(Turn::Broken);
        }
        while more && self.pending.len() < self.settings.in_flight {
            let pending = self.next_batch();
            self.pending.push_back(pending);
            if self.send(self.pending.len() - 1).is_err() {
                return Ok(Turn::Broken);
            }
        }
        let Some(client) = self.client.as_mut() else { return Ok(Turn::Broken) };
        match client.receive::<ProduceRequest>() {
            Ok(answer) => self.answered(answer),
            Err(_) => Ok(Turn::Broken),
        }
    }

    /// Connects, gets a producer id if it needs one, and resends unanswered batches.
    fn connect(&mut self) -> Result<()> {
        let mut client = Client::connect(self.address)?;
        if self.settings.idempotent && self.identity.is_none() {
            self.identity = Some(init_producer_id(&mut client)?);
        }
        self.client = Some(client);
        for index in 0..self.pending.len() {
            self.send(index)?;
        }
        Ok(())
    }

    /// The next batch, of 1 to 8 records.
    fn next_batch(&mut self) -> Pending {
        let partitions = &self.settings.partitions;
        let partition = partitions[self.batches as usize % partitions.len()];
        let count = 1 + self.batches % 8;
        self.batches += 1;
        let producer = self.settings.number;
        let ids: Vec<Id> = (self.next..self.next + count).map(|sequence| Id { producer, sequence }).collect();
        self.next += count;
        let sequence = self.sequences.entry(partition).or_default();
        let sequenced = self.identity.map(|(producer_id, producer_epoch)| Sequenced {
            producer_id,
            producer_epoch,
            base_sequence: *sequence,
        });
        *sequence += count as i32;
        let contents: Vec<Content> = ids.iter().map(|id| Content::of(*id)).collect();
        let batch = batch(&contents, sequenced).freeze();
        Pending { partition, ids, invoked: Instant::now(), batch }
    }

    fn send(&mut self, index: usize) -> Result<()> {
        let (pending, client) =
            self.pending.get(index).zip(self.client.as_mut()).context("nothing to send")?;
        let settings = &self.settings;
        client.send(
            PRODUCE_VERSION,
            &request(&settings.topic, pending.partition, settings.acks, pending.batch.clone()),
        )
    }

    fn answered(&mut self, answer: ProduceResponse) -> Result<Turn> {
        let answer = only_partition(answer)?;
        let pending = self.pending.front().context("an answer to nothing")?;
        ensure!(answer.index == pending.partition, "an answer about another partition");
        match answer.error_code {
            0 => {
                let at = Instant::now();
                let base = answer.base_offset;
                self.conclude(|index| Outcome::Acked { offset: base + index as i64, at });
                Ok(Turn::Answered)
            }
            // Temporary: as after a broken connection, everything is resent (or given up) in order.
            code if RETRIABLE.contains(&code) => Ok(Turn::Broken),
            code => {
                let refused =
                    format!("producer {}: error {code} {:?}", self.settings.number, answer.error_message);
                self.conclude(|_| Outcome::Refused);
                ensure!(code == OUT_OF_ORDER_SEQUENCE_NUMBER && !self.settings.idempotent, "{refused}");
                Ok(Turn::Answered)
            }
        }
    }

    /// Records the outcome of the oldest batch.
    fn conclude(&mut self, outcome: impl Fn(usize) -> Outcome) {
        let Some(pending) = self.pending.pop_front() else { return };
        let acks_all = self.settings.acks == -1;
        for (index, id) in pending.ids.into_iter().enumerate() {
            let Pending { partition, invoked, .. } = pending;
            self.entries.push(Entry { id, partition, acks_all, invoked, outcome: outcome(index) });
        }
    }

    fn give_up_unless_idempotent(&mut self) {
        while !self.settings.idempotent && !self.pending.is_empty() {
            self.conclude(|_| Outcome::Unknown);
        }
    }
}

enum Turn {
    Answered,
    Broken,
}

/// A request that carries one batch to one partition.
pub fn request(topic: &str, partition: i32, acks: i16, batch: Bytes) -> ProduceRequest {
    let partition = PartitionProduceData::default().with_index(partition).with_records(Some(batch));
    let topic = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![partition]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(10_000).with_topic_data(vec![topic])
}

/// Error code and base offset in an answer to [`request`].
///
/// # Errors
/// If it is about no partition.
pub fn only_partition(answer: ProduceResponse) -> Result<PartitionProduceResponse> {
    let mut partitions = answer.responses.into_iter().flat_map(|topic| topic.partition_responses);
    partitions.next().context("Produce: no answer")
}

/// Sends one batch and returns its answer.
///
/// # Errors
/// If the connection breaks.
pub fn produce(
    client: &mut Client,
    topic: &str,
    partition: i32,
    acks: i16,
    batch: Bytes,
) -> Result<PartitionProduceResponse> {
    only_partition(client.call(PRODUCE_VERSION, &request(topic, partition, acks, batch))?)
}
