//! Bytes as text, by the standard alphabet with padding.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// `None`: the text is no Base64.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}
