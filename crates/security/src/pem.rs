//! Texts that hold certificates and keys (RFC 7468): `-----BEGIN CERTIFICATE-----` and so on.
//!
//! Blanks and line ends do not count, so that a text may also stand in one line, as Java's properties often have it. What
//! stands outside the sections is ignored, as OpenSSL and Kafka (`PemParser`) do. No error text holds a part of the text.

use thiserror::Error;
use zeroize::Zeroizing;

use crate::base64;
use crate::secret::Secret;

/// One section: its label and its bytes, which may be a key.
#[derive(Debug, Clone)]
pub struct PemSection {
    /// Such as `CERTIFICATE` or `PRIVATE KEY`.
    pub label: String,
    /// The bytes, usually DER.
    pub contents: Secret,
}

/// Why a text cannot be read. Sections are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PemError {
    /// A section has no end, or that of another label.
    #[error("section {0} has no END line of its label")]
    NoEnd(usize),
    /// It has headers, as encrypted keys of the traditional format have (RFC 1421).
    #[error("section {0} has header lines, as keys that OpenSSL encrypted in its traditional format")]
    Headers(usize),
    /// It is not Base64.
    #[error("section {0} is not Base64")]
    NotBase64(usize),
}

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// The sections, in their order; none if the text has none.
///
/// # Errors
/// A section is malformed.
pub fn sections(text: &str) -> Result<Vec<PemSection>, PemError> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, from)) = rest.split_once(BEGIN) {
        let number = found.len() + 1;
        let (label, from) = from.split_once(DASHES).ok_or(PemError::NoEnd(number))?;
        let end = format!("-----END {label}-----");
        let (body, after) = from.split_once(end.as_str()).ok_or(PemError::NoEnd(number))?;
        if body.contains(':') {
            return Err(PemError::Headers(number));
        }
        let mut digits = Zeroizing::new(String::with_capacity(body.len()));
        digits.extend(body.chars().filter(|letter| !letter.is_ascii_whitespace()));
        let bytes = base64::decode(&digits).ok_or(PemError::NotBase64(number))?;
        found.push(PemSection { label: label.to_owned(), contents: Secret::new(bytes) });
        rest = after;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, Vec<u8>)>, PemError> {
        let sections = sections(text)?;
        Ok(sections.into_iter().map(|one| (one.label, one.contents.expose().to_vec())).collect())
    }

    #[test]
    fn sections_come_in_their_order_whatever_stands_between() {
        let text = "subject=CN = a\n-----BEGIN CERTIFICATE-----\nAAEC\nAwQ=\n-----END CERTIFICATE-----\r\nissuer\n\
                    -----BEGIN PRIVATE KEY----- BQY= -----END PRIVATE KEY-----";
        let expected =
            [("CERTIFICATE".to_owned(), vec![0, 1, 2, 3, 4]), ("PRIVATE KEY".to_owned(), vec![5, 6])];
        assert_eq!(read(text).unwrap(), expected);
        assert_eq!(read("").unwrap(), []);
        assert_eq!(read("AAEC").unwrap(), []);
    }

    #[test]
    fn a_malformed_section_is_named_without_its_text() {
        for (text, error) in [
            ("-----BEGIN A-----\nAAEC\n", PemError::NoEnd(1)),
            ("-----BEGIN A", PemError::NoEnd(1)),
            ("-----BEGIN A-----AAEC-----END B-----", PemError::NoEnd(1)),
            ("-----BEGIN A-----AAEC-----END A----------BEGIN B-----A-----END B-----", PemError::NotBase64(2)),
            ("-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nAAEC\n-----END A-----", PemError::Headers(1)),
        ] {
            assert_eq!(read(text).unwrap_err(), error, "{text}");
            assert!(!error.to_string().contains("AAEC"));
        }
    }
}
