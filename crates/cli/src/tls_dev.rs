//! `ottla tls dev`: certificates for development, in one folder.
//!
//! ```text
//! ca.pem ca.key                the authority; never overwritten
//! server.pem server.p12        the broker's key and certificate, for every name and address of this machine
//! server.properties            a configuration for `ottla serve`; written once
//! truststore.p12               ca.pem as PKCS12
//! password                     password of all PKCS12 files
//! client.properties            settings of a client of Java, with the first client's certificate; written once
//! clients/NAME.pem NAME.p12    key and certificate of a client, whose principal is User:NAME
//! clients.md                   how clients of each library use them
//! hosts                        further names of the broker, from `--host`
//! ```
//! A second run makes what is missing, what expires within 30 days, and a server's certificate that lacks a name of this machine. A new
//! certificate has the names of `hosts` and those that the machine has now: one that moved to another network needs no certificate for
//! an address that another machine may have meanwhile. That an address is gone makes no certificate new. The folder is open to its
//! owner alone, and so are all files that hold a key.

mod authority;
mod folder;
mod hosts;
mod names;
mod texts;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use security::certificate::AlternativeName;

use crate::failure::Failure;
use crate::tls_dev::authority::Authority;
use crate::tls_dev::folder::Folder;
use crate::{clock, random};

/// `ottla tls …`
#[derive(Debug, Subcommand)]
pub enum TlsCommand {
    /// Makes an authority for development, and certificates of a server and of clients; renews those that expire.
    Dev(DevArguments),
}

/// Arguments of `ottla tls dev`.
#[derive(Debug, Args)]
pub struct DevArguments {
    /// Folder of the certificates; made if it is missing.
    #[arg(value_name = "DIR", default_value = "tls")]
    folder: PathBuf,
    /// A further host name or address of the broker, which later runs keep; may be given several times.
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// A client that gets a certificate; may be given several times [default: client]
    #[arg(long = "client", value_name = "NAME")]
    clients: Vec<String>,
}

/// Makes what is missing; returns the report.
///
/// # Errors
/// An argument makes no sense, or a file cannot be read or written.
pub(crate) fn run(arguments: &DevArguments) -> Result<String, Failure> {
    let given = arguments.hosts.iter().map(|host| names::parse(host)).collect::<Result<Vec<_>, _>>()?;
    let folder = Folder::open(&arguments.folder)?;
    let mut names = names::of_this_machine();
    names.extend(hosts::kept(&folder, given)?);
    names.sort();
    names.dedup();
    let clients = clients(&folder, &arguments.clients)?;
    let mut set = Set { folder, now: clock::since_1970().as_secs().cast_signed(), report: Vec::new() };
    set.report.extend(set.folder.warning());
    set.make(&names, &clients)
}

/// The clients that were asked for, and those that have a certificate; the first is that of client.properties.
fn clients(folder: &Folder, wanted: &[String]) -> Result<Vec<String>, Failure> {
    let mut clients: Vec<String> = Vec::new();
    for name in wanted {
        let is_known = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(is_known) {
            return Err(Failure::usage(format!(
                "--client {name:?}: a name has up to 64 letters, digits, dots, - and _, and begins with no dot"
            )));
        }
        clients.push(name.clone());
    }
    for name in folder.clients()? {
        if !clients.contains(&name) {
            clients.push(name);
        }
    }
    if clients.is_empty() {
        clients.push("client".to_owned());
    }
    Ok(clients)
}

/// One run.
struct Set {
    folder: Folder,
    /// Unix time in seconds.
    now: i64,
    /// Lines for the user.
    report: Vec<String>,
}

impl Set {
    fn make(&mut self, names: &[AlternativeName], clients: &[String]) -> Result<String, Failure> {
        let authority = self.authority()?;
        let password = match self.folder.secret("password")? {
            Some(password) => password,
            None => {
                let password = random::password();
                self.folder.write_private("password", password.expose())?;
                // The old password is lost, and with it all stores that it opened.
                self.folder.remove_stores()?;
                self.report.push("made password, of all PKCS12 files".to_owned());
                password
            }
        };
        if !self.folder.has("truststore.p12") {
            self.folder.write("truststore.p12", authority.truststore(&password)?.expose())?;
            self.report.push("made truststore.p12".to_owned());
        }
        self.certify(&authority, "server", names, &password)?;
        for client in clients {
            self.certify(&authority, &format!("clients/{client}"), &[], &password)?;
        }
        self.texts(clients)?;
        let folder = self.folder.path().display();
        self.report.push(format!(
            "\nStart a broker with\n  ottla serve --config {folder}/server.properties\nand give a client of Java\n  \
             {folder}/client.properties\nClients of other libraries: {folder}/clients.md"
        ));
        Ok(format!("{}\n", self.report.join("\n")))
    }

    /// The authority of the folder, made if there is none.
    fn authority(&mut self) -> Result<Authority, Failure> {
        let certificate = self.folder.text("ca.pem")?;
        let key = self.folder.secret("ca.key")?;
        let shown = self.folder.path().display().to_string();
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                let authority = Authority::load(&certificate, &key)
                    .map_err(|reason| Failure::failed(format!("{shown}/ca.pem: {reason}")))?;
                let left = authority.expires() - self.now;
                if left < RENEWED_WITHIN_SECONDS {
                    return Err(Failure::failed(format!(
                        "{shown}/ca.pem expires within 30 days, and an authority is never overwritten: move the folder away, run \
                         this command again, and give clients the new ca.pem"
                    )));
                }
                self.report.push(format!("kept ca.pem, which is valid for {} days", left / DAY_SECONDS));
                Ok(authority)
            }
            (None, None) => {
                let authority = Authority::make(self.now)?;
                // The key first: a certificate without its key would stop the next run.
                self.folder.write_private("ca.key", authority.key_pem().as_bytes())?;
                self.folder.write("ca.pem", authority.pem().as_bytes())?;
                self.report.push("made ca.pem and ca.key, the authority".to_owned());
                // Certificates of another authority are of no use.
                self.folder.remove_certificates()?;
                Ok(authority)
            }
            (Some(_), None) => Err(Failure::failed(format!(
                "{shown}/ca.pem has no ca.key beside it, so nothing can be signed: put it back, or give another folder"
            ))),
            (None, Some(_)) => Err(Failure::failed(format!(
                "{shown}/ca.key has no ca.pem beside it: put it back, or give another folder"
            ))),
        }
    }

    /// Makes key, certificate and PKCS12 file of that name, unless they are good. With names it is one of a server.
    fn certify(
        &mut self,
        authority: &Authority,
        name: &str,
        names: &[AlternativeName],
        password: &security::Secret,
    ) -> Result<(), Failure> {
        let (pem, store) = (format!("{name}.pem"), format!("{name}.p12"));
        let present = self.folder.secret(&pem)?.filter(|_| self.folder.has(&store));
        let present = present.as_ref().and_then(|pem| authority.judge(pem, names, self.now));
        let (word, old_names) = match present {
            Some(judged) if judged.is_good => {
                self.report.push(format!("kept {pem}, which is valid for {} days", judged.days));
                return Ok(());
            }
            Some(judged) => ("renewed", judged.names),
            None => ("made", Vec::new()),
        };
        let subject = name.rsplit('/').next().unwrap_or(name);
        let subject = if names.is_empty() { subject } else { "broker" };
        let certified = authority.certify(subject, names, self.now)?;
        let bytes = certified.store(subject, authority, password)?;
        // Without the PEM file, both are made again by the next run if this one is stopped here.
        self.folder.remove(&pem)?;
        self.folder.write_private(&store, bytes.expose())?;
        self.folder.write_private(&pem, certified.pem().expose())?;
        self.report.push(format!("{word} {pem} and {store}"));
        if !names.is_empty() {
            self.report.push(format!("  for {}", listed(names)));
        }
        let gone: Vec<AlternativeName> = old_names.into_iter().filter(|name| !names.contains(name)).collect();
        if !gone.is_empty() {
            let gone = listed(&gone);
            self.report
                .push(format!("  no longer for {gone}: this machine has these no more (--host keeps one)"));
        }
        Ok(())
    }

    /// Configurations, unless they are there already: an operator may have changed them. And the page about clients.
    fn texts(&mut self, clients: &[String]) -> Result<(), Failure> {
        let folder = self.folder.path().display().to_string();
        let first = clients.first().map_or("client", String::as_str);
        for (name, text) in [
            ("server.properties", texts::SERVER_PROPERTIES.to_owned()),
            ("client.properties", texts::client_properties(&folder, first)),
        ] {
            if !self.folder.has(name) {
                self.folder.write(name, text.as_bytes())?;
                self.report.push(format!("made {name}"));
            }
        }
        self.folder.write("clients.md", texts::clients_page(&folder, first).as_bytes())
    }
}

fn listed(names: &[AlternativeName]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

const DAY_SECONDS: i64 = 86_400;
/// A certificate with less time left is made anew.
const RENEWED_WITHIN_SECONDS: i64 = 30 * DAY_SECONDS;

/// The certificate of an authority, and key and certificate that it made at that Unix time in seconds for these names, for tests of other modules.
#[cfg(test)]
pub(crate) fn certified_for_tests(names: &[&str], at: i64) -> (String, security::Secret) {
    let authority = Authority::make(at).unwrap();
    let names: Vec<AlternativeName> = names.iter().map(|name| names::parse(name).unwrap()).collect();
    let certified = authority.certify("broker", &names, at).unwrap();
    (authority.pem().to_owned(), certified.pem())
}

/// A set for tests of other modules, with the client `client`.
#[cfg(test)]
pub(crate) fn make_for_tests(folder: &std::path::Path) {
    let arguments = DevArguments { folder: folder.to_owned(), hosts: Vec::new(), clients: Vec::new() };
    assert!(run(&arguments).is_ok());
}

#[cfg(test)]
mod tests;
