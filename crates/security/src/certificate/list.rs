//! The dates of a list of revoked certificates (RFC 5280, 5.1).

use super::{MalformedCertificate, time};
use crate::der::{Reader, Tag};

/// The parts of a list by which lists of one authority are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListFacts<'a> {
    /// The name of the authority, as DER without tag.
    pub issuer: &'a [u8],
    /// Unix time in seconds at which it was made.
    pub this_update: i64,
    /// Unix time in seconds by which the next one is made: from then on this one is out of date. `None`: it does not say.
    pub next_update: Option<i64>,
}

/// The facts of a list in DER. Its signature is not judged.
///
/// # Errors
/// The bytes are no list.
pub fn list_facts(list: &[u8]) -> Result<ListFacts<'_>, MalformedCertificate> {
    let read = || {
        let mut body = Reader::new(list).sequence()?.sequence()?;
        body.optional(Tag::INTEGER); // version
        body.sequence()?; // signature algorithm
        let issuer = body.sequence()?.rest();
        let this_update = time::read(&mut body)?;
        let mut after = body;
        let has_next = after.element().is_some_and(|(tag, _)| time::is_time(tag));
        let next_update = if has_next { Some(time::read(&mut body)?) } else { None };
        Some(ListFacts { issuer, this_update, next_update })
    };
    read().ok_or(MalformedCertificate)
}
