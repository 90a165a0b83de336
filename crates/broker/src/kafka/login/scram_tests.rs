//! Logins by SCRAM against a broker: raw tokens, unknown users, messages that must fail, and the end of a login.

use codec::ErrorCode;
use codec::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use codec::messages::{AlterUserScramCredentialsRequest, MetadataRequest, SaslHandshakeRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::testing::scram::{TestUser, authenticate, sasl_broker};
use crate::testing::{Logged, Running, SOON};

const FAILED: i16 = ErrorCode::SaslAuthenticationFailed.code();

/// A broker that has these users.
async fn broker_with(users: &[&TestUser], more: &[(&str, &str)]) -> Running {
    let (running, mut admin) = sasl_broker(more).await;
    let upsertion = |user: &&TestUser| {
        ScramCredentialUpsertion::default()
            .with_name(user.name.into())
            .with_mechanism(user.hash.code().cast_signed())
            .with_iterations(4096)
            .with_salt(bytes::Bytes::from_static(b"salt"))
            .with_salted_password(user.salted(b"salt", 4096).into())
    };
    let upsertions = users.iter().map(upsertion).collect();
    let answer =
        admin.call(0, &AlterUserScramCredentialsRequest::default().with_upsertions(upsertions)).await;
    assert!(answer.results.iter().all(|one| one.error_code == 0), "{answer:?}");
    running
}

#[tokio::test]
async fn names_in_every_script_log_in() {
    let users = [
        TestUser::sha256("alice", "pw"),
        TestUser::sha512("a=b,c", "pw"),
        TestUser::sha256("böb 東京", "pässwörd"),
        TestUser::sha512("مستخدم", " "),
    ];
    let running = broker_with(&users.each_ref(), &[]).await;
    for user in &users {
        let mut client = user.logged_in(&running).await.expect(user.name);
        client.call(9, &MetadataRequest::default()).await;
    }
}

/// Clients from before SaslAuthenticate.
#[tokio::test]
async fn bare_tokens_log_in() {
    let alice = TestUser::sha256("alice", "pw");
    let running = broker_with(&[&alice], &[]).await;
    let mut client = running.client().await;
    let handshake = SaslHandshakeRequest::default().with_mechanism("SCRAM-SHA-256".into());
    assert_eq!(client.call(0, &handshake).await.error_code, 0);
    let password = security::Secret::new("pw");
    let (login, first) =
        security::sasl::scram::client::Client::begin(alice.hash, alice.name, password, "abc");
    let token = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    client.stream.write_all(&token(&first)).await.unwrap();
    let challenge = client.receive_frame().await.unwrap();
    let (proved, last) = login.prove(&challenge).unwrap();
    client.stream.write_all(&token(&last)).await.unwrap();
    let length = client.stream.read_u32().await.unwrap();
    let mut signature = vec![0; length as usize];
    client.stream.read_exact(&mut signature).await.unwrap();
    assert!(proved.is_from_server(&signature));
    client.call(9, &MetadataRequest::default()).await;
}

/// S3: the same messages, text and code for an unknown user, a wrong password, and a user of the other mechanism alone. Kafka
/// refuses an unknown user's first message.
#[tokio::test]
async fn an_unknown_user_is_answered_as_a_wrong_password() {
    let alice = TestUser::sha256("alice", "pw");
    let running = broker_with(&[&alice], &[]).await;
    let mut outcomes = Vec::new();
    for user in
        [TestUser::sha256("alice", "no"), TestUser::sha256("nobody", "pw"), TestUser::sha256("Alice", "pw")]
    {
        let mut begun = user.begin(&running).await;
        let shape: String = String::from_utf8(begun.server_first.clone())
            .unwrap()
            .split(',')
            .map(|part| format!("{} ", &part[..2]))
            .collect();
        let (_, answer) = begun.prove().await;
        assert!(begun.client.receive_frame().await.is_none());
        outcomes.push((shape, answer.error_code, answer.error_message.clone(), answer.auth_bytes.clone()));
    }
    assert_eq!((outcomes[0].0.as_str(), outcomes[0].1), ("r= s= i= ", FAILED));
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    assert!(!TestUser::sha512("alice", "pw").logs_in(&running).await);
}

/// S4: each of these is the final message of a client that knows the password.
#[tokio::test]
async fn final_messages_of_other_forms_fail() {
    let alice = TestUser::sha256("alice", "pw");
    let running = broker_with(&[&alice], &[]).await;
    let replayed = alice.begin(&running).await.last_text();
    let changes: [fn(String) -> String; 7] = [
        |last| last.replace("r=abc", "r=xbc"),
        |last| last.replace("r=abc", "r="),
        |last| last.replace("c=biws", "c=eSws"),
        |last| last.replace("c=biws,", "c=biws,m=x,"),
        |last| last[..last.len() - 4].to_owned(),
        |last| last.split(",p=").next().unwrap().to_owned(),
        |_| String::new(),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut begun = alice.begin(&running).await;
        let last = change(begun.last_text());
        assert_eq!(authenticate(&mut begun.client, last.into_bytes()).await.error_code, FAILED, "{index}");
    }
    let mut begun = alice.begin(&running).await;
    assert_eq!(authenticate(&mut begun.client, replayed.into_bytes()).await.error_code, FAILED, "replayed");
    assert!(alice.logs_in(&running).await);
}

#[tokio::test]
async fn a_re_authentication_keeps_its_user_and_ends_with_the_credential() {
    let (alice, bob) = (TestUser::sha256("alice", "pw"), TestUser::sha256("bob", "pw"));
    let running = broker_with(&[&alice, &bob], &[("connections.max.reauth.ms", "60000")]).await;
    let client = alice.logged_in(&running).await.unwrap();
    let mut again = alice.begin_on(client).await;
    assert_eq!(again.prove().await.1.error_code, 0);
    again.client.call(9, &MetadataRequest::default()).await;
    let client = alice.logged_in(&running).await.unwrap();
    let mut wrong = TestUser::sha256("alice", "no").begin_on(client).await;
    let text = wrong.prove().await.1.error_message.unwrap();
    let expected =
        "failed during re-authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256";
    assert!(text.contains(expected), "{text}");
    let client = alice.logged_in(&running).await.unwrap();
    let mut as_bob = bob.begin_on(client).await;
    assert_eq!(as_bob.prove().await.1.error_code, FAILED);
    assert!(as_bob.client.receive_frame().await.is_none());
}

/// S18: neither the name nor any message of a failed login is logged.
#[tokio::test]
async fn a_failure_is_logged_without_what_was_sent() {
    let logged = Logged::by_this_thread();
    let alice = TestUser::sha256("alice-the-user", "pw");
    let running = broker_with(&[&alice], &[]).await;
    let mut begun = TestUser::sha256("alice-the-user", "hunter2").begin(&running).await;
    begun.prove().await;
    drop(begun);
    // The line is written once the client has gone.
    let is_logged = async {
        while logged.lines("login failed").is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, is_logged).await.unwrap();
    assert!(logged.lines("alice-the-user").is_empty() && logged.lines("r=abc").is_empty());
}
