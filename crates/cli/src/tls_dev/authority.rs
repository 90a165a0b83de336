//! The authority of a folder, and what it signs. Keys are of P-256, signatures of ECDSA with SHA-256: every TLS library has both.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use security::Secret;
use security::certificate::{AlternativeName, Facts, alternative_names, facts, subject};
use security::pem;
use security::stores::{NewStore, write_pkcs12};
use zeroize::Zeroizing;

use super::{DAY_SECONDS, RENEWED_WITHIN_SECONDS};
use crate::failure::Failure;
use crate::random;

/// The name of an authority begins so; a random end tells two of them apart, so that no chain is put together of both.
const NAME: &str = "Ottla development authority ";
const AUTHORITY_DAYS: i64 = 3650;
/// Browsers and Apple's libraries refuse more than 398.
const LEAF_DAYS: i64 = 397;
/// Before now, as clocks of other machines may be late.
const EARLIER_SECONDS: i64 = 3600;

/// An authority with its key.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    key_pem: Zeroizing<String>,
    certificate: Vec<u8>,
    expires: i64,
}

/// A certificate that was found in the folder.
pub(super) struct Judged {
    /// It has all names, and is valid for longer than 30 days.
    pub(super) is_good: bool,
    /// Days for which it is valid.
    pub(super) days: i64,
    pub(super) names: Vec<AlternativeName>,
}

/// A new certificate with its key.
pub(super) struct Certified {
    certificate_pem: String,
    certificate: Vec<u8>,
    key_pem: Zeroizing<String>,
    key: Secret,
}

impl Authority {
    /// A new one, at this Unix time in seconds.
    pub(super) fn make(now: i64) -> Result<Self, Failure> {
        let name = format!("{NAME}{}", random::text(8));
        let key = KeyPair::generate().map_err(|error| impossible(&error))?;
        let mut params = authority_params(&name);
        valid(&mut params, now, AUTHORITY_DAYS);
        let made = params.self_signed(&key).map_err(|error| impossible(&error))?;
        let (pem, key_pem) = (made.pem(), Zeroizing::new(key.serialize_pem()));
        Self::load(&pem, &Secret::new(key_pem.as_bytes())).map_err(Failure::failed)
    }

    /// From its files.
    ///
    /// # Errors
    /// They were not made here, or do not belong together.
    pub(super) fn load(certificate_pem: &str, key_pem: &Secret) -> Result<Self, String> {
        let sections = pem::sections(certificate_pem).map_err(|error| error.to_string())?;
        let certificate = sections.first().ok_or("it is not PEM")?.contents.expose().to_vec();
        let found = facts(&certificate).map_err(|error| error.to_string())?;
        // The names of what it signs are made anew of this text.
        let name = subject(&certificate).map_err(|error| error.to_string())?;
        let name = name.strip_prefix("CN=").filter(|name| name.starts_with(NAME) && found.is_authority).ok_or(
            "it is no authority that this command made: give another folder, and use OpenSSL for your own authority",
        )?;
        let key_text = key_pem.expose_text().ok_or("its key is not PEM")?;
        let key = KeyPair::from_pem(key_text).map_err(|_| "its key (ca.key) cannot be read")?;
        let is_own = {
            let public = key.public_key_raw();
            certificate.windows(public.len()).any(|window| window == public)
        };
        if !is_own {
            return Err("its key (ca.key) is that of another certificate".to_owned());
        }
        Ok(Self {
            issuer: Issuer::new(authority_params(name), key),
            pem: certificate_pem.to_owned(),
            key_pem: Zeroizing::new(key_text.to_owned()),
            expires: found.not_after,
            certificate,
        })
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Unix time in seconds.
    pub(super) fn expires(&self) -> i64 {
        self.expires
    }

    /// Its certificate as PKCS12.
    pub(super) fn truststore(&self, password: &Secret) -> Result<Secret, Failure> {
        let authorities = [self.certificate.clone()];
        store(&NewStore { name: "ca", key: None, authorities: &authorities }, password)
    }

    /// Judges the first certificate of a PEM text; `None` if there is none of this authority.
    pub(super) fn judge(&self, pem: &Secret, names: &[AlternativeName], now: i64) -> Option<Judged> {
        let sections = pem.expose_text().and_then(|text| pem::sections(text).ok())?;
        let has_key = sections.iter().any(|section| section.label == "PRIVATE KEY");
        let certificate = sections.iter().find(|section| section.label == "CERTIFICATE")?.contents.expose();
        let own: Facts<'_> = facts(&self.certificate).ok()?;
        let found = facts(certificate).ok().filter(|found| found.issuer == own.subject && has_key)?;
        let has = alternative_names(certificate).ok()?;
        let left = found.not_after - now;
        let is_good = left >= RENEWED_WITHIN_SECONDS && names.iter().all(|name| has.contains(name));
        Some(Judged { is_good, days: left / DAY_SECONDS, names: has })
    }

    /// A new key with its certificate: of a server if there are names, else of a client.
    pub(super) fn certify(
        &self,
        subject: &str,
        names: &[AlternativeName],
        now: i64,
    ) -> Result<Certified, Failure> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(subject);
        params.subject_alt_names = names.iter().map(san).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Of a server both, as a broker is a client of others where brokers form a cluster.
        params.extended_key_usages = match names.is_empty() {
            true => vec![ExtendedKeyUsagePurpose::ClientAuth],
            false => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        };
        params.use_authority_key_identifier_extension = true;
        valid(&mut params, now, LEAF_DAYS.min((self.expires - now) / DAY_SECONDS));
        let key = KeyPair::generate().map_err(|error| impossible(&error))?;
        let made = params.signed_by(&key, &self.issuer).map_err(|error| impossible(&error))?;
        Ok(Certified {
            certificate_pem: made.pem(),
            certificate: made.der().to_vec(),
            key: Secret::new(key.serialized_der()),
            key_pem: Zeroizing::new(key.serialize_pem()),
        })
    }
}

impl Certified {
    /// Key and certificate in one text, as Kafka wants a keystore of PEM.
    pub(super) fn pem(&self) -> Secret {
        let mut text = Zeroizing::new(String::with_capacity(self.key_pem.len() + self.certificate_pem.len()));
        text.push_str(&self.key_pem);
        text.push_str(&self.certificate_pem);
        Secret::new(text.as_bytes())
    }

    /// Key, certificate and that of the authority as PKCS12.
    pub(super) fn store(
        &self,
        name: &str,
        authority: &Authority,
        password: &Secret,
    ) -> Result<Secret, Failure> {
        let chain = [self.certificate.clone(), authority.certificate.clone()];
        store(&NewStore { name, key: Some((&self.key, &chain)), authorities: &[] }, password)
    }
}

fn store(contents: &NewStore<'_>, password: &Secret) -> Result<Secret, Failure> {
    write_pkcs12(contents, password, &random::of_store())
        .map_err(|error| Failure::failed(format!("the password file is of no use: {error}; remove it")))
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    // It signs clients and servers, and no other authorities.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut whole = DistinguishedName::new();
    whole.push(DnType::CommonName, name);
    whole
}

fn san(name: &AlternativeName) -> Result<SanType, Failure> {
    Ok(match name {
        AlternativeName::Dns(name) => SanType::DnsName(name.as_str().try_into().map_err(|_| {
            Failure::failed(format!("{name:?} cannot stand in a certificate: it is not ASCII"))
        })?),
        AlternativeName::Address(address) => SanType::IpAddress(IpAddr::to_canonical(address)),
    })
}

/// Valid from an hour ago for that many days.
fn valid(params: &mut CertificateParams, now: i64, days: i64) {
    let at = |seconds: i64| date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds.max(0).unsigned_abs());
    params.not_before = at(now - EARLIER_SECONDS);
    params.not_after = at(now + days * DAY_SECONDS);
}

/// Of a library that failed at what cannot fail with these arguments.
fn impossible(error: &rcgen::Error) -> Failure {
    Failure::failed(format!("cannot make a certificate: {error}"))
}
