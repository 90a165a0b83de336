//! Delegation tokens against a broker: who may make, see, renew and end them, and logins by them.

use codec::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use codec::messages::create_acls_request::AclCreation;
use codec::messages::create_delegation_token_request::CreatableRenewers;
use codec::messages::describe_delegation_token_request::DescribeDelegationTokenOwner;
use codec::messages::{
    AlterUserScramCredentialsRequest, CreateAclsRequest, CreateDelegationTokenRequest,
    CreateDelegationTokenResponse, ExpireDelegationTokenRequest, MetadataRequest,
    RenewDelegationTokenRequest,
};
use security::sasl::scram::Hash;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::*;
use crate::testing::scram::{TestUser, begin_by_token, sasl_broker};
use crate::testing::{Client, Logged, Running, SOON, frame};

const SECRET: (&str, &str) = ("delegation.token.secret.key", "a secret of tokens");
const AUTHORIZER: (&str, &str) =
    ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer");
const SUPER: (&str, &str) = ("super.users", "User:ANONYMOUS");

fn users() -> [TestUser; 3] {
    ["alice", "bob", "carol"].map(|name| TestUser::sha256(name, "pw"))
}

/// A broker with these users, and a connection of each.
async fn setup(more: &[(&str, &str)]) -> (Running, Vec<Client<TcpStream>>) {
    let (running, mut admin) = sasl_broker(more).await;
    let upsertion = |user: &TestUser| {
        ScramCredentialUpsertion::default()
            .with_name(user.name.into())
            .with_mechanism(1)
            .with_iterations(4096)
            .with_salt(bytes::Bytes::from_static(b"salt"))
            .with_salted_password(user.salted(b"salt", 4096).into())
    };
    let upsertions = users().iter().map(upsertion).collect();
    let answer =
        admin.call(0, &AlterUserScramCredentialsRequest::default().with_upsertions(upsertions)).await;
    assert!(answer.results.iter().all(|one| one.error_code == 0), "{answer:?}");
    let mut clients = Vec::new();
    for user in users() {
        clients.push(user.logged_in(&running).await.unwrap());
    }
    (running, clients)
}

async fn create(client: &mut Client<TcpStream>, renewers: &[&'static str]) -> CreateDelegationTokenResponse {
    let renewer = |name: &&'static str| {
        CreatableRenewers::default().with_principal_type("User".into()).with_principal_name((*name).into())
    };
    let request = CreateDelegationTokenRequest::default()
        .with_max_lifetime_ms(-1)
        .with_renewers(renewers.iter().map(renewer).collect());
    client.call(3, &request).await
}

fn renewal(token: &CreateDelegationTokenResponse, period_ms: i64) -> RenewDelegationTokenRequest {
    RenewDelegationTokenRequest::default().with_hmac(token.hmac.clone()).with_renew_period_ms(period_ms)
}

fn expiry(token: &CreateDelegationTokenResponse, period_ms: i64) -> ExpireDelegationTokenRequest {
    ExpireDelegationTokenRequest::default()
        .with_hmac(token.hmac.clone())
        .with_expiry_time_period_ms(period_ms)
}

/// A connection after a login by the token; `None` if that failed.
async fn log_in(
    running: &Running,
    hash: Hash,
    token: &CreateDelegationTokenResponse,
) -> Option<(Client<TcpStream>, i64)> {
    let mut begun = begin_by_token(running, hash, &token.token_id, &token.hmac).await;
    let (proved, answer) = begun.prove().await;
    if answer.error_code != 0 {
        assert_eq!(answer.error_code, 58, "{answer:?}");
        return None;
    }
    assert!(proved.is_from_server(&answer.auth_bytes));
    Some((begun.client, answer.session_lifetime_ms))
}

async fn ids(client: &mut Client<TcpStream>, request: &DescribeDelegationTokenRequest) -> Vec<String> {
    let answer = client.call(3, request).await;
    assert_eq!(answer.error_code, 0);
    answer.tokens.iter().map(|token| token.token_id.to_string()).collect()
}

#[tokio::test]
async fn clients_without_a_login_may_not_ask() {
    let running = Running::start(&[SECRET]).await.unwrap();
    let mut client = running.client().await;
    for version in 0..=3 {
        let described = client.call(version, &DescribeDelegationTokenRequest::default()).await;
        assert_eq!((described.error_code, described.tokens.len()), (64, 0));
        let created = client.call(version, &CreateDelegationTokenRequest::default()).await;
        assert_eq!((created.error_code, created.expiry_timestamp_ms), (64, -1));
        assert_eq!((created.principal_name.as_str(), created.hmac.len()), ("ANONYMOUS", 0));
    }
    let for_another = CreateDelegationTokenRequest::default()
        .with_owner_principal_type(Some(StrBytes::from_static_str("User")))
        .with_owner_principal_name(Some(StrBytes::from_static_str("other")));
    let created = client.call(3, &for_another).await;
    let names = (created.principal_name.as_str(), created.token_requester_principal_name.as_str());
    assert_eq!((created.error_code, names), (64, ("other", "ANONYMOUS")));
    for version in 0..=2 {
        let renewed = client.call(version, &RenewDelegationTokenRequest::default()).await;
        assert_eq!((renewed.error_code, renewed.expiry_timestamp_ms), (64, -1));
        let expired = client.call(version, &ExpireDelegationTokenRequest::default()).await;
        assert_eq!((expired.error_code, expired.expiry_timestamp_ms), (64, -1));
    }
}

#[tokio::test]
async fn there_are_no_tokens_without_a_secret() {
    let (_running, mut clients) = setup(&[]).await;
    let alice = &mut clients[0];
    let created = create(alice, &[]).await;
    assert_eq!(
        (created.error_code, created.expiry_timestamp_ms, created.principal_name.as_str()),
        (61, 0, "alice")
    );
    assert_eq!(alice.call(2, &renewal(&created, 1)).await.error_code, 61);
    assert_eq!(alice.call(2, &expiry(&created, 1)).await.error_code, 61);
    assert_eq!(alice.call(3, &DescribeDelegationTokenRequest::default()).await.error_code, 61);
}

/// The login, by both hashes; and no secret of it in the log.
#[tokio::test]
async fn a_token_logs_in_as_its_owner_until_it_ends() {
    let logged = Logged::at(tracing::Level::TRACE);
    let (running, mut clients) = setup(&[SECRET, ("delegation.token.max.lifetime.ms", "600000")]).await;
    let token = create(&mut clients[0], &["bob"]).await;
    assert_eq!(
        (token.error_code, token.hmac.len(), token.token_id.len()),
        (0, 64, 22),
        "{}",
        token.error_code
    );
    assert_eq!(token.max_timestamp_ms - token.issue_timestamp_ms, 600_000);
    assert_eq!(token.expiry_timestamp_ms, token.max_timestamp_ms);
    for hash in Hash::ALL {
        let (mut client, lifetime_ms) = log_in(&running, hash, &token).await.expect("a login");
        assert!((500_000..=600_000).contains(&lifetime_ms), "{lifetime_ms}");
        client.call(9, &MetadataRequest::default()).await;
        // A token must not make tokens, nor live longer by itself.
        let again = create(&mut client, &[]).await;
        assert_eq!((again.error_code, again.principal_name.as_str()), (64, "alice"));
        assert_eq!(client.call(2, &renewal(&token, 1)).await.error_code, 64);
    }
    let renewed = clients[0].call(2, &renewal(&token, -1)).await;
    assert_eq!(renewed.expiry_timestamp_ms, token.max_timestamp_ms, "not beyond its end");
    // The HMAC is no password of the user of that name, nor the owner's password one of the token.
    let mut wrong = token.clone();
    wrong.hmac = bytes::Bytes::from_static(b"pw");
    assert!(log_in(&running, Hash::Sha256, &wrong).await.is_none());
    wrong.token_id = "alice".into();
    assert!(log_in(&running, Hash::Sha256, &wrong).await.is_none(), "a user's name is no id");
    let hmac = security::delegation_token::password(&security::Secret::new(&token.hmac[..]));
    let text = logged.text();
    assert!(!text.contains(hmac.expose_text().unwrap()) && !text.contains(SECRET.1), "{text}");
    assert!(!text.contains(&format!("{:?}", token.hmac)), "{text}");
}

#[tokio::test]
async fn owner_and_renewers_renew_and_end_it() {
    let (running, mut clients) = setup(&[SECRET]).await;
    let token = create(&mut clients[0], &["bob"]).await;
    let unknown = RenewDelegationTokenRequest::default().with_hmac(token.hmac.slice(..63));
    assert_eq!(clients[0].call(2, &unknown).await.error_code, 62, "a part of the HMAC");
    for (client, code) in [(0, 0), (1, 0), (2, 63)] {
        let renewed = clients[client].call(2, &renewal(&token, 60_000)).await;
        assert_eq!(renewed.error_code, code);
        let expired = clients[client].call(2, &expiry(&token, 120_000)).await;
        assert_eq!(expired.error_code, code);
        if code == 0 {
            let difference = expired.expiry_timestamp_ms - renewed.expiry_timestamp_ms;
            assert!((60_000..70_000).contains(&difference), "{difference}");
        }
    }
    // As by kafka-delegation-tokens.sh against Kafka 4.3: at most the usual time, which 0 asks for too.
    for period_ms in [-1, 0, i64::MAX, 172_800_000] {
        let renewed = clients[0].call(2, &renewal(&token, period_ms)).await;
        let usual_ms = renewed.expiry_timestamp_ms - token.issue_timestamp_ms;
        assert!((86_400_000..86_460_000).contains(&usual_ms), "{period_ms}: {usual_ms}");
    }
    // S7: deletion ends its sessions at their next request.
    let (mut by_token, _) = log_in(&running, Hash::Sha256, &token).await.unwrap();
    assert_eq!(clients[2].call(2, &expiry(&token, -1)).await.error_code, 63);
    assert_eq!(clients[1].call(2, &expiry(&token, -1)).await.error_code, 0);
    by_token.stream.write_all(&frame(&MetadataRequest::default(), 9, 1)).await.unwrap();
    assert!(by_token.receive_frame().await.is_none(), "it was served");
    assert!(log_in(&running, Hash::Sha256, &token).await.is_none());
    assert_eq!(clients[0].call(2, &renewal(&token, 1)).await.error_code, 62);
}

/// S25: an expired token logs in no more, its sessions are over, and it is gone.
#[tokio::test]
async fn a_token_ends_in_time() {
    let (running, mut clients) = setup(&[SECRET]).await;
    let token = create(&mut clients[0], &[]).await;
    let (mut by_token, _) = log_in(&running, Hash::Sha256, &token).await.unwrap();
    assert_eq!(clients[0].call(2, &expiry(&token, 1500)).await.error_code, 0);
    let (_, lifetime_ms) = log_in(&running, Hash::Sha256, &token).await.expect("not over yet");
    assert!((1..=1500).contains(&lifetime_ms), "{lifetime_ms}");
    by_token.call(9, &MetadataRequest::default()).await;
    tokio::time::sleep(std::time::Duration::from_millis(1600)).await;
    assert!(log_in(&running, Hash::Sha256, &token).await.is_none());
    assert!(
        ids(&mut clients[0], &DescribeDelegationTokenRequest::default().with_owners(None)).await.is_empty()
    );
    // Its first session was to last for a day.
    let gone = async {
        loop {
            by_token.stream.write_all(&frame(&MetadataRequest::default(), 9, 1)).await.unwrap_or_default();
            if by_token.receive_frame().await.is_none() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, gone).await.expect("the session ends with its token");
}

#[tokio::test]
async fn renewers_must_be_users() {
    let (_running, mut clients) = setup(&[SECRET]).await;
    let group =
        CreatableRenewers::default().with_principal_type("Group".into()).with_principal_name("g".into());
    let request = CreateDelegationTokenRequest::default().with_renewers(vec![group]);
    let answer = clients[0].call(3, &request).await;
    assert_eq!((answer.error_code, answer.max_timestamp_ms), (67, 0));
}

/// Clients see their own tokens, and make none for others, unless an ACL allows it.
#[tokio::test]
async fn others_need_permissions() {
    let (running, mut clients) = setup(&[SECRET, AUTHORIZER, SUPER]).await;
    let of_alice = create(&mut clients[0], &["bob"]).await;
    let of_carol = create(&mut clients[2], &[]).await;
    let all = DescribeDelegationTokenRequest::default().with_owners(None);
    let none = DescribeDelegationTokenRequest::default().with_owners(Some(Vec::new()));
    let owner = |name: &'static str| {
        DescribeDelegationTokenOwner::default()
            .with_principal_type("User".into())
            .with_principal_name(name.into())
    };
    let of = |name| DescribeDelegationTokenRequest::default().with_owners(Some(vec![owner(name)]));
    let (a, c) = (of_alice.token_id.to_string(), of_carol.token_id.to_string());
    assert_eq!(ids(&mut clients[0], &all).await, std::slice::from_ref(&a));
    assert_eq!(ids(&mut clients[1], &all).await, std::slice::from_ref(&a), "a renewer");
    assert_eq!(ids(&mut clients[2], &all).await, std::slice::from_ref(&c));
    assert!(ids(&mut clients[0], &none).await.is_empty());
    assert!(ids(&mut clients[0], &of("carol")).await.is_empty(), "another owner's");
    let for_alice = CreateDelegationTokenRequest::default()
        .with_owner_principal_type(Some("User".into()))
        .with_owner_principal_name(Some("alice".into()));
    let refused = clients[2].call(3, &for_alice).await;
    assert_eq!((refused.error_code, refused.expiry_timestamp_ms), (65, -1));
    // DELEGATION_TOKEN:Describe of one token; USER:CreateTokens and USER:DescribeTokens of alice.
    let allow = |resource: i8, name: &str, operation: i8| {
        AclCreation::default()
            .with_resource_type(resource)
            .with_resource_name(name.to_owned().into())
            .with_resource_pattern_type(3)
            .with_principal("User:carol".into())
            .with_host("*".into())
            .with_operation(operation)
            .with_permission_type(3)
    };
    let mut admin = crate::testing::scram::administrator(&running).await;
    let request = CreateAclsRequest::default().with_creations(vec![allow(6, &a, 8)]);
    assert_eq!(admin.call(3, &request).await.results[0].error_code, 0);
    let mut both = [a.clone(), c.clone()];
    both.sort();
    assert_eq!(ids(&mut clients[2], &all).await, both);
    let request = CreateAclsRequest::default()
        .with_creations(vec![allow(7, "User:alice", 13), allow(7, "User:alice", 14)]);
    assert!(admin.call(3, &request).await.results.iter().all(|one| one.error_code == 0));
    let made = clients[2].call(3, &for_alice).await;
    let names = (made.principal_name.as_str(), made.token_requester_principal_name.as_str());
    assert_eq!((made.error_code, names), (0, ("alice", "carol")));
    assert_eq!(ids(&mut clients[0], &all).await.len(), 2, "its owner sees it");
    // The requester sees it, and may not renew it.
    assert_eq!(clients[2].call(2, &renewal(&made, 1)).await.error_code, 63);
    assert!(log_in(&running, Hash::Sha512, &made).await.is_some());
    let odd = CreateDelegationTokenRequest::default()
        .with_owner_principal_type(Some("Group".into()))
        .with_owner_principal_name(Some("alice".into()));
    assert_eq!(admin.call(3, &odd).await.error_code, 64, "an open listener");
}

/// S9: what was answered is there after a restart; another secret ends all tokens.
#[tokio::test]
async fn tokens_outlive_a_restart_and_not_their_secret() {
    let (running, mut clients) = setup(&[SECRET]).await;
    let token = create(&mut clients[0], &["bob"]).await;
    let gone = create(&mut clients[0], &[]).await;
    assert_eq!(clients[0].call(2, &expiry(&gone, -1)).await.error_code, 0);
    let pairs = [crate::testing::scram::PAIRS, &[SECRET]].concat();
    let running = running.restart(&pairs).await;
    assert!(log_in(&running, Hash::Sha256, &token).await.is_some());
    assert!(log_in(&running, Hash::Sha256, &gone).await.is_none());
    let other = [crate::testing::scram::PAIRS, &[("delegation.token.secret.key", "another")]].concat();
    let running = running.restart(&other).await;
    assert!(log_in(&running, Hash::Sha256, &token).await.is_none());
    let mut bob = users()[1].logged_in(&running).await.unwrap();
    assert_eq!(bob.call(2, &renewal(&token, 1)).await.error_code, 62);
}

/// A request names its token by its HMAC, which must be in no log.
#[tokio::test]
async fn renewals_and_ends_are_audited_with_the_id_of_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let (running, mut clients) = setup(&[SECRET, ("audit.log.location", log.to_str().unwrap())]).await;
    let token = create(&mut clients[0], &[]).await;
    assert_eq!(clients[0].call(2, &renewal(&token, -1)).await.error_code, 0);
    assert_eq!(
        clients[1].call(2, &renewal(&token, -1)).await.error_code,
        ErrorCode::DelegationTokenOwnerMismatch.code()
    );
    assert_eq!(clients[0].call(2, &expiry(&token, -1)).await.error_code, 0);
    // There is no such token any more.
    assert_ne!(clients[0].call(2, &expiry(&token, -1)).await.error_code, 0);
    let text = std::fs::read_to_string(&log).unwrap();
    let of = |operation: &str| {
        let operation = format!("\"operation\":\"{operation}\"");
        let lines = text.lines().filter(|line| line.contains(&operation));
        lines.map(|line| line.contains(&format!("\"resource\":\"{}\"", token.token_id))).collect::<Vec<_>>()
    };
    assert_eq!((of("Renew"), of("Expire")), (vec![true, true], vec![true, false]), "{text}");
    drop(running);
}
