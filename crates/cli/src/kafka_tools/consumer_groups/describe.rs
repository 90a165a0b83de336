//! `kafka-consumer-groups --describe`: offsets, members or states of groups.

mod members;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::flags::Given;
use super::super::refusal::Refusal;
use super::named;
use crate::client::{Coordinators, Node, Offsets as Ends, Partition, Position};
use crate::group::described::{Group, Member, describe};
use crate::group::ends;
use crate::group::offsets::{Offsets, committed};
use crate::output::{escaped, print};

/// The class of Kafka's exception for a group that does not exist.
const NOT_FOUND: &str = "org.apache.kafka.common.errors.GroupIdNotFoundException";

pub(super) fn run(given: &Given, cluster: &mut Coordinators) -> Result<(), Refusal> {
    let is_verbose = given.has("verbose");
    // All of them first, as Kafka does: nothing is printed if one does not exist.
    let mut groups = Vec::new();
    for name in named(given, cluster)? {
        groups.push(described(cluster, &name)?);
    }
    for group in &groups {
        let text = if given.has("members") {
            note(group);
            members::text(group, is_verbose)
        } else if given.has("state") {
            note(group);
            state(group, &cluster.coordinator(&group.name)?, is_verbose)
        } else {
            let committed = committed(cluster, &group.name)?;
            let assigned = group.assigned().map(|(topic, index)| Partition { topic, index });
            let wanted: BTreeSet<Partition> = committed.keys().cloned().chain(assigned).collect();
            let ends = ends::find(cluster, &wanted, Position::End)?;
            note(group);
            offsets(group, &committed, &ends, is_verbose)
        };
        print(&text)?;
    }
    Ok(())
}

/// A group of consumers.
fn described(cluster: &mut Coordinators, name: &str) -> Result<Group, Refusal> {
    let refused = |class: &str, text: String| Err(Refusal::error(class, format!("{class}: {text}")));
    match describe(cluster, name)? {
        Some(group) if matches!(group.kind, "share" | "streams") => {
            refused(NOT_FOUND, format!("Group {} is not a consumer group.", escaped(name)))
        }
        Some(group) if !matches!(group.protocol.as_str(), "consumer" | "") => refused(
            "java.lang.IllegalArgumentException",
            format!("GroupId {} is not a consumer group ({}).", escaped(name), escaped(&group.protocol)),
        ),
        Some(group) => Ok(group),
        None => refused(NOT_FOUND, format!("Group {} not found.", escaped(name))),
    }
}

/// Tells on standard error of a state in which members are missing or wait.
fn note(group: &Group) {
    let name = escaped(&group.name);
    match group.state.as_str() {
        "Empty" => eprintln!("\nConsumer group '{name}' has no active members."),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
            eprintln!("\nWarning: Consumer group '{name}' is rebalancing.");
        }
        _ => (),
    }
}

fn state(group: &Group, coordinator: &Node, is_verbose: bool) -> String {
    let coordinator = format!("{}  ({})", coordinator.address, coordinator.id);
    let name = escaped(&group.name);
    let assignor = if group.assignor.is_empty() { "-".to_owned() } else { escaped(&group.assignor) };
    let members = group.members.len().to_string();
    let (first, second) = (width(15, [name.as_str()]), width(25, [coordinator.as_str()]));
    let epoch = |epoch: Option<i32>| epoch.map_or_else(|| "-".to_owned(), |epoch| epoch.to_string());
    let rows = [
        [
            "GROUP",
            "COORDINATOR (ID)",
            "ASSIGNMENT-STRATEGY",
            "STATE",
            "GROUP-EPOCH",
            "TARGET-ASSIGNMENT-EPOCH",
            "#MEMBERS",
        ]
        .map(str::to_owned),
        [
            name,
            coordinator,
            assignor,
            escaped(&group.state),
            epoch(group.epoch),
            epoch(group.assignment_epoch),
            members,
        ],
    ];
    let mut text = String::new();
    for [group, coordinator, assignor, state, epoch, target, members] in rows {
        // Writing to a `String` does not fail.
        let _ = write!(text, "\n{group:<first$} {coordinator:<second$} {assignor:<20} {state:<20} ");
        let _ = if is_verbose { write!(text, "{epoch:<15} {target:<25} ") } else { Ok(()) };
        text.push_str(&members);
    }
    text + "\n"
}

/// The width of a column: at least this.
fn width<'a>(least: usize, cells: impl IntoIterator<Item = &'a str>) -> usize {
    cells.into_iter().map(|cell| cell.chars().count()).fold(least, usize::max)
}

/// The cells of one partition: group, topic, partition, leader epoch, offset, end, lag, member, host, client.
type Row = [String; 10];

fn offsets(group: &Group, committed: &Offsets, ends: &Ends, is_verbose: bool) -> String {
    let rows = rows(group, committed, ends);
    if rows.is_empty() {
        return String::new();
    }
    let titles = [
        "GROUP",
        "TOPIC",
        "PARTITION",
        "LEADER-EPOCH",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ];
    let column = |at: usize| width(15, rows.iter().filter_map(|row| row.get(at)).map(String::as_str));
    let [first, second, member_width, host_width] = [0, 1, 7, 8].map(column);
    let mut text = String::new();
    for row in [titles.map(str::to_owned)].into_iter().chain(rows.clone()) {
        let [group, topic, partition, epoch, offset, end, lag, member, host, client] = row;
        // Writing to a `String` does not fail.
        let _ = write!(text, "\n{group:<first$} {topic:<second$} {partition:<10} ");
        let _ = if is_verbose { write!(text, "{epoch:<15} ") } else { Ok(()) };
        let _ = write!(
            text,
            "{offset:<15} {end:<15} {lag:<15} {member:<member_width$} {host:<host_width$} {client}"
        );
    }
    text + "\n"
}

/// The partitions of members, those with most of them first, then those without a member.
fn rows(group: &Group, committed: &Offsets, ends: &Ends) -> Vec<Row> {
    let mut members: Vec<(Vec<Partition>, &Member)> =
        group.members.iter().map(|one| (partitions(one), one)).collect();
    members.sort_by_key(|(partitions, _)| std::cmp::Reverse(partitions.len()));
    let assigned: BTreeSet<Partition> =
        members.iter().flat_map(|(partitions, _)| partitions.clone()).collect();
    let row = |partition: &Partition, member: Option<&Member>| {
        let known = committed.get(partition);
        let end = ends.get(partition).and_then(|end| end.ok());
        let lag = known.and_then(|known| end.map(|end| end.saturating_sub(known.offset)));
        let cell = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let of = |text: fn(&Member) -> &str| member.map_or_else(|| "-".to_owned(), |one| escaped(text(one)));
        [
            escaped(&group.name),
            escaped(&partition.topic),
            partition.index.to_string(),
            cell(known.and_then(|known| known.leader_epoch).map(i64::from)),
            cell(known.map(|known| known.offset)),
            cell(end),
            cell(lag),
            of(|member| &member.id),
            of(|member| &member.host),
            of(|member| &member.client_id),
        ]
    };
    let of_members =
        members.iter().flat_map(|(partitions, member)| partitions.iter().map(|one| row(one, Some(*member))));
    let others = committed.keys().filter(|partition| !assigned.contains(partition)).map(|one| row(one, None));
    of_members.chain(others).collect()
}

fn partitions(member: &Member) -> Vec<Partition> {
    let topics = member.assignment.iter().flatten();
    let each = topics
        .flat_map(|(topic, of)| of.iter().map(|index| Partition { topic: topic.clone(), index: *index }));
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Address;
    use crate::group::offsets::Committed;

    fn key(topic: &str, index: i32) -> Partition {
        Partition { topic: topic.to_owned(), index }
    }

    fn group() -> Group {
        let member = |id: &str, partitions: &[i32]| Member {
            id: id.to_owned(),
            host: "/127.0.0.1".to_owned(),
            client_id: "c".to_owned(),
            assignment: Some([("t".to_owned(), partitions.iter().copied().collect())].into()),
            ..Member::default()
        };
        Group {
            name: "g".to_owned(),
            state: "Stable".to_owned(),
            members: vec![member("a", &[2]), member("b", &[0, 1])],
            ..Group::default()
        }
    }

    #[test]
    fn members_with_most_partitions_come_first_and_a_lag_may_be_negative() {
        let one = |offset| Committed { offset, metadata: String::new(), leader_epoch: Some(4) };
        let committed: Offsets = [(key("t", 0), one(4)), (key("u", 3), one(12))].into();
        let ends: Ends =
            [(key("t", 0), Ok(10)), (key("t", 1), Ok(5)), (key("t", 2), Err(3)), (key("u", 3), Ok(9))].into();
        let rows: Vec<String> = rows(&group(), &committed, &ends).iter().map(|row| row.join(" ")).collect();
        assert_eq!(
            rows,
            [
                "g t 0 4 4 10 6 b /127.0.0.1 c",
                "g t 1 - - 5 - b /127.0.0.1 c",
                "g t 2 - - - - a /127.0.0.1 c",
                "g u 3 4 12 9 -3 - - -"
            ]
        );
        let text = offsets(&group(), &committed, &ends, false);
        let line = text.lines().nth(2).unwrap();
        assert_eq!(
            line,
            "g               t               0          4               10              6               b               /127.0.0.1      c"
        );
        assert!(
            !text.contains("LEADER-EPOCH")
                && offsets(&group(), &committed, &ends, true).contains("LEADER-EPOCH")
        );
        assert_eq!(offsets(&Group::default(), &Offsets::new(), &Ends::new(), false), "");
    }

    #[test]
    fn a_state_has_kafkas_columns() {
        let node = Node { id: 1, address: Address { host: "h".to_owned(), port: 9092 } };
        let text = state(&group(), &node, true);
        let words: Vec<&str> = text.lines().nth(2).unwrap().split_whitespace().collect();
        assert_eq!(words, ["g", "h:9092", "(1)", "-", "Stable", "-", "-", "2"]);
        assert!(
            state(&group(), &node, false).lines().nth(1).unwrap().ends_with("STATE                #MEMBERS")
        );
    }
}
