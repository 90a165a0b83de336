//! `kafka-configs`: shows and changes configs of topics, brokers, loggers, groups and clients' metrics, quotas, and users of SCRAM.
//!
//! | module | what |
//! | --- | --- |
//! | `entity` | the things that the flags name |
//! | `changes` | `--add-config`, `--add-config-file`, `--delete-config` |
//! | `resources` | configs of topics, brokers, loggers, groups, clients' metrics |
//! | `quotas` | quotas of users, clients and addresses |
//! | `scram` | users of SCRAM |
//! | `double` | numbers as Java reads and writes them |
//!
//! A value of `--add-config` may be a password: no error repeats one, except the number of a quota.

mod changes;
mod double;
mod entity;
mod quotas;
mod resources;
mod scram;

use self::changes::Changes;
use self::entity::Entity;
use super::flags::{Flags, Given, flag, not_served, value};
use super::refusal::Refusal;
use super::{FILE_ALONE, Tool, target};
use crate::client::{Cluster, ErrorAnswer};
use crate::output::{escaped, print};

pub(super) const TOOL: Tool = Tool {
    name: "kafka-configs",
    about: "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip, client-metrics or group",
    flags: Flags(&[
        value(ADD),
        value(ADD_FILE),
        flag("all"),
        flag("alter"),
        not_served(
            "bootstrap-controller",
            true,
            "give --bootstrap-server, as with `ottla config`: brokers pass changes on to the controller",
        ),
        value("bootstrap-server"),
        value("broker"),
        flag("broker-defaults"),
        value("broker-logger"),
        value("client"),
        flag("client-defaults"),
        value("client-metrics"),
        value("command-config"),
        value(DELETE),
        flag("describe"),
        flag("entity-default"),
        value("entity-name"),
        value("entity-type"),
        value("group"),
        value("ip"),
        flag("ip-defaults"),
        value("topic"),
        value("user"),
        flag("user-defaults"),
    ]),
    run,
    report,
};

const ADD: &str = "add-config";
const ADD_FILE: &str = "add-config-file";
const DELETE: &str = "delete-config";

fn report(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::Usage(text) => eprint!("{text}\n{}", TOOL.flags.help()),
        Refusal::NotServed(text) => eprintln!("{}: {text}", TOOL.name),
        Refusal::Flags(text) | Refusal::Argument(text) => eprintln!("{text}"),
        Refusal::Error { exception, text } => eprintln!("{exception}: {text}"),
        Refusal::Silent => (),
    }
    1
}

fn run(given: &Given) -> Result<(), Refusal> {
    let done = execute(given);
    if matches!(done, Err(Refusal::Error { .. })) {
        eprintln!("Error while executing config command with args '{}'", escaped(&line(given)));
    }
    done
}

/// The flags, without the values of those that may hold a password.
fn line(given: &Given) -> String {
    let word = |(name, value): (&str, Option<&str>)| match value {
        Some(_) if name == ADD => format!("--{name} (hidden)"),
        Some(value) => format!("--{name} {value}"),
        None => format!("--{name}"),
    };
    given.all().map(word).collect::<Vec<_>>().join(" ")
}

fn execute(given: &Given) -> Result<(), Refusal> {
    let entity = check(given)?;
    if given.has("describe") { describe(given, &entity) } else { alter(given, &entity) }
}

fn describe(given: &Given, entity: &Entity) -> Result<(), Refusal> {
    let mut cluster = Cluster::connect(&target(given, &FILE_ALONE)?)?;
    if let Some(kind) = entity.resource() {
        return resources::describe(kind, entity, given.has("all"), cluster);
    }
    quotas::describe(entity, &mut cluster)?;
    entity.users().map_or(Ok(()), |names| scram::describe(names, &mut cluster))
}

fn alter(given: &Given, entity: &Entity) -> Result<(), Refusal> {
    let changes = Changes::of(given)?;
    let name = entity.name().unwrap_or_default();
    let kind = entity.kind();
    if entity.resource().is_none() {
        quotas::check(entity, &changes)?;
    }
    let mut cluster = Cluster::connect(&target(given, &FILE_ALONE)?)?;
    match entity.resource() {
        Some(kind) => resources::alter(kind, name, &changes, &mut cluster)?,
        None if quotas::has_any(&changes) => quotas::alter(entity, &changes, &mut cluster)?,
        None => scram::alter(name, &changes, &mut cluster)?,
    }
    Ok(print(&match name {
        "" => format!("Completed updating default config for {} in the cluster.\n", kind.name()),
        _ => format!("Completed updating config for {} {}.\n", kind.singular(), escaped(name)),
    })?)
}

/// The rules of `ConfigCommandOptions.checkArgs`, in their order.
fn check(given: &Given) -> Result<Entity, Refusal> {
    if given.has("alter") == given.has("describe") {
        let text = "Command must include exactly one action: --describe, --alter";
        return Err(Refusal::Usage(text.to_owned()));
    }
    // Kafka ignores the file.
    given.forbid("describe", &[ADD, DELETE, ADD_FILE])?;
    let entity = Entity::of(given)?;
    let argument = |text: &str| Err(Refusal::Argument(text.to_owned()));
    if given.has("alter") {
        if given.has(ADD) && given.has(ADD_FILE) {
            return argument("Only one of --add-config or --add-config-file must be specified");
        }
        if ![ADD, ADD_FILE, DELETE].iter().any(|name| given.has(name)) {
            return argument(
                "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
            );
        }
    }
    entity.check_names(given)?;
    // Kafka ignores it, as it does with quotas and users, of which all are shown anyway.
    given.forbid("all", &["alter"])?;
    Ok(entity)
}

/// An error of a broker, as the future of Kafka's client has it.
fn executed(error: &ErrorAnswer) -> Refusal {
    match Refusal::of(error.code, error.message.as_deref()) {
        Refusal::Error { exception, text } => in_future(&exception, text),
        other => other,
    }
}

fn in_future(exception: &str, text: impl Into<String>) -> Refusal {
    Refusal::error(&format!("java.util.concurrent.ExecutionException: {exception}"), text)
}

#[cfg(test)]
mod tests;
