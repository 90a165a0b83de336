//! `ottla group list`: the groups of every broker (ListGroups, API 16). Each broker lists those that it coordinates.

use clap::Args;
use codec::messages::ListGroupsRequest;
use serde_json::json;

use crate::client::{Coordinators, patiently, refused};
use crate::failure::Failure;
use crate::output::{Format, Table, shown};
use crate::patterns::Patterns;

/// First version of ListGroups with states (KIP-518, Kafka 2.6), and with types (KIP-848, Kafka 3.7).
pub(crate) const WITH_STATES: i16 = 4;
pub(crate) const WITH_TYPES: i16 = 5;

/// `ottla group list`
#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Regular expressions, of which one must match a whole name [default: every group]
    #[arg(value_name = "REGEX")]
    patterns: Vec<String>,
    /// Groups in one of these states alone; Kafka 2.6 and later.
    #[arg(long, value_name = "STATE,…", value_delimiter = ',', ignore_case = true, value_parser = STATES)]
    state: Vec<String>,
    /// Groups of one of these types alone; Kafka 3.7 and later.
    #[arg(long = "type", value_name = "TYPE,…", value_delimiter = ',', ignore_case = true, value_parser = TYPES)]
    kind: Vec<String>,
}

const STATES: [&str; 8] = [
    "Stable",
    "Empty",
    "PreparingRebalance",
    "CompletingRebalance",
    "Assigning",
    "Reconciling",
    "NotReady",
    "Dead",
];
const TYPES: [&str; 4] = ["classic", "consumer", "share", "streams"];

/// A group as its coordinator lists it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    pub(crate) name: String,
    /// Empty where the broker is too old to tell.
    pub(crate) kind: String,
    pub(crate) protocol: String,
    /// Empty where the broker is too old to tell.
    pub(crate) state: String,
    coordinator: i32,
}

/// # Errors
/// An expression is wrong, or a broker does not answer.
pub(super) fn run(
    arguments: &ListArguments,
    cluster: &mut Coordinators,
    format: Format,
) -> Result<String, Failure> {
    let patterns = Patterns::new(&arguments.patterns)?;
    let mut groups = all(cluster, arguments.at_least())?;
    groups.retain(|group| patterns.fit(&group.name) && arguments.fit(group));
    Ok(shown(
        format,
        || {
            let object = |group: &Listed| {
                json!({"group": group.name, "type": group.kind, "protocol_type": group.protocol,
                       "state": group.state, "coordinator": group.coordinator})
            };
            groups.iter().map(object).collect()
        },
        || {
            let mut table = Table::new(&["GROUP", "TYPE", "PROTOCOL", "STATE", "COORDINATOR"]);
            for group in &groups {
                let texts = [&group.name, &group.kind, &group.protocol, &group.state];
                let cells = texts.map(|text| if text.is_empty() { "-".to_owned() } else { text.clone() });
                table.push(cells.into_iter().chain([group.coordinator.to_string()]));
            }
            table.text("no groups")
        },
    ))
}

impl ListArguments {
    /// The first version whose answers have what the filters compare.
    fn at_least(&self) -> i16 {
        match (self.kind.is_empty(), self.state.is_empty()) {
            (false, _) => WITH_TYPES,
            (true, false) => WITH_STATES,
            (true, true) => 0,
        }
    }

    fn fit(&self, group: &Listed) -> bool {
        let has = |wanted: &[String], value: &str| {
            wanted.is_empty() || wanted.iter().any(|one| one.eq_ignore_ascii_case(value))
        };
        has(&self.kind, &group.kind) && has(&self.state, &group.state)
    }
}

/// All groups, sorted by their names.
///
/// # Errors
/// A broker does not answer, or is older than `at_least`.
pub(crate) fn all(cluster: &mut Coordinators, at_least: i16) -> Result<Vec<Listed>, Failure> {
    let mut found = Vec::new();
    for broker in cluster.brokers()? {
        let ask = || cluster.call_node(broker, at_least..=WITH_TYPES, &ListGroupsRequest::default());
        let answer = patiently(ask, |answer| Some(answer.error_code))?;
        if answer.error_code != 0 {
            return Err(refused("list groups", answer.error_code, None));
        }
        found.extend(answer.groups.into_iter().map(|group| Listed {
            name: group.group_id.to_string(),
            kind: group.group_type.to_lowercase(),
            protocol: group.protocol_type.to_string(),
            state: group.group_state.to_string(),
            coordinator: broker,
        }));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        list: ListArguments,
    }

    fn line(text: &str) -> Result<ListArguments, clap::Error> {
        Line::try_parse_from(["list"].into_iter().chain(text.split_whitespace())).map(|line| line.list)
    }

    #[test]
    fn filters_ignore_case_and_choose_the_version() {
        let group = Listed {
            name: "billing".to_owned(),
            kind: "classic".to_owned(),
            protocol: "consumer".to_owned(),
            state: "Empty".to_owned(),
            coordinator: 1,
        };
        for (text, fits, at_least) in [
            ("", true, 0),
            ("--state stable,EMPTY", true, WITH_STATES),
            ("--state Stable", false, WITH_STATES),
            ("--type Classic", true, WITH_TYPES),
            ("--type share --state empty", false, WITH_TYPES),
        ] {
            let list = line(text).unwrap();
            assert_eq!((list.fit(&group), list.at_least()), (fits, at_least), "{text}");
        }
        assert!(line("--state Stabel").is_err());
    }
}
