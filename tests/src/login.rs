//! Logins by SCRAM on a raw connection.

use anyhow::{Context as _, Result, ensure};
use codec::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest};
use security::Secret;
use security::sasl::scram::Hash;
use security::sasl::scram::client::Client as ScramClient;

use crate::admin::text;
use crate::client::Client;

/// Logs in; returns false if the broker refuses user or password.
///
/// # Errors
/// The broker answers otherwise, or does not know the credential itself.
pub fn log_in(client: &mut Client, hash: Hash, user: &str, password: &str) -> Result<bool> {
    complete(client, hash, ScramClient::begin(hash, user, Secret::new(password), NONCE))
}

/// Logs in by a delegation token; returns false if the broker refuses it.
///
/// # Errors
/// As [`log_in`].
pub fn log_in_by_token(client: &mut Client, hash: Hash, id: &str, hmac: &[u8]) -> Result<bool> {
    let password = security::delegation_token::password(&Secret::new(hmac));
    complete(client, hash, ScramClient::begin_by_token(hash, id, password, NONCE))
}

const NONCE: &str = "3rfcNHYJY1ZVvWVs7j";

fn complete(client: &mut Client, hash: Hash, (login, first): (ScramClient, Vec<u8>)) -> Result<bool> {
    let handshake = SaslHandshakeRequest::default().with_mechanism(text(hash.mechanism()));
    let answer = client.call(1, &handshake)?;
    ensure!(answer.error_code == 0, "{answer:?}");
    let challenge = send(client, first)?;
    ensure!(challenge.error_code == 0, "{challenge:?}");
    let (proved, last) = login.prove(&challenge.auth_bytes).context("the server's first message")?;
    let answer = send(client, last)?;
    match answer.error_code {
        0 => ensure!(proved.is_from_server(&answer.auth_bytes), "the server does not know the credential"),
        code => ensure!(code == 58, "{answer:?}"),
    }
    Ok(answer.error_code == 0)
}

fn send(client: &mut Client, message: Vec<u8>) -> Result<SaslAuthenticateResponse> {
    client.call(2, &SaslAuthenticateRequest::default().with_auth_bytes(message.into()))
}
