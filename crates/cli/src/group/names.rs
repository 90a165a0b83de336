//! The groups that a command names: literally, or by regular expressions.

use clap::Args;

use super::list;
use crate::client::Coordinators;
use crate::failure::Failure;
use crate::patterns::Patterns;

/// Groups by their names.
#[derive(Debug, Args)]
pub(super) struct Groups {
    /// Names of groups.
    #[arg(value_name = "GROUP", required = true)]
    names: Vec<String>,
    /// Takes the names as regular expressions, each of which must match a whole name: '.*' is every group
    #[arg(short, long)]
    regex: bool,
}

impl Groups {
    /// The names, each once. Only regular expressions are compared with the groups that exist.
    ///
    /// # Errors
    /// An expression is wrong, or none fits.
    pub(super) fn find(&self, cluster: &mut Coordinators) -> Result<Vec<String>, Failure> {
        let mut names = match self.regex {
            false => self.names.clone(),
            true => {
                let mut listed: Vec<String> =
                    list::all(cluster, 0)?.into_iter().map(|group| group.name).collect();
                let patterns = Patterns::new(&self.names)?;
                // Before anything is done: a pattern that fits nothing is misspelled.
                if let Some(text) = patterns.without_any(&listed) {
                    return Err(Failure::failed(format!("no group fits {text:?}; see `ottla group list`")));
                }
                listed.retain(|name| patterns.fit(name));
                listed
            }
        };
        names.sort();
        names.dedup();
        match names.is_empty() {
            true => Err(Failure::failed("no group fits; see `ottla group list`")),
            false => Ok(names),
        }
    }
}
