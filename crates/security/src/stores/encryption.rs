//! Encryption by a password: PBES2 (RFC 8018), and the older schemes of PKCS12 (RFC 7292, appendix C).

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{
    BlockCipherDecrypt, BlockModeDecrypt as _, BlockModeEncrypt as _, InnerIvInit, KeyInit, KeyIvInit,
};
use cbc::{Decryptor, Encryptor};
use des::{TdesEde2, TdesEde3};
use rc2::Rc2;
use zeroize::Zeroizing;

use super::kdf::{Hash, Use, unserved, utf16};
use super::{MAX_ITERATIONS, StoreError};
use crate::Secret;
use crate::der::{Reader, Tag, element, unsigned};

/// `1.2.840.113549.1.5`, without its last number.
const PKCS5: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5];
/// `1.2.840.113549.1.12.1`, without its last number.
const PKCS12: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1];
const TRIPLE_DES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 3, 7];
/// `1.2.840.113549.2`, without its last number.
const DIGESTS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2];
const AES: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1];

/// All of them in blocks that are chained (CBC).
#[derive(Clone, Copy)]
enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    /// With three keys.
    TripleDes,
    /// With two.
    DoubleDes,
    /// With a key of that many bytes.
    Rc2(usize),
}

impl Cipher {
    fn key_bytes(self) -> usize {
        match self {
            Self::Aes128 | Self::DoubleDes => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
            Self::Rc2(bytes) => bytes,
        }
    }

    fn decrypt(self, key: &[u8], iv: &[u8], bytes: &[u8]) -> Result<Secret, StoreError> {
        match self {
            Self::Aes128 => decrypt_by::<Aes128>(key, iv, bytes),
            Self::Aes192 => decrypt_by::<Aes192>(key, iv, bytes),
            Self::Aes256 => decrypt_by::<Aes256>(key, iv, bytes),
            Self::TripleDes => decrypt_by::<TdesEde3>(key, iv, bytes),
            Self::DoubleDes => decrypt_by::<TdesEde2>(key, iv, bytes),
            Self::Rc2(_) => decrypt_by::<Rc2>(key, iv, bytes),
        }
    }
}

/// Decrypts what an algorithm with its parameters (AlgorithmIdentifier) encrypted.
///
/// # Errors
/// The algorithm is not served, or the password does not fit.
pub(super) fn decrypt(
    algorithm: &mut Reader<'_>,
    password: &Secret,
    bytes: &[u8],
    rounds: &mut Rounds,
) -> Result<Secret, StoreError> {
    let identifier = algorithm.identifier().ok_or(StoreError::Malformed)?;
    let parameters = algorithm.sequence().ok_or(StoreError::Malformed)?;
    match identifier.strip_prefix(PKCS5) {
        Some([13]) => return pbes2(parameters, password, bytes, rounds),
        Some(_) => return Err(unserved(identifier)),
        None => {}
    }
    let cipher = match identifier.strip_prefix(PKCS12) {
        Some([3]) => Cipher::TripleDes,
        Some([4]) => Cipher::DoubleDes,
        Some([5]) => Cipher::Rc2(16),
        Some([6]) => Cipher::Rc2(5),
        _ => return Err(unserved(identifier)),
    };
    let (salt, iterations) = salt_and_iterations(parameters)?;
    let iterations = rounds.take(iterations, Hash::Sha1.blocks(cipher.key_bytes()) + 1)?;
    let password = utf16(password)?;
    let mut key = Zeroizing::new(vec![0; cipher.key_bytes()]);
    Hash::Sha1.pkcs12(Use::Key, &password, salt, iterations, &mut key);
    let mut iv = [0; 8];
    Hash::Sha1.pkcs12(Use::InitialVector, &password, salt, iterations, &mut iv);
    cipher.decrypt(&key, &iv, bytes)
}

/// Encrypts a key by AES-256 and PBKDF2 with SHA-256; returns it in the form of `ENCRYPTED PRIVATE KEY` (PKCS#8).
///
/// # Errors
/// None: the lengths fit.
pub(super) fn encrypt(
    key: &Secret,
    password: &Secret,
    salt: &[u8],
    iterations: u32,
    iv: &[u8; 16],
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let mut derived = Zeroizing::new(vec![0; Cipher::Aes256.key_bytes()]);
    Hash::Sha256.pbkdf2(password.expose(), salt, iterations, &mut derived);
    let encryptor = Encryptor::<Aes256>::new_from_slices(&derived, iv).map_err(|_| StoreError::Malformed)?;
    // The padding takes up to a block.
    let mut room = Zeroizing::new(vec![0; key.expose().len() + iv.len()]);
    for (byte, from) in room.iter_mut().zip(key.expose()) {
        *byte = *from;
    }
    let encrypted = encryptor
        .encrypt_padded::<Pkcs7>(&mut room, key.expose().len())
        .map_err(|_| StoreError::Malformed)?;
    let identifier = |bytes: &[u8], last: u8| element(Tag::OBJECT_IDENTIFIER, &[bytes, &[last]]);
    let octets = |bytes: &[u8]| element(Tag::OCTET_STRING, &[bytes]);
    // hmacWithSHA256
    let hmac = element(Tag::SEQUENCE, &[&identifier(DIGESTS, 9), &element(Tag::NULL, &[])]);
    let parameters = element(Tag::SEQUENCE, &[&octets(salt), &unsigned(iterations), &hmac]);
    let derivation = element(Tag::SEQUENCE, &[&identifier(PKCS5, 12), &parameters]);
    let cipher = element(Tag::SEQUENCE, &[&identifier(AES, 42), &octets(iv)]);
    let parameters = element(Tag::SEQUENCE, &[&derivation, &cipher]);
    let algorithm = element(Tag::SEQUENCE, &[&identifier(PKCS5, 13), &parameters]);
    Ok(element(Tag::SEQUENCE, &[&algorithm, &octets(encrypted)]))
}

/// Of a sequence that begins with them.
fn salt_and_iterations<'a>(mut parameters: Reader<'a>) -> Result<(&'a [u8], u64), StoreError> {
    let salt = parameters.octets().ok_or(StoreError::Malformed)?;
    let iterations = parameters.unsigned().ok_or(StoreError::Malformed)?;
    Ok((salt, iterations))
}

/// Rounds of derivations that a store may still take. A file that its owner did not make could hold up a start for hours, by one key
/// with many rounds or by many keys.
pub(super) struct Rounds {
    pub(super) left: u64,
}

impl Rounds {
    pub(super) fn new() -> Self {
        Self { left: MAX_ITERATIONS }
    }

    /// Takes those of one derivation: that many for each block of the key.
    pub(super) fn take(&mut self, iterations: u64, blocks: u64) -> Result<u32, StoreError> {
        let left = iterations.checked_mul(blocks).and_then(|all| self.left.checked_sub(all));
        self.left = left.ok_or(StoreError::TooManyIterations)?;
        match u32::try_from(iterations) {
            Ok(0) => Err(StoreError::Malformed),
            Ok(iterations) => Ok(iterations),
            Err(_) => Err(StoreError::TooManyIterations),
        }
    }
}

fn pbes2(
    mut parameters: Reader<'_>,
    password: &Secret,
    bytes: &[u8],
    rounds: &mut Rounds,
) -> Result<Secret, StoreError> {
    let malformed = StoreError::Malformed;
    let mut derivation = parameters.sequence().ok_or(malformed.clone())?;
    let mut encryption = parameters.sequence().ok_or(malformed.clone())?;
    let identifier = encryption.identifier().ok_or(malformed.clone())?;
    let cipher = match (identifier, identifier.strip_prefix(AES)) {
        (_, Some([2])) => Cipher::Aes128,
        (_, Some([22])) => Cipher::Aes192,
        (_, Some([42])) => Cipher::Aes256,
        (TRIPLE_DES, _) => Cipher::TripleDes,
        _ => return Err(unserved(identifier)),
    };
    let iv = encryption.octets().ok_or(malformed.clone())?;
    let identifier = derivation.identifier().ok_or(malformed.clone())?;
    // PBKDF2. The other one in use is scrypt, which OpenSSL takes when it is asked to.
    if identifier.strip_prefix(PKCS5) != Some(&[12]) {
        return Err(unserved(identifier));
    }
    let mut derivation = derivation.sequence().ok_or(malformed.clone())?;
    let (salt, iterations) = salt_and_iterations(derivation)?;
    for _ in ["salt", "iterations"] {
        derivation.element();
    }
    // The length of the key follows from the cipher.
    derivation.optional(Tag::INTEGER);
    let hash = match derivation.sequence() {
        Some(mut hmac) => Hash::of_hmac(hmac.identifier().ok_or(malformed)?)?,
        None => Hash::Sha1,
    };
    let iterations = rounds.take(iterations, hash.blocks(cipher.key_bytes()))?;
    let mut key = Zeroizing::new(vec![0; cipher.key_bytes()]);
    hash.pbkdf2(password.expose(), salt, iterations, &mut key);
    cipher.decrypt(&key, iv, bytes)
}

/// A wrong key shows by its padding, except one in about 256, whose result is malformed.
fn decrypt_by<C>(key: &[u8], iv: &[u8], bytes: &[u8]) -> Result<Secret, StoreError>
where
    C: BlockCipherDecrypt + KeyInit,
    Decryptor<C>: KeyIvInit + InnerIvInit,
{
    let decryptor = Decryptor::<C>::new_from_slices(key, iv).map_err(|_| StoreError::Malformed)?;
    let mut room = Zeroizing::new(bytes.to_vec());
    let plain = decryptor.decrypt_padded::<Pkcs7>(&mut room).map_err(|_| StoreError::WrongPassword)?;
    Ok(Secret::new(plain))
}
