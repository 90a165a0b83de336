//! The changes of a seek: for each partition the old offset, the new one, and the reason if it is another than was asked for.

use codec::ErrorCode;
use serde_json::{Value, json};

use super::target::To;
use crate::client::Partition;
use crate::group::ends::name_of;
use crate::group::rows::cell;
use crate::output::{Table, escaped};

/// The change of one partition.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) partition: Partition,
    old: Option<i64>,
    new: New,
}

#[derive(Debug, PartialEq, Eq)]
enum New {
    /// An offset, and the reason if it is another than was asked for.
    Offset(i64, Option<&'static str>),
    Deleted,
    /// No change, and the reason: it was left out, or refused.
    Undone(String),
}

impl Change {
    pub(super) fn deletion(partition: Partition, old: Option<i64>) -> Self {
        let none = || skipped("it has no committed offset");
        Self { partition, old, new: old.map_or_else(none, |_| New::Deleted) }
    }

    /// Start and end of the log, and the offset at the time that is asked for, are as the leader answered: an offset, or an error code.
    pub(super) fn position(
        partition: Partition,
        old: Option<i64>,
        to: To,
        start: Result<i64, i16>,
        end: Result<i64, i16>,
        at_time: Result<i64, i16>,
    ) -> Self {
        let new = move || {
            let (start, end) = (start.map_err(name_of)?, end.map_err(name_of)?);
            let offset = match to {
                To::Start => start,
                To::End => end,
                To::Offset(offset) => offset,
                To::By(by) => old.ok_or("it has no committed offset")?.saturating_add(by),
                To::Time(_) | To::Ago(_) => match at_time.map_err(name_of)? {
                    -1 => return Ok((end, Some("no record is that new"))),
                    offset => offset,
                },
            };
            Ok(within(offset, start, end))
        };
        let new: Result<_, String> = new();
        let new = new.map_or_else(|reason| skipped(&reason), |(offset, note)| New::Offset(offset, note));
        Self { partition, old, new }
    }

    /// The new offset, if there is one.
    pub(super) fn new_offset(&self) -> Option<i64> {
        if let New::Offset(offset, _) = &self.new { Some(*offset) } else { None }
    }

    /// The reason for no change.
    pub(super) fn undone(&self) -> Option<&str> {
        if let New::Undone(reason) = &self.new { Some(reason) } else { None }
    }

    /// The coordinator has refused it by this error.
    pub(super) fn refuse(&mut self, code: i16) {
        let remedy = match ErrorCode::from_code(code) {
            Some(ErrorCode::UnknownMemberId | ErrorCode::NonEmptyGroup | ErrorCode::RebalanceInProgress) => {
                ": the group has members, stop them"
            }
            Some(ErrorCode::GroupSubscribedToTopic) => ": members are subscribed to the topic, stop them",
            Some(ErrorCode::TopicAuthorizationFailed | ErrorCode::GroupAuthorizationFailed) => {
                ": this user lacks Read on the group or the topic, see `ottla acl add`"
            }
            _ => "",
        };
        self.new = New::Undone(format!("refused: {}{remedy}", name_of(code)));
    }

    fn note(&self) -> Option<String> {
        match &self.new {
            New::Offset(_, note) => note.map(str::to_owned),
            New::Deleted => Some("deleted".to_owned()),
            New::Undone(reason) => Some(reason.clone()),
        }
    }
}

fn skipped(reason: &str) -> New {
    New::Undone(format!("skipped: {reason}"))
}

/// An offset of the log, as near as possible, and the reason if it is another.
fn within(offset: i64, start: i64, end: i64) -> (i64, Option<&'static str>) {
    match offset {
        _ if offset > end => (end, Some("the log ends there")),
        _ if offset < start => (start, Some("the log starts there")),
        _ => (offset, None),
    }
}

/// All changes of a group.
pub(super) struct Plan<'a> {
    pub(super) group: &'a str,
    pub(super) is_executed: bool,
    pub(super) changes: &'a [Change],
}

impl Plan<'_> {
    pub(super) fn object(&self) -> Value {
        let change = |change: &Change| {
            json!({
                "topic": change.partition.topic,
                "partition": change.partition.index,
                "old_offset": change.old,
                "new_offset": change.new_offset(),
                "note": change.note(),
            })
        };
        let changes: Value = self.changes.iter().map(change).collect();
        json!({"group": self.group, "executed": self.is_executed, "partitions": changes})
    }

    pub(super) fn text(&self) -> String {
        let mut table = Table::new(&["TOPIC", "PARTITION", "OLD-OFFSET", "NEW-OFFSET", "NOTE"]);
        for change in self.changes {
            table.push([
                change.partition.topic.clone(),
                change.partition.index.to_string(),
                cell(change.old),
                cell(change.new_offset()),
                change.note().unwrap_or_default(),
            ]);
        }
        let changed = self.changes.iter().filter(|change| change.undone().is_none()).count();
        let last = match self.is_executed {
            true => {
                format!(
                    "changed group {}: {changed} of {} partitions\n",
                    escaped(self.group),
                    self.changes.len()
                )
            }
            false => "nothing was changed; give --execute to do so\n".to_owned(),
        };
        table.text("no offsets") + &last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::bare;

    const MISSING: Result<i64, i16> = Err(3);

    fn moved(old: Option<i64>, to: To, at_time: Result<i64, i16>) -> Change {
        let partition = Partition { topic: "a".to_owned(), index: 0 };
        Change::position(partition, old, to, Ok(10), Ok(20), at_time)
    }

    #[test]
    fn a_new_offset_is_within_the_log() {
        let new = |old, to, at_time| moved(old, to, at_time).new;
        assert_eq!(new(None, To::Start, MISSING), New::Offset(10, None));
        assert_eq!(new(None, To::End, MISSING), New::Offset(20, None));
        assert_eq!(new(None, To::Offset(15), MISSING), New::Offset(15, None));
        assert_eq!(new(None, To::Offset(21), MISSING), New::Offset(20, Some("the log ends there")));
        assert_eq!(new(None, To::Offset(9), MISSING), New::Offset(10, Some("the log starts there")));
        assert_eq!(new(Some(15), To::By(-3), MISSING), New::Offset(12, None));
        assert_eq!(new(Some(15), To::By(i64::MAX), MISSING), New::Offset(20, Some("the log ends there")));
        assert_eq!(new(None, To::Time(1), Ok(13)), New::Offset(13, None));
        assert_eq!(new(None, To::Time(1), Ok(-1)), New::Offset(20, Some("no record is that new")));
    }

    #[test]
    fn a_partition_without_an_answer_is_skipped() {
        assert_eq!(moved(None, To::By(1), MISSING).undone(), Some("skipped: it has no committed offset"));
        assert_eq!(moved(None, To::Time(1), MISSING).undone(), Some("skipped: UNKNOWN_TOPIC_OR_PARTITION"));
        let partition = Partition { topic: "a".to_owned(), index: 0 };
        let change = Change::position(partition.clone(), None, To::Start, MISSING, MISSING, MISSING);
        assert_eq!(
            (change.new_offset(), change.undone()),
            (None, Some("skipped: UNKNOWN_TOPIC_OR_PARTITION"))
        );
        assert_eq!(
            Change::deletion(partition.clone(), None).undone(),
            Some("skipped: it has no committed offset")
        );
        assert_eq!(Change::deletion(partition, Some(1)).undone(), None);
    }

    /// Users saw: the error of one partition, and nothing of the others, which were changed.
    #[test]
    fn a_refused_partition_is_shown_beside_those_that_were_changed() {
        let key = |index| Partition { topic: "a".to_owned(), index };
        let mut changes = [Change::deletion(key(0), Some(1)), Change::deletion(key(1), Some(2))];
        changes[1].refuse(ErrorCode::GroupSubscribedToTopic as i16);
        let plan = Plan { group: "billing", is_executed: true, changes: &changes };
        assert_eq!(
            bare(&plan.text()),
            "TOPIC  PARTITION  OLD-OFFSET  NEW-OFFSET  NOTE\n\
             a      0          1           -           deleted\n\
             a      1          2           -           refused: GROUP_SUBSCRIBED_TO_TOPIC: members are subscribed to the topic, stop them\n\
             changed group billing: 1 of 2 partitions\n"
        );
        assert_eq!(plan.object()["partitions"][0]["note"], "deleted");
    }

    #[test]
    fn a_plan_says_if_it_was_done() {
        let changes = [moved(Some(12), To::Offset(9), MISSING), moved(None, To::By(1), MISSING)];
        let plan = |is_executed| Plan { group: "billing", is_executed, changes: &changes };
        assert_eq!(
            bare(&plan(false).text()),
            "TOPIC  PARTITION  OLD-OFFSET  NEW-OFFSET  NOTE\n\
             a      0          12          10          the log starts there\n\
             a      0          -           -           skipped: it has no committed offset\n\
             nothing was changed; give --execute to do so\n"
        );
        assert!(plan(true).text().ends_with("changed group billing: 1 of 2 partitions\n"));
        let object = plan(true).object();
        assert_eq!(
            (&object["executed"], &object["partitions"][1]["new_offset"]),
            (&json!(true), &Value::Null)
        );
    }
}
