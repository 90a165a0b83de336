//! Records that cannot be read: they refuse their own group and no other.

use super::*;

/// The stored value of the offset that group `g` has committed, to be damaged.
fn damage_offset(log: &TestLog, group: u8, damage: impl FnOnce(&mut Vec<u8>)) {
    let mut stored = log.stored.lock();
    let key = [b"\x02\0\0\0\x01", &[group][..], b"\0\0\0\x01t\0\0\0\0"].concat();
    let value = stored.get_mut(&key[..]).expect("the offset is stored");
    let mut bytes = value.to_vec();
    damage(&mut bytes);
    *value = bytes.into();
}

async fn commit_to(setup: &Setup, group: &str) -> Result<Vec<Result<(), GroupError>>, GroupError> {
    let who = CommitIdentity {
        member_id: MemberId::none(),
        group_instance_id: None,
        generation: GenerationId::NONE,
    };
    let terms = CommitTerms { who, retention_ms: None, knows_member_epochs: false };
    setup.service.commit(&GroupId::from(group), &terms, vec![commit("t", 0, 7)]).await
}

#[tokio::test]
async fn one_unreadable_record_refuses_its_group_and_no_other() {
    let before = setup();
    for group in ["g", "h"] {
        commit_to(&before, group).await.unwrap();
    }
    damage_offset(&before.log, b'g', |value| value.truncate(value.len() - 1));
    let after = service_on(Arc::clone(&before.log));
    let unavailable = Err(GroupError::CoordinatorNotAvailable);
    assert_eq!(commit_to(&after, "g").await, unavailable.map(|()| Vec::new()));
    let read = after.service.read_offsets(&group(), None, |offsets| offsets.is_some()).await;
    assert_eq!(read, unavailable.map(|()| false));
    assert_eq!(
        after.service.describe(&group()).await.unwrap_err().error,
        GroupError::CoordinatorNotAvailable
    );
    let joined = after.service.join(&group(), request(&MemberId::none())).await;
    assert_eq!(joined.result.err(), Some(GroupError::CoordinatorNotAvailable));
    commit_to(&after, "h").await.unwrap();
    let names: Vec<String> =
        after.service.list().await.unwrap().iter().map(|it| it.group_id.to_string()).collect();
    assert_eq!(names, ["h"]);
}

#[tokio::test]
async fn a_group_that_cannot_be_read_can_be_deleted_and_begins_anew() {
    let before = setup();
    commit_to(&before, "g").await.unwrap();
    damage_offset(&before.log, b'g', |value| value[0] = 9);
    let after = service_on(Arc::clone(&before.log));
    assert_eq!(after.service.delete(&group()).await, Ok(()));
    assert!(after.log.stored.lock().is_empty(), "its records are deleted");
    assert_eq!(after.service.delete(&group()).await, Err(GroupError::GroupIdNotFound));
    commit_to(&after, "g").await.unwrap();
}

#[tokio::test]
async fn a_record_that_names_no_group_stops_nothing() {
    let before = setup();
    commit_to(&before, "h").await.unwrap();
    before.log.stored.lock().insert(Bytes::from_static(b"\x02\0\0\x01"), Bytes::from_static(b"?"));
    let after = service_on(Arc::clone(&before.log));
    commit_to(&after, "h").await.unwrap();
}

/// A look-up may end just before another step sets the group aside: a new one beside its records would answer as if they
/// did not exist.
#[tokio::test]
async fn a_group_that_was_set_aside_meanwhile_is_not_created_anew() {
    let setup = setup();
    let shell = &setup.service.shell;
    shell.unreadable.write().insert(group(), Vec::new());
    assert!(shell.create(&group()).is_err());
    assert!(shell.create(&GroupId::from("other")).is_ok());
}
