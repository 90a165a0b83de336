//! Terms: what a group began before the shard was given up is not answered after it.

use super::*;

#[tokio::test]
async fn what_a_group_began_in_an_earlier_term_is_not_answered_in_the_next() {
    let setup = setup_with_long_retention();
    setup.service.start();
    let id = setup.stable().await;
    setup.commit(&id, 1, 5).await.unwrap();
    let nobody = MemberId::none();
    let mut newcomer = Box::pin(setup.join(&nobody));
    assert!(is_pending(&mut newcomer).await);

    *setup.log.not_led.lock() = Some(NotLed::Elsewhere);
    assert_eq!(setup.commit(&id, 1, 6).await, Err(GroupError::NotCoordinator));
    assert_eq!(setup.heartbeat(&id, 1).await, Err(GroupError::NotCoordinator));
    assert_eq!(setup.service.list().await.map(|groups| groups.len()), Ok(0));
    assert!(is_pending(&mut newcomer).await, "not unloaded yet");

    *setup.log.not_led.lock() = Some(NotLed::TakingOver);
    assert_eq!(setup.commit(&id, 1, 6).await, Err(GroupError::CoordinatorLoadInProgress));
    assert_eq!(
        setup.service.list().await.map(|groups| groups.len()),
        Err(GroupError::CoordinatorLoadInProgress)
    );
    assert_eq!(setup.heartbeat(&id, 1).await, Ok(()), "a consumer takes no other answer");

    // Taken over, and the groups of the earlier term still there.
    *setup.log.not_led.lock() = None;
    setup.log.term.store(1, Ordering::SeqCst);
    assert_eq!(setup.commit(&id, 1, 6).await, Err(GroupError::CoordinatorLoadInProgress));
    assert_eq!(setup.join(&nobody).await.result.err(), Some(GroupError::CoordinatorLoadInProgress));
    setup.service.shell.unload();
    assert_eq!(newcomer.await.result.err(), Some(GroupError::NotCoordinator));
    assert_eq!(setup.commit(&id, 1, 6).await, Err(GroupError::CoordinatorLoadInProgress));
    setup.service.shell.load(1, |prefix, each| setup.log.scan_all(prefix, each)).unwrap();
    assert_eq!(setup.committed().await, Some(5));
    assert_eq!(setup.heartbeat(&id, 1).await, Ok(()));
    assert_eq!(setup.commit(&id, 1, 6).await, Ok(()));
}

/// The storage refuses what a step writes if the shard was given up between the two.
#[tokio::test]
async fn a_write_that_comes_after_its_term_is_not_acknowledged() {
    let setup = setup_with_long_retention();
    setup.service.start();
    let id = setup.stable().await;
    setup.log.hold();
    let mut commit = Box::pin(setup.commit(&id, 1, 5));
    assert!(is_pending(&mut commit).await);
    let (_, written) = setup.log.next().unwrap();
    *setup.log.not_led.lock() = Some(NotLed::Elsewhere);
    written(Err(NotWritten::NotLed));
    assert_eq!(commit.await, Err(GroupError::NotCoordinator));
}

#[tokio::test]
async fn alarms_that_are_set_by_a_load_wake_their_machines() {
    let setup = setup();
    setup.stable().await;
    setup.service.shell.unload();
    setup.log.term.store(1, Ordering::SeqCst);
    setup.service.shell.load(1, |prefix, each| setup.log.scan_all(prefix, each)).unwrap();
    setup.pass(SESSION_MS);
    eventually(async || setup.service.list().await.unwrap().iter().all(|group| group.state == "Empty")).await;
}
