//! The subject of an X.509 certificate as text (RFC 2253), exactly as Java prints it (`X500Principal.getName`): ACLs of Kafka's users
//! hold these texts.
//!
//! The last part comes first, without blanks: `CN=alice,OU=sales,O=shop`. Nine attributes have names; all others stand as
//! their object identifier with their bytes in hexadecimal. Signatures are not judged here.
//!
//! Also the [`Facts`] by which chains are put together and dates are compared, and the names of a server.

mod list;
mod time;

use std::fmt::Write as _;
use std::net::IpAddr;

use thiserror::Error;

use crate::der::{Reader, Tag};

pub use list::{ListFacts, list_facts};

/// The bytes are no certificate, or its subject is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the certificate is malformed")]
pub struct MalformedCertificate;

/// Attributes that RFC 2253 names, by the bytes of their object identifiers.
const NAMES: [(&[u8], &str); 9] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
];

/// The parts of a certificate that chains and dates need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Its number, one of its issuer.
    pub serial: &'a [u8],
    /// The name of its issuer, as DER without tag.
    pub issuer: &'a [u8],
    /// Its own name, as DER without tag.
    pub subject: &'a [u8],
    /// Unix time in seconds from which on it is valid.
    pub not_before: i64,
    /// Unix time in seconds of the last moment at which it is valid.
    pub not_after: i64,
    /// It says of itself that it is an authority (RFC 5280, 4.2.1.9), which no certificate of version 1 can say.
    pub is_authority: bool,
}

/// A name that a certificate has besides its subject (RFC 5280, 4.2.1.6). Clients compare the host that they connect to with these alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlternativeName {
    /// A host name; its first part may be `*`.
    Dns(String),
    /// An address.
    Address(IpAddr),
}

impl std::fmt::Display for AlternativeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// The host names and addresses of a certificate in DER, in its order. Other kinds of names are left out.
///
/// # Errors
/// The bytes are no certificate.
pub fn alternative_names(certificate: &[u8]) -> Result<Vec<AlternativeName>, MalformedCertificate> {
    const SUBJECT_ALTERNATIVE_NAMES: [u8; 3] = [0x55, 29, 17];
    let read = || {
        let Some(value) = extension(Body::read(certificate)?.extensions, SUBJECT_ALTERNATIVE_NAMES)? else {
            return Some(Vec::new());
        };
        let (mut names, mut found) = (Reader::new(value).sequence()?, Vec::new());
        while !names.is_empty() {
            let (tag, name) = names.element()?;
            if tag == Tag::context(2, false) {
                found.push(AlternativeName::Dns(String::from_utf8_lossy(name).into_owned()));
            } else if tag == Tag::context(7, false) {
                let four = <[u8; 4]>::try_from(name).map(IpAddr::from);
                let address = four.or_else(|_| <[u8; 16]>::try_from(name).map(IpAddr::from));
                found.push(AlternativeName::Address(address.ok()?));
            }
        }
        Some(found)
    };
    read().ok_or(MalformedCertificate)
}

/// The issuer of a certificate in DER, as text like that of [`subject`].
///
/// # Errors
/// The bytes are no certificate.
pub fn issuer(certificate: &[u8]) -> Result<String, MalformedCertificate> {
    name(Reader::new(facts(certificate)?.issuer)).ok_or(MalformedCertificate)
}

/// The signed part of a certificate, read once.
struct Body<'a> {
    serial: &'a [u8],
    issuer: &'a [u8],
    not_before: i64,
    not_after: i64,
    subject: &'a [u8],
    /// `None`: it has none, as every certificate of version 1.
    extensions: Option<Reader<'a>>,
}

impl<'a> Body<'a> {
    fn read(certificate: &'a [u8]) -> Option<Self> {
        let mut outer = Reader::new(certificate).sequence()?;
        let mut body = outer.sequence()?;
        // [0] is the version, which version 1 leaves out.
        body.optional(Tag::context(0, true));
        let (_, serial) = body.element()?;
        body.sequence()?; // signature algorithm
        let issuer = body.sequence()?.rest();
        let mut validity = body.sequence()?;
        let (not_before, not_after) = (time::read(&mut validity)?, time::read(&mut validity)?);
        let subject = body.sequence()?.rest();
        body.sequence()?; // public key
        body.optional(Tag::context(1, false)); // unique ids of issuer and subject
        body.optional(Tag::context(2, false));
        let extensions = if body.is_empty() { None } else { Some(body.explicit(3)?.sequence()?) };
        Some(Self { serial, issuer, not_before, not_after, subject, extensions })
    }
}

/// The value of the extension with that identifier; the inner `None`: the certificate does not have it.
fn extension<'a>(extensions: Option<Reader<'a>>, wanted: [u8; 3]) -> Option<Option<&'a [u8]>> {
    let Some(mut extensions) = extensions else { return Some(None) };
    while !extensions.is_empty() {
        let mut extension = extensions.sequence()?;
        let identifier = extension.identifier()?;
        extension.optional(Tag::BOOLEAN); // whether it is critical
        let value = extension.octets()?;
        if identifier == wanted {
            return Some(Some(value));
        }
    }
    Some(None)
}

/// The facts of a certificate in DER.
///
/// # Errors
/// The bytes are no certificate.
pub fn facts(certificate: &[u8]) -> Result<Facts<'_>, MalformedCertificate> {
    let read = || {
        let body = Body::read(certificate)?;
        let is_authority = is_authority(body.extensions)?;
        let Body { serial, issuer, subject, not_before, not_after, .. } = body;
        Some(Facts { serial, issuer, subject, not_before, not_after, is_authority })
    };
    read().ok_or(MalformedCertificate)
}

/// Reads the basic constraints among the extensions.
fn is_authority(extensions: Option<Reader<'_>>) -> Option<bool> {
    const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 29, 19];
    let Some(value) = extension(extensions, BASIC_CONSTRAINTS)? else { return Some(false) };
    let mut constraints = Reader::new(value).sequence()?;
    // Left out where it is false.
    Some(constraints.element().is_some_and(|(tag, value)| tag == Tag::BOOLEAN && value == [0xff]))
}

/// The subject of a certificate in DER; empty if it has none.
///
/// # Errors
/// The bytes are no certificate.
pub fn subject(certificate: &[u8]) -> Result<String, MalformedCertificate> {
    name(Reader::new(facts(certificate)?.subject)).ok_or(MalformedCertificate)
}

/// A sequence of parts, each a set of attributes.
fn name(mut parts: Reader<'_>) -> Option<String> {
    let mut texts = Vec::new();
    while !parts.is_empty() {
        let mut attributes = parts.set()?;
        let mut text = String::new();
        while !attributes.is_empty() {
            if !text.is_empty() {
                text.push('+');
            }
            let mut attribute = attributes.sequence()?;
            let (tag, identifier) = attribute.element()?;
            if tag != Tag::OBJECT_IDENTIFIER {
                return None;
            }
            let whole = attribute.rest();
            let (tag, value) = attribute.element()?;
            attribute_text(&mut text, identifier, tag, value, whole)?;
        }
        texts.push(text);
    }
    texts.reverse();
    Some(texts.join(","))
}

/// `whole` is the value with its tag and length.
fn attribute_text(text: &mut String, identifier: &[u8], tag: Tag, value: &[u8], whole: &[u8]) -> Option<()> {
    let known = NAMES.iter().find(|(bytes, _)| *bytes == identifier).map(|(_, name)| *name);
    match known.filter(|_| tag.is_string()) {
        Some(name) => {
            text.push_str(name);
            text.push('=');
            escape(text, &String::from_utf8_lossy(value));
        }
        None => {
            match known {
                Some(name) => text.push_str(name),
                None => text.push_str(&dotted(identifier)?),
            }
            text.push_str("=#");
            for byte in whole {
                // Writing to a `String` does not fail.
                let _ = write!(text, "{byte:02x}");
            }
        }
    }
    Some(())
}

/// As `AVA.toRFC2253String`: separators get a backslash, and so do blanks at either end.
fn escape(text: &mut String, value: &str) {
    const SEPARATORS: &str = ",=+<>#;\"\\";
    let is_blank = |letter: char| letter == ' ' || letter == '\r';
    let lead = value.len() - value.trim_start_matches(is_blank).len();
    let trail = value.trim_end_matches(is_blank).len();
    for (at, letter) in value.char_indices() {
        if SEPARATORS.contains(letter) || at < lead || at >= trail {
            text.push('\\');
        }
        match letter {
            '\0' => text.push_str("\\00"),
            letter => text.push(letter),
        }
    }
}

/// An object identifier as numbers with dots between them.
pub(crate) fn dotted(identifier: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut number: u64 = 0;
    // The last byte of a number has no top bit.
    if identifier.last().is_none_or(|last| last & 0x80 != 0) {
        return None;
    }
    for byte in identifier {
        number = number.checked_mul(128)? | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        // The first number holds two: 40 × the first, at most 2, and the second.
        let _ = if text.is_empty() {
            let first = (number / 40).min(2);
            write!(text, "{first}.{}", number - first * 40)
        } else {
            write!(text, ".{number}")
        };
        number = 0;
    }
    Some(text)
}

#[cfg(test)]
mod tests;
