//! The client's messages of SCRAM, read strictly.

use crate::base64;

/// `n,[a=authzid],n=user,r=nonce[,extensions]`
pub(super) struct ClientFirst {
    /// `n,[a=authzid],`
    pub(super) header: String,
    /// All after the header.
    pub(super) bare: String,
    pub(super) user: String,
    /// The client's part.
    pub(super) nonce: String,
    /// If the name is the id of a delegation token (`tokenauth=true`, KIP-48).
    pub(super) is_token: bool,
}

/// `c=channel binding,r=nonce[,extensions],p=proof`
pub(super) struct ClientFinal {
    /// Decoded.
    pub(super) channel_binding: Vec<u8>,
    pub(super) nonce: String,
    /// All before `,p=`.
    pub(super) without_proof: String,
    /// Decoded.
    pub(super) proof: Vec<u8>,
}

impl ClientFirst {
    /// `None`: malformed, or with a channel binding, a mandatory extension or another authorization id.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(message).ok()?;
        // `y` and `p=` ask for a channel binding, which is not offered.
        let (authzid, bare) = text.strip_prefix("n,")?.split_once(',')?;
        let header = format!("n,{authzid},");
        let authzid = match authzid {
            "" => None,
            named => Some(name(named.strip_prefix("a=")?)?),
        };
        let mut parts = bare.split(',');
        // `m=` at the front is an extension that must be understood (RFC 5802, section 5.1).
        let user = name(parts.next()?.strip_prefix("n=")?)?;
        let nonce = parts.next()?.strip_prefix("r=")?;
        // Others than `tokenauth` may be ignored.
        let mut is_token = false;
        let are_extensions = parts.all(|part| {
            is_token |=
                part.strip_prefix("tokenauth=").is_some_and(|value| value.eq_ignore_ascii_case("true"));
            is_extension(part)
        });
        let is_own = authzid.is_none_or(|authzid| authzid == user);
        (is_nonce(nonce) && are_extensions && is_own).then(|| Self {
            header,
            bare: bare.to_owned(),
            user,
            nonce: nonce.to_owned(),
            is_token,
        })
    }
}

impl ClientFinal {
    /// `None`: malformed.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(message).ok()?;
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let mut parts = without_proof.split(',');
        let channel_binding = base64::decode(parts.next()?.strip_prefix("c=")?)?;
        let nonce = parts.next()?.strip_prefix("r=")?.to_owned();
        let proof = base64::decode(proof)?;
        parts.all(is_extension).then(|| Self {
            channel_binding,
            nonce,
            without_proof: without_proof.to_owned(),
            proof,
        })
    }
}

/// The name in a `saslname`: `=2C` is a comma, `=3D` an equals sign, in capitals.
pub(in crate::sasl) fn name(escaped: &str) -> Option<String> {
    let mut parts = escaped.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (sign, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return None,
        };
        name.push(sign);
        name.push_str(rest);
    }
    (!name.is_empty() && !name.contains('\0')).then_some(name)
}

/// Printable ASCII without the comma.
fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

/// `name=value`, and not `m=`.
fn is_extension(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, value)| {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_name && name != "m" && !value.is_empty()
    })
}
