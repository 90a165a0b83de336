use codec::messages::create_acls_request::AclCreation;
use codec::messages::delete_acls_request::DeleteAclsFilter;
use codec::messages::fetch_request::{FetchPartition, FetchTopic};
use codec::messages::metadata_request::MetadataRequestTopic;
use codec::messages::{CreateAclsRequest, DeleteAclsRequest, FetchRequest, MetadataRequest, TopicName};

use super::super::produce::tests::{batch, broker_with, produce};
use super::*;
use crate::services::admin::wanted::WantedTopic;
use crate::testing::{Client, Running};

const AUTHORIZER: (&str, &str) =
    ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer");
const SUPER_USER: (&str, &str) = ("super.users", "User:ANONYMOUS");

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// An entry of the anonymous principal on the topic `t`.
fn entry(operation: Operation, permission: i8) -> AclCreation {
    AclCreation::default()
        .with_resource_type(2)
        .with_resource_name(text("t"))
        .with_principal(text("User:ANONYMOUS"))
        .with_host(text("*"))
        .with_operation(operation.code())
        .with_permission_type(permission)
}

async fn create(running: &Running, acls: Vec<AclCreation>) -> Vec<(i16, Option<String>)> {
    let request = CreateAclsRequest::default().with_creations(acls);
    let answer = running.client().await.call(3, &request).await;
    let told = |one: &codec::messages::create_acls_response::AclCreationResult| {
        (one.error_code, one.error_message.as_ref().map(ToString::to_string))
    };
    answer.results.iter().map(told).collect()
}

/// Everything: resource type, name, pattern type, and the operations and permissions of its entries.
async fn described(running: &Running) -> Vec<(i8, String, i8, Vec<(i8, i8)>)> {
    let request = DescribeAclsRequest::default()
        .with_resource_type_filter(ANY)
        .with_resource_name_filter(None)
        .with_pattern_type_filter(ANY)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(ANY)
        .with_permission_type(ANY);
    let answer = running.client().await.call(3, &request).await;
    assert_eq!((answer.error_code, answer.error_message), (0, None));
    let entries = |resource: &DescribeAclsResource| {
        resource.acls.iter().map(|acl| (acl.operation, acl.permission_type)).collect()
    };
    let one = |resource: &DescribeAclsResource| {
        (resource.resource_type, resource.resource_name.to_string(), resource.pattern_type, entries(resource))
    };
    answer.resources.iter().map(one).collect()
}

#[tokio::test]
async fn there_is_no_authorizer() {
    let running = broker_with(&[]).await;
    let mut client = running.client().await;
    for version in 0..=3 {
        let described = client.call(version, &DescribeAclsRequest::default()).await;
        assert_eq!((described.error_code, described.error_message.is_some()), (54, true));

        let creations = vec![AclCreation::default(), AclCreation::default()];
        let created = client.call(version, &CreateAclsRequest::default().with_creations(creations)).await;
        let results = created.results.iter().map(|one| (one.error_code, one.error_message.is_some()));
        assert_eq!(results.collect::<Vec<_>>(), [(54, true), (54, true)]);

        let filters = vec![DeleteAclsFilter::default(), DeleteAclsFilter::default()];
        let deleted = client.call(version, &DeleteAclsRequest::default().with_filters(filters)).await;
        let results = deleted.filter_results.iter();
        let results =
            results.map(|one| (one.error_code, one.error_message.is_some(), one.matching_acls.len()));
        assert_eq!(results.collect::<Vec<_>>(), [(54, true, 0), (54, true, 0)]);
    }
}

#[tokio::test]
async fn entries_are_created_shown_deleted_and_outlive_the_process() {
    let running = Running::start(&[AUTHORIZER, SUPER_USER]).await.unwrap();
    let read = entry(Operation::Read, 3);
    let prefixed = entry(Operation::All, 2).with_resource_pattern_type(4);
    let acls = vec![read.clone(), prefixed, read.clone(), entry(Operation::Write, 3)];
    // One that is there already succeeds, as in Kafka.
    assert_eq!(create(&running, acls).await, vec![(0, None); 4]);
    let all = [(2, "t".to_owned(), 3, vec![(3, 3), (4, 3)]), (2, "t".to_owned(), 4, vec![(2, 2)])];
    assert_eq!(described(&running).await, all);
    let running = running.restart(&[AUTHORIZER, SUPER_USER]).await;
    assert_eq!(described(&running).await, all);

    let filter = DeleteAclsFilter::default()
        .with_resource_type_filter(2)
        .with_resource_name_filter(Some(text("t-1")))
        .with_pattern_type_filter(MATCH)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(ANY)
        .with_permission_type(ANY);
    let unknown = filter.clone().with_operation(0);
    let request = DeleteAclsRequest::default().with_filters(vec![filter.clone(), unknown, filter]);
    let answer = running.client().await.call(3, &request).await;
    let results = answer.filter_results.iter().map(|one| (one.error_code, one.matching_acls.len()));
    assert_eq!(results.collect::<Vec<_>>(), [(0, 1), (42, 0), (0, 1)]);
    let running = running.restart(&[AUTHORIZER, SUPER_USER]).await;
    assert_eq!(described(&running).await, all[..1]);
}

#[tokio::test]
async fn entries_that_cannot_be_meant_are_refused_and_the_others_taken() {
    let running = Running::start(&[AUTHORIZER, SUPER_USER]).await.unwrap();
    let wrong = [
        entry(Operation::Read, 3).with_resource_type(1),
        entry(Operation::Read, 3).with_resource_pattern_type(2),
        entry(Operation::Read, 3).with_operation(1),
        entry(Operation::Read, 1),
        entry(Operation::Read, 3).with_resource_name(text("")),
        entry(Operation::Read, 3).with_principal(text("alice")),
        entry(Operation::Read, 2).with_host(text("example.org")),
        entry(Operation::Read, 3).with_resource_type(4),
    ];
    let mut acls = wrong.to_vec();
    acls.push(entry(Operation::Read, 3));
    let results = create(&running, acls).await;
    for (code, text) in &results[..wrong.len()] {
        assert_eq!((*code, text.is_some()), (42, true));
    }
    assert_eq!(results[wrong.len()], (0, None));
    assert_eq!(described(&running).await.len(), 1);
}

/// The code and the operations of the topic `t` in Metadata.
async fn metadata(client: &mut Client<tokio::net::TcpStream>) -> (i16, i32) {
    let topic = MetadataRequestTopic::default().with_name(Some(TopicName(text("t"))));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![topic]))
        .with_include_topic_authorized_operations(true);
    let answer = client.call(9, &request).await;
    (answer.topics[0].error_code, answer.topics[0].topic_authorized_operations)
}

#[tokio::test]
async fn a_change_governs_the_next_request_of_each_connection() {
    let running = Running::start(&[AUTHORIZER, SUPER_USER]).await.unwrap();
    running.create_topic(WantedTopic::with_defaults("t".into())).await;
    let running = running.restart(&[AUTHORIZER, ("allow.everyone.if.no.acl.found", "true")]).await;
    let mut client = running.client().await;
    assert_eq!(metadata(&mut client).await, (0, 3576));
    assert_eq!(create(&running, vec![entry(Operation::Read, 3)]).await, [(0, None)]);
    // Describe follows from Read; an entry for the topic ends what holds for topics without one.
    let bits = 1 << Operation::Read.code() | 1 << Operation::Describe.code();
    assert_eq!(metadata(&mut client).await, (0, bits));
    assert_eq!(create(&running, vec![entry(Operation::All, 2)]).await, [(0, None)]);
    assert_eq!(metadata(&mut client).await, (29, i32::MIN));
}

/// A fetch of the topic `t` from its beginning.
fn fetch(max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_fetch_offset(0)
        .with_partition_max_bytes(1 << 20)
        .with_current_leader_epoch(-1);
    let topic = FetchTopic::default().with_topic(TopicName(text("t"))).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_topics(vec![topic])
}

/// A session is no right: another connection may go on with it, and gets what its own client may read.
#[tokio::test]
async fn a_session_lends_no_permission_to_another_connection() {
    let running = Running::start(&[AUTHORIZER, SUPER_USER]).await.unwrap();
    running.create_topic(WantedTopic::with_defaults("t".into())).await;
    let running = running.restart(&[AUTHORIZER, ("allow.everyone.if.no.acl.found", "true")]).await;
    let here = entry(Operation::All, 3).with_host(text("127.0.0.1"));
    assert_eq!(create(&running, vec![here]).await, [(0, None)]);
    let mut owner = running.client().await;
    let begun = owner.call(11, &fetch(0).with_session_epoch(0)).await.message;
    assert_eq!(begun.responses[0].partitions[0].error_code, 0);
    produce(&mut owner, 9, &[("t", 0, batch("secret"))]).await;
    let next = fetch(0).with_topics(Vec::new()).with_session_id(begun.session_id).with_session_epoch(1);
    let mut other = running.client_from([127, 0, 0, 2]).await;
    let answer = other.call(11, &next).await.message;
    assert_eq!((answer.error_code, answer.responses[0].partitions[0].error_code), (0, 29));
}

/// S12: a fetch that waited through a revocation gets no record that was appended after it.
#[tokio::test]
async fn a_fetch_that_waits_is_judged_anew() {
    let running = Running::start(&[AUTHORIZER, SUPER_USER]).await.unwrap();
    running.create_topic(WantedTopic::with_defaults("t".into())).await;
    let running = running.restart(&[AUTHORIZER, ("allow.everyone.if.no.acl.found", "true")]).await;
    assert_eq!(create(&running, vec![entry(Operation::All, 3)]).await, [(0, None)]);
    let fetch = fetch(20_000);
    let mut waiting = running.client().await;
    let frame = crate::testing::frame(&fetch, 11, 1);
    tokio::io::AsyncWriteExt::write_all(&mut waiting.stream, &frame).await.unwrap();
    // Answered after the first look of the fetch: both run on the thread of this test.
    let mut client = running.client().await;
    assert_eq!(metadata(&mut client).await.0, 0);
    assert_eq!(create(&running, vec![entry(Operation::Read, 2)]).await, [(0, None)]);
    let appended = produce(&mut client, 9, &[("t", 0, batch("secret"))]).await;
    assert_eq!(appended[0].error_code, 0);
    let (_, answer) = waiting.receive::<FetchRequest>(11).await;
    let data = &answer.message.responses[0].partitions[0];
    let bytes = data.records.as_ref().map_or(0, |records| records.len());
    assert_eq!((data.error_code, bytes), (29, 0));
}

/// CVE-2018-17196: a transactional batch passed without a permission, as its request named no transactional id.
#[tokio::test]
async fn cve_2018_17196_a_transactional_batch_needs_its_id() {
    let running = Running::start(&[AUTHORIZER, SUPER_USER]).await.unwrap();
    running.create_topic(WantedTopic::with_defaults("t".into())).await;
    let running = running.restart(&[AUTHORIZER]).await;
    let records = codec::records::BatchBuilder::new()
        .producer(1, 0, 0)
        .transactional()
        .record(1, None, Some(b"v"))
        .build();
    let mut client = running.client().await;
    assert_eq!(produce(&mut client, 9, &[("t", 0, records)]).await[0].error_code, 53);
    assert_eq!(produce(&mut client, 9, &[("t", 0, batch("v"))]).await[0].error_code, 29);
}

/// A client cannot forge a line, fill the log, or hide what it may not see in it.
#[tokio::test]
async fn denials_are_logged_in_a_line_each_and_not_without_end() {
    let running = Running::start(&[AUTHORIZER]).await.unwrap();
    let logged = crate::testing::Logged::by_this_thread();
    let mut client = running.client().await;
    // Lists leave out silently.
    client.call(9, &MetadataRequest::default().with_topics(None)).await;
    assert_eq!(logged.lines("denied").len(), 0);
    let name = format!("a\n2030-01-01 INFO denied principal=\"User:bob\" {}", "x".repeat(100));
    for _ in 0..100 {
        let topic = MetadataRequestTopic::default().with_name(Some(TopicName(text(&name))));
        let request = MetadataRequest::default().with_topics(Some(vec![topic]));
        assert_eq!(client.call(9, &request).await.topics[0].error_code, 29);
    }
    let lines = logged.lines("denied");
    assert_eq!(lines.len(), 20, "{}", lines.join("\n"));
    let expected = r#"denied principal="User:ANONYMOUS" address=127.0.0.1 client_id="test" api="Metadata" operation="Describe" resource="TOPIC" name="a\n2030-01-01 INFO denied principal=\"User:bob\" xxxx"#;
    assert!(lines[0].contains(expected) && lines[0].len() < 300, "{}", lines[0]);
}
