//! SCRAM (RFC 5802, RFC 7677): the server's part, message by message.
//!
//! ```text
//! client  n,,n=user,r=nonce
//! server  r=nonce and more,s=salt,i=iterations
//! client  c=biws,r=nonce and more,p=proof
//! server  v=signature
//! ```
//! Guarantees that a proof is good once: nonce, header and both earlier messages are part of what it proves. An unknown
//! user gets a salt and fails at the end, with the same text and after the same work as for a wrong password. Stricter than
//! Kafka 4.3, as the RFC demands: a mandatory extension (`m=`) and a wrong `c=` are refused.

pub mod client;
mod credential;
mod message;
pub mod new_user;

use subtle::ConstantTimeEq as _;

pub use credential::{
    Credential, Hash, MAX_ITERATIONS, MIN_ITERATIONS, SALT_BYTES, SaltForm, Shape, decoy, salt,
};
pub(in crate::sasl) use message::name;
use message::{ClientFinal, ClientFirst};

use crate::base64;

/// Random bytes of the server's part of a nonce: 192 bits, which Base64 writes without padding.
pub const NONCE_BYTES: usize = 24;

/// The name that a client logs in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Name of a user, or id of a delegation token.
    pub name: String,
    /// If it is the id of a delegation token: no user of that name counts.
    pub is_token: bool,
}

/// A login that has been challenged and waits for the client's proof.
pub struct Challenged {
    hash: Hash,
    credential: Credential,
    /// False for an unknown name, whose credential is a decoy.
    is_known: bool,
    named: Named,
    /// The header of the first message, such as `n,,`.
    header: String,
    /// Both parts of the nonce.
    nonce: String,
    /// The client's first message without its header, and the server's first message.
    messages: String,
}

impl std::fmt::Debug for Challenged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Challenged").field("hash", &self.hash).finish_non_exhaustive()
    }
}

/// Takes the client's first message; returns the answer to it. `find` gives the name's credential and true, or a decoy
/// and false. `None`: the message is malformed, or asks for what is not served.
pub fn challenge(
    hash: Hash,
    first: &[u8],
    nonce: [u8; NONCE_BYTES],
    find: impl FnOnce(&Named) -> (Credential, bool),
) -> Option<(Challenged, Vec<u8>)> {
    let ClientFirst { header, bare, user, nonce: clients, is_token } = ClientFirst::parse(first)?;
    let named = Named { name: user, is_token };
    let (credential, is_known) = find(&named);
    let nonce = format!("{clients}{}", base64::encode(&nonce));
    let answer = format!("r={nonce},s={},i={}", base64::encode(&credential.salt), credential.iterations);
    let messages = format!("{bare},{answer}");
    let challenged = Challenged { hash, credential, is_known, named, header, nonce, messages };
    Some((challenged, answer.into_bytes()))
}

impl Challenged {
    /// Takes the client's final message; returns the name and the last answer. `find` is as in [`challenge`]: a credential
    /// that was changed or deleted meanwhile logs in no more. `None`: the login failed.
    pub fn finish(
        self,
        last: &[u8],
        find: impl FnOnce(&Named) -> (Credential, bool),
    ) -> Option<(Named, Vec<u8>)> {
        let Self { hash, credential, is_known, named, header, nonce, messages } = self;
        let ClientFinal { channel_binding, nonce: proved, without_proof, proof } = ClientFinal::parse(last)?;
        // Java and franz-go send `n,,` after a header with an authorization id, too.
        let is_bound = channel_binding == header.as_bytes() || channel_binding == b"n,,";
        // The whole nonce: a comparison of its end lets a client replace its own part (CVE-2024-56128).
        if !is_bound || proved != nonce || proof.len() != hash.length() {
            return None;
        }
        let proved = format!("{messages},{without_proof}");
        let signature = hash.hmac(credential.stored_key.expose(), proved.as_bytes());
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
        let is_right: bool = hash.digest(&client_key).ct_eq(credential.stored_key.expose()).into();
        let answer = hash.hmac(credential.server_key.expose(), proved.as_bytes());
        let (now, is_known_now) = find(&named);
        let is_current = is_known_now && now.stored_key.equals(credential.stored_key.expose());
        // After all of the work, so that an unknown user takes as long as a wrong password.
        (is_right && is_known && is_current)
            .then(|| (named, format!("v={}", base64::encode(&answer)).into_bytes()))
    }
}

#[cfg(test)]
mod tests;
