//! The certificate that a listener shows to its clients.

use rustls::pki_types::CertificateDer;
use security::certificate::{facts, subject};

/// The facts of a listener's own certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCertificate {
    /// As text, in the spelling of Java.
    pub subject: String,
    /// In hexadecimal.
    pub serial: String,
    /// Unix time in seconds from which on it is valid.
    pub not_before: i64,
    /// Unix time in seconds of the last moment at which it is valid.
    pub not_after: i64,
    /// The same of it and the certificates between it and its authority: the first that ends.
    pub chain_not_after: i64,
}

impl OwnCertificate {
    /// `None`: a certificate of the chain is malformed.
    pub(super) fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let first = chain.first()?;
        let (own, subject) = (facts(first).ok()?, subject(first).ok()?);
        let ends = chain.iter().map(|one| facts(one).map(|facts| facts.not_after).ok());
        Some(Self {
            subject,
            serial: own.serial.iter().map(|byte| format!("{byte:02x}")).collect(),
            not_before: own.not_before,
            not_after: own.not_after,
            chain_not_after: ends.collect::<Option<Vec<_>>>()?.into_iter().min()?,
        })
    }

    /// Returns why no client would accept it at `now`, Unix time in seconds. An expired certificate after it is no reason: clients
    /// that know another path to an authority accept it.
    pub(crate) fn out_of_date(&self, now: i64) -> Option<String> {
        let serial = &self.serial;
        if self.not_after < now {
            Some(format!("the certificate {serial} has expired"))
        } else if now < self.not_before {
            Some(format!("the certificate {serial} is not valid yet; compare the clocks"))
        } else {
            None
        }
    }
}
