//! Appends without any protocol; what Produce adds is tested in `kafka/api/produce/tests.rs`.

use codec::records::BatchBuilder;
use coordinator::transaction::Protocol;

use super::*;
use crate::services::admin::wanted::WantedTopic;
use crate::services::coordinator::transaction::TransactionService;
use crate::testing::Running;

fn batch(index: i32, records: usize) -> PartitionBatch {
    let build = |batch: BatchBuilder, _| batch.record(1, None, Some(b"v"));
    PartitionBatch { index, records: Some((0..records).fold(BatchBuilder::new(), build).build()) }
}

fn shown(outcomes: Vec<Vec<PartitionOutcome>>) -> Vec<Vec<Result<i64, String>>> {
    let one = |outcome: PartitionOutcome| {
        outcome.result.map(|appended| appended.base_offset).map_err(|error| error.to_string())
    };
    outcomes.into_iter().map(|topic| topic.into_iter().map(one).collect()).collect()
}

/// Of a request without a transactional id.
fn none(coordinator: &TransactionService) -> InTransaction<'_> {
    InTransaction { coordinator, id: None, protocol: Protocol::V1, verifies: true, connection: 1 }
}

async fn broker() -> (Running, TopicRef) {
    let running = Running::start(&[]).await.unwrap();
    let created = running.create_topic(WantedTopic::with_defaults("orders".to_owned())).await;
    (running, TopicRef::Id(created.id))
}

#[tokio::test]
async fn every_partition_has_its_outcome_and_is_counted() {
    let (running, by_id) = broker().await;
    let services = &running.broker.services;
    let topics = vec![
        TopicBatches { topic: TopicRef::named("orders"), partitions: vec![batch(0, 2), batch(7, 1)] },
        TopicBatches { topic: TopicRef::named("missing"), partitions: vec![batch(0, 1)] },
        TopicBatches { topic: by_id, partitions: vec![batch(0, 3), batch(0, 1)] },
    ];
    let bytes: usize = [2, 3, 1].iter().filter_map(|count| Some(batch(0, *count).records?.len())).sum();
    let outcomes = shown(
        services
            .appender
            .append(topics, Ok(Acks::All), ProducerFormats::NEWEST, none(&services.transactions))
            .await,
    );
    let unknown = || Err(PartitionError::UnknownTopicOrPartition.to_string());
    assert_eq!(outcomes, [vec![Ok(0), unknown()], vec![unknown()], vec![Ok(2), Ok(5)]]);

    let state = services.topics.topic(&TopicRef::named("orders")).unwrap();
    let metrics = &state.metrics;
    assert_eq!((metrics.messages_in.value(), metrics.bytes_in.value()), (6, bytes as u64));
    assert_eq!((metrics.total_produce_requests.value(), metrics.failed_produce_requests.value()), (4, 0));
}

#[tokio::test]
async fn only_sound_batches_meet_the_refusal_of_their_acks() {
    let (running, topic) = broker().await;
    let corrupt = PartitionBatch { index: 0, records: Some(Bytes::from_static(b"no batch")) };
    let topics = vec![TopicBatches { topic: topic.clone(), partitions: vec![batch(0, 1), corrupt] }];
    let refused = Err(ProduceError::RequiredAcks(2));
    let appender = &running.broker.services.appender;
    let outcomes = appender
        .append(topics, refused, ProducerFormats::NEWEST, none(&running.broker.services.transactions))
        .await
        .remove(0);
    assert!(matches!(outcomes[0].result, Err(ProduceError::RequiredAcks(2))), "{outcomes:?}");
    assert!(matches!(outcomes[1].result, Err(ProduceError::Batch(_))), "{outcomes:?}");

    let topics = vec![TopicBatches { topic, partitions: vec![batch(0, 1)] }];
    assert_eq!(
        shown(
            appender
                .append(
                    topics,
                    Ok(Acks::Leader),
                    ProducerFormats::NEWEST,
                    none(&running.broker.services.transactions)
                )
                .await
        ),
        [[Ok(0)]],
        "nothing was stored before"
    );
}
