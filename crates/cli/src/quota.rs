//! `ottla quota`: quotas of users, client ids and addresses (APIs 48 and 49, KIP-546). The messages are in `wire`.

pub(crate) mod wire;

use clap::{Args, Subcommand};
use codec::messages::alter_client_quotas_request::OpData;
use serde_json::{Map, Value, json};

use self::wire::{CLIENT_ID, Described, IP, Match, USER, remove, set};
use crate::client::{Cluster, Target};
use crate::failure::Failure;
use crate::output::{Format, Table};

/// `ottla quota …`
#[derive(Debug, Args)]
pub struct QuotaArguments {
    #[command(subcommand)]
    command: QuotaCommand,
    #[command(flatten)]
    target: Target,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t, global = true)]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum QuotaCommand {
    /// Lists quotas; of entities that have all parts that are given.
    List(Entity),
    /// Sets quotas of an entity: producer_byte_rate, consumer_byte_rate (bytes per second), request_percentage, controller_mutation_rate;
    /// of an address connection_creation_rate.
    Set {
        #[command(flatten)]
        entity: Entity,
        /// Such as producer_byte_rate=1048576; may be given several times.
        #[arg(value_name = "KEY=VALUE", required = true, value_parser = pair)]
        values: Vec<(String, f64)>,
    },
    /// Removes quotas of an entity.
    Remove {
        #[command(flatten)]
        entity: Entity,
        /// Such as producer_byte_rate [default: all]
        #[arg(value_name = "KEY")]
        keys: Vec<String>,
    },
}

/// The clients that share a quota.
#[derive(Debug, Args)]
struct Entity {
    /// Clients that logged in as this user, such as alice.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["user_default", "ip", "ip_default"])]
    user: Option<String>,
    /// Each user without a quota of its own.
    #[arg(long, conflicts_with_all = ["ip", "ip_default"])]
    user_default: bool,
    /// Clients with this client.id; with --user those of the user alone.
    #[arg(long, value_name = "ID", conflicts_with_all = ["client_id_default", "ip", "ip_default"])]
    client_id: Option<String>,
    /// Each client id without a quota of its own.
    #[arg(long, conflicts_with_all = ["ip", "ip_default"])]
    client_id_default: bool,
    /// New connections from this address.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "ip_default")]
    ip: Option<String>,
    /// Each address without a quota of its own.
    #[arg(long)]
    ip_default: bool,
}

impl Entity {
    /// The parts: kind, and name, or `None` for the default.
    fn parts(&self) -> Vec<(&'static str, Option<&str>)> {
        let of = |kind, name: &'_ Option<String>, is_default: bool| (kind, name.is_some() || is_default);
        let all = [
            (of(USER, &self.user, self.user_default), self.user.as_deref()),
            (of(CLIENT_ID, &self.client_id, self.client_id_default), self.client_id.as_deref()),
            (of(IP, &self.ip, self.ip_default), self.ip.as_deref()),
        ];
        all.into_iter().filter(|((_, is_set), _)| *is_set).map(|((kind, _), name)| (kind, name)).collect()
    }

    fn required(&self) -> Result<Vec<(&'static str, Option<&str>)>, Failure> {
        match self.parts() {
            parts if parts.is_empty() => Err(Failure::usage(
                "give the clients: --user NAME, --user-default, --client-id ID, --client-id-default, --ip ADDRESS or --ip-default",
            )),
            parts => Ok(parts),
        }
    }
}

fn pair(text: &str) -> Result<(String, f64), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    match value.trim().parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 && !key.is_empty() => {
            Ok((key.trim().to_owned(), value))
        }
        _ => Err("the value is no number above 0; `ottla quota remove` takes a quota away".to_owned()),
    }
}

pub(crate) fn run(arguments: &QuotaArguments) -> Result<String, Failure> {
    let format = arguments.output;
    match &arguments.command {
        QuotaCommand::List(entity) => {
            let mut cluster = Cluster::connect(&arguments.target)?;
            Ok(shown(&describe(&mut cluster, &entity.parts(), false)?, format))
        }
        QuotaCommand::Set { entity, values } => {
            let parts = entity.required()?;
            let mut cluster = Cluster::connect(&arguments.target)?;
            alter(&mut cluster, &parts, values.iter().map(|(key, value)| set(key, *value)).collect())?;
            // Not asked for again: a broker of KRaft may see a change a moment after it was answered.
            Ok(shown(&[Described::of(&parts, values.clone())], format))
        }
        QuotaCommand::Remove { entity, keys } => {
            let parts = entity.required()?;
            let mut cluster = Cluster::connect(&arguments.target)?;
            let before = describe(&mut cluster, &parts, true)?;
            let has: Vec<&str> =
                before.iter().flat_map(|one| &one.values).map(|(key, _)| key.as_str()).collect();
            let keys: Vec<&str> =
                if keys.is_empty() { has.clone() } else { keys.iter().map(String::as_str).collect() };
            if let Some(missing) = keys.iter().find(|key| !has.contains(key)) {
                return Err(Failure::failed(format!(
                    "there is no quota {missing} of these clients; see `ottla quota list`"
                )));
            }
            if keys.is_empty() {
                return Err(Failure::failed("these clients have no quota; see `ottla quota list`"));
            }
            alter(&mut cluster, &parts, keys.iter().map(|key| remove(key)).collect())?;
            Ok(match format {
                Format::Table | Format::Wide => format!("removed {}\n", keys.join(", ")),
                Format::Json | Format::Yaml => format.document(&json!({"removed": keys})),
            })
        }
    }
}

/// The entities that have these parts; `strict`: and no others.
fn describe(
    cluster: &mut Cluster,
    parts: &[(&'static str, Option<&str>)],
    strict: bool,
) -> Result<Vec<Described>, Failure> {
    let parts: Vec<_> =
        parts.iter().map(|&(kind, name)| (kind, name.map_or(Match::Default, Match::Name))).collect();
    wire::describe(cluster, &parts, strict)?.map_err(|error| error.failure("list quotas"))
}

fn alter(
    cluster: &mut Cluster,
    parts: &[(&'static str, Option<&str>)],
    changes: Vec<OpData>,
) -> Result<(), Failure> {
    wire::alter(cluster, parts, changes)?.map_err(|error| error.failure("change quotas"))
}

fn shown(found: &[Described], format: Format) -> String {
    match format {
        Format::Table | Format::Wide => {
            let mut table = Table::new(&["USER", "CLIENT-ID", "IP", "QUOTA", "VALUE"]);
            for Described { parts, values } in found {
                let cell = |part: &Option<Option<String>>| match part {
                    None => "-".to_owned(),
                    Some(None) => "<default>".to_owned(),
                    Some(Some(name)) => name.clone(),
                };
                for (key, value) in values {
                    table.push(parts.iter().map(cell).chain([key.clone(), value.to_string()]));
                }
            }
            table.text("no quotas")
        }
        Format::Json | Format::Yaml => {
            let object = |Described { parts, values }: &Described| {
                let named = [USER, CLIENT_ID, IP].into_iter().zip(parts);
                let entity: Map<String, Value> =
                    named.filter_map(|(kind, part)| Some((kind.to_owned(), json!(part.as_ref()?)))).collect();
                let values: Map<String, Value> =
                    values.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
                json!({"entity": entity, "quotas": values})
            };
            format.document(&found.iter().map(object).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        entity: Entity,
    }

    fn parts(line: &str) -> Result<Vec<(String, Option<String>)>, String> {
        let arguments = ["quota"].into_iter().chain(line.split_whitespace());
        let line = Line::try_parse_from(arguments).map_err(|error| error.to_string())?;
        Ok(line
            .entity
            .parts()
            .into_iter()
            .map(|(kind, name)| (kind.to_owned(), name.map(str::to_owned)))
            .collect())
    }

    #[test]
    fn entities_have_the_parts_that_kafka_has() {
        let one = |kind: &str, name: Option<&str>| (kind.to_owned(), name.map(str::to_owned));
        assert_eq!(
            parts("--user a --client-id b"),
            Ok(vec![one("user", Some("a")), one("client-id", Some("b"))])
        );
        assert_eq!(
            parts("--user-default --client-id-default"),
            Ok(vec![one("user", None), one("client-id", None)])
        );
        assert_eq!(parts("--ip-default"), Ok(vec![one("ip", None)]));
        assert_eq!(parts(""), Ok(vec![]));
        for line in ["--user a --user-default", "--user a --ip 10.0.0.1", "--client-id a --ip-default"] {
            assert!(parts(line).is_err(), "{line}");
        }
    }

    #[test]
    fn values_are_numbers_above_zero() {
        assert_eq!(pair("producer_byte_rate=1048576"), Ok(("producer_byte_rate".to_owned(), 1_048_576.0)));
        assert_eq!(pair("request_percentage=0.5").unwrap().1, 0.5);
        for text in ["producer_byte_rate", "a=x", "a=0", "a=-1", "a=NaN", "a=inf", "=1"] {
            assert!(pair(text).is_err(), "{text}");
        }
    }
}
