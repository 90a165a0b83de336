//! A producer: transactions of a few batches and offsets, committed or aborted.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use codec::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use codec::messages::{
    EndTxnRequest, InitProducerIdRequest, ProduceRequest, TransactionalId, TxnOffsetCommitRequest,
};
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::super::{History, Name, Outcome, StagedOffset, Transaction};
use super::{Shared, group_partition, partition};
use crate::admin::{group_id, text, topic_name};
use crate::client::Client;
use crate::producer;
use crate::records::{Content, Sequenced, batch, seal};

/// Announces by itself (KIP-890).
const PRODUCE_VERSION: i16 = 12;
/// As Produce 12.
const TXN_OFFSET_COMMIT_VERSION: i16 = 5;
/// Raises the epoch.
const END_TXN_VERSION: i16 = 5;
const INIT_PRODUCER_ID_VERSION: i16 = 5;
const TIMEOUT_MS: i32 = 60_000;
/// Bits of a batch's attributes, and where they are.
const TRANSACTIONAL: u8 = 0x10;
const ATTRIBUTES: usize = 22;
/// COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, CONCURRENT_TRANSACTIONS.
const RETRIABLE: [i16; 4] = [14, 15, 16, 51];

fn transactional_id(number: u32) -> TransactionalId {
    TransactionalId(text(&format!("writer-{number}")))
}

/// A producer id and epoch; what an earlier producer of this number left open is aborted.
///
/// # Errors
/// If it is refused for good.
pub(super) fn init(client: &mut Client, number: u32) -> Result<(i64, i16)> {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(transactional_id(number)))
        .with_transaction_timeout_ms(TIMEOUT_MS)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    for _ in 0..500 {
        let response = client.call(INIT_PRODUCER_ID_VERSION, &request)?;
        match response.error_code {
            0 => return Ok((response.producer_id.0, response.producer_epoch)),
            code if RETRIABLE.contains(&code) => thread::sleep(Duration::from_millis(20)),
            code => bail!("InitProducerId: error {code}"),
        }
    }
    bail!("InitProducerId: not within 10 s")
}

/// One transactional id, one transaction at a time.
pub(super) struct Writer<'a> {
    shared: &'a Shared,
    number: u32,
    client: Option<Client>,
    /// Producer id and epoch.
    identity: (i64, i16),
    sequences: HashMap<i32, i32>,
    random: StdRng,
    history: History,
}

impl<'a> Writer<'a> {
    pub(super) fn new(shared: &'a Shared, number: u32) -> Writer<'a> {
        Writer {
            shared,
            number,
            client: None,
            identity: (-1, -1),
            sequences: HashMap::new(),
            random: rand::make_rng(),
            history: History::default(),
        }
    }

    pub(super) fn run(mut self) -> Result<History> {
        while !self.shared.is_stopped() {
            if self.client.is_none() && self.connect().is_err() {
                self.client = None;
                thread::sleep(Duration::from_millis(2));
                continue;
            }
            let mut transaction = Transaction {
                id: self.shared.next.fetch_add(1, Ordering::Relaxed),
                producer: self.number,
                records: Vec::new(),
                offsets: Vec::new(),
                commit_sent: None,
                outcome: Outcome::Unknown,
            };
            // Whatever goes wrong leaves the outcome unknown; the next InitProducerId ends it.
            if self.transaction(&mut transaction).is_err() {
                self.client = None;
            }
            self.history.transactions.push(transaction);
        }
        Ok(self.history)
    }

    fn connect(&mut self) -> Result<()> {
        let client = self.shared.connected(&mut self.client).context("no broker")?;
        self.identity = init(client, self.number)?;
        self.sequences.clear();
        Ok(())
    }

    fn transaction(&mut self, transaction: &mut Transaction) -> Result<()> {
        for _ in 0..self.random.random_range(1..6) {
            let index = self.random.random_range(0..self.shared.partitions);
            if self.random.random_range(0..4) == 0 {
                self.send_offset(transaction, index)?;
            } else {
                self.append(transaction, index)?;
            }
        }
        let commit = self.random.random_range(0..4) > 0;
        self.end(transaction, commit)
    }

    fn append(&mut self, transaction: &mut Transaction, index: i32) -> Result<()> {
        let count = self.random.random_range(1..4);
        let mut contents = Vec::new();
        for _ in 0..count {
            let name = Name { transaction: transaction.id, number: transaction.records.len() as u32 };
            transaction.records.push(partition(index));
            contents.push(Content {
                key: None,
                value: Some(Bytes::from(format!("{name} of writer {}", self.number))),
                timestamp_ms: 1_704_067_200_000,
                headers: Vec::new(),
            });
        }
        let sequence = self.sequences.entry(index).or_default();
        let (producer_id, producer_epoch) = self.identity;
        let mut batch =
            batch(&contents, Some(Sequenced { producer_id, producer_epoch, base_sequence: *sequence }));
        *sequence += count;
        batch[ATTRIBUTES] |= TRANSACTIONAL;
        seal(&mut batch);
        let request: ProduceRequest = producer::request(&self.shared.topic, index, -1, batch.freeze());
        let request = request.with_transactional_id(Some(transactional_id(self.number)));
        let client = self.client.as_mut().context("no connection")?;
        let answer = producer::only_partition(client.call(PRODUCE_VERSION, &request)?)?;
        ensure!(answer.error_code == 0, "Produce: error {}", answer.error_code);
        Ok(())
    }

    fn send_offset(&mut self, transaction: &mut Transaction, index: i32) -> Result<()> {
        let offset = i64::try_from(self.shared.next_offset.fetch_add(1, Ordering::Relaxed))?;
        let sent = self.shared.clock.now();
        transaction.offsets.push(StagedOffset {
            partition: group_partition(index),
            offset,
            sent,
            answered: None,
        });
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(-1);
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(topic_name(&self.shared.topic))
            .with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(transactional_id(self.number))
            .with_group_id(group_id(&self.shared.group))
            .with_producer_id(self.identity.0.into())
            .with_producer_epoch(self.identity.1)
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic]);
        let client = self.client.as_mut().context("no connection")?;
        let response = client.call(TXN_OFFSET_COMMIT_VERSION, &request)?;
        let answers = response.topics.iter().flat_map(|topic| &topic.partitions);
        let codes: Vec<i16> = answers.map(|answer| answer.error_code).collect();
        ensure!(codes == [0], "TxnOffsetCommit: errors {codes:?}");
        if let Some(staged) = transaction.offsets.last_mut() {
            staged.answered = Some(self.shared.clock.now());
        }
        Ok(())
    }

    fn end(&mut self, transaction: &mut Transaction, commit: bool) -> Result<()> {
        let request = EndTxnRequest::default()
            .with_transactional_id(transactional_id(self.number))
            .with_producer_id(self.identity.0.into())
            .with_producer_epoch(self.identity.1)
            .with_committed(commit);
        if commit {
            transaction.commit_sent = Some(self.shared.clock.now());
        }
        let client = self.client.as_mut().context("no connection")?;
        let response = client.call(END_TXN_VERSION, &request)?;
        ensure!(response.error_code == 0, "EndTxn: error {}", response.error_code);
        transaction.outcome = if commit {
            self.shared.committed.fetch_add(1, Ordering::Relaxed);
            Outcome::Committed { at: self.shared.clock.now() }
        } else {
            Outcome::Aborted
        };
        self.identity = (response.producer_id.0, response.producer_epoch);
        self.sequences.clear();
        Ok(())
    }
}
