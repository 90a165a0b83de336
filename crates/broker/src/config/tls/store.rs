//! Keystore and truststore: from PEM texts and PKCS12 files to certificates and keys.
//!
//! The contents of a file decide what it is, not the key of its type: keytool writes PKCS12 into files that end in `.jks`.

mod pem;
mod pkcs12;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, Error, RootCertStore};
use security::Secret;
use security::stores::{Pkcs12, StoreError};

use super::Resolver;
use crate::config::problem::{Note, Origin};
use crate::config::setting::Setting;

/// The broker's own certificate and key.
pub(super) struct Identity {
    /// The broker's first, then those that lead to an authority.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    /// The key of the configuration that gave them.
    pub(super) source: &'static str,
}

/// The four keys of a store.
struct StoreKeys {
    kind: &'static str,
    location: &'static str,
    password: &'static str,
    /// The keys that hold the texts themselves, all or none of them.
    inline: &'static [&'static str],
}

const KEYSTORE: StoreKeys = StoreKeys {
    kind: "ssl.keystore.type",
    location: "ssl.keystore.location",
    password: "ssl.keystore.password",
    inline: &["ssl.keystore.key", "ssl.keystore.certificate.chain"],
};
const TRUSTSTORE: StoreKeys = StoreKeys {
    kind: "ssl.truststore.type",
    location: "ssl.truststore.location",
    password: "ssl.truststore.password",
    inline: &["ssl.truststore.certificates"],
};

/// The contents of a store.
enum Contents {
    /// PEM texts, each with the key that has it.
    Pem(Vec<(&'static str, Secret)>),
    /// A PKCS12 file.
    Pkcs12(Pkcs12),
}

impl Resolver<'_> {
    /// Certificate and key of the broker; `None` after a problem.
    pub(super) fn identity(&mut self) -> Option<Identity> {
        let Some(contents) = self.contents(&KEYSTORE)? else {
            let reason =
                "it is missing; name a PEM or PKCS12 file with the broker's private key and its certificates";
            self.wrong(KEYSTORE.location, reason);
            return None;
        };
        match contents {
            Contents::Pem(texts) => self.identity_of_pem(texts),
            Contents::Pkcs12(store) => match pkcs12::identity(store) {
                Ok((chain, key)) => Some(Identity { chain, key, source: KEYSTORE.location }),
                Err(reason) => {
                    self.wrong(KEYSTORE.location, &reason);
                    None
                }
            },
        }
    }

    /// The authorities of clients' certificates; the inner `None`: none are named.
    pub(super) fn authorities(&mut self) -> Option<Option<RootCertStore>> {
        let texts = match self.contents(&TRUSTSTORE)? {
            None => return Some(None),
            Some(Contents::Pem(texts)) => texts,
            Some(Contents::Pkcs12(store)) => {
                return match pkcs12::authorities(store) {
                    Ok(authorities) => Some(Some(authorities)),
                    Err(reason) => {
                        self.wrong(TRUSTSTORE.location, &reason);
                        None
                    }
                };
            }
        };
        let mut authorities = RootCertStore::empty();
        for (key, text) in texts {
            for section in self.sections(key, &text)? {
                // A file with a key in it as well is one that was copied too far, and no harm here.
                if !section.label.ends_with("CERTIFICATE") {
                    continue;
                }
                let added = pem::certificate(&section)
                    .and_then(|certificate| add_authority(&mut authorities, certificate));
                if let Err(reason) = added {
                    let number = authorities.len() + 1;
                    self.wrong(key, &format!("certificate {number} cannot be used: {reason}"));
                    return None;
                }
            }
            if authorities.is_empty() {
                self.wrong(key, "it has no certificate; put those of the authorities into it, as PEM");
                return None;
            }
        }
        Some(Some(authorities))
    }

    /// The contents of a store; the inner `None`: there is none.
    fn contents(&mut self, store: &StoreKeys) -> Option<Option<Contents>> {
        let kind = self.text(store.kind)?.value;
        if !["PEM", "JKS", "PKCS12"].contains(&kind.as_str()) {
            self.wrong(store.kind, &format!("{kind} is no type of a store; give PEM or PKCS12"));
            return None;
        }
        let inline: Vec<_> =
            store.inline.iter().filter_map(|key| Some((*key, self.set_text(key)?))).collect();
        let location = self.set_text(store.location);
        let texts = match (inline.is_empty(), location) {
            (true, None) => return Some(None),
            (false, Some(_)) => {
                self.wrong(
                    store.location,
                    &format!("{} is set as well; leave one of them", store.inline.join(", ")),
                );
                return None;
            }
            (false, None) => {
                // As in Kafka (`DefaultSslEngineFactory`).
                if kind != "PEM" {
                    let reason = format!("{} hold PEM; set it to PEM", store.inline.join(", "));
                    self.wrong(store.kind, &reason);
                    return None;
                }
                if let Some(missing) =
                    store.inline.iter().find(|key| !inline.iter().any(|(set, _)| set == *key))
                {
                    self.wrong(missing, "it is missing; set it, or name a file");
                    return None;
                }
                inline.into_iter().map(|(key, text)| (key, Secret::new(text.value))).collect()
            }
            (true, Some(text)) => {
                let contents = self.file(store, &text)?;
                if pkcs12::is_one(contents.expose()) {
                    return self.pkcs12(store, &contents).map(|found| Some(Contents::Pkcs12(found)));
                }
                vec![(store.location, contents)]
            }
        };
        if self.set_text(store.password).is_some() {
            // As in Kafka: a password that protects nothing is a mistake.
            self.wrong(
                store.password,
                "a store of PEM has no password; remove it, and protect the file by its permissions, or encrypt the key and set \
                 ssl.key.password",
            );
            return None;
        }
        Some(Some(Contents::Pem(texts)))
    }

    /// The contents of a PKCS12 file.
    fn pkcs12(&mut self, store: &StoreKeys, contents: &Secret) -> Option<Pkcs12> {
        let password = |text: Option<super::Text<'_>>| text.map(|text| Secret::new(text.value));
        let of_store = password(self.set_text(store.password));
        let of_keys =
            password(self.set_text("ssl.key.password")).filter(|_| store.location == KEYSTORE.location);
        let error =
            match security::stores::read_pkcs12(contents.expose(), of_store.as_ref(), of_keys.as_ref()) {
                Ok(found) => return Some(found),
                Err(error) => error,
            };
        let (key, reason) = match error {
            StoreError::NoPassword => {
                (store.password, format!("{} is encrypted; set its password", store.location))
            }
            StoreError::WrongPassword if of_keys.is_some() => {
                (store.password, "this password or that of ssl.key.password is wrong".to_owned())
            }
            StoreError::WrongPassword => (store.password, "the password is wrong".to_owned()),
            StoreError::Malformed => (store.location, "it is no PKCS12 store, or it is damaged".to_owned()),
            other => (
                store.location,
                format!(
                    "{other}; write the store anew with `keytool -importkeystore -srckeystore STORE -destkeystore NEW \
                     -deststoretype PKCS12`"
                ),
            ),
        };
        self.wrong(key, &reason);
        None
    }

    /// The contents of the file that a setting names.
    fn file(&mut self, store: &StoreKeys, text: &super::Text<'_>) -> Option<Secret> {
        let file = match self.files.of(text.setting?) {
            Ok(file) => file,
            Err(reason) => {
                self.wrong(store.location, &reason);
                return None;
            }
        };
        if let Some(reason) = other_store(file.contents.expose()) {
            self.wrong(store.location, &reason);
            return None;
        }
        if file.is_public && store.location == KEYSTORE.location {
            let key = &text.key;
            let path = match text.setting {
                Some(Setting { origin: Origin::Provider(..), .. }) | None => "the file",
                Some(setting) => setting.value.trim(),
            };
            self.notes.push(Note::warn(format!(
                "{key}: every user of this machine can read {path}; run `chmod o-r` on it"
            )));
        }
        Some(file.contents)
    }
}

/// Why a file cannot be used that is neither PEM nor PKCS12, with the command that converts it.
fn other_store(contents: &[u8]) -> Option<String> {
    match contents {
        [0xfe, 0xed, 0xfe, 0xed, ..] => Some(
            "it is a Java store (JKS); convert it with `keytool -importkeystore -srckeystore STORE -destkeystore store.p12 \
             -deststoretype PKCS12`, and name store.p12"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Why certificate and key cannot be used together.
pub(super) fn explain_identity(error: &Error) -> String {
    match error {
        Error::InconsistentKeys(_) => {
            "the private key is not that of the first certificate; the broker's own comes first".to_owned()
        }
        other => format!("certificate and key cannot be used: {}", explain(other)),
    }
}

/// Adds a certificate that is one of an authority.
///
/// # Errors
/// Why it is not.
fn add_authority(
    authorities: &mut RootCertStore,
    certificate: CertificateDer<'static>,
) -> Result<(), String> {
    authorities.add(certificate.clone()).map_err(|error| explain(&error))?;
    if !security::certificate::facts(&certificate).is_ok_and(|facts| facts.is_authority) {
        // Who holds its key could make certificates of any name, and webpki would take them.
        return Err("it is not one of an authority (basicConstraints has no CA:TRUE); put that of the authority that issued it here, \
                    or make clients' certificates by an authority"
            .to_owned());
    }
    Ok(())
}

/// An error about a certificate, with the remedy where there is a usual one.
fn explain(error: &Error) -> String {
    let text = error.to_string();
    match error {
        Error::InvalidCertificate(CertificateError::Other(_)) if text.contains("UnsupportedCertVersion") => {
            "it is an X.509 certificate of version 1; make one of version 3, with `openssl x509 -req -extfile`".to_owned()
        }
        Error::InvalidCertificate(CertificateError::BadEncoding) => "it is no X.509 certificate".to_owned(),
        _ => text,
    }
}
