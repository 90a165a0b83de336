//! Lists of revoked certificates (`ottla.ssl.crl.location`), which Kafka does not have.

use std::collections::BTreeSet;

use rustls::pki_types::CertificateRevocationListDer;
use security::certificate::list_facts;
use security::pem;

use super::Resolver;
use super::files::CRL_LOCATION;
use crate::config::problem::Note;

/// The lists of a listener, the newest of each authority first: of several only the first counts.
#[derive(Default)]
pub(super) struct Revoked {
    pub(super) lists: Vec<CertificateRevocationListDer<'static>>,
    /// Unix time in seconds from which on one that counts is out of date; `None`: there are no lists.
    pub(super) until: Option<i64>,
}

impl Resolver<'_> {
    /// The lists, in PEM or one in DER. `None`: they cannot be used.
    pub(super) fn revoked(&mut self) -> Option<Revoked> {
        let Some(text) = self.set_text(CRL_LOCATION) else { return Some(Revoked::default()) };
        if self.client_auth() == Some(super::ClientAuth::None) {
            let (key, owner) = (&text.key, self.owner);
            let line = format!("{key} does nothing on {owner}, as its ssl.client.auth is none");
            self.notes.push(Note::warn(line));
        }
        let lists =
            self.files.of(text.setting?).and_then(|file| lists(file.contents.expose())).and_then(in_order);
        match lists {
            Ok(revoked) => Some(revoked),
            Err(reason) => {
                self.wrong(CRL_LOCATION, &reason);
                None
            }
        }
    }
}

/// Puts the newest list of each authority first.
fn in_order(mut lists: Vec<CertificateRevocationListDer<'static>>) -> Result<Revoked, String> {
    let is_list = |list: &CertificateRevocationListDer<'_>| list_facts(list).is_ok();
    if !lists.iter().all(is_list) {
        return Err("a list in it cannot be used: it is malformed".to_owned());
    }
    let made = |list: &CertificateRevocationListDer<'_>| {
        list_facts(list).map_or(i64::MIN, |facts| facts.this_update)
    };
    lists.sort_by_key(|list| std::cmp::Reverse(made(list)));
    let mut authorities = BTreeSet::new();
    let count = lists
        .iter()
        .filter_map(|list| list_facts(list).ok())
        .filter(|facts| authorities.insert(facts.issuer));
    let until = count.map(|facts| facts.next_update.unwrap_or(i64::MAX)).min();
    Ok(Revoked { until, lists })
}

fn lists(contents: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    // DER, as authorities publish one.
    if contents.first() == Some(&0x30) {
        return Ok(vec![CertificateRevocationListDer::from(contents.to_vec())]);
    }
    let text = std::str::from_utf8(contents).map_err(|_| "it is neither PEM nor DER".to_owned())?;
    let sections = pem::sections(text).map_err(|error| error.to_string())?;
    let lists = sections.into_iter().filter(|section| section.label == "X509 CRL");
    let lists: Vec<_> =
        lists.map(|one| CertificateRevocationListDer::from(one.contents.expose().to_vec())).collect();
    if lists.is_empty() {
        return Err("it has no revocation list, which begins with -----BEGIN X509 CRL-----".to_owned());
    }
    Ok(lists)
}
