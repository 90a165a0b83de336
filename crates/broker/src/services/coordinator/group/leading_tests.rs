//! Groups while the shard of their records is given up and taken over, as clients see it through a socket.

mod consumer_protocol;
mod load_fails;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use codec::ErrorCode;
use codec::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use codec::messages::offset_fetch_request::OffsetFetchRequestGroup;
use codec::messages::{
    DescribeGroupsRequest, FindCoordinatorRequest, JoinGroupResponse, ListGroupsRequest, OffsetCommitRequest,
    OffsetFetchRequest, StrBytes, SyncGroupRequest, TopicName,
};

use super::wire_tests::{
    Client, commit, commit_request, fetch, group, heartbeat, join, join_request, start, sync, text,
};
use crate::testing::{Running, SOON};

const LOADING: i16 = ErrorCode::CoordinatorLoadInProgress as i16;
const NOT_AVAILABLE: i16 = ErrorCode::CoordinatorNotAvailable as i16;
const NOT_COORDINATOR: i16 = ErrorCode::NotCoordinator as i16;
const REBALANCE_IN_PROGRESS: i16 = ErrorCode::RebalanceInProgress as i16;

async fn lead(running: &Running, lead: bool) {
    let (sender, done) = tokio::sync::oneshot::channel();
    let shard = running.broker.services.io.storage().shard();
    shard.lead(lead, Box::new(move |outcome| drop(sender.send(outcome))));
    done.await.unwrap().unwrap();
}

/// The code of OffsetFetch for a group.
async fn fetch_code(client: &mut Client, name: &str) -> i16 {
    let asked = OffsetFetchRequestGroup::default().with_group_id(group(name)).with_topics(None);
    let fetched = client.call(8, &OffsetFetchRequest::default().with_groups(vec![asked])).await;
    fetched.groups[0].error_code
}

/// Asks until the groups are loaded; no other refusal may come.
async fn until_loaded(client: &mut Client, name: &str) {
    let ask = async {
        loop {
            match fetch_code(client, name).await {
                LOADING => tokio::time::sleep(Duration::from_millis(1)).await,
                code => return assert_eq!(code, 0),
            }
        }
    };
    tokio::time::timeout(SOON, ask).await.expect("the groups are loaded soon");
}

/// The codes of FindCoordinator, JoinGroup, Heartbeat, DescribeGroups and OffsetFetch, and the number of groups that are listed.
async fn codes(client: &mut Client, member: &StrBytes) -> (Vec<i16>, usize) {
    let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
    let found = client.call(4, &find).await.coordinators[0].error_code;
    let joined = client.call(3, &join_request(3, "g", member.clone())).await.error_code;
    let beat = heartbeat(client, 3, "g", member, 1).await;
    let describe = DescribeGroupsRequest::default().with_groups(vec![group("g")]);
    let described = client.call(5, &describe).await.groups[0].error_code;
    let fetched = fetch_code(client, "g").await;
    let listed = client.call(4, &ListGroupsRequest::default()).await.groups.len();
    (vec![found, joined, beat, described, fetched], listed)
}

#[tokio::test]
async fn a_group_is_refused_while_its_shard_is_resigned_and_goes_on_after_a_take_over() {
    let (running, mut client) = start().await;
    let joined = join(&mut client, 3, "g").await;
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    let member = joined.member_id;
    sync(&mut client, 3, "g", &member, 1).await;
    commit(&mut client, 7, commit_request("g", &member, 1, 5)).await;
    let before = fetch(&mut client, 8, "g", None).await;
    assert_eq!(before.len(), 2);

    // A second member waits for the first one to join again.
    let mut second = running.client().await;
    let request = join_request(3, "g", StrBytes::default());
    let waits = async {
        let groups = &running.broker.services.groups;
        while groups.list().await.unwrap()[0].state != "PreparingRebalance" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        lead(&running, false).await;
    };
    let (waited, ()) = tokio::join!(tokio::time::timeout(SOON, second.call(3, &request)), waits);
    assert_eq!(waited.expect("the wait ends").error_code, NOT_COORDINATOR);

    let refused = vec![NOT_AVAILABLE, NOT_COORDINATOR, NOT_COORDINATOR, NOT_COORDINATOR, NOT_COORDINATOR];
    assert_eq!(codes(&mut client, &member).await, (refused, 0));
    let codes = commit(&mut client, 7, commit_request("g", &member, 1, 6)).await;
    assert!(codes.contains(&NOT_COORDINATOR) && !codes.contains(&0), "{codes:?}");

    lead(&running, true).await;
    until_loaded(&mut client, "g").await;
    assert_eq!(heartbeat(&mut client, 3, "g", &member, 1).await, 0, "the same member and generation");
    assert_eq!(fetch(&mut client, 8, "g", None).await, before, "the same offsets");
    commit(&mut client, 7, commit_request("g", &member, 1, 7)).await;
    assert_eq!(fetch(&mut client, 8, "g", None).await[0].2, 7);
}

/// SyncGroups that wait for the assignment of a group.
fn waiting_syncs(running: &Running) -> usize {
    let machines = running.broker.services.groups.shell.machines.read();
    machines.by_id.values().map(|hosted| hosted.lock().waiting.syncs.len()).sum()
}

/// Both members of a group in which a rebalance has begun join; returns the leader's and the follower's answer.
async fn join_both(
    running: &Running,
    (client, first): (&mut Client, &StrBytes),
    (second, other): (&mut Client, &StrBytes),
) -> (JoinGroupResponse, JoinGroupResponse) {
    let (first, other) = (join_request(3, "g", first.clone()), join_request(3, "g", other.clone()));
    let leader = async {
        while running.broker.services.groups.list().await.unwrap()[0].state != "PreparingRebalance" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        client.call(3, &first).await
    };
    tokio::time::timeout(SOON, async { tokio::join!(leader, second.call(3, &other)) })
        .await
        .expect("a generation begins")
}

/// A generation whose assignment had not come is not continued: its members join again.
#[tokio::test]
async fn a_sync_that_waits_ends_when_its_shard_is_given_up_even_if_it_is_taken_over_at_once() {
    let (running, mut client) = start().await;
    let mut second = running.client().await;
    let (first, mut other) = (join(&mut client, 3, "g").await.member_id, StrBytes::default());
    sync(&mut client, 3, "g", &first, 1).await;
    for (generation, at_once) in [(2, false), (3, true)] {
        let (leader, follower) = join_both(&running, (&mut client, &first), (&mut second, &other)).await;
        assert_eq!((leader.generation_id, follower.generation_id), (generation, generation));
        assert_eq!(follower.leader, first);
        other = follower.member_id;
        let request = SyncGroupRequest::default()
            .with_group_id(group("g"))
            .with_generation_id(generation)
            .with_member_id(other.clone());
        let gives_up = async {
            while waiting_syncs(&running) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            lead(&running, false).await;
            if at_once {
                lead(&running, true).await;
            }
        };
        let (waited, ()) = tokio::join!(tokio::time::timeout(SOON, second.call(3, &request)), gives_up);
        let waited = waited.expect("the wait ends");
        assert_eq!((waited.error_code, waited.assignment.is_empty()), (NOT_COORDINATOR, true));
        if !at_once {
            lead(&running, true).await;
        }
        until_loaded(&mut client, "g").await;
        for (client, member) in [(&mut client, &first), (&mut second, &other)] {
            assert_eq!(heartbeat(client, 3, "g", member, generation).await, REBALANCE_IN_PROGRESS);
        }
        assert_eq!(second.call(3, &request).await.error_code, REBALANCE_IN_PROGRESS);
    }
    let (leader, _) = join_both(&running, (&mut client, &first), (&mut second, &other)).await;
    assert_eq!((leader.generation_id, leader.members.len()), (4, 2));
    assert_eq!(sync(&mut client, 3, "g", &first, 4).await, "gets t");
    assert_eq!(heartbeat(&mut second, 3, "g", &other, 4).await, 0);
}

fn one_offset(name: &str, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic =
        OffsetCommitRequestTopic::default().with_name(TopicName(text("t"))).with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(group(name))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

/// Commits rising offsets until `stop` is negative; returns the last one that was acknowledged. `terms` is odd while the shard is
/// resigned.
async fn commits(client: &mut Client, name: &str, terms: &AtomicU64, stop: &AtomicI64) -> i64 {
    let mut acknowledged = -1;
    for offset in 0.. {
        let term = terms.load(Ordering::SeqCst);
        let code = commit(client, 7, one_offset(name, offset)).await[0];
        let resigned = term % 2 == 1 && terms.load(Ordering::SeqCst) == term;
        match code {
            0 => {
                assert!(!resigned, "offset {offset} was acknowledged while the shard was resigned");
                acknowledged = offset;
            }
            code => assert!(matches!(code, LOADING | NOT_COORDINATOR), "{code}"),
        }
        if stop.load(Ordering::SeqCst) < 0 {
            break;
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_offset_is_lost_and_none_is_acknowledged_while_resigned() {
    let (running, mut client) = start().await;
    let (mut first, mut second) = (running.client().await, running.client().await);
    let (terms, stop) = (AtomicU64::new(0), AtomicI64::new(0));
    let moves = async {
        for round in 0..40 {
            lead(&running, false).await;
            terms.fetch_add(1, Ordering::SeqCst);
            if round % 2 == 0 {
                assert_eq!(commit(&mut client, 7, one_offset("a", i64::MAX)).await, [NOT_COORDINATOR]);
            }
            terms.fetch_add(1, Ordering::SeqCst);
            lead(&running, true).await;
            // Some are given up again before they are loaded.
            if round % 4 != 3 {
                until_loaded(&mut client, "a").await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        until_loaded(&mut client, "a").await;
        stop.store(-1, Ordering::SeqCst);
    };
    let (a, b, ()) = tokio::join!(
        commits(&mut first, "a", &terms, &stop),
        commits(&mut second, "b", &terms, &stop),
        moves
    );
    assert!(a > 10 && b > 10, "{a} and {b} commits");
    for restart in [false, true] {
        if restart {
            lead(&running, false).await;
            lead(&running, true).await;
            until_loaded(&mut client, "a").await;
        }
        for (name, acknowledged) in [("a", a), ("b", b)] {
            let kept = fetch(&mut client, 8, name, None).await[0].2;
            // A commit that was refused may have been written all the same, but a later one was acknowledged.
            assert!(kept >= acknowledged && kept < i64::MAX, "{name}: {kept}, acknowledged {acknowledged}");
        }
    }
}
