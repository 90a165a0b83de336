//! The consuming half of a copier: it fetches one batch, and its place in the input is committed in the transaction.
//!
//! It is a member of a group of its own, whose generation the coordinator checks with each commit (KIP-447). After the end of
//! its partition it begins anew.

use crate::endpoint::Endpoint;

use anyhow::{Context as _, Result, ensure};
use bytes::{Bytes, BytesMut};
use codec::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use codec::messages::{OffsetFetchRequest, ProducerId, StrBytes, TransactionalId, TxnOffsetCommitRequest};

use super::batches::Identity;
use crate::connection::Connection;
use crate::control::{Control, decoded, encoded, topic_name};
use crate::frames::{self, FetchTerms};
use crate::groups::{Membership, join_group};
use crate::responses;

/// The version with which an offset announces itself (KIP-890).
const COMMIT_VERSION: i16 = 5;
/// Enough that a broker which counts no first batch beyond the limit returns it (KIP-74).
const ONE_BATCH: u32 = 1;

/// Reads one partition of the input.
pub(super) struct Copier {
    pub(super) connection: Connection,
    input: String,
    partition: u32,
    /// The next offset.
    offset: i64,
    /// At which it begins anew.
    end: i64,
    /// Records of each batch.
    records: u32,
    member: Membership,
    correlation: i32,
}

impl Copier {
    /// Joins its group and connects.
    ///
    /// # Errors
    /// The broker refuses that.
    pub(super) fn connect(
        endpoint: Endpoint,
        input: &str,
        partition: u32,
        end: i64,
        records: u32,
    ) -> Result<Copier> {
        Ok(Copier {
            connection: Connection::open(endpoint)?,
            input: input.to_owned(),
            partition,
            offset: 0,
            end,
            records,
            member: join_group(endpoint, &format!("{input}-{partition}"))?,
            correlation: 0,
        })
    }

    /// Queues a fetch of the next batch.
    pub(super) fn fetch(&mut self) -> Result<()> {
        self.correlation = self.correlation.wrapping_add(1);
        let terms = FetchTerms {
            // Without a session: one partition, which moves each time.
            session_id: 0,
            session_epoch: -1,
            max_bytes: ONE_BATCH,
            max_wait_ms: 500,
            read_committed: true,
        };
        let from = [(self.partition, self.offset)].into_iter();
        self.connection.queue(&frames::fetch(&self.input, self.correlation, terms, from)?, &Bytes::new());
        Ok(())
    }

    /// Takes the answer, if it is whole: true once the batch is there.
    ///
    /// # Errors
    /// The fetch is refused, or brings another batch than the next one.
    pub(super) fn receive(&mut self) -> Result<bool> {
        self.connection.fill()?;
        let Some(range) = self.connection.next_frame()? else { return Ok(false) };
        let mut fetched = None;
        responses::fetched(self.connection.frame(range), |_, _, records| {
            responses::whole_batches(records, |header, _| {
                fetched.get_or_insert(*header);
                Ok(())
            })
        })?;
        let batch = fetched.context("a fetch without a batch")?;
        ensure!(
            batch.base_offset == self.offset && batch.records_count.unsigned_abs() == self.records,
            "{} records at offset {}, expected {} at {}",
            batch.records_count,
            batch.base_offset,
            self.records,
            self.offset
        );
        self.offset = batch.next_offset();
        if self.offset >= self.end {
            self.offset = 0;
        }
        Ok(true)
    }

    /// TxnOffsetCommit of the next offset: a whole frame.
    pub(super) fn commit(
        &self,
        id: &TransactionalId,
        identity: Identity,
        correlation: i32,
    ) -> Result<BytesMut> {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(self.partition.cast_signed())
            .with_committed_offset(self.offset)
            .with_committed_metadata(Some(StrBytes::default()));
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(topic_name(&self.input))
            .with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(id.clone())
            .with_group_id(self.member.group.clone())
            .with_producer_id(ProducerId(identity.producer_id))
            .with_producer_epoch(identity.producer_epoch)
            .with_generation_id_or_member_epoch(self.member.generation_id)
            .with_member_id(self.member.member_id.clone())
            .with_topics(vec![topic]);
        encoded(COMMIT_VERSION, correlation, &request)
    }

    /// Compares the group's committed offset with the copier's place.
    ///
    /// # Errors
    /// They differ: an offset of a committed transaction is missing.
    pub(super) fn check(&self, endpoint: Endpoint) -> Result<()> {
        let request =
            OffsetFetchRequest::default().with_group_id(self.member.group.clone()).with_topics(None);
        let answer = Control::connect(endpoint)?.call(5, &request)?;
        let partition = answer.topics.iter().flat_map(|topic| &topic.partitions).next();
        let stored = partition.context("no offset was committed")?.committed_offset;
        ensure!(stored == self.offset, "committed offset {stored}, expected {}", self.offset);
        Ok(())
    }
}

/// The error code of an answer to TxnOffsetCommit.
pub(super) fn committed(answer: Bytes) -> Result<i16> {
    let answer = decoded::<TxnOffsetCommitRequest>(answer, COMMIT_VERSION)?;
    let partition = answer.topics.iter().flat_map(|topic| &topic.partitions).next();
    Ok(partition.context("TxnOffsetCommit: no answer")?.error_code)
}
