//! The one type of passwords and keys.
//!
//! A secret cannot be printed: it has no `Display`, and its `Debug` shows no byte and no length. No crate here can serialize
//! it, as it has no such trait. Its memory is overwritten when it is dropped. Comparison takes the same time for every
//! content of the same length. [`Secret::expose`] is the only way to the bytes, so that a search for it finds every use.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A password, a key, or a text that holds one.
///
/// It has no `Eq`, whose time would depend on the content; use [`Secret::equals`].
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over. Copies that the caller made before stay in memory.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes. They must reach no log line, no error text and no answer.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The text, if the bytes are UTF-8. They must reach no log line, no error text and no answer.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Returns true if the bytes are these. The time depends on the lengths, and on nothing else.
    pub fn equals(&self, other: &[u8]) -> bool {
        self.0.ct_eq(other).into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// A secret must not become printable by a later derive: these lines compile only while the type has neither trait.
///
/// ```compile_fail
/// format!("{}", security::Secret::new("x"));
/// ```
/// ```compile_fail
/// let _ = security::Secret::new("x") == security::Secret::new("x");
/// ```
#[cfg(doctest)]
struct NeitherDisplayNorEq;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_bytes_nor_length() {
        #[derive(Debug)]
        #[allow(dead_code, reason = "read by Debug")]
        struct Login {
            password: Secret,
        }
        let shown = |password: &str| format!("{:#?}", Login { password: Secret::new(password) });
        assert!(!shown("hunter2").contains("hunter2"), "{}", shown("hunter2"));
        assert_eq!(shown("hunter2"), shown("a much longer password"));
    }

    #[test]
    fn only_the_same_bytes_are_equal() {
        let secret = Secret::new("hunter2");
        assert!(secret.equals(b"hunter2"));
        for other in ["", "hunter", "hunter3", "Hunter2", "hunter22"] {
            assert!(!secret.equals(other.as_bytes()), "{other}");
        }
        assert!(Secret::new("").equals(b""));
    }

    #[test]
    fn bytes_and_text_are_those_given() {
        assert_eq!(Secret::new("p\0w").expose(), b"p\0w");
        assert_eq!(Secret::new("ž").expose_text(), Some("ž"));
        assert_eq!(Secret::new([0xff]).expose_text(), None);
    }

    #[test]
    fn memory_is_overwritten_on_drop() {
        fn overwritten_on_drop<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        overwritten_on_drop(&Secret::new("x").0);
    }
}
