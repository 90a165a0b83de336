//! `kafka-consumer-groups --describe --members`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::width;
use crate::group::described::{Assignment, Group, Member};
use crate::output::escaped;

/// The members of a group in Kafka's columns. The titles are there also without members, as Kafka has it.
pub(super) fn text(group: &Group, is_verbose: bool) -> String {
    let members = &group.members;
    let has_instances = members.iter().any(|member| member.instance.is_some());
    let has_both =
        [true, false].iter().all(|is| members.iter().any(|member| member.is_upgraded == Some(*is)));
    let mut rows = vec![titles()];
    rows.extend(members.iter().map(|member| row(group, member)));
    // Titles do not widen a column.
    let column = |at: usize, least: usize| {
        width(least, rows.iter().skip(1).filter_map(|row| row.get(at)).map(String::as_str))
    };
    let first = [0, 1, 2, 3, 4].map(|at| column(at, if at == 2 { 17 } else { 15 }));
    let assignments = [7, 9].map(|at| column(at, 20));
    let mut text = String::new();
    for [name, id, instance, host, client, count, epoch, current, target_epoch, target, upgraded] in &rows {
        let [w0, w1, w2, w3, w4] = first;
        // Writing to a `String` does not fail.
        let _ = if text.is_empty() { writeln!(text) } else { Ok(()) };
        let _ = write!(text, "{name:<w0$} {id:<w1$} ");
        let _ = if has_instances { write!(text, "{instance:<w2$} ") } else { Ok(()) };
        let _ = write!(text, "{host:<w3$} {client:<w4$} {count:<15} ");
        if is_verbose {
            let [w0, w1] = assignments;
            let _ = write!(text, "{epoch:<15} {current:<w0$} {target_epoch:<15} {target:<w1$}");
            let _ = if has_both { write!(text, " {upgraded}") } else { Ok(()) };
        }
        text.push('\n');
    }
    text
}

type Row = [String; 11];

fn titles() -> Row {
    [
        "GROUP",
        "CONSUMER-ID",
        "GROUP-INSTANCE-ID",
        "HOST",
        "CLIENT-ID",
        "#PARTITIONS",
        "CURRENT-EPOCH",
        "CURRENT-ASSIGNMENT",
        "TARGET-EPOCH",
        "TARGET-ASSIGNMENT",
        "UPGRADED",
    ]
    .map(str::to_owned)
}

fn row(group: &Group, member: &Member) -> Row {
    let none = || "-".to_owned();
    let number = |number: Option<i32>| number.map_or_else(none, |number| number.to_string());
    let no_assignment = Assignment::new();
    let current = member.assignment.as_ref().unwrap_or(&no_assignment);
    [
        escaped(&group.name),
        escaped(&member.id),
        member.instance.as_deref().map(escaped).unwrap_or_default(),
        escaped(&member.host),
        escaped(&member.client_id),
        current.values().map(BTreeSet::len).sum::<usize>().to_string(),
        number(member.epoch),
        assigned(current),
        number(group.assignment_epoch),
        assigned(&member.target),
        member.is_upgraded.map_or_else(none, |is| is.to_string()),
    ]
}

/// Such as `orders:0,1;bills:2`, and `-` for nothing.
fn assigned(assignment: &Assignment) -> String {
    let topic = |(topic, of): (&String, &BTreeSet<i32>)| {
        let numbers: Vec<String> = of.iter().map(ToString::to_string).collect();
        format!("{}:{}", escaped(topic), numbers.join(","))
    };
    match assignment.is_empty() {
        true => "-".to_owned(),
        false => assignment.iter().map(topic).collect::<Vec<_>>().join(";"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(members: Vec<Member>, is_verbose: bool) -> Vec<String> {
        let group = Group { name: "g".to_owned(), assignment_epoch: Some(7), members, ..Group::default() };
        let text = text(&group, is_verbose);
        text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    fn member(is_upgraded: Option<bool>) -> Member {
        let partitions: Assignment = [("u".to_owned(), [1].into()), ("t".to_owned(), [0, 2].into())].into();
        Member {
            id: "a".to_owned(),
            host: "h".to_owned(),
            client_id: "c".to_owned(),
            assignment: Some(partitions),
            epoch: Some(6),
            is_upgraded,
            ..Member::default()
        }
    }

    #[test]
    fn columns_are_shown_where_a_member_fills_them() {
        assert_eq!(words(Vec::new(), false), ["GROUP CONSUMER-ID HOST CLIENT-ID #PARTITIONS"]);
        assert_eq!(words(vec![member(None)], false)[1], "g a h c 3");
        assert_eq!(words(vec![member(Some(true))], true)[1], "g a h c 3 6 t:0,2;u:1 7 -");
        let both = words(vec![member(Some(true)), member(Some(false))], true);
        assert!(both[0].ends_with("UPGRADED") && both[2].ends_with("- false"), "{both:?}");
        let fixed = Member { instance: Some("i".to_owned()), ..member(None) };
        assert_eq!(
            words(vec![fixed], false),
            ["GROUP CONSUMER-ID GROUP-INSTANCE-ID HOST CLIENT-ID #PARTITIONS", "g a i h c 3"]
        );
    }
}
