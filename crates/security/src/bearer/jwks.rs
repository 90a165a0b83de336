//! The public keys of an issuer, as a JSON Web Key Set (RFC 7517).
//!
//! A key that cannot check a signature here is left out: one for encryption, a secret one (`oct`), one of an unknown curve, one of
//! RSA with fewer than 2048 bits. So a set with such keys goes on to work.

use serde_json::{Map, Value};
use thiserror::Error;

use super::algorithm::{Algorithm, Kind, PublicKey};
use crate::base64;

/// Fewer bits of a modulus of RSA are refused, as in the algorithms' definition (RFC 7518, section 3.3).
const MIN_RSA_BITS: usize = 2048;
/// More bits are refused: the time of a check grows with them.
const MAX_RSA_BITS: usize = 8192;
/// The most keys of a set that are kept.
const MAX_KEYS: usize = 256;
/// The most keys that one token is tried with.
const MAX_TRIES: usize = 4;

/// The keys of an issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<Key>,
    left_out: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    /// `kid`.
    id: Option<String>,
    /// The only algorithm that it may be used with, if it says so.
    algorithm: Option<Algorithm>,
    key: PublicKey,
}

/// A text is no key set, or has no key that signatures can be checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoKeys {
    /// See the text.
    #[error("it is not JSON")]
    NotJson,
    /// See the text.
    #[error("it is not a JSON Web Key Set: an object with a list \"keys\"")]
    NotASet,
    /// See the text.
    #[error("it has no key for signatures by RS256 to RS512, PS256 to PS512, ES256, ES384 or EdDSA")]
    NoneFits,
}

impl KeySet {
    /// Reads a set.
    ///
    /// # Errors
    /// It is no set, or has no key that can be used here.
    pub fn parse(text: &[u8]) -> Result<Self, NoKeys> {
        let json: Value = serde_json::from_slice(text).map_err(|_| NoKeys::NotJson)?;
        let listed = json.get("keys").and_then(Value::as_array).ok_or(NoKeys::NotASet)?;
        let keys: Vec<Key> =
            listed.iter().filter_map(Value::as_object).filter_map(key).take(MAX_KEYS).collect();
        let left_out = listed.len() - keys.len();
        if keys.is_empty() { Err(NoKeys::NoneFits) } else { Ok(Self { keys, left_out }) }
    }

    /// Keys that can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns true if there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Keys of the set that were left out.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Returns true if some key has that id.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// The keys that may have signed a token with that `kid` by that algorithm: those of the id, or without one those of the
    /// algorithm's kind.
    pub(super) fn of(&self, id: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &PublicKey> {
        let fits = move |key: &&Key| {
            key.key.kind() == algorithm.kind()
                && key.algorithm.is_none_or(|only| only == algorithm)
                && id.is_none_or(|id| key.id.as_deref() == Some(id))
        };
        self.keys.iter().filter(fits).take(MAX_TRIES).map(|key| &key.key)
    }
}

/// A key that checks signatures; `None` for every other.
fn key(json: &Map<String, Value>) -> Option<Key> {
    // A member of another type than its own makes the key unusable: it may mean a restriction.
    let text = |name: &str| match json.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(()),
    };
    let bytes = |name: &str| base64::decode_url(text(name).ok()??);
    if text("use").ok()?.is_some_and(|for_| for_ != "sig") {
        return None;
    }
    if let Some(operations) = json.get("key_ops")
        && !operations.as_array()?.iter().any(|operation| operation == "verify")
    {
        return None;
    }
    let algorithm = match text("alg").ok()? {
        None => None,
        Some(name) => Some(Algorithm::named(name)?),
    };
    let public = match (text("kty").ok()??, text("crv").ok()?) {
        ("RSA", None) => rsa(bytes("n")?, bytes("e")?)?,
        ("EC", Some("P-256")) => point(Kind::P256, 32, [bytes("x")?, bytes("y")?])?,
        ("EC", Some("P-384")) => point(Kind::P384, 48, [bytes("x")?, bytes("y")?])?,
        ("OKP", Some("Ed25519")) => {
            PublicKey::Point(Kind::Ed25519, Some(bytes("x")?).filter(|x| x.len() == 32)?)
        }
        _ => return None,
    };
    let fits = algorithm.is_none_or(|algorithm| algorithm.kind() == public.kind());
    fits.then_some(Key { id: text("kid").ok()?.map(str::to_owned), algorithm, key: public })
}

fn rsa(n: Vec<u8>, e: Vec<u8>) -> Option<PublicKey> {
    // Some issuers write a leading zero, which the number does not need.
    let plain = |number: Vec<u8>| -> Vec<u8> { number.into_iter().skip_while(|byte| *byte == 0).collect() };
    let (n, e) = (plain(n), plain(e));
    let bits = n.len() * 8 - usize::try_from(n.first()?.leading_zeros()).ok()?;
    ((MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) && !e.is_empty()).then_some(PublicKey::Rsa { n, e })
}

fn point(kind: Kind, length: usize, [x, y]: [Vec<u8>; 2]) -> Option<PublicKey> {
    // The full length, as RFC 7518, section 6.2.1.2 demands.
    let is_whole = x.len() == length && y.len() == length;
    is_whole.then(|| PublicKey::Point(kind, [&[4], &x[..], &y[..]].concat()))
}
