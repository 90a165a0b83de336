//! PKCS12 files (RFC 7292): what `keytool` writes since Java 9 and `openssl pkcs12 -export`.
//!
//! A store is a list of parts, plain or encrypted, of bags, of which each holds a key or a certificate. Other bags, such as
//! revocation lists and secrets, are passed over.

use super::encryption::{Rounds, decrypt};
use super::kdf::{Hash, Use, utf16};
use super::pkcs8::decrypt_key_within;
use super::{BAGS, LOCAL_KEY_ID, PKCS7, StoreError, X509_CERTIFICATE};
use crate::Secret;
use crate::certificate::{Facts, facts};
use crate::der::{Reader, Tag};

/// Bags within bags: no tool writes them deeper than one.
const MAX_DEPTH: usize = 4;

/// The contents of a store, in its order.
#[derive(Debug, Default)]
pub struct Pkcs12 {
    /// The private keys.
    pub keys: Vec<StoredKey>,
    /// The certificates, of keys and of authorities.
    pub certificates: Vec<StoredCertificate>,
}

/// A private key.
#[derive(Debug)]
pub struct StoredKey {
    /// In the form of `PRIVATE KEY` (PKCS#8).
    pub key: Secret,
    /// That of its certificate is the same.
    pub id: Option<Vec<u8>>,
}

/// A certificate.
#[derive(Debug)]
pub struct StoredCertificate {
    /// DER.
    pub certificate: Vec<u8>,
    /// Of the key that it belongs to; authorities have none.
    pub id: Option<Vec<u8>>,
}

impl Pkcs12 {
    /// The only key of a store, and its certificate with those that lead to an authority, the key's own first.
    ///
    /// # Errors
    /// It has no key or several, or no certificate of the key.
    pub fn key_and_chain(self) -> Result<(Secret, Vec<Vec<u8>>), String> {
        let Self { mut keys, certificates } = self;
        let count = keys.len();
        let (Some(key), 1) = (keys.pop(), count) else {
            return Err(match count {
                0 => "it has no private key; a truststore has none, either".to_owned(),
                several => format!("it has {several} private keys; leave that of the certificate"),
            });
        };
        // keytool and OpenSSL give both the same id.
        let own = certificates.iter().position(|one| one.id.is_some() && one.id == key.id);
        let Some(own) = own.or_else(|| (certificates.len() == 1).then_some(0)) else {
            return Err("it has no certificate of its private key".to_owned());
        };
        let certificates: Vec<Vec<u8>> = certificates.into_iter().map(|one| one.certificate).collect();
        let chain = chain(&certificates, own).ok_or("a certificate in it is malformed")?;
        Ok((key.key, chain))
    }
}

/// From the certificate at `own` to the last one that is no authority of its own: a store may hold others, in any order.
fn chain(certificates: &[Vec<u8>], own: usize) -> Option<Vec<Vec<u8>>> {
    let known: Vec<Facts<'_>> = certificates.iter().map(|one| facts(one).ok()).collect::<Option<_>>()?;
    let mut order = vec![own];
    while let Some(last) = order.last().and_then(|at| known.get(*at)) {
        let is_next = |(at, one): &(usize, &Facts<'_>)| {
            one.subject == last.issuer && one.subject != one.issuer && !order.contains(at)
        };
        match known.iter().enumerate().find(is_next) {
            Some((at, _)) => order.push(at),
            None => break,
        }
    }
    order.into_iter().map(|at| certificates.get(at).cloned()).collect()
}

/// The contents of a store. `of_keys` opens its keys; most tools take one password for both.
///
/// Without a password nothing is checked, as in Java, and only what is not encrypted can be read.
///
/// # Errors
/// It is no store, a password does not fit, or an algorithm is not served.
pub fn read_pkcs12(
    bytes: &[u8],
    password: Option<&Secret>,
    of_keys: Option<&Secret>,
) -> Result<Pkcs12, StoreError> {
    read_within(bytes, password, of_keys, Rounds::new())
}

/// As [`read_pkcs12`], with that many rounds.
pub(super) fn read_within(
    bytes: &[u8],
    password: Option<&Secret>,
    of_keys: Option<&Secret>,
    mut rounds: Rounds,
) -> Result<Pkcs12, StoreError> {
    let mut outer = Reader::new(bytes).sequence().ok_or(StoreError::Malformed)?;
    outer.unsigned().filter(|version| *version == 3).ok_or(StoreError::Malformed)?;
    let mut content = outer.sequence().ok_or(StoreError::Malformed)?;
    // With 2 (signed data) a public key would protect it, which no tool does.
    let parts = data(&mut content).ok_or(StoreError::Malformed)?;
    if let (Some(mac), Some(password)) = (outer.sequence(), password) {
        check(mac, password, parts, &mut rounds)?;
    }
    let mut contents = Contents { password, of_keys, rounds, found: Pkcs12::default() };
    let mut parts = Reader::new(parts).sequence().ok_or(StoreError::Malformed)?;
    while !parts.is_empty() {
        contents.part(parts.sequence().ok_or(StoreError::Malformed)?)?;
    }
    Ok(contents.found)
}

/// The octets of a ContentInfo of type data.
fn data<'a>(content: &mut Reader<'a>) -> Option<&'a [u8]> {
    let identifier = content.identifier()?;
    if identifier.strip_prefix(PKCS7) != Some(&[1]) {
        return None;
    }
    content.explicit(0)?.octets()
}

/// Compares the code over `parts` that a password makes with the stored one.
fn check(
    mut mac: Reader<'_>,
    password: &Secret,
    parts: &[u8],
    rounds: &mut Rounds,
) -> Result<(), StoreError> {
    let mut digest = mac.sequence().ok_or(StoreError::Malformed)?;
    let mut algorithm = digest.sequence().ok_or(StoreError::Malformed)?;
    let hash = Hash::of_digest(algorithm.identifier().ok_or(StoreError::Malformed)?)?;
    let expected = digest.octets().ok_or(StoreError::Malformed)?;
    let salt = mac.octets().ok_or(StoreError::Malformed)?;
    let iterations = if mac.is_empty() { 1 } else { mac.unsigned().ok_or(StoreError::Malformed)? };
    let mut key = zeroize::Zeroizing::new(vec![0; hash.digest_bytes()]);
    let iterations = rounds.take(iterations, hash.blocks(key.len()))?;
    hash.pkcs12(Use::Mac, &utf16(password)?, salt, iterations, &mut key);
    if hash.is_hmac(&key, parts, expected) { Ok(()) } else { Err(StoreError::WrongPassword) }
}

struct Contents<'a> {
    password: Option<&'a Secret>,
    of_keys: Option<&'a Secret>,
    rounds: Rounds,
    found: Pkcs12,
}

impl Contents<'_> {
    fn part(&mut self, mut content: Reader<'_>) -> Result<(), StoreError> {
        let mut whole = content;
        let identifier = content.identifier().ok_or(StoreError::Malformed)?;
        if identifier.strip_prefix(PKCS7) != Some(&[6]) {
            let bags = data(&mut whole).ok_or(StoreError::Malformed)?;
            return self.bags(bags, 0);
        }
        let password = self.password.ok_or(StoreError::NoPassword)?;
        let mut encrypted =
            content.explicit(0).and_then(|mut inner| inner.sequence()).ok_or(StoreError::Malformed)?;
        encrypted.unsigned().ok_or(StoreError::Malformed)?; // version
        let mut info = encrypted.sequence().ok_or(StoreError::Malformed)?;
        info.identifier().ok_or(StoreError::Malformed)?; // data
        let mut algorithm = info.sequence().ok_or(StoreError::Malformed)?;
        // [0], implicit: the octets themselves.
        let (tag, bytes) = info.element().ok_or(StoreError::Malformed)?;
        if tag != Tag::context(0, false) {
            return Err(StoreError::Malformed);
        }
        let bags = decrypt(&mut algorithm, password, bytes, &mut self.rounds)?;
        self.bags(bags.expose(), 0)
    }

    fn bags(&mut self, bytes: &[u8], depth: usize) -> Result<(), StoreError> {
        // Past a password that was wrong and left good padding, too.
        let mut bags = Reader::new(bytes).sequence().ok_or(StoreError::Malformed)?;
        while !bags.is_empty() {
            self.bag(bags.sequence().ok_or(StoreError::Malformed)?, depth)?;
        }
        Ok(())
    }

    fn bag(&mut self, mut bag: Reader<'_>, depth: usize) -> Result<(), StoreError> {
        let identifier = bag.identifier().ok_or(StoreError::Malformed)?;
        let mut value = bag.explicit(0).ok_or(StoreError::Malformed)?;
        let id = local_key_id(bag);
        match identifier.strip_prefix(BAGS) {
            Some([1]) => self.found.keys.push(StoredKey { key: Secret::new(value.rest()), id }),
            Some([2]) => {
                let password = self.of_keys.or(self.password).ok_or(StoreError::NoPassword)?;
                let key = decrypt_key_within(&Secret::new(value.rest()), password, &mut self.rounds)?;
                self.found.keys.push(StoredKey { key, id });
            }
            Some([3]) => {
                let mut value = value.sequence().ok_or(StoreError::Malformed)?;
                let kind = value.identifier().ok_or(StoreError::Malformed)?;
                if kind == X509_CERTIFICATE {
                    let certificate = value.explicit(0).and_then(|mut inner| inner.octets());
                    let certificate = certificate.ok_or(StoreError::Malformed)?.to_vec();
                    self.found.certificates.push(StoredCertificate { certificate, id });
                }
            }
            Some([6]) if depth < MAX_DEPTH => self.bags(value.rest(), depth + 1)?,
            _ => {}
        }
        Ok(())
    }
}

/// Of the attributes of a bag, which are a set of pairs of an identifier and a set of values.
fn local_key_id(mut bag: Reader<'_>) -> Option<Vec<u8>> {
    let mut attributes = bag.set()?;
    while !attributes.is_empty() {
        let mut attribute = attributes.sequence()?;
        if attribute.identifier()? == LOCAL_KEY_ID {
            return attribute.set()?.octets().map(<[u8]>::to_vec);
        }
    }
    None
}
