//! AddPartitionsToTxn, key 24: makes partitions part of a producer's transaction before the producer writes to them (KIP-98).
//!
//! Versions 0–5:
//! - v1: as v0 (KIP-219).
//! - v2: the error PRODUCER_FENCED (KIP-588); before, INVALID_PRODUCER_EPOCH.
//! - v3: flexible.
//! - v4: several transactions, for brokers; a partition may be verified alone (KIP-890).
//! - v5: clients know the error TRANSACTION_ABORTABLE (KIP-890). Version 4 is for brokers, and Kafka 4.3 sends it that error too.
//!
//! A request without partitions begins the transaction all the same, as in Kafka.
//! If a partition is unknown, none is added: the others are OPERATION_NOT_ATTEMPTED, whatever else is wrong. A producer that Produce 12 serves sends
//! none of these.

use std::ops::RangeInclusive;
use std::sync::Arc;

use codec::ErrorCode;
use codec::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use codec::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use codec::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};
use coordinator::transaction::{
    ProducerId, ProducerIdAndEpoch, Sender, ShardId, TopicPartitionRef, TransactionError, TransactionalId,
};

use crate::kafka::access::{Access, CLUSTER, Operation, TOPIC, TRANSACTIONAL_ID, each, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::{TransactionCodes, transaction_error_code};
use crate::session::authorizer::Permit;

/// See the file's header.
pub(crate) struct AddPartitionsToTxn;

/// From this version on a request may name several transactions.
const SEVERAL_FROM: i16 = 4;

impl Api for AddPartitionsToTxn {
    type Request = AddPartitionsToTxnRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const ACCESS: Access = Access::Needs(&[
        whole(TRANSACTIONAL_ID, Operation::Write).when("up to version 3"),
        each(TOPIC, Operation::Write).when("up to version 3"),
        whole(CLUSTER, Operation::ClusterAction).when("from version 4 on"),
    ]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let response = AddPartitionsToTxnResponse::default();
        if cx.api_version() < SEVERAL_FROM {
            let id = &request.v3_and_below_transactional_id;
            let permit = match cx.authorize(TRANSACTIONAL_ID, Operation::Write, id) {
                Ok(permit) => permit,
                Err(code) => {
                    let topics = results(&request.v3_and_below_topics, |_| code);
                    return Ok(Reply::Response(response.with_results_by_topic_v3_and_below(topics)));
                }
            };
            let transaction = AddPartitionsToTxnTransaction::default()
                .with_transactional_id(request.v3_and_below_transactional_id)
                .with_producer_id(request.v3_and_below_producer_id)
                .with_producer_epoch(request.v3_and_below_producer_epoch)
                .with_topics(request.v3_and_below_topics);
            let topics = add(cx, &permit, &transaction).await;
            return Ok(Reply::Response(response.with_results_by_topic_v3_and_below(topics)));
        }
        let permit = match cx.authorize_cluster(Operation::ClusterAction) {
            Ok(permit) => permit,
            Err(code) => return Ok(Reply::Response(response.with_error_code(code.code()))),
        };
        let mut results = Vec::with_capacity(request.transactions.len());
        for transaction in &request.transactions {
            let topics = add(cx, &permit, transaction).await;
            results.push(
                AddPartitionsToTxnResult::default()
                    .with_transactional_id(transaction.transactional_id.clone())
                    .with_topic_results(topics),
            );
        }
        Ok(Reply::Response(response.with_results_by_transaction(results)))
    }

    fn first_error(response: &AddPartitionsToTxnResponse) -> i16 {
        let several = response.results_by_transaction.iter().flat_map(|result| &result.topic_results);
        let topics = several.chain(&response.results_by_topic_v3_and_below);
        let partitions = topics.flat_map(|topic| &topic.results_by_partition);
        let codes = partitions.map(|partition| partition.partition_error_code);
        super::first_code([response.error_code].into_iter().chain(codes))
    }
}

/// The results of one transaction's partitions.
async fn add(
    cx: &Context,
    permit: &Permit,
    transaction: &AddPartitionsToTxnTransaction,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let version = cx.api_version();
    let code = |error| {
        transaction_error_code(
            error,
            TransactionCodes { fenced: version >= 2, abortable: version >= SEVERAL_FROM },
        )
    };
    let id = TransactionalId::from(transaction.transactional_id.as_str());
    let producer =
        ProducerIdAndEpoch { id: ProducerId(*transaction.producer_id), epoch: transaction.producer_epoch };
    let sender = Sender { producer, connection: cx.peer().number };
    // Each partition is there or not, whatever becomes of the others.
    let found = found(cx, permit, &transaction.topics);
    if found.iter().any(Result::is_err) {
        let of = |index: usize| match &found[index] {
            Ok(_) => ErrorCode::OperationNotAttempted,
            Err(code) => *code,
        };
        return results(&transaction.topics, of);
    }
    if id.as_str().is_empty() {
        return results(&transaction.topics, |_| code(TransactionError::InvalidRequest));
    }
    let partitions: Vec<TopicPartitionRef> = found.into_iter().flatten().collect();
    let transactions = cx.transactions(permit);
    let outcome = if transaction.verify_only {
        transactions.verify_partitions(&id, sender, &partitions).await
    } else {
        let added = transactions.add_partitions(&id, sender, &partitions).await;
        added.map(|()| vec![Ok(()); partitions.len()])
    };
    results(&transaction.topics, |index| match &outcome {
        Ok(each) => each.get(index).copied().unwrap_or(Ok(())).map_or_else(code, |()| ErrorCode::None),
        Err(error) => code(*error),
    })
}

/// The partitions of a request, in its order; a code for one that the client may not write to, or that does not exist. Since version 4
/// brokers alone ask, whose clients were asked about the topics (`KafkaApis.handleAddPartitionsToTxnRequest`).
fn found(
    cx: &Context,
    permit: &Permit,
    topics: &[AddPartitionsToTxnTopic],
) -> Vec<Result<TopicPartitionRef, ErrorCode>> {
    let catalog = cx.catalog(permit);
    let mut found = Vec::new();
    for asked in topics {
        let topic = catalog.topic(&asked.name);
        let name: Arc<str> = Arc::from(asked.name.as_str());
        let denied = match cx.api_version() {
            SEVERAL_FROM.. => None,
            _ => cx.authorize(TOPIC, Operation::Write, &asked.name).err(),
        };
        found.extend(asked.partitions.iter().map(|index| {
            if let Some(code) = denied {
                return Err(code);
            }
            let topic = topic.filter(|topic| topic.partition(*index).is_some());
            let topic = topic.ok_or(ErrorCode::UnknownTopicOrPartition)?;
            let (topic_id, topic) = (topic.id, Arc::clone(&name));
            Ok(TopicPartitionRef { shard: ShardId::default(), topic_id, topic, partition: *index })
        }));
    }
    found
}

/// The answer; `code` gets the position of a partition in the request.
fn results(
    topics: &[AddPartitionsToTxnTopic],
    code: impl Fn(usize) -> ErrorCode,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let mut position = 0;
    let mut one = |index: &i32| {
        let code = code(position).code();
        position += 1;
        AddPartitionsToTxnPartitionResult::default()
            .with_partition_index(*index)
            .with_partition_error_code(code)
    };
    let topic = |topic: &AddPartitionsToTxnTopic| {
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(topic.partitions.iter().map(&mut one).collect())
    };
    topics.iter().map(topic).collect()
}
