//! A signed token in its compact form (RFC 7515, section 7.1): `header.claims.signature`.

use serde_json::{Map, Value};
use thiserror::Error;

use super::algorithm::Algorithm;
use super::claims::{Accepted, Expected};
use super::jwks::KeySet;
use crate::base64;

/// Why a token does not count, for the operator. It holds no part of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// The text has another form.
    #[error("it is not a signed JSON Web Token")]
    Malformed,
    /// Header or claims are no JSON object.
    #[error("its header or its claims are not a JSON object")]
    NotJson,
    /// `alg` is missing, `none`, of a secret key, or unknown.
    #[error("its algorithm is not one of RS256 to RS512, PS256 to PS512, ES256, ES384 and EdDSA")]
    Algorithm,
    /// The header has `crit`: an extension that must be understood.
    #[error("its header demands an extension (crit)")]
    Critical,
    /// No key of the issuer has the token's `kid`: newer keys may have it.
    #[error("no key of the issuer has its key id")]
    UnknownKey,
    /// No key with that id is of the algorithm's kind, or may be used for it.
    #[error("the key with its key id is not for its algorithm")]
    OtherKind,
    /// See the text.
    #[error("its signature is wrong")]
    Signature,
    /// A claim is missing, or has another type.
    #[error("the claim {0} is missing or has a wrong type")]
    Claim(&'static str),
    /// `exp` is over.
    #[error("it is expired")]
    Expired,
    /// `nbf` or `iat` is to come.
    #[error("it is not valid yet")]
    NotYet,
    /// See the text.
    #[error("its issuer is not the expected one")]
    Issuer,
    /// See the text.
    #[error("its audience is not an expected one")]
    Audience,
    /// There are no keys.
    #[error(
        "the keys of the issuer are not known, see the warnings about sasl.oauthbearer.jwks.endpoint.url"
    )]
    NoKeys,
}

/// Judges a token by an issuer's keys and what is expected of it, at `now_ms` (Unix time).
///
/// # Errors
/// It does not count.
pub fn judge(token: &str, keys: &KeySet, expected: &Expected, now_ms: i64) -> Result<Accepted, Refused> {
    let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(Refused::Malformed)?;
    // A third dot among the claims is no digit.
    let signature = base64::decode_url(signature).ok_or(Refused::Malformed)?;
    let header = object(header)?;
    let (algorithm, id) = chosen(&header)?;
    // The claims are read after the signature: nothing that the issuer did not write is looked at.
    let mut candidates = keys.of(id, algorithm).peekable();
    if candidates.peek().is_none() {
        return Err(match id {
            Some(id) if keys.knows(id) => Refused::OtherKind,
            _ => Refused::UnknownKey,
        });
    }
    if !candidates.any(|key| algorithm.has_signed(key, signed.as_bytes(), &signature)) {
        return Err(Refused::Signature);
    }
    expected.judge(&object(claims)?, now_ms)
}

/// Algorithm and `kid` of a header. Keys in the header (`jwk`, `jku`, `x5c`, `x5u`) are the client's, and mean nothing.
fn chosen(header: &Map<String, Value>) -> Result<(Algorithm, Option<&str>), Refused> {
    if header.contains_key("crit") {
        return Err(Refused::Critical);
    }
    let named = header.get("alg").and_then(Value::as_str).and_then(Algorithm::named);
    let algorithm = named.ok_or(Refused::Algorithm)?;
    match header.get("kid") {
        None => Ok((algorithm, None)),
        Some(Value::String(id)) => Ok((algorithm, Some(id))),
        Some(_) => Err(Refused::Malformed),
    }
}

fn object(part: &str) -> Result<Map<String, Value>, Refused> {
    let bytes = base64::decode_url(part).ok_or(Refused::Malformed)?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) | Err(_) => Err(Refused::NotJson),
    }
}
