//! `ottla acl`: entries of the authorizer (APIs 29 to 31), in the terms of `kafka-acls.sh`, and the question what follows from them.

pub(crate) mod arguments;
mod check;
pub(crate) mod wire;

use clap::{Args, Subcommand};
use security::acl::Acl;
use serde_json::{Value, json};

use crate::acl::arguments::{ListArguments, Wanted};
use crate::acl::check::CheckArguments;
use crate::client::{Cluster, Target};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Format, Outcome, Table, escaped};

/// `ottla acl …`
#[derive(Debug, Args)]
pub struct AclArguments {
    #[command(subcommand)]
    command: AclCommand,
    #[command(flatten)]
    target: Target,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t, global = true)]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum AclCommand {
    /// Lists entries.
    List(ListArguments),
    /// Adds entries.
    Add(Wanted),
    /// Removes entries.
    Remove {
        #[command(flatten)]
        wanted: Wanted,
        /// Removes them without a question.
        #[arg(long)]
        force: bool,
    },
    /// Says whether a client may do something, and which entry decides; exits with 1 if it may not.
    Check(CheckArguments),
}

pub(crate) fn run(arguments: &AclArguments) -> Result<Outcome, Failure> {
    // What is wrong with the arguments is said without a broker.
    let format = arguments.output;
    let connect = || Cluster::connect(&arguments.target);
    match &arguments.command {
        AclCommand::List(list) => {
            let filters = list.filters();
            let mut cluster = connect()?;
            let (mut acls, mut unknown) = (Vec::new(), 0);
            for filter in &filters {
                let (found, others) = wire::describe(&mut cluster, filter)?;
                acls.extend(found);
                unknown += others;
            }
            warn_of(unknown);
            Ok(Outcome::good(shown(acls, format)))
        }
        AclCommand::Add(wanted) => {
            let acls = wanted.acls()?;
            wire::create(&mut connect()?, &acls)?;
            Ok(Outcome::good(changed("added", acls, format)))
        }
        AclCommand::Remove { wanted, force } => {
            let filters = wanted.filters()?;
            let mut cluster = connect()?;
            let mut acls = Vec::new();
            for filter in &filters {
                acls.extend(wire::describe(&mut cluster, filter)?.0);
            }
            if acls.is_empty() {
                return Err(Failure::failed("no entry fits; see `ottla acl list`"));
            }
            confirm(&format!("{}remove these?", shown(acls, Format::Table)), "--force", *force)?;
            let removed = wire::delete(&mut cluster, &filters)?;
            Ok(Outcome::good(changed("removed", removed, format)))
        }
        AclCommand::Check(check) => check::run(check, &mut connect()?, format),
    }
}

/// Warns of entries that are not shown.
pub(crate) fn warn_of(unknown: usize) {
    if unknown != 0 {
        eprintln!(
            "ottla: warning: {unknown} entries are of kinds that this version does not know, and are left out"
        );
    }
}

/// The entries, sorted, each once.
fn shown(mut acls: Vec<Acl>, format: Format) -> String {
    acls.sort();
    acls.dedup();
    match format {
        Format::Json | Format::Yaml => format.document(&acls.iter().map(object).collect()),
        Format::Table | Format::Wide => {
            let mut table =
                Table::new(&["RESOURCE", "NAME", "PATTERN", "PERMISSION", "PRINCIPAL", "HOST", "OPERATION"]);
            for Acl { pattern, entry } in &acls {
                table.push([
                    pattern.resource_type.name().to_owned(),
                    pattern.name.to_string(),
                    pattern.pattern_type.name().to_owned(),
                    entry.permission.name().to_owned(),
                    entry.principal.to_string(),
                    entry.host.to_string(),
                    entry.operation.name().to_owned(),
                ]);
            }
            table.text("no entries")
        }
    }
}

fn changed(verb: &str, acls: Vec<Acl>, format: Format) -> String {
    match format {
        Format::Json | Format::Yaml => shown(acls, format),
        Format::Table | Format::Wide => format!("{verb}\n{}", shown(acls, format)),
    }
}

fn object(Acl { pattern, entry }: &Acl) -> Value {
    json!({
        "resource_type": pattern.resource_type.name(),
        "resource_name": *pattern.name,
        "pattern_type": pattern.pattern_type.name(),
        "permission": entry.permission.name(),
        "principal": *entry.principal,
        "host": *entry.host,
        "operation": entry.operation.name(),
    })
}

/// One entry as a sentence.
fn sentence(Acl { pattern, entry }: &Acl) -> String {
    escaped(&format!(
        "{} {} {} on {} {} ({}) from {}",
        entry.permission.name(),
        entry.principal,
        entry.operation.name(),
        pattern.resource_type.name(),
        pattern.name,
        pattern.pattern_type.name(),
        entry.host
    ))
}

#[cfg(test)]
mod tests;
