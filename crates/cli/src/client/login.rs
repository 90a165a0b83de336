//! The messages of a login: SaslHandshake 1, then SaslAuthenticate. Brokers before Kafka 1.0 know no SaslAuthenticate, and are not served.

use codec::ErrorCode;
use codec::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, StrBytes};
use security::Secret;
use security::sasl::scram::client::Client as ScramClient;
use security::sasl::{oauthbearer, plain};

use super::connection::Connection;
use super::error::ClientError;
use super::settings::Login;
use crate::random;

impl Connection {
    /// Logs in.
    ///
    /// # Errors
    /// The broker refuses it, or cannot prove that it knows the credential.
    pub(crate) fn log_in(&mut self, login: &Login) -> Result<(), ClientError> {
        self.choose_mechanism(login.mechanism().name())?;
        match login {
            Login::Plain { user, password } => {
                self.authenticate(login, &plain::client_message(user, password))?;
            }
            Login::Bearer { token } => {
                let message = oauthbearer::client_message(token);
                let message = message.ok_or_else(|| {
                    ClientError::Other("the token has characters that no token has".to_owned())
                })?;
                let answer = self.authenticate(login, &message)?;
                // A token that does not count is answered by a challenge, to which the client says that it has read it (RFC 7628).
                if !answer.auth_bytes.is_empty() {
                    self.authenticate(login, &Secret::new([1]))?;
                    return Err(self.refused(login, "the token does not count"));
                }
            }
            Login::Scram { hash, user, password, is_token } => {
                let begin = if *is_token { ScramClient::begin_by_token } else { ScramClient::begin };
                let (client, first) = begin(*hash, user, password.clone(), &random::text(24));
                let challenge = self.authenticate(login, &Secret::new(first))?;
                let proved = client.prove(&challenge.auth_bytes);
                let (proved, last) =
                    proved.ok_or_else(|| self.refused(login, "the broker's challenge is malformed"))?;
                let answer = self.authenticate(login, &Secret::new(last))?;
                if !proved.is_from_server(&answer.auth_bytes) {
                    return Err(ClientError::Impostor { address: self.address().clone() });
                }
            }
        }
        Ok(())
    }

    /// Asks for a mechanism.
    ///
    /// # Errors
    /// The broker does not offer it, or asks for no login.
    pub(crate) fn choose_mechanism(&mut self, name: &'static str) -> Result<(), ClientError> {
        let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(name));
        let answer = self.call_between(1, 1, &request)?;
        let address = self.address().clone();
        match ErrorCode::from_code(answer.error_code) {
            Some(ErrorCode::None) => Ok(()),
            Some(ErrorCode::UnsupportedSaslMechanism) => {
                let offered = answer.mechanisms.iter().map(|name| name.escape_debug().to_string()).collect();
                Err(ClientError::Mechanism { address, wanted: name, offered })
            }
            Some(ErrorCode::IllegalSaslState) => {
                Err(ClientError::NoLogin { address, with_tls: self.is_tls() })
            }
            _ => Err(ClientError::Other(format!(
                "{address} answers SaslHandshake with the error {}",
                answer.error_code
            ))),
        }
    }

    fn authenticate(
        &mut self,
        login: &Login,
        message: &Secret,
    ) -> Result<SaslAuthenticateResponse, ClientError> {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(message.expose().to_vec().into());
        let answer = self.call(&request)?;
        match answer.error_code {
            0 => {
                self.end_session_after(answer.session_lifetime_ms);
                Ok(answer)
            }
            _ => Err(self.refused(login, answer.error_message.as_deref().unwrap_or("it gives no reason"))),
        }
    }

    fn refused(&self, login: &Login, text: &str) -> ClientError {
        let text = text.escape_debug().to_string();
        ClientError::Login { address: self.address().clone(), mechanism: login.mechanism(), text }
    }
}

#[cfg(test)]
mod tests;
