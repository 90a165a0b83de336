//! Bearer tokens: JSON Web Tokens (RFC 7519) that an issuer has signed, judged by the issuer's public keys and the claims that are
//! expected.
//!
//! Guarantees that a token counts only if one of the issuer's keys has signed it, by an algorithm of that key's kind: there is
//! no unsigned token, and no algorithm whose key is a secret. Reasons of a refusal are texts of this program: no part of a
//! token is in them. Where the keys come from is left to the broker.

mod algorithm;
mod claims;
mod jwks;
mod jwt;

pub use algorithm::{Algorithm, Kind};
pub use claims::{Accepted, Expected, MAX_SUBJECT_BYTES};
pub use jwks::{KeySet, NoKeys};
pub use jwt::{Refused, judge};

#[cfg(test)]
mod tests;
