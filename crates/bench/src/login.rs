//! Logins by SCRAM-SHA-512, and the one user whom all connections of a load log in as.

use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};
use codec::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use codec::messages::{
    AlterUserScramCredentialsRequest, SaslAuthenticateRequest, SaslAuthenticateResponse,
    SaslHandshakeRequest, StrBytes,
};
use security::Secret;
use security::sasl::scram::Hash;
use security::sasl::scram::client::Client;

use crate::connection::Connection;
use crate::control::Control;

/// The name of the user.
pub(crate) const USER: &str = "bench";
const PASSWORD: &str = "bench-password";
const SALT: &[u8] = b"salt of the bench";
/// Kafka allows no fewer.
const ITERATIONS: u16 = 4096;
const HASH: Hash = Hash::Sha512;
const NONCE: &str = "3rfcNHYJY1ZVvWVs7j";

/// The key that follows from password and salt. It is computed once, so that the broker is measured and not the driver; Java's clients
/// compute it at each login.
fn salted() -> &'static Secret {
    static SALTED: OnceLock<Secret> = OnceLock::new();
    SALTED.get_or_init(|| HASH.salted(&Secret::new(PASSWORD), SALT, ITERATIONS.into()))
}

/// Logs in on a connection.
///
/// # Errors
/// The login is refused.
pub(crate) fn logged_in(connection: Connection) -> Result<Connection> {
    let mut control = Control::over(connection);
    let mechanism = StrBytes::from_static_str(HASH.mechanism());
    let answer = control.call(1, &SaslHandshakeRequest::default().with_mechanism(mechanism))?;
    ensure!(answer.error_code == 0, "SaslHandshake: error {}", answer.error_code);
    let (login, first) = Client::begin(HASH, USER, Secret::new(PASSWORD), NONCE);
    let challenge = authenticate(&mut control, first)?.auth_bytes;
    let (proved, last) = login.prove_by(&challenge, salted()).context("the broker's first message")?;
    let answer = authenticate(&mut control, last)?;
    ensure!(proved.is_from_server(&answer.auth_bytes), "the broker does not know the password");
    Ok(control.into_connection())
}

fn authenticate(control: &mut Control, message: Vec<u8>) -> Result<SaslAuthenticateResponse> {
    let answer = control.call(2, &SaslAuthenticateRequest::default().with_auth_bytes(message.into()))?;
    ensure!(answer.error_code == 0, "SaslAuthenticate: error {}", answer.error_code);
    Ok(answer)
}

/// Adds the user, over a connection that needs no login.
///
/// # Errors
/// The broker refuses it.
pub(crate) fn add_user(control: &mut Control) -> Result<()> {
    let user = ScramCredentialUpsertion::default()
        .with_name(StrBytes::from_static_str(USER))
        .with_mechanism(HASH.code().cast_signed())
        .with_iterations(ITERATIONS.into())
        .with_salt(SALT.into())
        .with_salted_password(salted().expose().to_vec().into());
    let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![user]);
    let answer = control.call(0, &request)?;
    let result = answer.results.first().context("AlterUserScramCredentials: no answer")?;
    ensure!(result.error_code == 0, "AlterUserScramCredentials: error {}", result.error_code);
    Ok(())
}
