//! Users of SCRAM and delegation tokens in a real process: the first user comes from the environment, and every answered change
//! survives kill -9.

use anyhow::{Context as _, Result, ensure};
use codec::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use codec::messages::{
    AlterUserScramCredentialsRequest, CreateDelegationTokenRequest, CreateDelegationTokenResponse,
    DescribeAclsRequest, ExpireDelegationTokenRequest, MetadataRequest,
};
use ottla_tests::admin::text;
use ottla_tests::broker::{Options, TestBroker};
use ottla_tests::client::Client;
use ottla_tests::login::{log_in, log_in_by_token};
use security::Secret;
use security::sasl::scram::Hash;

const HASH: Hash = Hash::Sha256;

/// A broker that no client can use without a login, whose only user may do everything.
fn secured() -> Options {
    Options::default()
        .set("listener.security.protocol.map", "PLAINTEXT:SASL_PLAINTEXT")
        .set("sasl.enabled.mechanisms", "SCRAM-SHA-256")
        .set("connection.failed.authentication.delay.ms", 1)
        .set("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer")
        .env("OTTLA_BOOTSTRAP_USER", "admin:admin's secret")
}

fn logs_in(broker: &TestBroker, user: &str, password: &str) -> Result<bool> {
    log_in(&mut Client::connect(broker.address())?, HASH, user, password)
}

fn administrator(broker: &TestBroker) -> Result<Client> {
    let mut client = Client::connect(broker.address())?;
    ensure!(log_in(&mut client, HASH, "admin", "admin's secret")?, "the first user");
    Ok(client)
}

fn alter(client: &mut Client, request: AlterUserScramCredentialsRequest) -> Result<()> {
    let answer = client.call(0, &request)?;
    ensure!(answer.results.iter().all(|one| one.error_code == 0), "{answer:?}");
    Ok(())
}

fn put(user: &str, password: &str) -> AlterUserScramCredentialsRequest {
    let salted = HASH.salted(&Secret::new(password), b"salt", 4096).expose().to_vec();
    let upsertion = ScramCredentialUpsertion::default()
        .with_name(text(user))
        .with_mechanism(1)
        .with_iterations(4096)
        .with_salt(bytes::Bytes::from_static(b"salt"))
        .with_salted_password(salted.into());
    AlterUserScramCredentialsRequest::default().with_upsertions(vec![upsertion])
}

fn deletion(user: &str) -> AlterUserScramCredentialsRequest {
    let deletion = ScramCredentialDeletion::default().with_name(text(user)).with_mechanism(1);
    AlterUserScramCredentialsRequest::default().with_deletions(vec![deletion])
}

/// S9: each answered change is there after a kill, and a deleted user does not come back.
#[test]
fn changes_of_users_survive_a_kill() -> Result<()> {
    let mut broker = secured().start()?;
    for round in 0..6 {
        let password = format!("password {}", round / 2);
        let is_added = round % 2 == 0;
        let request = if is_added { put("alice", &password) } else { deletion("alice") };
        alter(&mut administrator(&broker)?, request)?;
        ensure!(logs_in(&broker, "alice", &password)? == is_added, "round {round}, at once");
        broker.kill_9()?;
        broker.start()?;
        ensure!(logs_in(&broker, "alice", &password)? == is_added, "round {round}, after the kill");
    }
    Ok(())
}

/// S23: the first user keeps the password that was changed, and is a super user only where the environment names it.
#[test]
fn the_first_user_is_made_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut broker = secured().data(folder.path()).start()?;
    let mut admin = administrator(&broker)?;
    let all = DescribeAclsRequest::default()
        .with_resource_type_filter(1)
        .with_pattern_type_filter(1)
        .with_operation(1)
        .with_permission_type(1);
    ensure!(admin.call(3, &all)?.error_code == 0, "it may do everything");
    alter(&mut admin, put("admin", "changed"))?;
    alter(&mut admin, put("alice", "pw"))?;
    broker.kill_9()?;
    broker.start()?;
    ensure!(!logs_in(&broker, "admin", "admin's secret")? && logs_in(&broker, "admin", "changed")?);
    let mut alice = Client::connect(broker.address())?;
    ensure!(log_in(&mut alice, HASH, "alice", "pw")?);
    ensure!(alice.call(3, &all)?.error_code == 31, "another user may not");
    Ok(())
}

/// S7: a client that goes on with a deleted user, another one of whose connections made the change.
#[test]
fn a_deleted_users_connection_is_closed_at_its_next_request() -> Result<()> {
    let broker = secured().start()?;
    let mut admin = administrator(&broker)?;
    alter(&mut admin, put("alice", "pw"))?;
    let mut alice = Client::connect(broker.address())?;
    ensure!(log_in(&mut alice, HASH, "alice", "pw")?);
    alice.call(9, &MetadataRequest::default())?;
    alter(&mut admin, deletion("alice"))?;
    ensure!(alice.call(9, &MetadataRequest::default()).is_err(), "it was answered");
    ensure!(!logs_in(&broker, "alice", "pw")?);
    Ok(())
}

/// S9: a token that was answered logs in after a kill; one that was ended does not come back.
#[test]
fn tokens_survive_a_kill_until_they_end() -> Result<()> {
    let options = secured().set("delegation.token.secret.key", "a secret of tokens");
    let mut broker = options.start()?;
    let mut made: Option<CreateDelegationTokenResponse> = None;
    for round in 0..4 {
        let mut admin = administrator(&broker)?;
        let is_made = round % 2 == 0;
        if is_made {
            let token = admin.call(3, &CreateDelegationTokenRequest::default())?;
            ensure!(token.error_code == 0, "{}", token.error_code);
            made = Some(token);
        }
        let token = made.clone().context("the first round makes one")?;
        if !is_made {
            let end = ExpireDelegationTokenRequest::default().with_hmac(token.hmac.clone());
            let answer = admin.call(2, &end.with_expiry_time_period_ms(-1))?;
            ensure!(answer.error_code == 0, "{answer:?}");
        }
        let logs_in = |broker: &TestBroker| {
            let mut client = Client::connect(broker.address())?;
            log_in_by_token(&mut client, HASH, &token.token_id, &token.hmac)
        };
        ensure!(logs_in(&broker)? == is_made, "round {round}, at once");
        broker.kill_9()?;
        broker.start()?;
        ensure!(logs_in(&broker)? == is_made, "round {round}, after the kill");
    }
    Ok(())
}
