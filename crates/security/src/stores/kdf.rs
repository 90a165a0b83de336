//! Keys from passwords: PBKDF2 (RFC 8018), and the older derivation of PKCS12 (RFC 7292, appendix B.2).

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::StoreError;
use crate::Secret;
use crate::certificate::dotted;

/// The use of a derived key, which takes part in its derivation.
#[derive(Clone, Copy)]
pub(super) enum Use {
    Key = 1,
    InitialVector = 2,
    Mac = 3,
}

/// A hash that stores name.
#[derive(Clone, Copy)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// By the object identifier of the hash.
    pub(super) fn of_digest(identifier: &[u8]) -> Result<Self, StoreError> {
        match identifier {
            [0x2b, 0x0e, 3, 2, 0x1a] => Ok(Self::Sha1),
            [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, last] => match last {
                1 => Ok(Self::Sha256),
                2 => Ok(Self::Sha384),
                3 => Ok(Self::Sha512),
                _ => Err(unserved(identifier)),
            },
            _ => Err(unserved(identifier)),
        }
    }

    /// By the object identifier of its HMAC (`hmacWithSHA256` and so on).
    pub(super) fn of_hmac(identifier: &[u8]) -> Result<Self, StoreError> {
        match identifier {
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, last] => match last {
                7 => Ok(Self::Sha1),
                9 => Ok(Self::Sha256),
                10 => Ok(Self::Sha384),
                11 => Ok(Self::Sha512),
                _ => Err(unserved(identifier)),
            },
            _ => Err(unserved(identifier)),
        }
    }

    /// Fills `key` by PBKDF2.
    pub(super) fn pbkdf2(self, password: &[u8], salt: &[u8], iterations: u32, key: &mut [u8]) {
        match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, key),
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, key),
            Self::Sha384 => pbkdf2::pbkdf2_hmac::<Sha384>(password, salt, iterations, key),
            Self::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, key),
        }
    }

    /// Fills `key` by the derivation of PKCS12.
    pub(super) fn pkcs12(self, usage: Use, password: &Secret, salt: &[u8], iterations: u32, key: &mut [u8]) {
        match self {
            Self::Sha1 => derive::<Sha1>(64, usage, password, salt, iterations, key),
            Self::Sha256 => derive::<Sha256>(64, usage, password, salt, iterations, key),
            Self::Sha384 => derive::<Sha384>(128, usage, password, salt, iterations, key),
            Self::Sha512 => derive::<Sha512>(128, usage, password, salt, iterations, key),
        }
    }

    /// Results of the hash that make a key of that many bytes.
    pub(super) fn blocks(self, key_bytes: usize) -> u64 {
        key_bytes.div_ceil(self.digest_bytes()) as u64
    }

    pub(super) fn digest_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Returns true if `expected` is the HMAC of these bytes.
    pub(super) fn is_hmac(self, key: &[u8], bytes: &[u8], expected: &[u8]) -> bool {
        self.hmac(key, bytes).ct_eq(expected).into()
    }

    /// The HMAC of these bytes.
    pub(super) fn hmac(self, key: &[u8], bytes: &[u8]) -> Vec<u8> {
        const ANY: &str = "HMAC takes keys of any length";
        macro_rules! mac {
            ($hash:ty) => {
                Hmac::<$hash>::new_from_slice(key)
                    .expect(ANY)
                    .chain_update(bytes)
                    .finalize()
                    .into_bytes()
                    .to_vec()
            };
        }
        match self {
            Self::Sha1 => mac!(Sha1),
            Self::Sha256 => mac!(Sha256),
            Self::Sha384 => mac!(Sha384),
            Self::Sha512 => mac!(Sha512),
        }
    }
}

/// RFC 7292, B.2. `block` is the length of the hash's input block in bytes; letters are those of the RFC.
fn derive<D: Digest>(
    block: usize,
    usage: Use,
    password: &Secret,
    salt: &[u8],
    iterations: u32,
    key: &mut [u8],
) {
    let diversifier = vec![usage as u8; block];
    let mut input = Zeroizing::new(repeated(salt, block));
    input.extend_from_slice(&Zeroizing::new(repeated(password.expose(), block)));
    for part in key.chunks_mut(<D as Digest>::output_size()) {
        let mut hash =
            Zeroizing::new(D::new().chain_update(&diversifier).chain_update(&*input).finalize().to_vec());
        for _ in 1..iterations {
            *hash = D::digest(&*hash).to_vec();
        }
        for (byte, from) in part.iter_mut().zip(hash.iter()) {
            *byte = *from;
        }
        // I = I + B + 1, each block as one number.
        for number in input.chunks_mut(block) {
            let added: Vec<u8> = hash.iter().cycle().take(number.len()).copied().collect();
            let mut carry = 1_u16;
            for (byte, add) in number.iter_mut().zip(&added).rev() {
                let [high, low] = (u16::from(*byte) + u16::from(*add) + carry).to_be_bytes();
                *byte = low;
                carry = high.into();
            }
        }
    }
}

/// Repeated to the next multiple of `block`; nothing of nothing.
fn repeated(bytes: &[u8], block: usize) -> Vec<u8> {
    bytes.iter().cycle().take(bytes.len().next_multiple_of(block)).copied().collect()
}

/// The form in which the derivation of PKCS12 takes a password: UTF-16, and a zero at the end.
pub(super) fn utf16(password: &Secret) -> Result<Secret, StoreError> {
    let text = password.expose_text().ok_or(StoreError::WrongPassword)?;
    let units = text.encode_utf16().chain([0]);
    Ok(Secret::new(units.flat_map(u16::to_be_bytes).collect::<Vec<u8>>()))
}

/// For object identifiers that are malformed, too.
pub(super) fn unserved(identifier: &[u8]) -> StoreError {
    dotted(identifier).map_or(StoreError::Malformed, StoreError::Unserved)
}
