//! A broker with a listener of SCRAM and an open one, and users that log in.

use std::net::SocketAddr;

use codec::ErrorCode;
use codec::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest};
use security::Secret;
use security::sasl::scram::Hash;
use security::sasl::scram::client::{Client as ScramClient, Proved};
use tokio::net::TcpStream;

use crate::testing::{Client, Running};

/// The first listener asks for SCRAM, the second for nothing.
pub(crate) const PAIRS: &[(&str, &str)] = &[
    ("listeners", "SAFE://127.0.0.1:0,OPEN://127.0.0.1:0"),
    ("listener.security.protocol.map", "SAFE:SASL_PLAINTEXT,OPEN:PLAINTEXT"),
    ("sasl.enabled.mechanisms", "SCRAM-SHA-256,SCRAM-SHA-512"),
    ("connection.failed.authentication.delay.ms", "1"),
];

/// Such a broker, and a client of its open listener.
pub(crate) async fn sasl_broker(more: &[(&str, &str)]) -> (Running, Client<TcpStream>) {
    let running = Running::start(&[PAIRS, more].concat()).await.unwrap();
    let admin = administrator(&running).await;
    (running, admin)
}

/// A client of the open listener.
pub(crate) async fn administrator(running: &Running) -> Client<TcpStream> {
    let open: SocketAddr = running.broker.addresses()[1];
    Client::new(TcpStream::connect(open).await.unwrap())
}

/// A user, as its client knows it.
pub(crate) struct TestUser {
    pub(crate) hash: Hash,
    pub(crate) name: &'static str,
    password: &'static str,
}

/// Begins a login by a delegation token; `hmac` is that of its creation.
pub(crate) async fn begin_by_token(running: &Running, hash: Hash, id: &str, hmac: &[u8]) -> Begun {
    let mut client = running.client().await;
    let handshake = SaslHandshakeRequest::default().with_mechanism(hash.mechanism().into());
    assert_eq!(client.call(1, &handshake).await.error_code, 0);
    let password = security::delegation_token::password(&Secret::new(hmac));
    let (login, first) = ScramClient::begin_by_token(hash, id, password, "abc");
    let answer = authenticate(&mut client, first).await;
    assert_eq!(answer.error_code, 0, "{answer:?}");
    Begun { client, login, server_first: answer.auth_bytes.to_vec() }
}

/// A login of which the server has answered the first message.
pub(crate) struct Begun {
    pub(crate) client: Client<TcpStream>,
    login: ScramClient,
    pub(crate) server_first: Vec<u8>,
}

impl TestUser {
    /// A user of SCRAM-SHA-256.
    pub(crate) fn sha256(name: &'static str, password: &'static str) -> Self {
        Self { hash: Hash::Sha256, name, password }
    }

    /// A user of SCRAM-SHA-512.
    pub(crate) fn sha512(name: &'static str, password: &'static str) -> Self {
        Self { hash: Hash::Sha512, name, password }
    }

    /// The salted password, as AlterUserScramCredentials has it.
    pub(crate) fn salted(&self, salt: &[u8], iterations: u32) -> Vec<u8> {
        self.hash.salted(&Secret::new(self.password), salt, iterations).expose().to_vec()
    }

    /// Sends handshake and first message.
    pub(crate) async fn begin(&self, running: &Running) -> Begun {
        let client = running.client().await;
        self.begin_on(client).await
    }

    /// As [`Self::begin`], on a connection that exists.
    pub(crate) async fn begin_on(&self, mut client: Client<TcpStream>) -> Begun {
        let handshake = SaslHandshakeRequest::default().with_mechanism(self.hash.mechanism().into());
        assert_eq!(client.call(1, &handshake).await.error_code, 0);
        let (login, first) = ScramClient::begin(self.hash, self.name, Secret::new(self.password), "abc");
        let answer = authenticate(&mut client, first).await;
        assert_eq!(answer.error_code, 0, "{answer:?}");
        Begun { client, login, server_first: answer.auth_bytes.to_vec() }
    }

    /// The server's first message.
    pub(crate) async fn challenge(&self, running: &Running) -> Vec<u8> {
        self.begin(running).await.server_first
    }

    /// The salt in the server's first message, in Base64.
    pub(crate) fn salt(server_first: &[u8]) -> String {
        let text = std::str::from_utf8(server_first).unwrap();
        text.split(',').find_map(|part| part.strip_prefix("s=")).unwrap().to_owned()
    }

    /// A connection after the login; `None` if the login failed.
    pub(crate) async fn logged_in(&self, running: &Running) -> Option<Client<TcpStream>> {
        let mut begun = self.begin(running).await;
        let (proved, answer) = begun.prove().await;
        if answer.error_code == ErrorCode::SaslAuthenticationFailed.code() {
            return None;
        }
        assert_eq!(answer.error_code, 0, "{answer:?}");
        assert!(proved.is_from_server(&answer.auth_bytes), "the server's signature");
        Some(begun.client)
    }

    /// Returns true if the user logs in.
    pub(crate) async fn logs_in(&self, running: &Running) -> bool {
        self.logged_in(running).await.is_some()
    }
}

impl Begun {
    /// The final message that logs in.
    pub(crate) fn last_text(&self) -> String {
        String::from_utf8(self.login.prove(&self.server_first).unwrap().1).unwrap()
    }

    /// Sends the proof.
    pub(crate) async fn prove(&mut self) -> (Proved, SaslAuthenticateResponse) {
        let (proved, last) = self.login.prove(&self.server_first).unwrap();
        let answer = authenticate(&mut self.client, last).await;
        (proved, answer)
    }
}

/// One message of a login.
pub(crate) async fn authenticate(
    client: &mut Client<TcpStream>,
    message: Vec<u8>,
) -> SaslAuthenticateResponse {
    client.call(2, &SaslAuthenticateRequest::default().with_auth_bytes(message.into())).await
}
