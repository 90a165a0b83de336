//! Claims of a token (RFC 7519, section 4), and what is expected of them.

use serde_json::{Map, Value};

use super::jwt::Refused;

/// The longest subject, in bytes: it becomes a principal.
pub const MAX_SUBJECT_BYTES: usize = 1024;

/// Expectations of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The only `iss`; `None`: any.
    pub issuer: Option<String>,
    /// One of these has to be in `aud`; `None`: any.
    pub audience: Option<Vec<String>>,
    /// How far the clocks of issuer and broker may differ, in seconds.
    pub clock_skew_seconds: u32,
    /// The claim that names the user.
    pub subject_claim: String,
    /// The claim that holds the scopes.
    pub scope_claim: String,
}

/// A token that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Name of the user.
    pub subject: String,
    /// The end of a login by it, in Unix milliseconds. After `now_ms` of the judgement.
    pub ends_ms: i64,
}

impl Expected {
    /// Judges the claims. Each has to have its own type: a text for a time, or one audience as a number, is a refusal and not
    /// a claim that is missing (CVE-2026-25537).
    pub(super) fn judge(&self, claims: &Map<String, Value>, now_ms: i64) -> Result<Accepted, Refused> {
        let skew_ms = i64::from(self.clock_skew_seconds) * 1000;
        let expires_ms = time_ms(claims, "exp")?.ok_or(Refused::Claim("exp"))?;
        let issued_ms = time_ms(claims, "iat")?.ok_or(Refused::Claim("iat"))?;
        let begins_ms = time_ms(claims, "nbf")?.unwrap_or(i64::MIN);
        let last_ms = expires_ms.saturating_add(skew_ms);
        if now_ms >= last_ms {
            return Err(Refused::Expired);
        }
        if issued_ms.max(begins_ms).saturating_sub(skew_ms) > now_ms {
            return Err(Refused::NotYet);
        }
        self.issuer(claims)?;
        self.audience(claims)?;
        self.scope(claims)?;
        let subject = self.subject(claims)?;
        // By the issuer's clock it is expired already, by ours it is not.
        let ends_ms = if expires_ms > now_ms { expires_ms } else { last_ms };
        Ok(Accepted { subject, ends_ms })
    }

    fn issuer(&self, claims: &Map<String, Value>) -> Result<(), Refused> {
        let issuer = match claims.get("iss") {
            None => None,
            Some(Value::String(issuer)) => Some(issuer),
            Some(_) => return Err(Refused::Claim("iss")),
        };
        match &self.issuer {
            Some(expected) if issuer != Some(expected) => Err(Refused::Issuer),
            _ => Ok(()),
        }
    }

    fn audience(&self, claims: &Map<String, Value>) -> Result<(), Refused> {
        let audiences = texts(claims, "aud").ok_or(Refused::Claim("aud"))?;
        let is_expected = |audience: &&str| {
            self.audience.as_ref().is_none_or(|expected| expected.iter().any(|one| one == audience))
        };
        if self.audience.is_none() || audiences.iter().any(is_expected) {
            Ok(())
        } else {
            Err(Refused::Audience)
        }
    }

    /// No scope is demanded, as in Kafka; its type is.
    fn scope(&self, claims: &Map<String, Value>) -> Result<(), Refused> {
        texts(claims, &self.scope_claim).map(|_| ()).ok_or(Refused::Claim("scope"))
    }

    fn subject(&self, claims: &Map<String, Value>) -> Result<String, Refused> {
        let subject = claims.get(&self.subject_claim).and_then(Value::as_str).unwrap_or_default();
        // Two subjects that look the same to an operator must not be two users.
        let is_plain = subject.trim() == subject && !subject.chars().any(char::is_control);
        let fits = is_plain && !subject.is_empty() && subject.len() <= MAX_SUBJECT_BYTES;
        fits.then(|| subject.to_owned()).ok_or(Refused::Claim("that names the user (sub)"))
    }
}

/// A time in Unix milliseconds, of a number of seconds that may have a fraction.
fn time_ms(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, Refused> {
    /// The year 9999. Later ones are mistakes of the issuer.
    const LAST_SECONDS: f64 = 253_402_300_799.0;
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => {
            let seconds = number.as_f64().filter(|seconds| (0.0..=LAST_SECONDS).contains(seconds));
            let seconds = seconds.ok_or(Refused::Claim(name))?;
            #[allow(clippy::cast_possible_truncation, reason = "checked just before")]
            let ms = (seconds * 1000.0) as i64;
            Ok(Some(ms))
        }
        Some(_) => Err(Refused::Claim(name)),
    }
}

/// The texts of a claim that is one text or a list of them, none if it is missing; `None` if it has another type.
fn texts<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<Vec<&'a str>> {
    match claims.get(name) {
        None => Some(Vec::new()),
        Some(Value::String(text)) => Some(vec![text.as_str()]),
        Some(Value::Array(list)) => list.iter().map(Value::as_str).collect(),
        Some(_) => None,
    }
}
