//! DeleteTopics and Metadata: topics named by id where the samples name them by name, and topics that may be deleted and not described.

use codec::messages::delete_topics_request::DeleteTopicState;
use codec::messages::metadata_request::MetadataRequestTopic;
use codec::messages::{DeleteTopicsRequest, DeleteTopicsResponse, MetadataResponse, TopicName};

use super::*;

fn delete(client: &mut Client, id: Uuid) -> Result<DeleteTopicsResponse> {
    let topic = DeleteTopicState::default().with_topic_id(id).with_name(None);
    client.call(6, &DeleteTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(1_000))
}

fn describe(client: &mut Client, id: Uuid) -> Result<MetadataResponse> {
    let topic = MetadataRequestTopic::default().with_topic_id(id).with_name(None);
    client.call(12, &MetadataRequest::default().with_topics(Some(vec![topic])))
}

/// The name of a topic is told only to clients that may describe it, also where they have its id.
#[test]
fn an_id_does_not_lead_to_a_name() -> Result<()> {
    let [stranger, reader, owner] = [1, 2, 3].map(|last| IpAddr::from(Ipv4Addr::new(127, 0, 1, last)));
    let acls = vec![allow(TOPIC, "secret", DESCRIBE, reader), allow(TOPIC, "secret", DELETE, owner)];
    let (broker, _folder) = broker_with(acls)?;
    let mut administrator = Client::connect(broker.address())?;
    admin::create_topic(&mut administrator, "secret", 1)?;
    let id = admin::topic(&mut administrator, "secret")?.topic_id;
    let client = |from| Client::connect_from(from, broker.address());

    for (from, code) in [(stranger, 29), (reader, 0), (owner, 0)] {
        let topic = describe(&mut client(from)?, id)?.topics.remove(0);
        ensure!((topic.error_code, topic.name.is_some()) == (code, code == 0), "{from}: {topic:?}");
    }
    for (from, code, named) in [(stranger, 29, false), (reader, 29, true), (owner, 0, true)] {
        let topic = delete(&mut client(from)?, id)?.responses.remove(0);
        ensure!((topic.error_code, topic.name.is_some()) == (code, named), "{from}: {topic:?}");
    }
    // As in Kafka: an id without a topic is no secret, since only the owner of a topic can know one with a topic.
    for from in [stranger, owner] {
        ensure!(describe(&mut client(from)?, id)?.topics[0].error_code == 100, "{from}");
        ensure!(delete(&mut client(from)?, id)?.responses[0].error_code == 100, "{from}");
    }
    Ok(())
}

/// A client that was denied to describe a topic, and allowed to delete it, deleted it by its name. Kafka refuses.
#[test]
fn a_topic_that_may_not_be_described_is_not_deleted_by_name() -> Result<()> {
    let [denied, reader] = [1, 2].map(|last| IpAddr::from(Ipv4Addr::new(127, 0, 2, last)));
    let acls = vec![
        allow(TOPIC, "secret", DELETE, denied),
        allow(TOPIC, "secret", DESCRIBE, denied).with_permission_type(2),
        allow(TOPIC, "secret", DESCRIBE, reader),
        allow(TOPIC, "missing", DESCRIBE, reader),
    ];
    let (broker, _folder) = broker_with(acls)?;
    let mut administrator = Client::connect(broker.address())?;
    admin::create_topic(&mut administrator, "secret", 1)?;
    let cases =
        [(denied, "secret", 29), (denied, "missing", 29), (reader, "secret", 29), (reader, "missing", 3)];
    for (from, name, code) in cases {
        let request = DeleteTopicsRequest::default().with_topic_names(vec![TopicName(text(name))]);
        let answer = Client::connect_from(from, broker.address())?.call(5, &request)?;
        ensure!(answer.responses[0].error_code == code, "{from}, {name}: {answer:?}");
    }
    admin::topic(&mut administrator, "secret")?;
    Ok(())
}
