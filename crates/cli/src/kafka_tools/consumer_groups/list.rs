//! `kafka-consumer-groups --list`, with `--state` and `--type` also as filters.

use std::fmt::Write as _;

use super::super::flags::Given;
use super::super::refusal::Refusal;
use super::listed;
use crate::client::Coordinators;
use crate::group::list::{Listed, WITH_STATES, WITH_TYPES};
use crate::output::{escaped, print};

/// Kafka's names of states and types.
const STATES: [&str; 7] =
    ["Stable", "Empty", "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling", "Dead"];
const TYPES: [&str; 2] = ["Classic", "Consumer"];

pub(super) fn run(given: &Given, cluster: &mut Coordinators) -> Result<(), Refusal> {
    let states = wanted(given.value("state")?, "state", &STATES)?;
    let types = wanted(given.value("type")?, "types", &TYPES)?;
    let at_least = match (given.has("type"), given.has("state")) {
        (true, _) => WITH_TYPES,
        (false, true) => WITH_STATES,
        (false, false) => 0,
    };
    let mut groups = listed(cluster, at_least)?;
    let has = |wanted: &[&str], value: &str| wanted.is_empty() || wanted.contains(&value);
    groups
        .retain(|group| has(&states, name(&group.state, &STATES)) && has(&types, name(&group.kind, &TYPES)));
    Ok(print(&text(&groups, given.has("type"), given.has("state")))?)
}

/// The names in a list with commas, as Kafka writes them.
fn wanted(text: Option<&str>, what: &str, names: &[&'static str]) -> Result<Vec<&'static str>, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Vec::new()) };
    let one = |part: &str| names.iter().copied().find(|name| name.eq_ignore_ascii_case(part.trim()));
    let all: Option<Vec<&'static str>> = text.split(',').map(one).collect();
    all.ok_or_else(|| {
        Refusal::Argument(
            format!("Invalid {what} list '{text}'. Valid {what} are: {}", names.join(", ")).replacen(
                "Valid state are",
                "Valid states are",
                1,
            ),
        )
    })
}

/// A name as Kafka writes it; `Unknown` for one that the broker did not tell.
fn name(text: &str, names: &[&'static str]) -> &'static str {
    names.iter().copied().find(|name| name.eq_ignore_ascii_case(text)).unwrap_or("Unknown")
}

fn text(groups: &[Listed], with_type: bool, with_state: bool) -> String {
    let mut text = String::new();
    if !with_type && !with_state {
        groups.iter().for_each(|group| text.push_str(&format!("{}\n", escaped(&group.name))));
        return text;
    }
    let width = groups.iter().map(|group| group.name.chars().count()).fold(15, usize::max) + 10;
    let mut line = |cells: [&str; 3]| {
        let [group, kind, state] = cells;
        // Writing to a `String` does not fail.
        let _ = write!(text, "{group:<width$}");
        for (cell, is_shown) in [(kind, with_type), (state, with_state)] {
            let _ = if is_shown { write!(text, " {cell:<20}") } else { Ok(()) };
        }
        text.push('\n');
    };
    line(["GROUP", "TYPE", "STATE"]);
    for group in groups {
        line([&escaped(&group.name), name(&group.kind, &TYPES), name(&group.state, &STATES)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_names_in_any_case() {
        assert_eq!(wanted(Some("stable, EMPTY"), "state", &STATES), Ok(vec!["Stable", "Empty"]));
        assert_eq!(wanted(Some(""), "state", &STATES), Ok(vec![]));
        let text = |text, what, names| wanted(Some(text), what, names).unwrap_err().text().to_owned();
        assert!(
            text("x", "state", &STATES).starts_with("Invalid state list 'x'. Valid states are: Stable, ")
        );
        assert_eq!(
            text("share", "types", &TYPES),
            "Invalid types list 'share'. Valid types are: Classic, Consumer"
        );
        assert_eq!((name("consumer", &TYPES), name("", &TYPES)), ("Consumer", "Unknown"));
    }
}
