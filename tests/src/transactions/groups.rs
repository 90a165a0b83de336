//! Committed offsets of groups: the newest of those that count, by the order in which they were sent, and
//! none that a transaction may still change.

use std::collections::BTreeMap;

use super::{Fate, GroupPartition, Index, OffsetRead, Outcome, Time};
use crate::history::Violations;

/// A commit that may be what a reader was told.
struct Commit {
    offset: i64,
    /// The request that brought the offset; its answer, or the end of time.
    sent: Time,
    answered: Time,
    /// The request has not come again after this.
    last: Time,
    /// It cannot count before this. `None`: never.
    counts_from: Option<Time>,
    /// It counts after this for certain. `None`: perhaps never.
    counts_by: Option<Time>,
    /// Its transaction was open all the time between the answer and this. `None`: it has none, or may have
    /// ended at any time.
    open_until: Option<Time>,
    /// It is of a transaction of unknown outcome whose records do not count.
    is_torn_off: bool,
    /// The transaction, with its outcome. `None`: it has none.
    of: Option<(u64, Outcome)>,
}

impl std::fmt::Display for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.of {
            Some((id, outcome)) => {
                write!(f, "transaction {id} ({outcome:?}, end sent at {:?})", self.counts_from)?
            }
            None => f.write_str("a plain commit")?,
        }
        write!(f, " sent it at {}, answered at {}", self.sent, self.answered)
    }
}

/// All commits for one partition of a group.
#[derive(Default)]
struct Commits {
    /// In the order of their offsets.
    all: Vec<Commit>,
    /// The time by which a commit counts for certain, and the newest time at which one that counts by then
    /// was sent. Rises.
    newest: Vec<(Time, Time)>,
    /// The time at which a pending offset was answered, and the latest time until which one of those answered
    /// by then was pending. Rises.
    pending: Vec<(Time, Time)>,
}

/// The greatest second part up to each first part.
fn rising(times: impl Iterator<Item = (Time, Time)>) -> Vec<(Time, Time)> {
    let mut times: Vec<(Time, Time)> = times.collect();
    times.sort_unstable();
    let mut greatest = 0;
    for (_, time) in &mut times {
        greatest = greatest.max(*time);
        *time = greatest;
    }
    times
}

/// The second part of the last entry of [`rising`] before `asked`.
fn before(times: &[(Time, Time)], asked: Time) -> Option<Time> {
    let count = times.partition_point(|(time, _)| *time < asked);
    times.get(count.checked_sub(1)?).map(|(_, greatest)| *greatest)
}

pub(super) fn check(index: &Index<'_>, found: &mut Violations) {
    let commits = commits(index);
    let none = Commits::default();
    for read in &index.history.offset_reads {
        commits.get(&read.partition).unwrap_or(&none).judge(index, read, found);
    }
}

fn commits(index: &Index<'_>) -> BTreeMap<GroupPartition, Commits> {
    let mut by_partition: BTreeMap<GroupPartition, Commits> = BTreeMap::new();
    for plain in &index.history.plain_commits {
        by_partition.entry(plain.partition).or_default().all.push(Commit {
            offset: plain.offset,
            sent: plain.sent,
            answered: plain.answered.unwrap_or(Time::MAX),
            last: plain.answered.unwrap_or(Time::MAX),
            counts_from: Some(plain.sent),
            counts_by: plain.answered,
            open_until: None,
            is_torn_off: false,
            of: None,
        });
    }
    for (transaction, fate) in index.transactions.values() {
        let counts_by = match (transaction.outcome, fate) {
            (Outcome::Committed { at }, _) => Some(at),
            // The log shows it.
            (_, Fate::Committed) => Some(index.history.log_read),
            _ => None,
        };
        let is_committed = matches!(transaction.outcome, Outcome::Committed { .. });
        let ended = match transaction.outcome {
            Outcome::Committed { at } => at,
            _ => Time::MAX,
        };
        for staged in &transaction.offsets {
            let answered = staged.answered.unwrap_or(Time::MAX);
            by_partition.entry(staged.partition).or_default().all.push(Commit {
                offset: staged.offset,
                sent: staged.sent,
                answered,
                last: if index.history.comes_again { ended.max(answered) } else { answered },
                counts_from: transaction.commit_sent.filter(|_| *fate != Fate::Aborted),
                counts_by,
                // Any other may have been ended by its timeout.
                open_until: transaction.commit_sent.filter(|_| is_committed),
                is_torn_off: *fate == Fate::Aborted && transaction.outcome == Outcome::Unknown,
                of: Some((transaction.id, transaction.outcome)),
            });
        }
    }
    for commits in by_partition.values_mut() {
        commits.all.sort_by_key(|commit| commit.offset);
        commits.newest = rising(commits.all.iter().filter_map(|it| Some((it.counts_by?, it.sent))));
        commits.pending = rising(commits.all.iter().filter_map(|it| Some((it.answered, it.open_until?))));
    }
    by_partition
}

impl Commits {
    fn judge(&self, index: &Index<'_>, read: &OffsetRead, found: &mut Violations) {
        // Every commit that came for the last time before this was sent is no longer what counts.
        let newest = before(&self.newest, read.asked);
        let told = || {
            let at = index.group_partition(read.partition);
            format!("{at} was told to be {} between {} and {}", read.offset, read.asked, read.answered)
        };
        if read.offset < 0 {
            if newest.is_some() {
                found.add("group offset", || format!("{}, after a commit had been answered", told()));
            }
        } else {
            let start = self.all.partition_point(|commit| commit.offset < read.offset);
            let same = || self.all.iter().skip(start).take_while(|commit| commit.offset == read.offset);
            let may_count = |commit: &Commit| {
                commit.counts_from.is_some_and(|from| from <= read.answered)
                    && newest.is_none_or(|newest| commit.last >= newest)
            };
            if !same().any(may_count) {
                let kind =
                    if same().any(|commit| commit.is_torn_off) { "torn transaction" } else { "group offset" };
                found.add(kind, || {
                    let newer = newest.and_then(|sent| self.all.iter().find(|commit| commit.sent == sent));
                    let newer = newer
                        .map_or_else(String::new, |commit| format!("; newer: {}, {commit}", commit.offset));
                    let by = same().map(|commit| format!("; {commit}")).collect::<String>();
                    format!("{}{by}{newer}", told())
                });
            }
        }
        if read.stable && before(&self.pending, read.asked).is_some_and(|until| until > read.answered) {
            found.add("unstable offset", || format!("{}, while another was pending", told()));
        }
    }
}
