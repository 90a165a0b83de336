//! The files of TLS, read again while the broker runs.
//!
//! Guarantees that a listener whose files have the same contents keeps its settings, so that its clients go on resuming sessions,
//! and that files which cannot be used make no settings. Contents are compared, not times: volumes of Kubernetes exchange a
//! symbolic link. `services/certificates.rs` has them read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::files::LOCATIONS;
use super::owner::{HTTP, Owner};
use super::{Resolver, TlsFiles, TlsSettings};
use crate::config::http_authentication::HttpAccess;
use crate::config::http_listener::HttpListener;
use crate::config::listener::Listener;
use crate::config::listener_keys::{HTTP_PREFIX, LISTENER_PREFIX, listener_key, narrowest, of_listener};
use crate::config::setting::Settings;

/// The settings of the start, and the contents of their files when they were read last.
pub(crate) struct TlsSource {
    settings: Settings,
    listeners: Vec<Listener>,
    http: (Option<HttpListener>, HttpAccess),
    /// Judged, and in force where they can be used.
    files: TlsFiles,
    /// As the last look found them.
    seen: TlsFiles,
    /// The settings that listeners have.
    in_force: BTreeMap<String, Arc<TlsSettings>>,
    /// The newest settings of listeners where they are out of date. They are judged again each time: a certificate becomes valid, or
    /// a clock is set. Kept, since opening a store with a password takes up to seconds of a core.
    out_of_date: BTreeMap<String, Made>,
}

/// Settings and the warnings about their files.
type Made = (Arc<TlsSettings>, Vec<String>);

/// New settings of a listener, or why its new files cannot be used.
pub(crate) struct Renewal {
    pub(crate) listener: String,
    pub(crate) outcome: Result<Arc<TlsSettings>, String>,
    /// Of files that can be used: for instance that every user can read a key.
    pub(crate) warnings: Vec<String>,
}

impl TlsSource {
    /// With the files as they were at the start.
    pub(in crate::config) fn new(
        settings: Settings,
        listeners: Vec<Listener>,
        http: (Option<HttpListener>, HttpAccess),
        files: TlsFiles,
        in_force: BTreeMap<String, Arc<TlsSettings>>,
    ) -> Self {
        Self { settings, listeners, http, seen: files.clone(), files, in_force, out_of_date: BTreeMap::new() }
    }

    /// Reads all files; one renewal for each listener of which a file has other contents than before. Blocks.
    ///
    /// `now` is Unix time in seconds: what is out of date is not taken in place of another.
    pub(crate) fn read(&mut self, now: i64) -> Vec<Renewal> {
        self.seen = TlsFiles::read(&self.settings);
        self.judge(now)
    }

    /// As [`Self::read`], for files that an operator may be writing at this moment: `None` if they changed since the last look.
    pub(crate) fn look(&mut self, now: i64) -> Option<Vec<Renewal>> {
        let files = TlsFiles::read(&self.settings);
        if !files.are_same(&self.seen) {
            self.seen = files;
            return None;
        }
        Some(self.judge(now))
    }

    fn judge(&mut self, now: i64) -> Vec<Renewal> {
        let (settings, listeners, files) = (&self.settings, &self.listeners, &self.seen);
        let mut renewals = Vec::new();
        for owner in Owner::all(listeners, (self.http.0.as_ref(), Some(&self.http.1))) {
            let mut named = LOCATIONS.into_iter().filter_map(|key| owner.narrowest(settings, listeners, key));
            let is_same = named.all(|(_, setting)| files.is_same(&self.files, setting));
            let name = owner.name();
            let (mut outcome, warnings) = match (self.out_of_date.remove(name), is_same) {
                (None, true) => continue,
                // The same files make the same settings.
                (Some((kept, warnings)), true) => (Ok(kept), warnings),
                (_, false) => made(settings, listeners, owner, files),
            };
            if let Ok(made) = &outcome {
                if let Some(reason) = out_of_date(made, self.in_force.get(name), now) {
                    self.out_of_date.insert(name.to_owned(), (Arc::clone(made), warnings.clone()));
                    outcome = Err(reason);
                } else {
                    self.in_force.insert(name.to_owned(), Arc::clone(made));
                }
            }
            renewals.push(Renewal { listener: name.to_owned(), outcome, warnings });
        }
        self.files = self.seen.clone();
        renewals
    }
}

/// Why new settings are not taken: their certificate, or a list of revoked ones, is out of date, and is not the one in force already. With
/// the same certificate new authorities and lists count: they keep clients out.
fn out_of_date(made: &TlsSettings, in_force: Option<&Arc<TlsSettings>>, now: i64) -> Option<String> {
    let is_over = |settings: &TlsSettings| settings.lists_until.is_some_and(|until| until < now);
    if in_force.is_none_or(|in_force| in_force.own != made.own)
        && let Some(reason) = made.own.out_of_date(now)
    {
        return Some(reason);
    }
    let is_worse = is_over(made) && in_force.is_none_or(|in_force| !is_over(in_force));
    is_worse.then(|| "a list in ottla.ssl.crl.location is out of date".to_owned())
}

/// The settings that these files make for a listener, and warnings about them.
fn made(
    settings: &Settings,
    listeners: &[Listener],
    owner: Owner<'_>,
    files: &TlsFiles,
) -> (Result<Arc<TlsSettings>, String>, Vec<String>) {
    let (mut problems, mut notes) = (Vec::new(), Vec::new());
    let (said, noted) = (&mut problems, &mut notes);
    let made = Resolver { settings, listeners, owner, files, problems: said, notes: noted }.tls();
    let made = match (made, problems.first()) {
        (_, Some(problem)) => Err(problem.to_string()),
        (Some(made), None) => Ok(Arc::new(made)),
        (None, None) => Err("the files cannot be used".to_owned()),
    };
    (made, notes.into_iter().filter(|note| note.is_warning).map(|note| note.text).collect())
}

/// Returns true if the key names a file of TLS, for all listeners, one or HTTP.
pub(crate) fn is_location(name: &str) -> bool {
    let key = match name.strip_prefix(LISTENER_PREFIX) {
        Some(rest) => listener_key(rest).map(|key| key.name),
        None => Some(name.strip_prefix(HTTP_PREFIX).unwrap_or(name)),
    };
    key.is_some_and(|key| LOCATIONS.contains(&key))
}

/// Returns true if the key names a file of that listener, or of all.
pub(crate) fn names_file_of(name: &str, listeners: &[Listener], listener: &str) -> bool {
    let is_its = |rest: &str| of_listener(rest, listeners).is_some_and(|named| named.name == listener);
    let is_of_another = name.starts_with(HTTP_PREFIX) && listener != HTTP;
    is_location(name) && !is_of_another && name.strip_prefix(LISTENER_PREFIX).is_none_or(is_its)
}

/// The file that such a key names, by itself or by the key of all listeners.
pub(in crate::config) fn location_in_force<'a>(
    settings: &'a Settings,
    listeners: &'a [Listener],
    name: &str,
) -> Option<&'a str> {
    let setting = match name.strip_prefix(LISTENER_PREFIX).map(|rest| (rest, listener_key(rest))) {
        None => settings.get(name)?,
        Some((rest, key)) => {
            narrowest(settings, listeners, of_listener(rest, listeners)?, None, key?.name)?.1
        }
    };
    Some(setting.value.trim())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{BrokerConfig, DynamicConfigs};
    use crate::testing::tls::{Authority, Certified, Kind};

    /// Between the dates of all certificates here.
    const NOW: i64 = 1_800_000_000;

    fn write(file: &Path, certified: &Certified) {
        std::fs::write(file, certified.certificate.clone() + &certified.key).unwrap();
    }

    fn config(file: &Path) -> BrokerConfig {
        BrokerConfig::from_pairs(&[
            ("listeners", "SAFE://127.0.0.1:0"),
            ("listener.security.protocol.map", "SAFE:SSL"),
            ("ssl.keystore.location", file.to_str().unwrap()),
        ])
        .unwrap()
    }

    fn subjects(renewals: Vec<Renewal>) -> Vec<Result<String, String>> {
        renewals.into_iter().map(|made| made.outcome.map(|made| made.own.subject.clone())).collect()
    }

    #[test]
    fn files_are_taken_once_they_stay_as_they_are() {
        let (authority, folder) = (Authority::new("tests"), tempfile::tempdir().unwrap());
        let file = folder.path().join("broker.pem");
        let certify = |name| authority.certify(name, Kind::Server);
        write(&file, &certify("first"));
        let mut source = config(&file).tls_source();
        let nothing = |looked: Option<Vec<Renewal>>| looked.is_some_and(|renewals| renewals.is_empty());
        assert!(nothing(source.look(NOW)));
        // The second could be used, but may be the beginning of the third: a certificate without those after it.
        write(&file, &certify("second"));
        assert!(source.look(NOW).is_none());
        write(&file, &certify("third"));
        assert!(source.look(NOW).is_none());
        let third = source.look(NOW).map(subjects);
        assert_eq!(third, Some(vec![Ok("CN=third,O=shop".to_owned())]));
        assert!(nothing(source.look(NOW)));
        // Who asks for it says that the files are complete.
        write(&file, &certify("fourth"));
        assert_eq!(subjects(source.read(NOW)), [Ok("CN=fourth,O=shop".to_owned())]);
    }

    #[test]
    fn an_early_certificate_is_judged_again() {
        let (authority, folder) = (Authority::new("tests"), tempfile::tempdir().unwrap());
        let file = folder.path().join("broker.pem");
        write(&file, &authority.certify("first", Kind::Server));
        let mut source = config(&file).tls_source();
        write(&file, &authority.certify("early", Kind::EarlyServer));
        let [Err(reason)] = &subjects(source.read(NOW))[..] else { panic!("it is taken") };
        assert!(reason.contains("is not valid yet; compare the clocks"), "{reason}");
        let kept = |source: &TlsSource| source.out_of_date.get("SAFE").map(|(made, _)| Arc::clone(made));
        let first = kept(&source).expect("it is kept");
        assert_eq!(subjects(source.read(NOW)).len(), 1, "again");
        // The store was opened every four seconds.
        assert!(kept(&source).is_some_and(|again| Arc::ptr_eq(&first, &again)), "the files are the same");
        const IN_THE_YEAR_3000: i64 = 32_503_680_000;
        assert_eq!(subjects(source.read(IN_THE_YEAR_3000)), [Ok("CN=early,O=shop".to_owned())]);
        assert!(source.read(IN_THE_YEAR_3000).is_empty() && kept(&source).is_none());
    }

    /// A client that changes the broker must not cost it the opening of its stores.
    #[test]
    fn values_given_at_run_time_leave_the_stores_closed() {
        let (authority, folder) = (Authority::new("tests"), tempfile::tempdir().unwrap());
        let file = folder.path().join("broker.pem");
        write(&file, &authority.certify("first", Kind::Server));
        let config = config(&file);
        let own = [("max.connections".to_owned(), "9".to_owned())].into();
        let changed = config.with_dynamic(DynamicConfigs { own, ..DynamicConfigs::default() }).unwrap();
        let tls = |config: &BrokerConfig| config.start().tls.get("SAFE").cloned().unwrap();
        assert!(Arc::ptr_eq(&tls(&config), &tls(&changed)) && changed.max_connections == 9);
    }
}
