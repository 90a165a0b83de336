//! The key with its chain out of PEM texts.

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use security::Secret;
use security::pem::{self, PemSection};
use security::stores::{StoreError, decrypt_key};

use super::{Identity, KEYSTORE, Resolver};

/// The remedy for a key that is encrypted in another way.
const ENCRYPT_ANEW: &str = "encrypt it anew with `openssl pkcs8 -topk8 -in KEY -out NEW`";

impl Resolver<'_> {
    /// Certificate and key of the broker; `None` after a problem.
    pub(super) fn identity_of_pem(&mut self, texts: Vec<(&'static str, Secret)>) -> Option<Identity> {
        let (mut chain, mut keys) = (Vec::new(), Vec::new());
        let source = texts.first()?.0;
        for (key, text) in texts {
            for section in self.sections(key, &text)? {
                match section.label.as_str() {
                    "CERTIFICATE" | "TRUSTED CERTIFICATE" | "X509 CERTIFICATE" => match certificate(&section)
                    {
                        Ok(found) => chain.push(found),
                        Err(reason) => {
                            self.wrong(
                                key,
                                &format!("certificate {} cannot be used: {reason}", chain.len() + 1),
                            );
                            return None;
                        }
                    },
                    // `openssl ecparam -genkey` writes them before the key, which names its curve itself.
                    "EC PARAMETERS" => {}
                    label => match self.private_key(key, label, &section)? {
                        Some(found) => keys.push(found),
                        None => {
                            let known = "CERTIFICATE, PRIVATE KEY, ENCRYPTED PRIVATE KEY, RSA PRIVATE KEY, EC PRIVATE KEY";
                            let label: String = label.chars().take(40).collect();
                            let reason =
                                format!("a section {label:?} has no meaning here; known are {known}");
                            self.wrong(key, &reason);
                            return None;
                        }
                    },
                }
            }
        }
        if chain.is_empty() {
            let reason =
                "it has no certificate; put the broker's first, then those that lead to its authority";
            self.wrong(
                KEYSTORE.inline.last().filter(|_| source != KEYSTORE.location).copied().unwrap_or(source),
                reason,
            );
            return None;
        }
        let count = keys.len();
        match (keys.pop(), count) {
            (Some(key), 1) => Some(Identity { chain, key, source }),
            (None, _) => {
                self.wrong(source, "it has no private key; put the key of the certificate into it");
                None
            }
            (Some(_), count) => {
                self.wrong(source, &format!("it has {count} private keys; leave that of the certificate"));
                None
            }
        }
    }

    /// The key in a section of PEM; the inner `None`: sections with that label hold none. With `ssl.key.password` it has to be
    /// encrypted, as in Kafka: a password that protects nothing is a mistake.
    fn private_key(
        &mut self,
        key: &'static str,
        label: &str,
        section: &PemSection,
    ) -> Option<Option<PrivateKeyDer<'static>>> {
        const PASSWORD: &str = "ssl.key.password";
        let password = self.set_text(PASSWORD).map(|text| Secret::new(text.value));
        match (label, password) {
            ("ENCRYPTED PRIVATE KEY", Some(password)) => match decrypt_key(&section.contents, &password) {
                Ok(found) => Some(plain_key("PRIVATE KEY", &found)),
                Err(StoreError::WrongPassword) => {
                    self.wrong(PASSWORD, "the password is wrong");
                    None
                }
                Err(error) => {
                    self.wrong(key, &format!("the private key cannot be decrypted: {error}; {ENCRYPT_ANEW}"));
                    None
                }
            },
            ("ENCRYPTED PRIVATE KEY", None) => {
                self.wrong(key, "the private key is encrypted; set ssl.key.password");
                None
            }
            (label, password) => {
                let found = plain_key(label, &section.contents);
                if found.is_some() && password.is_some() {
                    self.wrong(
                        PASSWORD,
                        "the private key is not encrypted; remove the password, or encrypt the key",
                    );
                    return None;
                }
                Some(found)
            }
        }
    }

    /// The sections of a PEM text, at least one.
    pub(super) fn sections(&mut self, key: &'static str, text: &Secret) -> Option<Vec<PemSection>> {
        let reason = match text.expose_text().map(pem::sections) {
            Some(Ok(sections)) if !sections.is_empty() => return Some(sections),
            Some(Err(pem::PemError::Headers(number))) => format!(
                "section {number} is a key that OpenSSL encrypted in its traditional format, which is not served; {ENCRYPT_ANEW}"
            ),
            Some(Err(error)) => error.to_string(),
            Some(Ok(_)) | None => "it is not PEM, which has a line -----BEGIN CERTIFICATE-----".to_owned(),
        };
        self.wrong(key, &reason);
        None
    }
}

/// The certificate of a section.
///
/// # Errors
/// It has more than a certificate.
pub(super) fn certificate(section: &PemSection) -> Result<CertificateDer<'static>, String> {
    if section.label == "TRUSTED CERTIFICATE" {
        // OpenSSL's own form: after the certificate it says what that is trusted for, which would be ignored here.
        return Err("it is a TRUSTED CERTIFICATE of OpenSSL, with the uses that it is trusted for; write it as CERTIFICATE with \
                    `openssl x509 -in FILE -out NEW`"
            .to_owned());
    }
    Ok(CertificateDer::from(section.contents.expose().to_vec()))
}

/// `None`: sections with that label hold no key.
fn plain_key(label: &str, contents: &Secret) -> Option<PrivateKeyDer<'static>> {
    let der = || contents.expose().to_vec();
    match label {
        "PRIVATE KEY" => Some(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der()))),
        "RSA PRIVATE KEY" => Some(PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(der()))),
        "EC PRIVATE KEY" => Some(PrivateKeyDer::Sec1(PrivateSec1KeyDer::from(der()))),
        _ => None,
    }
}
