//! Credentials of HTTP: what a request carries (RFC 7617, RFC 6750), and the files that say which are good.
//!
//! Nothing here hashes a password: the files hold hashes of bcrypt, which the caller verifies.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::{Secret, base64};

/// Bytes of a header `Authorization`. A bearer token of the largest kind has a few thousand.
const MAX_HEADER_BYTES: usize = 8 * 1024;
/// Characters of a token: 16 of them, drawn from letters and digits, are 95 random bits.
const MIN_TOKEN_CHARS: usize = 16;
/// The exponent of bcrypt's rounds. Each step doubles the time of a login: at 14 it is about a second.
const COSTS: std::ops::RangeInclusive<u32> = 4..=14;

/// User and password of a header `Authorization: Basic …`; `None` if it is none.
pub fn basic(header: &[u8]) -> Option<(String, Secret)> {
    let encoded = after_scheme(header, "basic")?;
    let decoded = zeroize::Zeroizing::new(base64::decode(encoded)?);
    let text = std::str::from_utf8(&decoded).ok()?;
    // At the first colon: a password may hold one, a name may not.
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), Secret::new(password)))
}

/// The header that a client sends, which [`basic`] reads.
pub fn basic_header(user: &str, password: &Secret) -> Secret {
    let plain = zeroize::Zeroizing::new([user.as_bytes(), b":", password.expose()].concat());
    Secret::new(format!("Basic {}", base64::encode(&plain)))
}

/// The token of a header `Authorization: Bearer …`; `None` if it is none.
pub fn bearer(header: &[u8]) -> Option<Secret> {
    after_scheme(header, "bearer").filter(|token| !token.is_empty()).map(Secret::new)
}

/// The text after the scheme, whose case does not count (RFC 9110, 11.1).
fn after_scheme<'h>(header: &'h [u8], scheme: &str) -> Option<&'h str> {
    let text = std::str::from_utf8(header).ok().filter(|text| text.len() <= MAX_HEADER_BYTES)?;
    let (named, rest) = text.trim().split_once(' ')?;
    named.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// Users by name, each with the bcrypt hash of the password. The text is a line `name:hash` for each, as `htpasswd -B` writes it;
/// empty lines and those that begin with `#` are left out.
///
/// # Errors
/// Which line is wrong, and why. No part of it is told.
pub fn users(text: &str) -> Result<Vec<(String, Secret)>, String> {
    let mut users = Vec::<(String, Secret)>::new();
    for (number, line) in lines(text) {
        let (name, hash) = line.split_once(':').ok_or_else(|| format!("line {number} is not NAME:HASH"))?;
        if name.is_empty() || users.iter().any(|(other, _)| other == name) {
            return Err(format!("line {number} has no name, or one that stands before"));
        }
        let cost = bcrypt_cost(hash)
            .ok_or_else(|| format!("the hash in line {number} is not of bcrypt; make it with htpasswd -B"))?;
        if !COSTS.contains(&cost) {
            let (least, most) = (COSTS.start(), COSTS.end());
            return Err(format!("the cost of the hash in line {number} is {cost}; give {least} to {most}"));
        }
        users.push((name.to_owned(), Secret::new(hash)));
    }
    if users.is_empty() { Err("it names no user".to_owned()) } else { Ok(users) }
}

/// Good tokens. The text is a token a line; empty lines and those that begin with `#` are left out.
///
/// # Errors
/// Which line is wrong, and why. No part of it is told.
pub fn tokens(text: &str) -> Result<Vec<Secret>, String> {
    let mut tokens = Vec::new();
    for (number, line) in lines(text) {
        if line.chars().count() < MIN_TOKEN_CHARS || line.contains(char::is_whitespace) {
            return Err(format!(
                "the token in line {number} has blanks, or less than {MIN_TOKEN_CHARS} characters"
            ));
        }
        tokens.push(Secret::new(line));
    }
    if tokens.is_empty() { Err("it holds no token".to_owned()) } else { Ok(tokens) }
}

/// A digest by which a login that was good is known again without the work of hashing. It holds for one `key`, one user, one
/// stored credential and one password.
pub fn fingerprint(key: &[u8; 32], user: &str, stored: &[u8], password: &Secret) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in [user.as_bytes(), stored, password.expose()] {
        // With its length, or a part could begin where the one before should end.
        mac.update(&part.len().to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Lines with content, counted from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// The cost in `$2y$10$…`, whose salt and digest have 53 characters.
fn bcrypt_cost(hash: &str) -> Option<u32> {
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|version| hash.strip_prefix(version))?;
    let (cost, digest) = rest.split_once('$')?;
    let is_whole = digest.len() == 53
        && digest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte));
    (is_whole && cost.len() == 2).then(|| cost.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe";

    fn shown(found: Option<(String, Secret)>) -> Option<(String, String)> {
        found.map(|(user, password)| (user, password.expose_text().unwrap().to_owned()))
    }

    #[test]
    fn basic_credentials_are_read() {
        // The example of RFC 7617, section 2.
        let example = shown(basic(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert_eq!(example, Some(("Aladdin".to_owned(), "open sesame".to_owned())));
        assert_eq!(shown(basic(b"bAsIc  dXNlcjphOmI=")), Some(("user".to_owned(), "a:b".to_owned())));
        for wrong in [
            "",
            "Basic",
            "Basic ",
            "Basic dXNlcg==",
            "Basic dXNlcjphOmI",
            "Bearer dXNlcjphOmI=",
            "Basic /w==",
            "Basic\tdXNlcjphOmI=",
        ] {
            assert!(basic(wrong.as_bytes()).is_none(), "{wrong}");
        }
        let long = format!("Basic {}", base64::encode(&[b':'; MAX_HEADER_BYTES]));
        assert!(basic(long.as_bytes()).is_none());
    }

    #[test]
    fn bearer_tokens_are_read() {
        assert!(bearer(b"Bearer abc").unwrap().equals(b"abc"));
        for wrong in ["Bearer", "Bearer ", "Basic abc", "abc"] {
            assert!(bearer(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }

    #[test]
    fn files_are_read_strictly_and_errors_tell_no_content() {
        let file = format!("# who\n\nalice:{HASH}\n bob:{HASH} \n");
        let names: Vec<_> = users(&file).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["alice", "bob"]);
        for (text, reason) in [
            (String::new(), "it names no user"),
            ("hunter2".to_owned(), "line 1 is not NAME:HASH"),
            ("\na:hunter2".to_owned(), "the hash in line 2 is not of bcrypt"),
            (format!("a:{HASH}\na:{HASH}"), "line 2 has no name, or one that stands before"),
            (format!(":{HASH}"), "line 1 has no name"),
            (format!("a:{}", HASH.replace("$05$", "$31$")), "is 31; give 4 to 14"),
            (format!("a:{HASH}x"), "not of bcrypt"),
        ] {
            let error = users(&text).unwrap_err();
            assert!(error.contains(reason) && !error.contains("hunter2"), "{text}: {error}");
        }
        assert_eq!(tokens("# a\n0123456789abcdef\n").unwrap().len(), 1);
        for (text, reason) in
            [("", "it holds no token"), ("hunter2", "line 1"), ("0123456789 abcdefgh", "line 1 has blanks")]
        {
            let error = tokens(text).unwrap_err();
            assert!(error.contains(reason) && !error.contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn fingerprints_differ_by_each_part() {
        let print = |key: u8, user: &str, stored: &str, password: &str| {
            fingerprint(&[key; 32], user, stored.as_bytes(), &Secret::new(password))
        };
        let one = print(1, "ab", "cd", "ef");
        assert_eq!(one, print(1, "ab", "cd", "ef"));
        for other in [
            print(2, "ab", "cd", "ef"),
            print(1, "abc", "d", "ef"),
            print(1, "ab", "cde", "f"),
            print(1, "ab", "cd", "eg"),
        ] {
            assert_ne!(one, other);
        }
    }
}
