//! Stored credentials of SCRAM: salt, iterations and two keys, from which a password can only be guessed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};

use crate::secret::Secret;

/// Fewest iterations, as in Kafka (`ScramMechanism`).
pub const MIN_ITERATIONS: u32 = 4096;
/// Most iterations, as in Kafka: a client computes them.
pub const MAX_ITERATIONS: u32 = 16384;

/// The hash of a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hash {
    /// Of SCRAM-SHA-256.
    Sha256,
    /// Of SCRAM-SHA-512.
    Sha512,
}

impl Hash {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// Its code on the wire and on the disk (KIP-554).
    pub fn code(self) -> u8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }

    /// The hash of that code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.code() == code)
    }

    /// Name of its mechanism.
    pub fn mechanism(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// Bytes of a digest.
    pub fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The salted password, from which all keys follow. Takes some milliseconds of processor time.
    pub fn salted(self, password: &Secret, salt: &[u8], iterations: u32) -> Secret {
        let mut salted = vec![0; self.length()];
        match self {
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password.expose(), salt, iterations, &mut salted),
            Self::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password.expose(), salt, iterations, &mut salted),
        }
        Secret::new(salted)
    }

    /// The digest of these bytes.
    pub(super) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    /// The HMAC of these bytes.
    pub(crate) fn hmac(self, key: &[u8], bytes: &[u8]) -> Vec<u8> {
        const ANY: &str = "HMAC takes keys of any length";
        match self {
            Self::Sha256 => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key).expect(ANY);
                mac.update(bytes);
                mac.finalize().into_bytes().to_vec()
            }
            Self::Sha512 => {
                let mut mac = Hmac::<Sha512>::new_from_slice(key).expect(ANY);
                mac.update(bytes);
                mac.finalize().into_bytes().to_vec()
            }
        }
    }
}

/// One user's credential of one mechanism.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Told to every client that names the user.
    pub salt: Vec<u8>,
    /// Told to every client that names the user.
    pub iterations: u32,
    /// Digest of the client's key.
    pub stored_key: Secret,
    /// Key of the server's signature.
    pub server_key: Secret,
}

impl Credential {
    /// From a salted password, which is all that AlterUserScramCredentials carries (KIP-554).
    pub fn from_salted_password(hash: Hash, salt: Vec<u8>, iterations: u32, salted: &Secret) -> Self {
        let client_key = Secret::new(hash.hmac(salted.expose(), b"Client Key"));
        let stored_key = Secret::new(hash.digest(client_key.expose()));
        let server_key = Secret::new(hash.hmac(salted.expose(), b"Server Key"));
        Self { salt, iterations, stored_key, server_key }
    }

    /// From a password. Takes some milliseconds of processor time.
    pub fn from_password(hash: Hash, salt: Vec<u8>, iterations: u32, password: &Secret) -> Self {
        let salted = hash.salted(password, &salt, iterations);
        Self::from_salted_password(hash, salt, iterations, &salted)
    }
}

/// Random bytes of which a salt is made.
pub const SALT_BYTES: usize = 17;

/// A salt as Kafka's tools make them: the text of a number of 130 bits in base 36, which has 25 or 26 digits, rarely fewer
/// (`ScramFormatter.secureRandomString`).
pub fn salt(mut random: [u8; SALT_BYTES]) -> Vec<u8> {
    random[0] &= 3;
    let mut digits = Vec::new();
    while random.iter().any(|byte| *byte != 0) {
        // Divides the number by 36, from its greatest byte on.
        let mut rest = 0;
        for byte in &mut random {
            let part = rest << 8 | u32::from(*byte);
            *byte = u8::try_from(part / 36).expect("the rest is below 36");
            rest = part % 36;
        }
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[rest as usize]);
    }
    digits.reverse();
    digits
}

/// The part of a credential that a client is told before it has proved anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    /// Its iterations.
    pub iterations: u32,
    /// The form of its salt.
    pub salt: SaltForm,
}

/// The form of a salt, by which the tool that made it can be recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SaltForm {
    /// The text of a number, as Kafka's tools make it: see [`salt`].
    Number,
    /// That many bytes, as other tools make them.
    Bytes(usize),
}

/// Digits of [`SaltForm::Number`]. One number in a million has fewer.
const NUMBER_DIGITS: std::ops::RangeInclusive<usize> = 22..=26;

impl SaltForm {
    fn of(salt: &[u8]) -> Self {
        let is_digit = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
        match NUMBER_DIGITS.contains(&salt.len()) && salt.iter().all(is_digit) {
            true => Self::Number,
            false => Self::Bytes(salt.len()),
        }
    }
}

impl Default for Shape {
    /// That of a credential made by Kafka's tools.
    fn default() -> Self {
        Self { iterations: MIN_ITERATIONS, salt: SaltForm::Number }
    }
}

impl Credential {
    /// Its shape.
    pub fn shape(&self) -> Shape {
        Shape { iterations: self.iterations, salt: SaltForm::of(&self.salt) }
    }
}

/// The credential that an unknown user appears to have. It is made of the name and of the data folder's `secret`, so one name
/// always gets the same one of that shape, and each folder another. No password fits it.
pub fn decoy(secret: &Secret, hash: Hash, user: &str, shape: Shape) -> Credential {
    let made = |purpose: &str| {
        let text = format!("{purpose}\0{}\0{user}", hash.length());
        Secret::new(hash.hmac(secret.expose(), text.as_bytes()))
    };
    let salt = match shape.salt {
        SaltForm::Number => {
            let mut random = [0; SALT_BYTES];
            random.copy_from_slice(&made("salt").expose()[..SALT_BYTES]);
            salt(random)
        }
        SaltForm::Bytes(length) => {
            let blocks = (0..length.div_ceil(hash.length())).map(|block| made(&format!("salt {block}")));
            let mut bytes: Vec<u8> = blocks.flat_map(|block| block.expose().to_vec()).collect();
            bytes.truncate(length);
            bytes
        }
    };
    let (stored_key, server_key) = (made("stored key"), made("server key"));
    Credential { salt, iterations: shape.iterations, stored_key, server_key }
}
