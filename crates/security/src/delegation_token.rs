//! Delegation tokens (KIP-48): an id, and an HMAC of it by which a client logs in without a password of its owner.
//!
//! The HMAC is not stored: it follows from the id and the broker's secret, so that a stolen data folder holds no token. It is the
//! password of a login by SCRAM, as text in Base64.

use crate::base64;
use crate::sasl::scram::{Credential, Hash, MIN_ITERATIONS};
use crate::secret::Secret;

/// The HMAC of the token with that id: HMAC-SHA-512, as in Kafka (`DelegationTokenManager.createHmac`).
pub fn hmac(secret: &Secret, id: &str) -> Secret {
    Secret::new(Hash::Sha512.hmac(secret.expose(), id.as_bytes()))
}

/// The password by which a client logs in.
pub fn password(hmac: &Secret) -> Secret {
    Secret::new(base64::encode(hmac.expose()))
}

/// The credential that a login is checked against, with Kafka's iterations. Takes some milliseconds of processor time.
pub fn credential(hash: Hash, salt: Vec<u8>, hmac: &Secret) -> Credential {
    Credential::from_password(hash, salt, MIN_ITERATIONS, &password(hmac))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2: the secret is a key, the id a text.
    #[test]
    fn an_hmac_is_that_of_the_rfc() {
        let made = hmac(&Secret::new("Jefe"), "what do ya want for nothing?");
        let expected = "FkuKe/zTge8u06P0v1yR8VVsl/W0GqKDvb9lenEHO3c=";
        // Of SHA-512, so another one than that of SHA-256 above.
        assert_ne!(password(&made).expose_text(), Some(expected));
        let begin =
            [0x16, 0x4b, 0x7a, 0x7b, 0xfc, 0xf8, 0x19, 0xe2, 0xe3, 0x95, 0xfb, 0xe7, 0x3b, 0x56, 0xe0, 0xa3];
        assert_eq!((made.expose().len(), &made.expose()[..16]), (64, &begin[..]));
        assert_eq!(password(&made).expose().len(), 88);
    }

    #[test]
    fn another_secret_or_id_gives_another_hmac() {
        let one = hmac(&Secret::new("a"), "id");
        for other in [hmac(&Secret::new("b"), "id"), hmac(&Secret::new("a"), "ie")] {
            assert!(!one.equals(other.expose()));
        }
    }
}
