//! Races of look-ups with changes of the catalog.

use codec::messages::delete_topics_request::DeleteTopicState;
use codec::messages::metadata_request::MetadataRequestTopic;
use codec::messages::{DeleteTopicsRequest, MetadataRequest, StrBytes, TopicName};

use super::*;
use crate::testing::Running;

/// A dashboard went on to show a topic that was deleted while a producer wrote to it.
#[tokio::test]
async fn a_look_up_that_began_before_a_deletion_leaves_no_metrics_behind() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    let name = || Some(TopicName(StrBytes::from_static_str("orders")));
    let asked = vec![MetadataRequestTopic::default().with_name(name())];
    let request = MetadataRequest::default().with_topics(Some(asked)).with_allow_auto_topic_creation(true);
    client.call(12, &request).await;
    let services = &running.broker.services;
    let before = services.topics.catalog();
    let topic = Arc::clone(before.topic("orders").unwrap());
    let shown = || services.metrics.scrape().unwrap().contains("topic=\"orders\"");
    services.topics.work_out(&before, &topic);
    assert!(shown());
    let asked = vec![DeleteTopicState::default().with_name(name())];
    let request = DeleteTopicsRequest::default().with_topics(asked).with_timeout_ms(10_000);
    assert_eq!(client.call(6, &request).await.responses[0].error_code, 0);
    assert!(!shown());
    services.topics.work_out(&before, &topic);
    assert!(!shown());
}
