//! An issuer of bearer tokens, for tests.

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

/// The issuer and audience of its tokens.
pub(crate) const ISSUER: &str = "https://issuer.test";
/// See [`ISSUER`].
pub(crate) const AUDIENCE: &str = "kafka";

/// A key with its id.
pub(crate) struct Issuer {
    key: Ed25519KeyPair,
    id: &'static str,
}

impl Issuer {
    /// The same key for the same seed.
    pub(crate) fn new(seed: u8, id: &'static str) -> Self {
        Self { key: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap(), id }
    }

    /// A token of that user from `now`, in Unix seconds, for `life` seconds.
    pub(crate) fn token(&self, user: &str, now: i64, life: i64) -> String {
        self.sign(&json!({"iss": ISSUER, "aud": AUDIENCE, "sub": user, "iat": now, "exp": now + life}))
    }

    /// A token of these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "EdDSA", "kid": self.id});
        let text = format!("{}.{}", url(header.to_string().as_bytes()), url(claims.to_string().as_bytes()));
        let signature = url(self.key.sign(text.as_bytes()).as_ref());
        format!("{text}.{signature}")
    }

    fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": url(self.key.public_key().as_ref())})
    }
}

/// The key set of these issuers.
pub(crate) fn key_set(issuers: &[&Issuer]) -> String {
    let keys: Vec<Value> = issuers.iter().map(|issuer| issuer.jwk()).collect();
    json!({"keys": keys}).to_string()
}

/// Base64 for URLs, without padding.
fn url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = |chunk: &[u8]| {
        let group = chunk.iter().fold(0_usize, |group, byte| group << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        (0..=chunk.len()).map(move |at| char::from(DIGITS[(group >> (18 - 6 * at)) & 63])).collect::<String>()
    };
    bytes.chunks(3).map(digits).collect()
}
