//! The group APIs through a socket, at every version: what the handlers add to the coordinator, and that all of it is
//! wired together.

use std::time::Duration;

use bytes::Bytes;
use codec::messages::create_topics_request::CreatableTopic;
use codec::messages::delete_topics_request::DeleteTopicState;
use codec::messages::join_group_request::JoinGroupRequestProtocol;
use codec::messages::leave_group_request::MemberIdentity;
use codec::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use codec::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use codec::messages::sync_group_request::SyncGroupRequestAssignment;
use codec::messages::{
    CreateTopicsRequest, DeleteGroupsRequest, DeleteTopicsRequest, DescribeGroupsRequest,
    FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse,
    StrBytes, SyncGroupRequest, TopicName,
};
use tokio::net::TcpStream;

use crate::testing::Running;

mod requests;

pub(super) use requests::*;

#[tokio::test]
async fn a_protocol_without_a_name_is_null_where_there_is_a_null() {
    let running = Running::start(&[("group.initial.rebalance.delay.ms", "0")]).await.unwrap();
    let mut client = running.client().await;
    for (version, expected) in [(5, Some("")), (6, Some("")), (7, None), (9, None)] {
        let group_id = format!("nameless-{version}");
        let nameless = JoinGroupRequestProtocol::default().with_name(text(""));
        let mut request =
            join_request(version, &group_id, StrBytes::default()).with_protocols(vec![nameless]);
        request.member_id = client.call(version, &request).await.member_id;
        let joined = client.call(version, &request).await;
        assert_eq!((joined.error_code, joined.protocol_name.as_deref()), (0, expected), "version {version}");
    }
}

#[tokio::test]
async fn a_member_lives_its_life_at_every_version() {
    let (_running, mut client) = start().await;
    for version in 0..=9 {
        let id = format!("g{version}");
        let joined = join(&mut client, version, &id).await;
        assert_eq!((joined.error_code, joined.generation_id), (0, 1), "version {version}");
        assert_eq!((&joined.leader, joined.members.len()), (&joined.member_id, 1));
        assert_eq!(joined.members[0].metadata, "wants t");
        assert_eq!(joined.protocol_name.as_deref(), Some("range"));
        assert_eq!(joined.protocol_type.as_deref(), (version >= 7).then_some("consumer"));
        let member = joined.member_id;
        assert_eq!(sync(&mut client, version.min(5), &id, &member, 1).await, "gets t");
        let old = version.min(4);
        assert_eq!(heartbeat(&mut client, old, &id, &member, 1).await, 0);
        assert_eq!(heartbeat(&mut client, old, &id, &member, 2).await, 22);
        assert_eq!(heartbeat(&mut client, old, &id, &text("stranger"), 1).await, 25);
        let leave = LeaveGroupRequest::default().with_group_id(group(&id));
        let leave = if version < 3 {
            leave.with_member_id(member)
        } else {
            leave.with_members(vec![MemberIdentity::default().with_member_id(member)])
        };
        let left = client.call(version.min(5), &leave).await;
        assert_eq!((left.error_code, left.members.iter().all(|member| member.error_code == 0)), (0, true));
        let again = client.call(version.min(5), &leave).await;
        let codes: Vec<i16> = again.members.iter().map(|member| member.error_code).collect();
        assert_eq!((again.error_code, codes), if version < 3 { (25, vec![]) } else { (0, vec![25]) });
    }
}

#[tokio::test]
async fn refusals_are_written_at_every_version() {
    let (_running, mut client) = start().await;
    for version in 0..=9 {
        let short = join_request(version, "g", StrBytes::default()).with_session_timeout_ms(1);
        assert_eq!(client.call(version, &short).await.error_code, 26);
        let nameless = join_request(version, "", StrBytes::default());
        assert_eq!(client.call(version, &nameless).await.error_code, 24);
        let unknown = join_request(version, "g", text("stranger"));
        assert_eq!(client.call(version, &unknown).await.error_code, 25);
    }
    let without_names = SyncGroupRequest::default().with_group_id(group("g")).with_member_id(text("m"));
    assert_eq!(client.call(5, &without_names).await.error_code, 23);
    assert_eq!(client.call(4, &without_names).await.error_code, 25);
}

#[tokio::test]
async fn offsets_come_back_at_every_version() {
    let (_running, mut client) = start().await;
    let nobody = StrBytes::default();
    for version in 2..=9 {
        let request = commit_request("g", &nobody, -1, 40 + i64::from(version));
        let request = if version <= 4 { request.with_retention_time_ms(-1) } else { request };
        assert_eq!(
            commit(&mut client, version, request).await,
            [0, 0, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION]
        );
        let expected = 40 + i64::from(version);
        for version in 1..=9 {
            let some = fetch(&mut client, version, "g", Some(&[("t", &[0, 1]), ("absent", &[7])])).await;
            assert_eq!(some, [at("t", 0, expected, "note"), at("t", 1, -1, ""), at("absent", 7, -1, "")]);
            assert_eq!(fetch(&mut client, version, "no", Some(&[("t", &[0])])).await, [at("t", 0, -1, "")]);
        }
        for version in 2..=9 {
            let all = fetch(&mut client, version, "g", None).await;
            assert_eq!(all, [at("t", 0, expected, "note"), at("t", 2, expected, "note")]);
            assert_eq!(fetch(&mut client, version, "no", None).await, []);
        }
    }
}

#[tokio::test]
async fn a_commit_for_a_group_that_is_not_there_names_it_by_version() {
    let (_running, mut client) = start().await;
    for (version, code) in [(8, 22), (9, 69)] {
        let codes = commit(&mut client, version, commit_request("no", &text("m"), 1, 5)).await;
        assert_eq!(codes, [code, code, 3, 3, 3]);
    }
    let joined = join(&mut client, 9, "g").await;
    let codes = commit(&mut client, 9, commit_request("g", &joined.member_id, 1, 5)).await;
    assert_eq!(codes, [27, 27, 3, 3, 3], "the assignment has not come yet");
    sync(&mut client, 5, "g", &joined.member_id, 1).await;
    let codes = commit(&mut client, 9, commit_request("g", &StrBytes::default(), -1, 5)).await;
    assert_eq!(codes, [25, 25, 3, 3, 3], "the group has members");
    let codes = commit(&mut client, 9, commit_request("g", &joined.member_id, 1, 5)).await;
    assert_eq!(codes, [0, 0, 3, 3, 3]);
}

#[tokio::test]
async fn groups_and_their_offsets_survive_a_restart_without_a_rebalance() {
    let (running, mut client) = start().await;
    let joined = join(&mut client, 9, "g").await;
    sync(&mut client, 5, "g", &joined.member_id, 1).await;
    commit(&mut client, 9, commit_request("g", &joined.member_id, 1, 5)).await;
    let running = running.restart(&[]).await;
    let mut client = running.client().await;
    assert_eq!(heartbeat(&mut client, 4, "g", &joined.member_id, 1).await, 0);
    assert_eq!(fetch(&mut client, 9, "g", None).await, [at("t", 0, 5, "note"), at("t", 2, 5, "note")]);
    assert_eq!(sync(&mut client, 5, "g", &joined.member_id, 1).await, "gets t");
}

#[tokio::test]
async fn a_deleted_topic_takes_its_offsets_with_it() {
    let (running, mut client) = start().await;
    commit(&mut client, 9, commit_request("g", &StrBytes::default(), -1, 5)).await;
    let gone = DeleteTopicState::default().with_name(Some(topic("t")));
    client.call(6, &DeleteTopicsRequest::default().with_topics(vec![gone])).await;
    assert!(
        running.broker.services.groups.list().await.unwrap().is_empty(),
        "nothing is left of the group either"
    );
    create_topic(&mut client).await;
    assert_eq!(fetch(&mut client, 9, "g", Some(&[("t", &[0])])).await, [at("t", 0, -1, "")]);
    assert_eq!(fetch(&mut client, 9, "g", None).await, []);
    let running = running.restart(&[]).await;
    assert_eq!(fetch(&mut running.client().await, 9, "g", None).await, []);
}

#[tokio::test]
async fn groups_are_listed_described_and_deleted_at_every_version() {
    let (_running, mut client) = start().await;
    let joined = join(&mut client, 9, "full").await;
    sync(&mut client, 5, "full", &joined.member_id, 1).await;
    commit(&mut client, 9, commit_request("simple", &StrBytes::default(), -1, 5)).await;
    for version in 0..=5 {
        let listed = client.call(version, &ListGroupsRequest::default()).await;
        let listed: Vec<(&str, &str, &str, &str)> = listed
            .groups
            .iter()
            .map(|group| (&*group.group_id.0, &*group.protocol_type, &*group.group_state, &*group.group_type))
            .collect();
        let shown = |least, value: &'static str| if version >= least { value } else { "" };
        let (stable, empty, classic) = (shown(4, "Stable"), shown(4, "Empty"), shown(5, "classic"));
        assert_eq!(listed, [("full", "consumer", stable, classic), ("simple", "", empty, classic)]);
    }
    for version in 0..=6 {
        let request =
            DescribeGroupsRequest::default().with_groups(vec![group("full"), group("simple"), group("no")]);
        let request = if version >= 3 { request.with_include_authorized_operations(true) } else { request };
        let described = client.call(version, &request).await.groups;
        assert_eq!((&*described[0].group_state, &*described[0].protocol_data), ("Stable", "range"));
        let member = &described[0].members[0];
        assert_eq!((&*member.client_id, &*member.client_host), ("test", "/127.0.0.1"));
        assert_eq!(
            (&member.member_metadata[..], &member.member_assignment[..]),
            (&b"wants t"[..], &b"gets t"[..])
        );
        assert_eq!(described[0].authorized_operations, if version >= 3 { 3400 } else { i32::MIN });
        assert_eq!((&*described[1].group_state, described[1].error_code), ("Empty", 0));
        assert_eq!(
            (&*described[2].group_state, described[2].error_code),
            ("Dead", if version >= 6 { 69 } else { 0 })
        );
    }
    for version in 0..=2 {
        // One that is named twice has one result, as in Kafka.
        let named = ["full", "simple", "no", "simple", "full"].map(group).to_vec();
        let request = DeleteGroupsRequest::default().with_groups_names(named);
        let codes: Vec<i16> =
            client.call(version, &request).await.results.iter().map(|result| result.error_code).collect();
        assert_eq!(codes, [68, if version == 0 { 0 } else { 69 }, 69]);
    }
    assert_eq!(fetch(&mut client, 9, "simple", None).await, []);
}

#[tokio::test]
async fn lists_are_filtered_without_regard_to_case() {
    let (_running, mut client) = start().await;
    join(&mut client, 3, "full").await;
    commit(&mut client, 9, commit_request("simple", &StrBytes::default(), -1, 5)).await;
    for (states, types, expected) in [
        (&["empty"][..], &[][..], 1),
        (&["Empty", "COMPLETINGREBALANCE"], &[], 2),
        (&["stable"], &[], 0),
        (&[" empty "], &[], 1),
        (&[], &[" classic"], 0),
        (&[], &["Classic"], 2),
        (&[], &["consumer"], 0),
    ] {
        let request = ListGroupsRequest::default()
            .with_states_filter(states.iter().map(|state| text(state)).collect())
            .with_types_filter(types.iter().map(|kind| text(kind)).collect());
        assert_eq!(client.call(5, &request).await.groups.len(), expected, "{states:?} {types:?}");
    }
}

#[tokio::test]
async fn the_coordinator_of_groups_is_here_and_of_nothing_else() {
    let (running, mut client) = start().await;
    for version in 0..=6 {
        let request = FindCoordinatorRequest::default();
        let request = if version >= 4 {
            request.with_coordinator_keys(vec![text("g"), text("h")])
        } else {
            request.with_key(text("g"))
        };
        let found = client.call(version, &request).await;
        let ports: Vec<i32> = match version {
            0..=3 => vec![found.port],
            _ => found.coordinators.iter().map(|coordinator| coordinator.port).collect(),
        };
        assert_eq!(ports, vec![i32::from(running.address.port()); if version >= 4 { 2 } else { 1 }]);
        assert_eq!(found.error_code, 0);
    }
    for (key_type, version) in [(2, 1), (2, 4), (2, 6), (3, 6)] {
        let request = FindCoordinatorRequest::default().with_key_type(key_type);
        let request = if version >= 4 {
            request.with_coordinator_keys(vec![text("x")])
        } else {
            request.with_key(text("x"))
        };
        let found = client.call(version, &request).await;
        let code = found.coordinators.first().map_or(found.error_code, |coordinator| coordinator.error_code);
        assert_eq!(code, 42, "key type {key_type}, version {version}");
    }
}

/// Two requests of one connection, sent without waiting: the second sees what the first did.
#[tokio::test]
async fn requests_of_a_connection_take_effect_in_their_order() {
    use tokio::io::AsyncWriteExt;

    let (_running, mut client) = start().await;
    let nobody = StrBytes::default();
    for offset in 0..50 {
        let request = commit_request("g", &nobody, -1, offset);
        let mut bytes = crate::testing::frame(&request, 9, 1);
        let asked = OffsetFetchRequestGroup::default().with_group_id(group("g")).with_topics(None);
        let request = OffsetFetchRequest::default().with_groups(vec![asked]);
        bytes.extend_from_slice(&crate::testing::frame(&request, 9, 2));
        client.stream.write_all(&bytes).await.unwrap();
        let (first, _) = client.receive::<OffsetCommitRequest>(9).await;
        let (second, response) = client.receive::<OffsetFetchRequest>(9).await;
        assert_eq!((first, second), (1, 2));
        assert_eq!(committed(&response)[0].2, offset);
    }
}

/// A JoinGroup that waits for others must not hold up the broker's end.
#[tokio::test]
async fn shutdown_answers_a_waiting_join() {
    let running = Running::start(&[("group.initial.rebalance.delay.ms", "60000")]).await.unwrap();
    let mut client = running.client().await;
    let waiting =
        tokio::join!(async { client.call(3, &join_request(3, "g", StrBytes::default())).await }, async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            running.broker.shutdown(Duration::from_secs(10)).await
        });
    assert_eq!(waiting.0.error_code, 16);
    assert_eq!(waiting.1, crate::Outcome::Clean);
}
