//! Requests of transactions.

use super::*;

pub(super) fn transactional_id() -> TransactionalId {
    TransactionalId(text("payments"))
}

pub(super) fn add_partitions_to_txn(version: i16) -> AddPartitionsToTxnRequest {
    let topic = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
        .with_name(topic_name(TOPIC))
        .with_partitions(vec![0]);
    if version >= 4 {
        let transaction = add_partitions_to_txn_request::AddPartitionsToTxnTransaction::default()
            .with_transactional_id(transactional_id())
            .with_topics(vec![topic]);
        return AddPartitionsToTxnRequest::default().with_transactions(vec![transaction]);
    }
    AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(transactional_id())
        .with_v3_and_below_topics(vec![topic])
}

pub(super) fn write_txn_markers(version: i16) -> WriteTxnMarkersRequest {
    let topic = write_txn_markers_request::WritableTxnMarkerTopic::default()
        .with_name(topic_name("missing"))
        .with_partition_indexes(vec![0]);
    let marker = write_txn_markers_request::WritableTxnMarker::default()
        .with_producer_id(ProducerId(1))
        .with_transaction_version(if version >= 2 { 2 } else { 0 })
        .with_topics(vec![topic]);
    WriteTxnMarkersRequest::default().with_markers(vec![marker])
}

pub(super) fn txn_offset_commit(version: i16) -> TxnOffsetCommitRequest {
    let partition = txn_offset_commit_request::TxnOffsetCommitRequestPartition::default()
        .with_committed_metadata(Some(text("note")));
    let topic =
        txn_offset_commit_request::TxnOffsetCommitRequestTopic::default().with_partitions(vec![partition]);
    let topic = if version >= 6 { topic.with_topic_id(TOPIC_ID) } else { topic.with_name(topic_name(TOPIC)) };
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(transactional_id())
        .with_group_id(group_id("g"))
        .with_topics(vec![topic]);
    if version >= 3 {
        request.with_member_id(text("m")).with_group_instance_id(Some(text("i")))
    } else {
        request
    }
}

pub(super) fn list_transactions(version: i16) -> ListTransactionsRequest {
    ListTransactionsRequest::default()
        .with_state_filters(vec![text("Ongoing")])
        .with_producer_id_filters(vec![ProducerId(1)])
        .with_duration_filter(if version >= 1 { 1 } else { -1 })
        .with_transactional_id_pattern((version >= 2).then(|| text("p.*")))
}

pub(super) fn init_producer_id(_: i16) -> InitProducerIdRequest {
    InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(1000)
}

pub(super) fn describe_producers(_: i16) -> DescribeProducersRequest {
    let topic = describe_producers_request::TopicRequest::default()
        .with_name(topic_name(TOPIC))
        .with_partition_indexes(vec![0]);
    DescribeProducersRequest::default().with_topics(vec![topic])
}
