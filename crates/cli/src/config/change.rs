//! `ottla config set`, `unset`, `append` and `subtract`.

use clap::Args;
use codec::messages::incremental_alter_configs_request::AlterableConfig;
use security::Secret;
use serde_json::json;

use super::resource::Resource;
use crate::client::Cluster;
use crate::configs::{self, Kind, Operation, change};
use crate::failure::Failure;
use crate::output::{Format, Outcome, escaped};

/// Arguments of `ottla config set`, `append` and `subtract`.
#[derive(Debug, Args)]
pub struct PairArguments {
    #[command(flatten)]
    of: OfResource,
    /// Such as retention.ms=3600000; may be given several times.
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = pair)]
    pairs: Vec<Pair>,
}

/// Arguments of `ottla config unset`.
#[derive(Debug, Args)]
pub struct UnsetArguments {
    #[command(flatten)]
    of: OfResource,
    /// Such as retention.ms; may be given several times.
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<String>,
}

/// The resource that is changed.
#[derive(Debug, Args)]
struct OfResource {
    /// Kind of resource.
    #[arg(value_enum)]
    resource: Kind,
    /// Its name; a broker's number, or `default` for all brokers.
    name: String,
    /// Lets the broker check everything, and changes nothing.
    #[arg(long)]
    dry_run: bool,
}

/// A key, and its value, which may be a password. An argument without a key is kept out of errors, too.
#[derive(Debug, Clone)]
struct Pair(Option<(String, Secret)>);

/// Never fails: clap would show the text.
#[allow(clippy::unnecessary_wraps, reason = "a parser of clap")]
fn pair(text: &str) -> Result<Pair, std::convert::Infallible> {
    let pair = text.split_once('=').map(|(key, value)| (key.trim().to_owned(), Secret::new(value)));
    Ok(Pair(pair.filter(|(key, _)| !key.is_empty())))
}

impl PairArguments {
    pub(super) fn run(
        &self,
        operation: Operation,
        cluster: &mut Cluster,
        format: Format,
    ) -> Result<Outcome, Failure> {
        alter(&self.of, operation, &self.changes(operation)?, cluster, format)
    }

    fn changes(&self, operation: Operation) -> Result<Vec<AlterableConfig>, Failure> {
        let one = |(at, pair): (usize, &Pair)| match &pair.0 {
            Some((key, value)) => Ok(change(operation, key, value.expose_text())),
            None => Err(Failure::usage(format!(
                "config {} is not KEY=VALUE, such as retention.ms=3600000",
                at + 1
            ))),
        };
        self.pairs.iter().enumerate().map(one).collect()
    }
}

pub(super) fn unset(
    arguments: &UnsetArguments,
    cluster: &mut Cluster,
    format: Format,
) -> Result<Outcome, Failure> {
    let changes: Vec<_> = arguments.keys.iter().map(|key| change(Operation::Unset, key, None)).collect();
    alter(&arguments.of, Operation::Unset, &changes, cluster, format)
}

fn alter(
    of: &OfResource,
    operation: Operation,
    changes: &[AlterableConfig],
    cluster: &mut Cluster,
    format: Format,
) -> Result<Outcome, Failure> {
    let resource = Resource::of(of.resource, &of.name)?;
    let names = [resource.wire_name()];
    let failures =
        resource.at(cluster, |node| configs::alter(node, resource.kind, &names, changes, of.dry_run))?;
    match failures.into_values().next() {
        Some(failure) => Err(failure),
        None => Ok(Outcome::good(done(&resource, operation, changes, of.dry_run, format))),
    }
}

/// Such as `set flush.ms, retention.ms of topic orders`. Values are not repeated: they may be secrets.
fn done(
    resource: &Resource,
    operation: Operation,
    changes: &[AlterableConfig],
    dry_run: bool,
    format: Format,
) -> String {
    let keys: Vec<&str> = changes.iter().map(|change| change.name.as_str()).collect();
    let (name, past, present) = match operation {
        Operation::Set => ("set", "set", "set"),
        Operation::Unset => ("unset", "unset", "unset"),
        Operation::Append => ("append", "appended to", "append to"),
        Operation::Subtract => ("subtract", "subtracted from", "subtract from"),
    };
    let (kind, of) = (resource.kind.name(), resource.name.as_str());
    match format {
        Format::Table | Format::Wide => {
            let verb = if dry_run { format!("would {present}") } else { past.to_owned() };
            escaped(&format!("{verb} {} of {kind} {of}", keys.join(", "))) + "\n"
        }
        Format::Json | Format::Yaml => format.document(
            &json!({"resource": kind, "name": of, "operation": name, "keys": keys, "dry_run": dry_run}),
        ),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: PairArguments,
    }

    fn changes(line: &str) -> Result<Vec<AlterableConfig>, String> {
        let line = Line::try_parse_from(["set"].into_iter().chain(line.split(' ')));
        let line = line.map_err(|error| error.to_string())?;
        line.arguments.changes(Operation::Set).map_err(|failure| failure.to_string())
    }

    #[test]
    fn values_may_hold_anything() {
        let changes = changes("topic a flush.ms=1 b= c=d=e,f").unwrap();
        let pairs: Vec<_> =
            changes.iter().map(|one| (one.name.as_str(), one.value.as_ref().unwrap().as_str())).collect();
        assert_eq!(pairs, [("flush.ms", "1"), ("b", ""), ("c", "d=e,f")]);
    }

    #[test]
    fn no_error_shows_a_value() {
        for line in ["broker 1 hunter2", "broker 1 a=b =hunter2", "broker 1 a=hunter2 --dry"] {
            let error = changes(line).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let line = Line::try_parse_from(["set", "broker", "1", "a=hunter2"]).unwrap();
        assert!(!format!("{line:?}").contains("hunter2"));
    }

    #[test]
    fn a_change_is_told_without_its_value() {
        let resource = Resource::of(Kind::Broker, "default").unwrap();
        let changes = [change(Operation::Append, "a", Some("x")), change(Operation::Append, "b", None)];
        let told = |dry_run, format| done(&resource, Operation::Append, &changes, dry_run, format);
        assert_eq!(told(false, Format::Table), "appended to a, b of broker default\n");
        assert_eq!(told(true, Format::Table), "would append to a, b of broker default\n");
        let object: serde_json::Value = serde_json::from_str(&told(true, Format::Json)).unwrap();
        let expected = json!({"resource": "broker", "name": "default", "operation": "append", "keys": ["a", "b"], "dry_run": true});
        assert_eq!(object, expected);
    }
}
