//! Keystore and truststore of a client: PEM in files and inline, and PKCS12. The contents of a file decide, not the key of its type.

use rustls::RootCertStore;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use security::Secret;
use security::pem::{self, PemSection};
use security::stores::{StoreError, decrypt_key, read_pkcs12};

use super::properties::Properties;
use crate::failure::Failure;

/// A certificate with those that lead to an authority, and its key.
type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The authorities to trust; those of the system if none are named, as Java takes those of its JVM.
///
/// # Errors
/// A file is of no use.
pub(super) fn authorities(properties: &Properties) -> Result<RootCertStore, Failure> {
    const LOCATION: &str = "ssl.truststore.location";
    const INLINE: &str = "ssl.truststore.certificates";
    check_type(properties, "ssl.truststore.type")?;
    let (key, certificates) = match (properties.file(LOCATION)?, properties.secret(INLINE)) {
        (Some(_), Some(_)) => {
            return Err(properties.wrong(INLINE, &format!("{LOCATION} is set as well; leave one of them")));
        }
        (None, None) => return Ok(of_the_system()),
        (None, Some(text)) => (INLINE, certificates(&sections(properties, INLINE, text)?)),
        (Some(contents), None) if is_pkcs12(&contents) => {
            let password = properties.secret("ssl.truststore.password");
            let store = read_pkcs12(contents.expose(), password, None)
                .map_err(|error| explain(properties, LOCATION, "ssl.truststore.password", &error))?;
            (LOCATION, store.certificates.into_iter().map(|one| one.certificate.into()).collect())
        }
        (Some(contents), None) => (LOCATION, certificates(&sections(properties, LOCATION, &contents)?)),
    };
    let mut authorities = RootCertStore::empty();
    for (number, certificate) in certificates.into_iter().enumerate() {
        let added = authorities.add(certificate);
        added.map_err(|error| properties.wrong(key, &format!("certificate {}: {error}", number + 1)))?;
    }
    match authorities.is_empty() {
        true => Err(properties.wrong(key, "it has no certificate")),
        false => Ok(authorities),
    }
}

/// Authorities that the system trusts. Files that cannot be read are left out: without any, no server is trusted.
fn of_the_system() -> RootCertStore {
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    authorities
}

/// The client's own certificate and key; `None` if none is named.
///
/// # Errors
/// A file is of no use.
pub(super) fn identity(properties: &Properties) -> Result<Option<Identity>, Failure> {
    const LOCATION: &str = "ssl.keystore.location";
    const KEY: &str = "ssl.keystore.key";
    const CHAIN: &str = "ssl.keystore.certificate.chain";
    check_type(properties, "ssl.keystore.type")?;
    let inline = [KEY, CHAIN].map(|key| properties.secret(key).map(|text| (key, text.clone())));
    let texts: Vec<(&'static str, Secret)> = match (properties.file(LOCATION)?, inline) {
        (None, [None, None]) => return Ok(None),
        (Some(_), [Some((key, _)), _] | [_, Some((key, _))]) => {
            return Err(properties.wrong(key, &format!("{LOCATION} is set as well; leave one of them")));
        }
        (None, [Some(key), Some(chain)]) => vec![key, chain],
        (None, [None, _]) => return Err(properties.wrong(KEY, &format!("it is missing beside {CHAIN}"))),
        (None, [_, None]) => return Err(properties.wrong(CHAIN, &format!("it is missing beside {KEY}"))),
        (Some(contents), _) if is_pkcs12(&contents) => {
            return of_pkcs12(properties, LOCATION, &contents).map(Some);
        }
        (Some(contents), _) => vec![(LOCATION, contents)],
    };
    let (mut chain, mut keys) = (Vec::new(), Vec::new());
    for (source, text) in &texts {
        let sections = sections(properties, source, text)?;
        chain.extend(certificates(&sections));
        for section in sections.iter().filter(|section| section.label.ends_with("PRIVATE KEY")) {
            keys.push(private_key(properties, source, section)?);
        }
    }
    let source = texts.first().map_or(LOCATION, |(source, _)| *source);
    match (keys.pop(), keys.len()) {
        (Some(key), 0) if !chain.is_empty() => Ok(Some((chain, key))),
        (Some(_), 0) => Err(properties.wrong(source, "it has no certificate")),
        (None, _) => Err(properties.wrong(source, "it has no private key")),
        (Some(_), _) => {
            Err(properties.wrong(source, "it has several private keys; leave that of the certificate"))
        }
    }
}

fn of_pkcs12(properties: &Properties, key: &str, contents: &Secret) -> Result<Identity, Failure> {
    const PASSWORD: &str = "ssl.keystore.password";
    let (of_store, of_keys) = (properties.secret(PASSWORD), properties.secret("ssl.key.password"));
    let store = read_pkcs12(contents.expose(), of_store, of_keys)
        .map_err(|error| explain(properties, key, PASSWORD, &error))?;
    let (own, chain) = store.key_and_chain().map_err(|reason| properties.wrong(key, &reason))?;
    let own = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.expose().to_vec()));
    Ok((chain.into_iter().map(CertificateDer::from).collect(), own))
}

fn explain(properties: &Properties, location: &str, password: &str, error: &StoreError) -> Failure {
    match error {
        StoreError::WrongPassword => properties.wrong(password, "the password does not open the store"),
        StoreError::NoPassword => properties.wrong(password, "the store is encrypted; set its password"),
        other => properties.wrong(location, &other.to_string()),
    }
}

fn private_key(
    properties: &Properties,
    source: &str,
    section: &PemSection,
) -> Result<PrivateKeyDer<'static>, Failure> {
    const PASSWORD: &str = "ssl.key.password";
    let der = || section.contents.expose().to_vec();
    Ok(match section.label.as_str() {
        "PRIVATE KEY" => PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der())),
        "RSA PRIVATE KEY" => PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(der())),
        "EC PRIVATE KEY" => PrivateKeyDer::Sec1(PrivateSec1KeyDer::from(der())),
        "ENCRYPTED PRIVATE KEY" => {
            let password = properties.secret(PASSWORD);
            let password = password.ok_or_else(|| {
                properties.wrong(PASSWORD, "it is missing, and the private key is encrypted")
            })?;
            let key = decrypt_key(&section.contents, password).map_err(|error| match error {
                StoreError::WrongPassword => {
                    properties.wrong(PASSWORD, "the password does not open the private key")
                }
                other => properties.wrong(source, &format!("the private key: {other}")),
            })?;
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.expose().to_vec()))
        }
        other => return Err(properties.wrong(source, &format!("keys of the kind {other:?} are not served"))),
    })
}

fn certificates(sections: &[PemSection]) -> Vec<CertificateDer<'static>> {
    let certificates = sections.iter().filter(|section| section.label.ends_with("CERTIFICATE"));
    certificates.map(|section| CertificateDer::from(section.contents.expose().to_vec())).collect()
}

fn sections(properties: &Properties, key: &str, text: &Secret) -> Result<Vec<PemSection>, Failure> {
    if text.expose().starts_with(&[0xfe, 0xed, 0xfe, 0xed]) {
        return Err(properties.wrong(
            key,
            "it is a Java keystore (JKS), which is not served; convert it: \
             `keytool -importkeystore -srckeystore OLD -destkeystore NEW.p12 -deststoretype PKCS12`",
        ));
    }
    match text.expose_text().map(pem::sections) {
        Some(Ok(sections)) if !sections.is_empty() => Ok(sections),
        Some(Err(error)) => Err(properties.wrong(key, &error.to_string())),
        _ => Err(properties
            .wrong(key, "it is neither PEM, which has a line -----BEGIN CERTIFICATE-----, nor PKCS12")),
    }
}

/// A SEQUENCE of DER, with which no PEM text begins.
fn is_pkcs12(contents: &Secret) -> bool {
    contents.expose().first() == Some(&0x30)
}

fn check_type(properties: &Properties, key: &str) -> Result<(), Failure> {
    match properties.text(key) {
        None | Some("PEM" | "PKCS12" | "JKS") => Ok(()),
        Some(_) => Err(properties.wrong(key, "it is none of PEM, PKCS12, JKS")),
    }
}
