//! A producer: transactions of a few batches and offsets, committed or aborted.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use codec::messages::InitProducerIdResponse;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::super::requests::{
    ANNOUNCE_VERSION, Owner, Protocol, announce_code, content, produce_code, stage_code,
};
use super::super::{History, Name, Outcome, StagedOffset, Transaction};
use super::link::{Line, Link, Lost, Refused};
use super::{Shared, group_partition, partition};
use crate::proxy::Fences;

/// The producer's way after the answer to a request was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It begins anew, as a program that was started again.
    Never,
    /// It mostly sends the request again, as clients do, and sometimes gives its transaction up, but not its producer id.
    Mostly,
    /// It sends the request again.
    Always,
}

/// How a producer of a load writes.
#[derive(Debug, Clone)]
pub struct Writing {
    /// The protocol of its transactions.
    pub protocol: Protocol,
    /// After a lost answer.
    pub again: Again,
    /// A connection for its coordinator beside the one for all else.
    pub apart: bool,
    /// Transaction timeout.
    pub timeout_ms: i32,
    /// Another address than the load's, such as that of a proxy.
    pub address: Option<SocketAddr>,
    /// New owners of transactional ids that this load has not asked for: these may fence a producer.
    pub fences: Option<Arc<Fences>>,
}

impl Writing {
    /// A producer of this protocol that begins anew after each lost answer.
    pub fn new(protocol: Protocol) -> Writing {
        Writing {
            protocol,
            again: Again::Never,
            apart: false,
            timeout_ms: 60_000,
            address: None,
            fences: None,
        }
    }
}

/// A producer was refused for good, and began anew.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Its transactional id.
    pub id: String,
    /// The answer.
    pub refused: Refused,
    /// Another owner had taken its id since it began.
    pub fenced: bool,
}

/// The transactional id of a writer.
pub(super) fn transactional_id(number: u32) -> String {
    format!("writer-{number}")
}

/// Ends what a producer left open.
///
/// # Errors
/// If it is refused for good.
pub(super) fn end_open(address: SocketAddr, number: u32) -> Result<()> {
    let request = Owner::new(&transactional_id(number)).init(60_000, true);
    let version = Protocol::V1.init_producer_id();
    Link::new(address, false).ask(Line::Coordinator, version, &request, init_code, || true)?;
    Ok(())
}

fn init_code(answer: &InitProducerIdResponse) -> i16 {
    answer.error_code
}

/// One transactional id, one transaction at a time.
#[derive(Debug)]
pub struct Writer<'a> {
    shared: &'a Shared,
    number: u32,
    writing: Writing,
    link: Link,
    owner: Owner,
    /// It owns its id, as far as it knows.
    owns: bool,
    /// Fences of its id that were over when it began.
    fences: u64,
    sequences: HashMap<i32, i32>,
    /// Partitions of the open transaction that were announced, and whether the group was.
    announced: (HashSet<i32>, bool),
    random: StdRng,
    history: History,
}

impl<'a> Writer<'a> {
    pub(super) fn new(shared: &'a Shared, number: u32, writing: Writing) -> Writer<'a> {
        Writer {
            shared,
            number,
            link: Link::new(writing.address.unwrap_or(shared.address), writing.apart),
            writing,
            owner: Owner::new(&transactional_id(number)),
            owns: false,
            fences: 0,
            sequences: HashMap::new(),
            announced: Default::default(),
            random: StdRng::seed_from_u64(shared.seed.wrapping_add(u64::from(number))),
            history: History::default(),
        }
    }

    pub(super) fn run(mut self) -> Result<History> {
        while !self.shared.is_stopped() {
            // Some programs are started again.
            self.owns &= !self.sends_again() || self.random.random_range(0..25) > 0;
            if !self.owns && self.init(true).is_err() {
                thread::sleep(Duration::from_millis(2));
                continue;
            }
            let mut transaction = self.begin();
            // What goes wrong leaves the outcome unknown, except for a commit that was refused.
            if let Err(error) = self.transaction(&mut transaction) {
                self.recover(&error);
            }
            self.history.transactions.push(transaction);
        }
        Ok(self.history)
    }

    /// A transaction without anything in it. Nothing is sent.
    pub fn begin(&mut self) -> Transaction {
        self.announced = Default::default();
        Transaction {
            id: self.shared.next.fetch_add(1, Ordering::Relaxed),
            producer: self.number,
            records: Vec::new(),
            offsets: Vec::new(),
            commit_sent: None,
            outcome: Outcome::Unknown,
        }
    }

    /// A producer that sends again after a loss keeps its id, as Java's and franz-go do. Others begin anew.
    fn recover(&mut self, error: &anyhow::Error) {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            let fences = self.writing.fences.as_ref().map_or(0, |fences| fences.begun(&self.owner.id));
            let (id, fenced) = (self.owner.id.clone(), fences > self.fences);
            self.shared.refusals.lock().push(Refusal { id, refused: *refused, fenced });
        }
        let keeps = self.sends_again() && error.is::<Lost>();
        if !keeps {
            self.link.cut();
            self.owns = false;
        } else if let Err(error) = self.init(false) {
            self.owns = false;
            if error.is::<Refused>() {
                self.recover(&error);
            }
        }
    }

    /// Closes its connections.
    pub fn cut(&mut self) {
        self.link.cut();
    }

    /// InitProducerId: as a new owner if `anew`, else by the producer id that it has.
    ///
    /// # Errors
    /// It is refused, or the answer is lost and not asked for again.
    pub fn init(&mut self, anew: bool) -> Result<()> {
        if let Some(fences) = self.writing.fences.as_ref().filter(|_| anew) {
            // One that is under way may come after this.
            self.fences = fences.ended(&self.owner.id);
        }
        let request = self.owner.init(self.writing.timeout_ms, anew);
        let (shared, again) = (self.shared, self.sends_again());
        let version = self.writing.protocol.init_producer_id();
        let answer = self
            .link
            .ask(Line::Coordinator, version, &request, init_code, || again && !shared.is_stopped())?;
        (self.owner.producer_id, self.owner.epoch) = (answer.producer_id.0, answer.producer_epoch);
        self.sequences.clear();
        self.announced = Default::default();
        self.owns = true;
        Ok(())
    }

    fn sends_again(&self) -> bool {
        self.writing.again != Again::Never
    }

    /// The same for a request that ends or gives up a transaction without harm.
    fn sends_this_again(&mut self) -> bool {
        match self.writing.again {
            Again::Never => false,
            Again::Mostly => self.random.random_range(0..6) > 0,
            Again::Always => true,
        }
    }

    fn transaction(&mut self, transaction: &mut Transaction) -> Result<()> {
        let mut staged = HashSet::new();
        for _ in 0..self.random.random_range(1..6) {
            let index = self.random.random_range(0..self.shared.partitions);
            // A TxnOffsetCommit that comes late within its own transaction overtakes a later one: they have no order.
            let stages = self.random.random_range(0..4) == 0 && (!self.sends_again() || staged.insert(index));
            if stages {
                self.stage(transaction, index)?;
            } else {
                self.append(transaction, index)?;
            }
        }
        let commit = self.random.random_range(0..4) > 0;
        self.end(transaction, commit)
    }

    /// A batch of one to three records; with the older protocol the partition is announced first.
    ///
    /// # Errors
    /// A request is refused, or its answer lost.
    pub fn append(&mut self, transaction: &mut Transaction, index: i32) -> Result<()> {
        let (protocol, again) = (self.writing.protocol, self.sends_again());
        if protocol == Protocol::V1 && !self.announced.0.contains(&index) {
            let request = self.owner.announce(&self.shared.topic, vec![index]);
            self.link.ask(Line::Coordinator, ANNOUNCE_VERSION, &request, announce_code, || again)?;
            self.announced.0.insert(index);
        }
        let count = self.random.random_range(1..4);
        let mut contents = Vec::new();
        for _ in 0..count {
            let name = Name { transaction: transaction.id, number: transaction.records.len() as u32 };
            transaction.records.push(partition(index));
            contents.push(content(format!("{name} of {}", self.owner.id)));
        }
        let sequence = self.sequences.entry(index).or_default();
        let request = self.owner.produce(&self.shared.topic, index, *sequence, &contents);
        *sequence += count;
        let again = self.sends_this_again();
        self.link.ask(Line::Others, protocol.produce(), &request, produce_code, || again)?;
        Ok(())
    }

    /// An offset of the load's group, unlike all others; with the older protocol the group is announced first.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn stage(&mut self, transaction: &mut Transaction, index: i32) -> Result<()> {
        let (protocol, again) = (self.writing.protocol, self.sends_again());
        let group = &self.shared.group;
        if protocol == Protocol::V1 && !self.announced.1 {
            let request = self.owner.announce_group(group);
            let code = |answer: &codec::messages::AddOffsetsToTxnResponse| answer.error_code;
            self.link.ask(Line::Coordinator, ANNOUNCE_VERSION, &request, code, || again)?;
            self.announced.1 = true;
        }
        let offset = i64::try_from(self.shared.next_offset.fetch_add(1, Ordering::Relaxed))?;
        transaction.offsets.push(StagedOffset {
            partition: group_partition(index),
            offset,
            sent: self.shared.clock.now(),
            answered: None,
        });
        let request = self.owner.stage(group, &self.shared.topic, index, offset);
        self.link.ask(Line::Others, protocol.txn_offset_commit(), &request, stage_code, || again)?;
        if let Some(staged) = transaction.offsets.last_mut() {
            staged.answered = Some(self.shared.clock.now());
        }
        Ok(())
    }

    /// Ends it, and notes its outcome.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn end(&mut self, transaction: &mut Transaction, commit: bool) -> Result<()> {
        if commit {
            transaction.commit_sent = Some(self.shared.clock.now());
        }
        let (request, again) = (self.owner.end(commit), self.sends_this_again());
        let code = |answer: &codec::messages::EndTxnResponse| answer.error_code;
        let version = self.writing.protocol.end_txn();
        let answer = self.link.ask(Line::Coordinator, version, &request, code, || again);
        let answer = answer.inspect_err(|error| {
            // Only the first try tells: an earlier one may have ended it.
            if error.downcast_ref::<Refused>().is_some_and(|refused| !refused.again) {
                transaction.outcome = Outcome::Aborted;
            }
        })?;
        transaction.outcome = if commit {
            self.shared.committed.fetch_add(1, Ordering::Relaxed);
            Outcome::Committed { at: self.shared.clock.now() }
        } else {
            Outcome::Aborted
        };
        if self.writing.protocol == Protocol::V2 {
            (self.owner.producer_id, self.owner.epoch) = (answer.producer_id.0, answer.producer_epoch);
            self.sequences.clear();
        }
        Ok(())
    }
}
