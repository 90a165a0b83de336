//! The partitions of a group: committed offset, end of the log, and the distance between them, the lag.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::described::Group;
use super::ends::{self, name_of};
use super::offsets::{self, Offsets};
use crate::client::{self, Coordinators, Partition, Position};
use crate::failure::Failure;

/// A partition of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) partition: Partition,
    /// `None` while there is none.
    pub(super) committed: Option<i64>,
    pub(super) metadata: String,
    /// The end of the log, or the name of the error in its place.
    pub(super) end: Result<i64, String>,
    /// The member that has it.
    pub(super) member: Option<String>,
}

/// The partitions for which the group has committed offsets, or a member that has them. `group` is its description if it exists.
///
/// # Errors
/// A broker does not answer, or refuses.
pub(super) fn of(cluster: &mut Coordinators, name: &str, group: Option<&Group>) -> Result<Vec<Row>, Failure> {
    let offsets = match group {
        Some(Group { kind: "share", .. }) => offsets::started(cluster, name)?,
        _ => offsets::committed(cluster, name)?,
    };
    let assigned = group.into_iter().flat_map(Group::assigned);
    let assigned = assigned.map(|(topic, index)| Partition { topic, index });
    let wanted: BTreeSet<Partition> = offsets.keys().cloned().chain(assigned).collect();
    let found = ends::find(cluster, &wanted, Position::End)?;
    Ok(rows(&offsets, &found, group))
}

fn rows(offsets: &Offsets, found: &client::Offsets, group: Option<&Group>) -> Vec<Row> {
    let row = |(partition, end): (&Partition, &Result<i64, i16>)| {
        let committed = offsets.get(partition);
        let owner = group.and_then(|group| group.owner(&partition.topic, partition.index));
        Row {
            partition: partition.clone(),
            committed: committed.map(|one| one.offset),
            metadata: committed.map(|one| one.metadata.clone()).unwrap_or_default(),
            end: end.map_err(name_of),
            member: owner.map(|member| member.id.clone()),
        }
    };
    found.iter().map(row).collect()
}

impl Row {
    /// `None` without a committed offset or an end. A committed offset beyond the end, as after a topic was created again, is a lag of 0.
    pub(super) fn lag(&self) -> Option<i64> {
        let end = self.end.as_ref().ok()?;
        Some(end.saturating_sub(self.committed?).max(0))
    }

    pub(super) fn object(&self) -> Value {
        json!({
            "topic": self.partition.topic,
            "partition": self.partition.index,
            "current_offset": self.committed,
            "log_end_offset": self.end.as_ref().ok(),
            "lag": self.lag(),
            "metadata": self.metadata,
            "member_id": self.member,
            "error": self.end.as_ref().err(),
        })
    }
}

/// The sum of the known lags.
pub(super) fn total(rows: &[Row]) -> i64 {
    rows.iter().filter_map(Row::lag).fold(0, i64::saturating_add)
}

/// A cell for a value that may be missing.
pub(super) fn cell<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::group::described::tests::group;
    use crate::group::offsets::Committed;

    pub(in crate::group) fn row(
        topic: &str,
        index: i32,
        committed: Option<i64>,
        end: Result<i64, i16>,
    ) -> Row {
        Row {
            partition: Partition { topic: topic.to_owned(), index },
            committed,
            metadata: String::new(),
            end: end.map_err(name_of),
            member: None,
        }
    }

    #[test]
    fn lag_needs_both_offsets_and_is_never_negative() {
        assert_eq!(row("a", 0, Some(3), Ok(10)).lag(), Some(7));
        assert_eq!(row("a", 0, Some(11), Ok(10)).lag(), Some(0));
        assert_eq!(row("a", 0, None, Ok(10)).lag(), None);
        assert_eq!(row("a", 0, Some(3), Err(3)).lag(), None);
        let rows =
            [row("a", 0, Some(0), Ok(i64::MAX)), row("a", 1, Some(0), Ok(5)), row("b", 0, None, Ok(1))];
        assert_eq!(total(&rows), i64::MAX);
    }

    #[test]
    fn a_partition_has_its_offset_its_end_and_its_member() {
        let key = |topic: &str, index| Partition { topic: topic.to_owned(), index };
        let offsets: Offsets =
            [(key("a", 0), Committed { offset: 4, metadata: "m".to_owned(), leader_epoch: None })].into();
        let found: client::Offsets =
            [(key("a", 0), Ok(9)), (key("a", 1), Ok(2)), (key("gone", 0), Err(3))].into();
        let group = group(&[("one", &[("a", &[0, 1])])]);
        let rows = rows(&offsets, &found, Some(&group));
        assert_eq!(
            rows[0].object(),
            json!({"topic": "a", "partition": 0, "current_offset": 4, "log_end_offset": 9,
            "lag": 5, "metadata": "m", "member_id": "one", "error": null})
        );
        assert_eq!((rows[1].committed, rows[1].member.as_deref()), (None, Some("one")));
        assert_eq!(rows[2].end, Err("UNKNOWN_TOPIC_OR_PARTITION".to_owned()));
    }
}
