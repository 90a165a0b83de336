//! The key with its chain, and the authorities, out of the contents of a PKCS12 file.

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use security::stores::Pkcs12;

use super::add_authority;

/// Returns true if a file may be one: all are a SEQUENCE of DER, which no PEM text begins with.
pub(super) fn is_one(contents: &[u8]) -> bool {
    contents.first() == Some(&0x30)
}

/// The key of a store, and its certificate with those that lead to an authority.
///
/// # Errors
/// It has no key or several, or no certificate of the key.
pub(super) fn identity(
    store: Pkcs12,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let (key, chain) = store.key_and_chain()?;
    let key = PrivatePkcs8KeyDer::from(key.expose().to_vec());
    Ok((chain.into_iter().map(CertificateDer::from).collect(), PrivateKeyDer::Pkcs8(key)))
}

/// The certificates of authorities in a store.
///
/// # Errors
/// It has none, or one that cannot be used.
pub(super) fn authorities(store: Pkcs12) -> Result<RootCertStore, String> {
    // As the authorities of a broker's own certificate may be public ones, which would let in everybody.
    if !store.keys.is_empty() {
        return Err("it has a private key, so it is a keystore; make one of the clients' authorities alone"
            .to_owned());
    }
    let mut authorities = RootCertStore::empty();
    for (number, one) in store.certificates.into_iter().enumerate() {
        let added = add_authority(&mut authorities, CertificateDer::from(one.certificate));
        added.map_err(|reason| format!("certificate {} cannot be used: {reason}", number + 1))?;
    }
    if authorities.is_empty() {
        return Err("it has no certificate; put those of the authorities into it".to_owned());
    }
    Ok(authorities)
}
