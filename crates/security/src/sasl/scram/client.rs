//! The client's part of SCRAM, for programs that log in: its messages, and the check of the server's signature.

use super::credential::Hash;
use crate::base64;
use crate::secret::Secret;

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
        let bare = format!("n={name},r={nonce}");
        let first = format!("n,,{bare}").into_bytes();
        (Self { hash, password, nonce: nonce.to_owned(), bare }, first)
    }

    /// Answers the server's first message; returns the final message. `None`: it is malformed, or its nonce is not that of this
    /// login.
    pub fn prove(&self, server_first: &[u8]) -> Option<(Proved, Vec<u8>)> {
        let server_first = std::str::from_utf8(server_first).ok()?;
        let mut parts = server_first.split(',');
        let nonce = parts.next()?.strip_prefix("r=")?;
        if !nonce.starts_with(&self.nonce) {
            return None;
        }
        let salt = base64::decode(parts.next()?.strip_prefix("s=")?)?;
        let iterations = parts.next()?.strip_prefix("i=")?.parse().ok()?;
        let salted = self.hash.salted(&self.password, &salt, iterations);
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
    fn names_are_escaped() {
        let (_, first) = Client::begin(Hash::Sha256, "a=b,c", Secret::new(""), "x");
        assert_eq!(first, b"n,,n=a=3Db=2Cc,r=x");
    }
}
