//! The client's part of SCRAM, for programs that log in: its messages, and the check of the server's signature.

use super::credential::{Hash, MIN_ITERATIONS};
use crate::base64;
use crate::secret::Secret;

/// Most iterations that a client computes, some seconds of processor time: a server names the number before it has proved anything.
const MOST_ITERATIONS: u32 = 1_000_000;

/// A login as the client has it.
pub struct Client {
    hash: Hash,
    password: Secret,
    nonce: String,
    /// The first message without its header.
    bare: String,
}

/// A client that has sent its proof, and waits for the server's.
#[derive(Debug)]
pub struct Proved {
    /// The server's last message, if it knows the credential.
    expected: Secret,
}

impl Client {
    /// Begins a login; returns its first message. `nonce` is random, of letters and digits.
    pub fn begin(hash: Hash, user: &str, password: Secret, nonce: &str) -> (Self, Vec<u8>) {
        let name = user.replace('=', "=3D").replace(',', "=2C");
        Self::begin_with(hash, format!("n={name},r={nonce}"), password, nonce)
    }

    /// As [`Self::begin`], by a delegation token (KIP-48): its id, and its HMAC in Base64.
    pub fn begin_by_token(hash: Hash, id: &str, hmac: Secret, nonce: &str) -> (Self, Vec<u8>) {
        Self::begin_with(hash, format!("n={id},r={nonce},tokenauth=true"), hmac, nonce)
    }

    fn begin_with(hash: Hash, bare: String, password: Secret, nonce: &str) -> (Self, Vec<u8>) {
        let first = format!("n,,{bare}").into_bytes();
        (Self { hash, password, nonce: nonce.to_owned(), bare }, first)
    }

    /// Answers the server's first message; returns the final message. `None`: it is malformed, its nonce is not that of this
    /// login, or the iterations are fewer than Kafka allows or more than a client should compute.
    pub fn prove(&self, server_first: &[u8]) -> Option<(Proved, Vec<u8>)> {
        self.prove_by(server_first, &self.salted(server_first)?)
    }

    /// The key that follows from the password and what the server's first message says of it: the costly part of a login, and the same
    /// each time. `None` as for [`Self::prove`].
    pub fn salted(&self, server_first: &[u8]) -> Option<Secret> {
        let mut parts = self.checked(server_first)?.1.split(',').skip(1);
        let salt = base64::decode(parts.next()?.strip_prefix("s=")?)?;
        let iterations = parts.next()?.strip_prefix("i=")?.parse().ok()?;
        if !(MIN_ITERATIONS..=MOST_ITERATIONS).contains(&iterations) {
            return None;
        }
        Some(self.hash.salted(&self.password, &salt, iterations))
    }

    /// The nonce of the server's first message, and the whole message.
    fn checked<'a>(&self, server_first: &'a [u8]) -> Option<(&'a str, &'a str)> {
        let server_first = std::str::from_utf8(server_first).ok()?;
        let nonce = server_first.split(',').next()?.strip_prefix("r=")?;
        // The server must add to it: a nonce that is the client's alone would make an old answer count again.
        let is_longer = nonce.len() > self.nonce.len();
        (nonce.starts_with(&self.nonce) && is_longer).then_some((nonce, server_first))
    }

    /// As [`Self::prove`], by what [`Self::salted`] gave for the same salt and number of iterations.
    pub fn prove_by(&self, server_first: &[u8], salted: &Secret) -> Option<(Proved, Vec<u8>)> {
        let (nonce, server_first) = self.checked(server_first)?;
        // `n,,` in Base64.
        let without_proof = format!("c=biws,r={nonce}");
        let proved = format!("{},{server_first},{without_proof}", self.bare);
        let client_key = self.hash.hmac(salted.expose(), b"Client Key");
        let signature = self.hash.hmac(&self.hash.digest(&client_key), proved.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
        let server_key = self.hash.hmac(salted.expose(), b"Server Key");
        let expected = format!("v={}", base64::encode(&self.hash.hmac(&server_key, proved.as_bytes())));
        let message = format!("{without_proof},p={}", base64::encode(&proof)).into_bytes();
        Some((Proved { expected: Secret::new(expected) }, message))
    }
}

impl Proved {
    /// Returns true if the server knows the credential, too.
    pub fn is_from_server(&self, last: &[u8]) -> bool {
        self.expected.equals(last)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("hash", &self.hash).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677, section 3.
    #[test]
    fn the_vector_of_rfc_7677_is_made() {
        let (client, first) =
            Client::begin(Hash::Sha256, "user", Secret::new("pencil"), "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(first, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let server_first =
            b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (proved, message) = client.prove(server_first).unwrap();
        let expected = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(String::from_utf8(message).unwrap(), expected);
        assert!(proved.is_from_server(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        assert!(!proved.is_from_server(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="));
        assert!(client.prove(&server_first[2..]).is_none());
        assert!(client.prove(b"r=xOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096").is_none());
    }

    #[test]
    fn a_server_cannot_ask_for_too_few_or_too_many_iterations() {
        let (client, _) = Client::begin(Hash::Sha256, "user", Secret::new("pencil"), "abc");
        let answer = |nonce: &str, iterations: &str| {
            client.prove(format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i={iterations}").as_bytes()).is_some()
        };
        assert!(answer("abcd", "4096"));
        for iterations in ["0", "1", "4095", "1000001", "4294967295", "4294967296", "-1"] {
            assert!(!answer("abcd", iterations), "{iterations}");
        }
        assert!(!answer("abc", "4096"), "the server added nothing to the nonce");
    }

    #[test]
    fn names_are_escaped() {
        let (_, first) = Client::begin(Hash::Sha256, "a=b,c", Secret::new(""), "x");
        assert_eq!(first, b"n,,n=a=3Db=2Cc,r=x");
    }
}
