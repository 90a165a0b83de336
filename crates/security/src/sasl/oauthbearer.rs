//! OAUTHBEARER (RFC 7628): one message with a bearer token, and the answer to a token that does not count.
//!
//! ```text
//! client  n,,^Aauth=Bearer token^A^A
//! server  (logged in)  or  {"status":"invalid_token"}
//! client  ^A
//! server  (failed)
//! ```
//! The token itself is judged in `bearer`.

use crate::Secret;
use crate::sasl::scram::name;

/// Separates the parts of a message.
const CONTROL_A: char = '\u{1}';

/// The answer to a token that does not count. Kafka gives no other reason.
pub(super) const INVALID_TOKEN: &str = r#"{"status":"invalid_token"}"#;

/// The client's message.
#[derive(PartialEq, Eq)]
pub(super) struct ClientMessage<'a> {
    /// The authorization id, if one is given.
    pub(super) authzid: Option<String>,
    pub(super) token: &'a str,
}

impl<'a> ClientMessage<'a> {
    /// Reads a message as Kafka's `OAuthBearerClientInitialResponse` does; `None` if it is malformed. Of several `auth`, none
    /// counts: the two ends must not disagree about which.
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(message).ok()?;
        // `y` and `p=` speak of a channel binding, which the mechanism does not have.
        let (authzid, rest) = text.strip_prefix("n,")?.split_once(',')?;
        let authzid = match authzid {
            "" => None,
            named => Some(name(named.strip_prefix("a=")?)?),
        };
        let pairs = rest.strip_prefix(CONTROL_A)?.strip_suffix(CONTROL_A)?;
        let mut auth = None;
        for pair in pairs.strip_suffix(CONTROL_A)?.split(CONTROL_A) {
            let (key, value) = pair.split_once('=')?;
            let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic());
            let is_value = |byte: u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
            if !is_key || value.is_empty() || !value.bytes().all(is_value) {
                return None;
            }
            // The others are extensions (KIP-342), which no part here asks for.
            if key.eq_ignore_ascii_case("auth") && auth.replace(value).is_some() {
                return None;
            }
        }
        let (scheme, token) = auth?.split_once(' ')?;
        let token = token.trim_start_matches(' ');
        (scheme.eq_ignore_ascii_case("bearer") && is_token(token)).then_some(Self { authzid, token })
    }
}

/// The message of a client that logs in by a token; `None` if the token has characters that no token has (RFC 6750, section 2.1).
pub fn client_message(token: &Secret) -> Option<Secret> {
    let token = token.expose_text().filter(|token| is_token(token))?;
    let mut message = Vec::with_capacity(token.len() + 20);
    message.extend_from_slice(b"n,,\x01auth=Bearer ");
    message.extend_from_slice(token.as_bytes());
    message.extend_from_slice(b"\x01\x01");
    Some(Secret::new(message))
}

/// Returns true for the characters of RFC 6750, section 2.1.
fn is_token(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !digits.is_empty() && digits.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(message: &str) -> Option<(Option<String>, &str)> {
        ClientMessage::parse(message.as_bytes()).map(|message| (message.authzid, message.token))
    }

    #[test]
    fn messages_of_clients_are_read() {
        for (message, authzid, token) in [
            ("n,,\u{1}auth=Bearer a.b-c_~+/=\u{1}\u{1}", None, "a.b-c_~+/="),
            ("n,a=user,\u{1}auth=bearer x\u{1}\u{1}", Some("user"), "x"),
            ("n,a=a=2Cb=3D,\u{1}auth=BEARER   x\u{1}\u{1}", Some("a,b="), "x"),
            ("n,,\u{1}host=h\u{1}port=1\u{1}auth=Bearer x\u{1}traceId=1 2\t3\u{1}\u{1}", None, "x"),
        ] {
            assert_eq!(parsed(message), Some((authzid.map(str::to_owned), token)), "{message:?}");
        }
    }

    #[test]
    fn malformed_messages_are_refused() {
        for message in [
            "",
            "\u{1}",
            "n,,",
            "n,,\u{1}\u{1}",
            "n,,\u{1}auth=Bearer x\u{1}",
            "n,,auth=Bearer x\u{1}\u{1}",
            "y,,\u{1}auth=Bearer x\u{1}\u{1}",
            "p=tls-unique,,\u{1}auth=Bearer x\u{1}\u{1}",
            "n,user,\u{1}auth=Bearer x\u{1}\u{1}",
            "n,a=,\u{1}auth=Bearer x\u{1}\u{1}",
            "n,a=a=2c,\u{1}auth=Bearer x\u{1}\u{1}",
            "n,,\u{1}auth=Basic x\u{1}\u{1}",
            "n,,\u{1}auth=Bearer\u{1}\u{1}",
            "n,,\u{1}auth=Bearer \u{1}\u{1}",
            "n,,\u{1}auth=Bearer a b\u{1}\u{1}",
            "n,,\u{1}auth=Bearer x\u{1}auth=Bearer y\u{1}\u{1}",
            "n,,\u{1}auth=Bearer x\u{1}Auth=Bearer y\u{1}\u{1}",
            "n,,\u{1}auth=Bearer x\u{1}k1=v\u{1}\u{1}",
            "n,,\u{1}auth=Bearer x\u{1}k=\u{1}\u{1}",
            "n,,\u{1}auth=Bearer x\u{1}k=\u{7f}\u{1}\u{1}",
            "n,,\u{1}auth=Bearer é\u{1}\u{1}",
            "n,,\u{1}auth=Bearer x\u{1}\u{1}\u{1}",
        ] {
            assert_eq!(parsed(message), None, "{message:?}");
        }
        assert!(ClientMessage::parse(b"n,,\x01auth=Bearer \xff\x01\x01").is_none());
    }

    #[test]
    fn a_clients_message_is_read() {
        let message = client_message(&Secret::new("abc.d-e_f")).unwrap();
        let parsed = ClientMessage::parse(message.expose()).map(|message| (message.authzid, message.token));
        assert!(parsed == Some((None, "abc.d-e_f")));
        for token in ["", "a b", "a\u{1}b", "é", "=="] {
            assert!(client_message(&Secret::new(token)).is_none(), "{token:?}");
        }
    }

    #[test]
    fn any_truncation_is_refused() {
        let whole = "n,a=u,\u{1}auth=Bearer abc\u{1}k=v\u{1}\u{1}";
        assert!(parsed(whole).is_some());
        for end in 0..whole.len() {
            assert_eq!(parsed(&whole[..end]), None, "{end}");
        }
    }
}
