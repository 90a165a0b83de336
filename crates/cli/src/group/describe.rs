//! `ottla group describe`: coordinator, state, members and offsets of groups.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::described::{self, Assignment, Group, Member};
use super::names::Groups;
use super::rows::{self, Row, cell, total};
use crate::client::{Coordinators, Node};
use crate::failure::Failure;
use crate::output::{Format, Outcome, Table, escaped, shown};

/// A group with its coordinator and its offsets.
struct Whole {
    coordinator: Node,
    group: Group,
    rows: Vec<Row>,
}

/// Shows all that exist; the others are named on standard error.
///
/// # Errors
/// A broker does not answer.
pub(super) fn run(groups: &Groups, cluster: &mut Coordinators, format: Format) -> Result<Outcome, Failure> {
    let (mut all, mut is_good) = (Vec::new(), true);
    for name in groups.find(cluster)? {
        let Some(group) = described::describe(cluster, &name)? else {
            missing(&name).report();
            is_good = false;
            continue;
        };
        let rows = rows::of(cluster, &name, Some(&group))?;
        all.push(Whole { coordinator: cluster.coordinator(&name)?, group, rows });
    }
    let text = shown(
        format,
        || all.iter().map(object).collect(),
        || all.iter().map(text).collect::<Vec<_>>().join("\n"),
    );
    Ok(Outcome { text, is_good })
}

/// The failure for a group that does not exist.
pub(super) fn missing(name: &str) -> Failure {
    Failure::failed(format!("there is no group {}; see `ottla group list`", escaped(name)))
}

fn object(whole: &Whole) -> Value {
    let Whole { coordinator, group, rows } = whole;
    json!({
        "group": group.name,
        "type": group.kind,
        "state": group.state,
        "protocol_type": group.protocol,
        "assignor": group.assignor,
        "coordinator": {"id": coordinator.id, "address": coordinator.address.to_string()},
        "members": group.members.iter().map(member).collect::<Value>(),
        "partitions": rows.iter().map(Row::object).collect::<Value>(),
        "total_lag": total(rows),
    })
}

fn member(member: &Member) -> Value {
    let topics = |assignment: &Assignment| -> Value {
        let topic = |(topic, partitions)| json!({"topic": topic, "partitions": partitions});
        assignment.iter().map(topic).collect()
    };
    json!({
        "member_id": member.id,
        "group_instance_id": member.instance,
        "client_id": member.client_id,
        "host": member.host,
        "assignment": member.assignment.as_ref().map(topics),
    })
}

/// Three blocks: the group, its members, its partitions.
fn text(whole: &Whole) -> String {
    let Whole { coordinator, group, rows } = whole;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let value = if value.is_empty() { "-" } else { value };
        // Writing to a `String` does not fail.
        let _ = writeln!(text, "{name:<13}{}", escaped(value));
    };
    line("GROUP", &group.name);
    line("COORDINATOR", &format!("{} ({})", coordinator.id, coordinator.address));
    line("TYPE", group.kind);
    line("STATE", &group.state);
    line("PROTOCOL", &group.protocol);
    line("ASSIGNOR", &group.assignor);
    line("MEMBERS", &group.members.len().to_string());
    line("TOTAL-LAG", &total(rows).to_string());
    for block in [members(group), partitions(rows)].into_iter().flatten() {
        text.push('\n');
        text.push_str(&block.text(""));
    }
    text
}

/// `None` without members.
fn members(group: &Group) -> Option<Table> {
    let mut table = Table::new(&["MEMBER-ID", "INSTANCE-ID", "CLIENT-ID", "HOST", "ASSIGNMENT"]);
    for member in &group.members {
        table.push([
            member.id.clone(),
            cell(member.instance.as_ref()),
            member.client_id.clone(),
            member.host.clone(),
            member.assignment_text(),
        ]);
    }
    (!group.members.is_empty()).then_some(table)
}

/// `None` without partitions.
fn partitions(rows: &[Row]) -> Option<Table> {
    let titles = &["TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "MEMBER-ID", "METADATA"];
    let mut table = Table::new(titles);
    for row in rows {
        let end = row.end.as_ref().map_or_else(Clone::clone, ToString::to_string);
        table.push([
            row.partition.topic.clone(),
            row.partition.index.to_string(),
            cell(row.committed),
            end,
            cell(row.lag()),
            cell(row.member.as_ref()),
            row.metadata.clone(),
        ]);
    }
    (!rows.is_empty()).then_some(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Address;
    use crate::group::bare;
    use crate::group::described::tests::group;
    use crate::group::rows::tests::row;

    fn whole() -> Whole {
        let address = Address { host: "localhost".to_owned(), port: 9092 };
        let rows = vec![row("a", 0, Some(3), Ok(10)), row("b", 0, None, Err(3))];
        Whole { coordinator: Node { id: 1, address }, group: group(&[("one", &[("a", &[0])])]), rows }
    }

    #[test]
    fn a_group_is_three_blocks() {
        assert_eq!(
            bare(&text(&whole())),
            "GROUP        billing\n\
             COORDINATOR  1 (localhost:9092)\n\
             TYPE         classic\n\
             STATE        Stable\n\
             PROTOCOL     consumer\n\
             ASSIGNOR     range\n\
             MEMBERS      1\n\
             TOTAL-LAG    7\n\
             \n\
             MEMBER-ID  INSTANCE-ID  CLIENT-ID  HOST        ASSIGNMENT\n\
             one        -            app        /127.0.0.1  a:0\n\
             \n\
             TOPIC  PARTITION  CURRENT-OFFSET  LOG-END-OFFSET              LAG  MEMBER-ID  METADATA\n\
             a      0          3               10                          7    -\n\
             b      0          -               UNKNOWN_TOPIC_OR_PARTITION  -    -\n"
        );
    }

    #[test]
    fn json_has_the_same() {
        let object = object(&whole());
        assert_eq!(object["coordinator"], json!({"id": 1, "address": "localhost:9092"}));
        assert_eq!(object["members"][0]["assignment"], json!([{"topic": "a", "partitions": [0]}]));
        assert_eq!(object["partitions"][1]["error"], "UNKNOWN_TOPIC_OR_PARTITION");
        assert_eq!(object["total_lag"], 7);
    }
}
