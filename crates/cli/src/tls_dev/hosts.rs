//! The file `hosts`: names and addresses of the broker that `--host` gave, for later runs.

use security::certificate::AlternativeName;

use super::folder::Folder;
use super::names::parse;
use crate::failure::Failure;

const FILE: &str = "hosts";
const HEADER: &str = "\
# Names and addresses of the broker besides those of its machine, from `ottla tls dev --host`. To take one back, remove its line
# and the file server.pem, and run the command again.
";

/// The names of the file, and those that are given now, which it has afterwards.
///
/// # Errors
/// It cannot be read or written, or a line is neither a host name nor an address.
pub(super) fn kept(folder: &Folder, given: Vec<AlternativeName>) -> Result<Vec<AlternativeName>, Failure> {
    let text = folder.text(FILE)?.unwrap_or_default();
    let mut hosts = Vec::new();
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let path = folder.path().join(FILE);
        let wrong = |_| {
            Failure::failed(format!(
                "{} line {}: {line:?} is neither a host name nor an address",
                path.display(),
                index + 1
            ))
        };
        hosts.push(parse(line).map_err(wrong)?);
    }
    let new: Vec<AlternativeName> = given.into_iter().filter(|name| !hosts.contains(name)).collect();
    if !new.is_empty() {
        // The text of a file that a person changed stays.
        let mut text = if text.is_empty() { HEADER.to_owned() } else { format!("{}\n", text.trim_end()) };
        for name in &new {
            text.push_str(&format!("{name}\n"));
        }
        folder.write(FILE, text.as_bytes())?;
    }
    hosts.extend(new);
    Ok(hosts)
}
