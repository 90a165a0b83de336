//! Randomness of this crate: ids and secrets, from the operating system.

use uuid::Uuid;

/// Random bytes that no client can guess.
pub(crate) fn secret() -> [u8; 16] {
    // Six bits of a version 4 UUID are fixed; 122 are random.
    random_uuid().into_bytes()
}

#[allow(clippy::disallowed_methods, reason = "the one place in this crate that draws random bytes")]
fn random_uuid() -> Uuid {
    Uuid::new_v4()
}

/// A random id whose base64 does not begin with `-`, since users write it on command lines, where options begin so (Kafka's
/// `Uuid.randomUuid`).
pub fn random_id() -> Uuid {
    loop {
        let id = random_uuid();
        if !base64_url(id.as_bytes()).starts_with('-') {
            return id;
        }
    }
}

/// URL-safe base64 without padding: 22 characters for an id, as Kafka prints it.
pub(crate) fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 1);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        // One to three bytes are two to four digits.
        for digit in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_ids_look_like_kafkas() {
        assert_eq!(base64_url(&[0; 16]), "AAAAAAAAAAAAAAAAAAAAAA");
        // One in 64 would.
        assert!((0..2_000).all(|_| !base64_url(random_id().as_bytes()).starts_with('-')));
        assert_eq!(base64_url(&[0xff; 16]), "_____________________w");
        assert_eq!(base64_url(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw");
    }
}
