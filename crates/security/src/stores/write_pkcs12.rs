//! PKCS12 files as keytool of Java 9 and later reads them, and OpenSSL since 1.0: a key encrypted by AES-256 with PBKDF2, certificates as they
//! are, and a code over all by SHA-256. Certificates are public, so that they are not encrypted; Java and OpenSSL take both forms.

use zeroize::Zeroizing;

use super::encryption::encrypt;
use super::kdf::{Hash, Use, utf16};
use super::{BAGS, LOCAL_KEY_ID, PKCS7, StoreError, X509_CERTIFICATE};
use crate::Secret;
use crate::der::{Tag, element, unsigned};

/// Rounds of the derivation of a key, as keytool takes.
const ITERATIONS: u32 = 10_000;
/// `1.2.840.113549.1.9.20`
const FRIENDLY_NAME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 20];
/// `2.16.840.1.113894.746875.1.1`: Java takes a certificate without a key for an authority only with this attribute.
const TRUSTED_KEY_USAGE: &[u8] = &[0x60, 0x86, 0x48, 1, 0x86, 0xf9, 0x66, 0xad, 0xca, 0x7b, 1, 1];
/// `2.5.29.37.0`
const ANY_USAGE: &[u8] = &[0x55, 29, 37, 0];
const SHA_256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];

/// The contents of a store to write.
#[derive(Debug, Clone, Copy)]
pub struct NewStore<'a> {
    /// Name of the entry (Java's alias).
    pub name: &'a str,
    /// A private key in the form of `PRIVATE KEY` (PKCS#8) and its chain, its own certificate first; `None` for a truststore.
    pub key: Option<(&'a Secret, &'a [Vec<u8>])>,
    /// Certificates of authorities to trust.
    pub authorities: &'a [Vec<u8>],
}

/// Random bytes of one store. Never use them twice.
#[derive(Clone)]
pub struct StoreRandom {
    /// Of the key's encryption.
    pub salt: [u8; 16],
    /// Of the key's encryption.
    pub initial_vector: [u8; 16],
    /// Of the code over the store.
    pub code_salt: [u8; 16],
}

/// The bytes of the store.
///
/// # Errors
/// The password is not UTF-8.
pub fn write_pkcs12(
    store: &NewStore<'_>,
    password: &Secret,
    random: &StoreRandom,
) -> Result<Secret, StoreError> {
    let mut bags = Vec::new();
    if let Some((key, chain)) = store.key {
        let encrypted = encrypt(key, password, &random.salt, ITERATIONS, &random.initial_vector)?;
        let own: &[Zeroizing<Vec<u8>>] =
            &[name(store.name), attribute(LOCAL_KEY_ID, &element(Tag::OCTET_STRING, &[&[1]]))];
        bags.push(bag(2, &encrypted, own));
        for (at, certificate) in chain.iter().enumerate() {
            bags.push(certificate_bag(certificate, if at == 0 { own } else { &[] }));
        }
    }
    for certificate in store.authorities {
        let attributes =
            [name(store.name), attribute(TRUSTED_KEY_USAGE, &element(Tag::OBJECT_IDENTIFIER, &[ANY_USAGE]))];
        bags.push(certificate_bag(certificate, &attributes));
    }
    let parts: Vec<&[u8]> = bags.iter().map(|bag| bag.as_slice()).collect();
    let content = data(&element(Tag::SEQUENCE, &parts));
    let contents = element(Tag::SEQUENCE, &[&content]);
    let code = code(&contents, password, &random.code_salt)?;
    let whole = element(Tag::SEQUENCE, &[&unsigned(3), &data(&contents), &code]);
    Ok(Secret::new(whole.as_slice()))
}

/// A ContentInfo of type data.
fn data(contents: &[u8]) -> Zeroizing<Vec<u8>> {
    let kind = element(Tag::OBJECT_IDENTIFIER, &[PKCS7, &[1]]);
    let octets = element(Tag::OCTET_STRING, &[contents]);
    element(Tag::SEQUENCE, &[&kind, &element(Tag::context(0, true), &[&octets])])
}

/// A bag of that kind, by the last number of its identifier.
fn bag(kind: u8, value: &[u8], attributes: &[Zeroizing<Vec<u8>>]) -> Zeroizing<Vec<u8>> {
    let kind = element(Tag::OBJECT_IDENTIFIER, &[BAGS, &[kind]]);
    let value = element(Tag::context(0, true), &[value]);
    let parts: Vec<&[u8]> = attributes.iter().map(|one| one.as_slice()).collect();
    // Left out where it is empty.
    let attributes = if parts.is_empty() { Zeroizing::default() } else { element(Tag::SET, &parts) };
    element(Tag::SEQUENCE, &[&kind, &value, &attributes])
}

fn certificate_bag(certificate: &[u8], attributes: &[Zeroizing<Vec<u8>>]) -> Zeroizing<Vec<u8>> {
    let kind = element(Tag::OBJECT_IDENTIFIER, &[X509_CERTIFICATE]);
    let octets = element(Tag::OCTET_STRING, &[certificate]);
    let value = element(Tag::SEQUENCE, &[&kind, &element(Tag::context(0, true), &[&octets])]);
    bag(3, &value, attributes)
}

fn attribute(identifier: &[u8], value: &[u8]) -> Zeroizing<Vec<u8>> {
    let identifier = element(Tag::OBJECT_IDENTIFIER, &[identifier]);
    element(Tag::SEQUENCE, &[&identifier, &element(Tag::SET, &[value])])
}

fn name(text: &str) -> Zeroizing<Vec<u8>> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    attribute(FRIENDLY_NAME, &element(Tag::BMP_STRING, &[&units]))
}

/// MacData: the code that `contents` has by this password.
fn code(contents: &[u8], password: &Secret, salt: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let hash = Hash::Sha256;
    let mut key = Zeroizing::new(vec![0; hash.digest_bytes()]);
    hash.pkcs12(Use::Mac, &utf16(password)?, salt, ITERATIONS, &mut key);
    let algorithm =
        element(Tag::SEQUENCE, &[&element(Tag::OBJECT_IDENTIFIER, &[SHA_256]), &element(Tag::NULL, &[])]);
    let digest =
        element(Tag::SEQUENCE, &[&algorithm, &element(Tag::OCTET_STRING, &[&hash.hmac(&key, contents)])]);
    let salt = element(Tag::OCTET_STRING, &[salt]);
    Ok(element(Tag::SEQUENCE, &[&digest, &salt, &unsigned(ITERATIONS)]))
}
