//! Stores of keys and certificates that a password protects: PKCS12 files, and private keys as `ENCRYPTED PRIVATE KEY`.
//!
//! Reads what keytool and OpenSSL write, and have written by default since about 2005, and writes PKCS12 files that they read. It
//! gives out the contents and judges none of them. Bytes are DER; a store with lengths that only the end tells (BER) is refused as malformed. No error text holds
//! a part of a store or of a password.

mod encryption;
mod kdf;
mod pkcs12;
mod pkcs8;
mod write_pkcs12;

use thiserror::Error;

pub use pkcs8::decrypt_key;
pub use pkcs12::{Pkcs12, StoredCertificate, StoredKey, read_pkcs12};
pub use write_pkcs12::{NewStore, StoreRandom, write_pkcs12};

/// `1.2.840.113549.1.7`, without its last number: 1 is data, 6 encrypted data.
const PKCS7: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7];
/// `1.2.840.113549.1.12.10.1`, without its last number: 1 is a key, 2 an encrypted key, 3 a certificate, 6 a list of bags.
const BAGS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1];
const X509_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 22, 1];
const LOCAL_KEY_ID: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 21];

/// Rounds of all derivations of keys in a store. keytool takes 10 000 for each key, OpenSSL 2048; this many take about two seconds.
const MAX_ITERATIONS: u64 = 10_000_000;

/// Why a store cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// It is none, or it is damaged.
    #[error("it is malformed")]
    Malformed,
    /// The password does not fit.
    #[error("the password is wrong")]
    WrongPassword,
    /// It is encrypted, and there is no password.
    #[error("it is encrypted, and no password is set")]
    NoPassword,
    /// Its algorithm, by the object identifier, is not served.
    #[error("the algorithm {0} is not served")]
    Unserved(String),
    /// It would take minutes.
    #[error("its keys take more than {MAX_ITERATIONS} rounds to derive, which is the most that is served")]
    TooManyIterations,
}

#[cfg(test)]
mod tests;
