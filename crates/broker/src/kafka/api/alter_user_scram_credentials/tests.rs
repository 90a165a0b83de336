//! Users given, changed and deleted by requests, and what their clients see of it.

use bytes::Bytes;
use codec::messages::StrBytes;
use codec::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use codec::messages::{
    AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest, MetadataRequest,
    describe_user_scram_credentials_request::UserName,
};
use tokio::net::TcpStream;

use crate::testing::Client;
use crate::testing::scram::{self, TestUser, sasl_broker};

fn put(user: &TestUser) -> ScramCredentialUpsertion {
    ScramCredentialUpsertion::default()
        .with_name(user.name.into())
        .with_mechanism(user.hash.code().cast_signed())
        .with_iterations(4096)
        .with_salt(Bytes::from_static(b"salt"))
        .with_salted_password(user.salted(b"salt", 4096).into())
}

fn deletion(user: &TestUser) -> ScramCredentialDeletion {
    ScramCredentialDeletion::default()
        .with_name(user.name.into())
        .with_mechanism(user.hash.code().cast_signed())
}

/// Changes users by a client of the open listener; returns user and code of each result.
async fn alter(
    client: &mut Client<TcpStream>,
    deletions: Vec<ScramCredentialDeletion>,
    upsertions: Vec<ScramCredentialUpsertion>,
) -> Vec<(StrBytes, i16)> {
    let request =
        AlterUserScramCredentialsRequest::default().with_deletions(deletions).with_upsertions(upsertions);
    let answer = client.call(0, &request).await;
    answer.results.into_iter().map(|one| (one.user, one.error_code)).collect()
}

async fn described(client: &mut Client<TcpStream>, users: &[&'static str]) -> Vec<String> {
    let named = users.iter().map(|user| UserName::default().with_name((*user).into())).collect();
    let request = DescribeUserScramCredentialsRequest::default().with_users(Some(named));
    let answer = client.call(0, &request).await;
    assert_eq!(answer.error_code, 0);
    let infos = |infos: &[codec::messages::describe_user_scram_credentials_response::CredentialInfo]| {
        infos.iter().map(|info| format!(" {}:{}", info.mechanism, info.iterations)).collect::<String>()
    };
    answer
        .results
        .iter()
        .map(|one| format!("{} {}{}", &*one.user, one.error_code, infos(&one.credential_infos)))
        .collect()
}

#[tokio::test]
async fn users_are_given_described_and_deleted() {
    let (running, mut admin) = sasl_broker(&[]).await;
    let (alice, bob) = (TestUser::sha256("alice", "pw"), TestUser::sha512("bob", "pw"));
    let results = alter(&mut admin, vec![deletion(&alice)], vec![put(&bob)]).await;
    assert_eq!(results, [("alice".into(), 91), ("bob".into(), 0)]);
    assert_eq!(alter(&mut admin, Vec::new(), vec![put(&alice)]).await, [("alice".into(), 0)]);
    assert_eq!(described(&mut admin, &[]).await, ["alice 0 1:4096", "bob 0 2:4096"]);
    let named = described(&mut admin, &["bob", "carol", "alice", "alice"]).await;
    assert_eq!(named, ["bob 0 2:4096", "carol 91", "alice 92"]);
    assert!(alice.logs_in(&running).await && bob.logs_in(&running).await);
    assert!(!TestUser::sha512("alice", "pw").logs_in(&running).await, "of the other mechanism");
    assert_eq!(alter(&mut admin, vec![deletion(&alice)], Vec::new()).await, [("alice".into(), 0)]);
    assert!(!alice.logs_in(&running).await && bob.logs_in(&running).await);
}

/// S9: what was answered is there after a restart; the salt of an unknown user stays the same.
#[tokio::test]
async fn users_and_the_salts_of_others_outlive_a_restart() {
    let (running, mut admin) = sasl_broker(&[]).await;
    let alice = TestUser::sha256("alice", "pw");
    alter(&mut admin, Vec::new(), vec![put(&alice)]).await;
    let unknown = TestUser::sha512("nobody", "x");
    let first = unknown.challenge(&running).await;
    let running = running.restart(scram::PAIRS).await;
    assert!(alice.logs_in(&running).await);
    let (salt, again) = (TestUser::salt(&first), unknown.challenge(&running).await);
    assert_eq!(TestUser::salt(&again), salt);
    let other = TestUser::sha512("nobody2", "x").challenge(&running).await;
    assert_ne!(TestUser::salt(&other), salt);
}

/// S7, S9: a changed password counts from the answer on, and its connections go on; deletion ends them.
#[tokio::test]
async fn a_change_takes_effect_at_once_and_a_deletion_ends_sessions() {
    let (running, mut admin) = sasl_broker(&[]).await;
    let old = TestUser::sha256("alice", "old");
    alter(&mut admin, Vec::new(), vec![put(&old)]).await;
    let mut session = old.logged_in(&running).await.expect("logged in");
    let new = TestUser::sha256("alice", "new");
    alter(&mut admin, Vec::new(), vec![put(&new)]).await;
    assert!(!old.logs_in(&running).await && new.logs_in(&running).await);
    session.call(9, &MetadataRequest::default()).await;
    alter(&mut admin, vec![deletion(&new)], Vec::new()).await;
    alter(&mut admin, Vec::new(), vec![put(&old)]).await;
    session.send(9, &MetadataRequest::default()).await;
    assert!(session.receive_frame().await.is_none(), "another user of the same name");
    assert!(old.logs_in(&running).await);
}

/// S7: the user is deleted between the two messages.
#[tokio::test]
async fn a_login_that_began_before_a_deletion_fails() {
    let (running, mut admin) = sasl_broker(&[]).await;
    let alice = TestUser::sha256("alice", "pw");
    alter(&mut admin, Vec::new(), vec![put(&alice)]).await;
    let mut begun = alice.begin(&running).await;
    alter(&mut admin, vec![deletion(&alice)], Vec::new()).await;
    assert_eq!(begun.prove().await.1.error_code, 58);
}
