//! An issuer of tokens for tests: it signs whatever it is asked to. Its keys were made for these tests and have no other use.

use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use serde_json::{Value, json};

use crate::base64;

/// A key that signs.
pub(super) enum Signer {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

const RSA: &str = include_str!("keys/rsa.pem");
const OTHER_RSA: &str = include_str!("keys/other-rsa.pem");
const P256: &str = include_str!("keys/p256.pem");
const P384: &str = include_str!("keys/p384.pem");

/// The bytes in a text of PEM.
fn der(pem: &str) -> Vec<u8> {
    base64::decode(&pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap()
}

impl Signer {
    pub(super) fn rsa() -> Self {
        Self::Rsa(Box::new(RsaKeyPair::from_pkcs8(&der(RSA)).unwrap()))
    }

    pub(super) fn other_rsa() -> Self {
        Self::Rsa(Box::new(RsaKeyPair::from_pkcs8(&der(OTHER_RSA)).unwrap()))
    }

    pub(super) fn p256() -> Self {
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        Self::P256(EcdsaKeyPair::from_pkcs8(algorithm, &der(P256), &SystemRandom::new()).unwrap())
    }

    pub(super) fn p384() -> Self {
        let algorithm = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
        Self::P384(EcdsaKeyPair::from_pkcs8(algorithm, &der(P384), &SystemRandom::new()).unwrap())
    }

    pub(super) fn ed25519(seed: u8) -> Self {
        Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    /// Its public key as a member of a set.
    pub(super) fn jwk(&self, id: &str) -> Value {
        match self {
            Self::Rsa(key) => {
                let parts: PublicKeyComponents<Vec<u8>> = key.public().into();
                let [n, e] = [parts.n, parts.e].map(|number| url(&number));
                json!({"kty": "RSA", "kid": id, "use": "sig", "n": n, "e": e})
            }
            Self::P256(key) | Self::P384(key) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if point.len() == 64 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": curve, "kid": id, "x": url(x), "y": url(y)})
            }
            Self::Ed25519(key) => {
                let x = url(key.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x})
            }
        }
    }

    /// The signature of a text by the algorithm of that name.
    pub(super) fn sign(&self, algorithm: &str, text: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        let text = text.as_bytes();
        match self {
            Self::Rsa(key) => {
                let padding: &dyn signature::RsaEncoding = match algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signed = vec![0; key.public().modulus_len()];
                key.sign(padding, &random, text, &mut signed).unwrap();
                signed
            }
            Self::P256(key) | Self::P384(key) => key.sign(&random, text).unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(text).as_ref().to_vec(),
        }
    }

    /// A token of these parts.
    pub(super) fn token(&self, header: &Value, claims: &Value) -> String {
        let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let signed = unsigned(header, claims);
        format!("{signed}.{}", url(&self.sign(algorithm, &signed)))
    }
}

/// Header and claims of a token.
pub(super) fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", url(header.to_string().as_bytes()), url(claims.to_string().as_bytes()))
}

/// Base64 for URLs.
pub(super) fn url(bytes: &[u8]) -> String {
    base64::encode(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}
