//! The small requests of a transactional producer, and their answers, at the versions that Java's client sends.

use crate::endpoint::Endpoint;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use codec::ErrorCode;
use codec::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use codec::messages::{
    AddPartitionsToTxnRequest, DescribeTransactionsRequest, EndTxnRequest, InitProducerIdRequest, ProducerId,
    StrBytes, TransactionalId,
};

use super::backoff;
use super::batches::Identity;
use crate::control::{Control, decoded, encoded, topic_name};
use crate::loads::ProducerKind;

/// The last version of clients; later ones are for brokers.
const ANNOUNCE_VERSION: i16 = 3;
const DESCRIBE_VERSION: i16 = 0;
/// As Java's `transaction.timeout.ms`.
const TIMEOUT_MS: i32 = 60_000;
/// Until a new cluster has its first coordinator.
const ATTEMPTS: u32 = 600;

/// A name in the messages' type.
pub(super) fn transactional_id(id: &str) -> TransactionalId {
    TransactionalId(StrBytes::from_string(id.to_owned()))
}

/// Gets a producer id, and waits for the coordinator of the transactional id if there is one.
///
/// # Errors
/// The broker refuses it, or is not ready within a minute.
pub(super) fn init_producer_id(endpoint: Endpoint, id: Option<&str>, kind: ProducerKind) -> Result<Identity> {
    let mut control = Control::connect(endpoint)?;
    if let Some(id) = id {
        control.find_transaction_coordinator(id)?;
    }
    let request = InitProducerIdRequest::default()
        .with_transactional_id(id.map(transactional_id))
        .with_transaction_timeout_ms(TIMEOUT_MS)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let mut error = 0;
    for _ in 0..ATTEMPTS {
        let answer = control.call(if kind == ProducerKind::V2 { 5 } else { 4 }, &request)?;
        error = answer.error_code;
        if error == 0 {
            return Ok(Identity { producer_id: answer.producer_id.0, producer_epoch: answer.producer_epoch });
        }
        let not_ready = [ErrorCode::NotCoordinator, ErrorCode::CoordinatorNotAvailable];
        if !backoff::is_repeated(error) && !not_ready.iter().any(|code| code.code() == error) {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    bail!("InitProducerId: error {error}")
}

/// AddPartitionsToTxn: a whole frame.
pub(super) fn announce(
    id: &TransactionalId,
    identity: Identity,
    topic: &str,
    partitions: &[u32],
    correlation: i32,
) -> Result<BytesMut> {
    let partitions = partitions.iter().map(|partition| partition.cast_signed()).collect();
    let topic = AddPartitionsToTxnTopic::default().with_name(topic_name(topic)).with_partitions(partitions);
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id.clone())
        .with_v3_and_below_producer_id(ProducerId(identity.producer_id))
        .with_v3_and_below_producer_epoch(identity.producer_epoch)
        .with_v3_and_below_topics(vec![topic]);
    encoded(ANNOUNCE_VERSION, correlation, &request)
}

/// The first error code of an answer to AddPartitionsToTxn that is not 0.
pub(super) fn announced(answer: Bytes) -> Result<i16> {
    let answer = decoded::<AddPartitionsToTxnRequest>(answer, ANNOUNCE_VERSION)?;
    let all = answer.results_by_topic_v3_and_below.iter().flat_map(|topic| &topic.results_by_partition);
    let codes: Vec<i16> = all.map(|partition| partition.partition_error_code).collect();
    ensure!(!codes.is_empty(), "AddPartitionsToTxn: no answer");
    Ok(codes.into_iter().find(|code| *code != 0).unwrap_or_default())
}

/// Version 5 raises the epoch (KIP-890).
fn end_version(kind: ProducerKind) -> i16 {
    if kind == ProducerKind::V1 { 4 } else { 5 }
}

/// EndTxn: a whole frame.
pub(super) fn end(
    id: &TransactionalId,
    identity: Identity,
    kind: ProducerKind,
    committed: bool,
    correlation: i32,
) -> Result<BytesMut> {
    let request = EndTxnRequest::default()
        .with_transactional_id(id.clone())
        .with_producer_id(ProducerId(identity.producer_id))
        .with_producer_epoch(identity.producer_epoch)
        .with_committed(committed);
    encoded(end_version(kind), correlation, &request)
}

/// The error code of an answer to EndTxn, and the id and epoch to go on with if there is none.
pub(super) fn ended(answer: Bytes, kind: ProducerKind, before: Identity) -> Result<(i16, Identity)> {
    let answer = decoded::<EndTxnRequest>(answer, end_version(kind))?;
    if answer.error_code != 0 || kind == ProducerKind::V1 {
        return Ok((answer.error_code, before));
    }
    let after = Identity { producer_id: answer.producer_id.0, producer_epoch: answer.producer_epoch };
    ensure!(after.producer_id >= 0 && after.producer_epoch >= 0, "EndTxn: no producer to go on with");
    Ok((0, after))
}

/// DescribeTransactions of one id: a whole frame.
pub(super) fn describe(id: &TransactionalId, correlation: i32) -> Result<BytesMut> {
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id.clone()]);
    encoded(DESCRIBE_VERSION, correlation, &request)
}

/// True if the described transaction is complete, with markers in all partitions.
///
/// # Errors
/// The id is unknown.
pub(super) fn is_complete(answer: Bytes) -> Result<bool> {
    let answer = decoded::<DescribeTransactionsRequest>(answer, DESCRIBE_VERSION)?;
    let state = answer.transaction_states.first().context("DescribeTransactions: no answer")?;
    ensure!(state.error_code == 0, "DescribeTransactions: error {}", state.error_code);
    Ok(state.transaction_state.starts_with("Complete"))
}
