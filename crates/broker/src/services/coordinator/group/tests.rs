//! The shell around the state machines: order, durability, waiting, waking. The clock of sessions stands still until a test steps it;
//! the waits of the timer task are real, and short.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    convert::Infallible,
    future::Future,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    task::Poll,
};

use bytes::Bytes;
use coordinator::group::{
    GenerationId, GroupError, MemberId,
    consumer::HeartbeatRequest,
    offsets::OffsetCommit,
    reply::JoinReply,
    requests::{CommitIdentity, JoinRequest, LeavingMember, Protocol, SyncRequest},
    topics::{MetadataImage, Topics},
};
use coordinator::state_machine::Record;
use parking_lot::Mutex;
use uuid::Uuid;

use super::super::log::{EachRecord, NotLed, NotWritten, Written};
use super::*;

mod setup;
mod terms;
mod unreadable;

use setup::*;

#[tokio::test]
async fn a_commit_is_answered_when_it_is_durable_and_not_before() {
    let setup = setup();
    let id = setup.stable().await;
    setup.log.hold();
    let mut first = Box::pin(setup.commit(&id, 1, 5));
    assert!(is_pending(&mut first).await);
    let mut read = Box::pin(setup.committed());
    assert!(is_pending(&mut read).await, "what is not durable must not be seen");
    setup.log.finish_all();
    assert_eq!(first.await, Ok(()));
    assert_eq!(read.await, Some(5));
}

#[tokio::test]
async fn an_assignment_is_handed_out_when_it_is_durable() {
    let setup = setup();
    let reply = setup.join(&MemberId::none()).await;
    setup.log.hold();
    let mut sync = Box::pin(setup.sync(&reply.member_id, 1));
    assert!(is_pending(&mut sync).await);
    let mut again = Box::pin(setup.sync(&reply.member_id, 1));
    assert!(is_pending(&mut again).await, "the step wrote nothing, but an earlier one did");
    setup.log.finish_all();
    assert_eq!(sync.await.unwrap(), "all");
    assert_eq!(again.await.unwrap(), "all");
}

/// A monitor saw a group as stable that a crash could still take back to its last generation.
#[tokio::test]
async fn a_state_is_listed_and_described_when_it_is_durable_and_not_before() {
    let setup = setup();
    let id = setup.stable().await;
    setup.log.hold();
    let mut commit = Box::pin(setup.commit(&id, 1, 7));
    assert!(is_pending(&mut commit).await);
    let group = group();
    let mut listed = Box::pin(setup.service.list());
    let mut described = Box::pin(setup.service.describe(&group));
    assert!(is_pending(&mut listed).await && is_pending(&mut described).await);
    setup.log.finish_all();
    assert_eq!(listed.await.unwrap().len(), 1);
    assert_eq!(described.await.unwrap().members.len(), 1);
    let mut commit = Box::pin(setup.commit(&id, 1, 8));
    assert!(is_pending(&mut commit).await);
    let mut listed = Box::pin(setup.service.list());
    assert!(is_pending(&mut listed).await);
    setup.log.fail_all();
    assert_eq!(listed.await.map(|groups| groups.len()), Err(GroupError::StorageFailed));
    let refused = setup.service.describe(&group).await.unwrap_err();
    assert_eq!(refused.error, GroupError::StorageFailed);
}

#[tokio::test]
async fn a_client_that_goes_away_takes_nothing_with_it() {
    let setup = setup();
    let id = setup.stable().await;
    setup.log.hold();
    let mut abandoned = Box::pin(setup.commit(&id, 1, 5));
    assert!(is_pending(&mut abandoned).await);
    drop(abandoned);
    let mut next = Box::pin(setup.commit(&id, 1, 6));
    assert!(is_pending(&mut next).await);
    setup.log.finish_all();
    assert_eq!(next.await, Ok(()));
}

#[tokio::test]
async fn after_a_failed_write_nothing_of_the_group_is_promised() {
    let setup = setup();
    let id = setup.stable().await;
    setup.log.hold();
    let mut commit = Box::pin(setup.commit(&id, 1, 5));
    assert!(is_pending(&mut commit).await);
    setup.log.fail_all();
    assert_eq!(commit.await, Err(GroupError::StorageFailed));
    assert_eq!(setup.heartbeat(&id, 1).await, Err(GroupError::StorageFailed));
    let joined = setup.join(&id).await;
    assert_eq!(joined.result.err(), Some(GroupError::StorageFailed));
    setup.log.finish_all();
    let late = setup.heartbeat(&id, 1).await;
    assert_eq!(
        late,
        Err(GroupError::StorageFailed),
        "a write that succeeds after one that did not helps nobody"
    );
}

#[tokio::test]
async fn shutdown_ends_waiting_but_not_the_group() {
    let setup = setup();
    let id = setup.stable().await;
    let nobody = MemberId::none();
    let mut newcomer = Box::pin(setup.join(&nobody));
    assert!(is_pending(&mut newcomer).await);
    setup.waiting.cancel();
    assert_eq!(newcomer.await.result.err(), Some(GroupError::NotCoordinator));
    assert_eq!(setup.commit(&id, 1, 9).await, Ok(()));
}

#[tokio::test]
async fn a_silent_member_is_removed_on_time_by_the_timer_task() {
    let setup = setup();
    let id = setup.stable().await;
    setup.pass(SESSION_MS - 1);
    assert_eq!(setup.service.shell.alarms.due(&setup.clock), Err(Some(Duration::from_millis(1))));
    setup.pass(1);
    eventually(async || setup.service.list().await.unwrap().iter().all(|group| group.state == "Empty")).await;
    assert_eq!(setup.heartbeat(&id, 1).await, Err(GroupError::UnknownMemberId));
}

#[tokio::test]
async fn a_heartbeat_of_a_classic_group_asks_for_no_topics() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let topics = move || {
        count.fetch_add(1, Ordering::SeqCst);
        no_topics()
    };
    let setup = service_with(Arc::default(), Box::new(topics));
    let id = setup.stable().await;
    assert_eq!(setup.heartbeat(&id, 1).await, Ok(()));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_earlier_deadline_wakes_before_a_later_one_set_first() {
    let setup = setup();
    let late = JoinRequest { session_timeout_ms: 60_000, ..request(&MemberId::none()) };
    let late = setup.service.join(&GroupId::from("late"), late).await;
    assert!(late.result.is_ok());
    let id = setup.stable().await;
    setup.pass(SESSION_MS);
    let lives = |overview: &GroupOverview| overview.group_id == group() && overview.state != "Empty";
    eventually(async || !setup.service.list().await.unwrap().iter().any(lives)).await;
    assert_eq!(setup.service.list().await.unwrap().len(), 1, "the other group still has its member");
    assert_eq!(setup.heartbeat(&id, 1).await, Err(GroupError::UnknownMemberId));
}

#[tokio::test]
async fn a_restart_goes_on_where_the_group_was() {
    let before = setup();
    let id = before.stable().await;
    before.commit(&id, 1, 5).await.unwrap();
    let after = service_on(Arc::new(TestLog {
        stored: Mutex::new(before.log.stored.lock().clone()),
        ..TestLog::default()
    }));
    assert_eq!(after.heartbeat(&id, 1).await, Ok(()));
    assert_eq!(after.committed().await, Some(5));
    after.pass(SESSION_MS);
    eventually(async || after.service.list().await.unwrap().iter().all(|group| group.state == "Empty")).await;
}

#[tokio::test]
async fn expired_offsets_and_their_group_go() {
    let setup = setup();
    assert_eq!(setup.commit(&MemberId::none(), -1, 5).await, Ok(()));
    assert_eq!(setup.service.list().await.unwrap().len(), 1);
    setup.pass(RETENTION_MS);
    eventually(async || setup.service.list().await.unwrap().is_empty()).await;
    assert!(setup.log.stored.lock().is_empty());
    assert_eq!(setup.committed().await, None);
}

#[tokio::test]
async fn a_deleted_group_is_gone_with_its_records() {
    let setup = setup();
    let id = setup.stable().await;
    setup.commit(&id, 1, 5).await.unwrap();
    assert_eq!(setup.service.delete(&group()).await, Err(GroupError::NonEmptyGroup));
    setup.leave(&id).await.unwrap();
    assert_eq!(setup.service.delete(&group()).await, Ok(()));
    assert_eq!(setup.service.delete(&group()).await, Err(GroupError::GroupIdNotFound));
    assert!(setup.service.describe(&group()).await.is_err());
    assert!(setup.log.stored.lock().is_empty());
}

#[tokio::test]
async fn an_unknown_group_is_created_by_those_who_may() {
    let setup = setup();
    let stranger = MemberId::from("stranger");
    assert_eq!(setup.join(&stranger).await.result.err(), Some(GroupError::UnknownMemberId));
    assert_eq!(setup.heartbeat(&stranger, 1).await, Err(GroupError::UnknownMemberId));
    assert_eq!(setup.sync(&stranger, 1).await.err(), Some(GroupError::UnknownMemberId));
    assert_eq!(setup.commit(&stranger, 1, 5).await, Err(GroupError::IllegalGeneration));
    assert!(setup.service.list().await.unwrap().is_empty());
    let refused = JoinRequest { protocols: Vec::new(), ..request(&MemberId::none()) };
    let reply = setup.service.join(&group(), refused).await;
    assert_eq!(reply.result.err(), Some(GroupError::InconsistentGroupProtocol));
    assert!(setup.service.list().await.unwrap().is_empty(), "a refusal leaves no group behind");
    let nameless = setup.service.join(&GroupId::from(""), request(&MemberId::none())).await;
    assert_eq!(nameless.result.err(), Some(GroupError::InvalidGroupId));
    let deleted = setup.service.delete_offsets(&GroupId::from(""), &[]).await;
    assert_eq!(deleted.err(), Some(GroupError::InvalidGroupId));
}

#[tokio::test]
async fn session_timeouts_outside_the_bounds_are_refused_in_any_group() {
    let setup = setup();
    let bounds = GroupConfig::default();
    let unknown = MemberId::from("stranger");
    for known_group in [false, true] {
        for (timeout, allowed) in
            [(0, false), (1, true), (bounds.max_session_timeout_ms, true), (u32::MAX, false)]
        {
            let asked = JoinRequest { session_timeout_ms: timeout, ..request(&unknown) };
            let reply = setup.service.join(&group(), asked).await;
            let expected =
                if allowed { GroupError::UnknownMemberId } else { GroupError::InvalidSessionTimeout };
            assert_eq!(reply.result.err(), Some(expected), "{timeout}, group known: {known_group}");
            assert_eq!(reply.member_id, unknown);
        }
        // A second member would wait for the first one to join again.
        if !known_group {
            assert!(setup.join(&MemberId::none()).await.result.is_ok());
        }
    }
}

/// Groups are created, used and deleted from several threads at once; whatever a commit was told must then be true.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[allow(
    clippy::disallowed_methods,
    reason = "needs four threads at once, which the runtime alone does not promise"
)]
async fn nothing_is_lost_between_deletion_and_creation() {
    let setup = Arc::new(setup_with_long_retention());
    let mut workers = Vec::new();
    for worker in 0..4_i64 {
        let setup = Arc::clone(&setup);
        workers.push(tokio::task::spawn_blocking(move || {
            tokio::runtime::Handle::current().block_on(async {
                for round in 0..500 {
                    if worker % 2 == 0 {
                        setup.commit(&MemberId::none(), -1, round).await.unwrap();
                    } else {
                        let _ = setup.service.delete(&group()).await;
                    }
                }
            });
        }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
    setup.commit(&MemberId::none(), -1, 777).await.unwrap();
    let reread = service_on(Arc::new(TestLog {
        stored: Mutex::new(setup.log.stored.lock().clone()),
        ..TestLog::default()
    }));
    assert_eq!(reread.committed().await, Some(777));
}

/// No task wakes its groups, unless the test starts it.
fn setup_with_long_retention() -> Setup {
    let log = Arc::<TestLog>::default();
    let (tasks, waiting, clock) = (Tasks::new(), CancellationToken::new(), clock());
    let config =
        GroupConfig { min_session_timeout_ms: 1, initial_rebalance_delay_ms: 0, ..GroupConfig::default() };
    let service = GroupService::new(
        GroupConfigs::new(config, []),
        clock.clone(),
        tasks,
        waiting.clone(),
        log.log(),
        Box::new(no_topics),
        Arc::new(DiskReserve::unknown()),
    );
    service.shell.load(0, |prefix, each| log.scan_all(prefix, each)).unwrap();
    Setup { service: Arc::new(service), log, waiting, clock }
}

#[tokio::test]
async fn a_member_of_the_consumer_protocol_is_told_when_it_is_durable_and_survives_a_restart() {
    let setup = setup();
    let request = HeartbeatRequest {
        member_id: MemberId::from("m"),
        rebalance_timeout_ms: Some(1_000),
        topic_names: Some(["t".into()].into()),
        owned: Some(Default::default()),
        ..HeartbeatRequest::default()
    };
    setup.log.hold();
    let id = group();
    let mut beat = Box::pin(setup.service.consumer_heartbeat(&id, &request, true));
    assert!(is_pending(&mut beat).await, "nothing is written yet");
    setup.log.finish_all();
    let (reply, _) = beat.await.unwrap();
    assert_eq!(reply.member_epoch, 2);
    assert_eq!(setup.service.list().await.unwrap()[0].group_type, "consumer");

    let after = service_on(Arc::clone(&setup.log));
    after.log.held.store(false, Ordering::SeqCst);
    let again = HeartbeatRequest { member_epoch: 2, member_id: MemberId::from("m"), ..Default::default() };
    let (reply, interval_ms) = after.service.consumer_heartbeat(&id, &again, true).await.unwrap();
    assert_eq!((reply.member_epoch, reply.assignment, interval_ms), (2, None, 5_000));
    assert_eq!(after.service.describe(&id).await.unwrap_err().error, GroupError::GroupIdNotFound);
    assert_eq!(after.service.describe_consumer(&id).await.unwrap().members.len(), 1);
    let gone = HeartbeatRequest { member_epoch: -1, ..again };
    after.service.consumer_heartbeat(&id, &gone, true).await.unwrap();
    after.service.delete(&id).await.unwrap();
    assert!(after.log.stored.lock().is_empty());
    assert_eq!(
        after.service.consumer_heartbeat(&id, &gone, true).await.unwrap_err().error,
        GroupError::GroupIdNotFound
    );
}
