//! `ottla group seek`: other committed offsets for a group. It shows what would change, and changes it with `--execute` alone.

mod file;
mod plan;
mod select;
mod target;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};

use self::plan::{Change, Plan};
use self::target::{Chosen, To};
use super::described::{self, Group};
use super::offsets::{self, Results};
use crate::client::{Coordinators, Partition};
use crate::failure::Failure;
use crate::output::{Format, Outcome, escaped, shown};

/// `ottla group seek`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("how").required(true).args(["to", "by", "from_file", "delete"]))]
pub(super) struct SeekArguments {
    /// The group.
    group: String,
    /// start, end, an offset, a time (2026-11-30T18:00:00Z, 2026-11-30, or @MILLISECONDS since 1970), or how long ago (90min-ago)
    #[arg(long, value_name = "POSITION", value_parser = target::to)]
    to: Option<To>,
    /// Forward by this number of records, or back by -N.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    by: Option<i64>,
    /// A file of lines TOPIC,PARTITION,OFFSET or GROUP,TOPIC,PARTITION,OFFSET, as `kafka-consumer-groups.sh --export` writes them.
    #[arg(long, value_name = "FILE", conflicts_with = "topic")]
    from_file: Option<PathBuf>,
    /// Deletes the offsets.
    #[arg(long)]
    delete: bool,
    /// A topic, or some partitions of it; may be given several times [default: all that the group has offsets of]
    #[arg(long, value_name = "TOPIC[:PARTITION,…]", value_parser = target::chosen)]
    topic: Vec<Chosen>,
    /// Changes the offsets; without this they are only shown.
    #[arg(long)]
    execute: bool,
}

/// # Errors
/// The group has members, the arguments make no sense, or a broker does not answer.
pub(super) fn run(
    arguments: &SeekArguments,
    cluster: &mut Coordinators,
    format: Format,
) -> Result<Outcome, Failure> {
    let group = described::describe(cluster, &arguments.group)?;
    check(arguments, group.as_ref())?;
    let committed = offsets::committed(cluster, &arguments.group)?;
    let mut changes = match arguments.delete {
        true => select::deletions(arguments, &committed)?,
        false => {
            let wanted = select::wanted(arguments, cluster, &committed)?;
            select::positions(cluster, &wanted, &committed)?
        }
    };
    if arguments.execute {
        for (partition, code) in execute(arguments, cluster, &changes)? {
            let changed = changes.iter_mut().filter(|change| code != 0 && change.partition == partition);
            changed.for_each(|change| change.refuse(code));
        }
    }
    let is_good = changes.iter().all(|change| change.undone().is_none());
    let plan = Plan { group: &arguments.group, is_executed: arguments.execute, changes: &changes };
    Ok(Outcome { text: shown(format, || plan.object(), || plan.text()), is_good })
}

/// The offsets of a group in a file, as `--from-file` takes it.
///
/// # Errors
/// It cannot be read, or a line is wrong.
pub(crate) fn of_file(path: &Path, group: &str) -> Result<BTreeMap<Partition, i64>, Failure> {
    let all = file::all(path, group)?.into_iter();
    Ok(all
        .filter_map(
            |(partition, to)| if let To::Offset(offset) = to { Some((partition, offset)) } else { None },
        )
        .collect())
}

/// # Errors
/// The group has members, or none of its offsets are committed ones.
fn check(arguments: &SeekArguments, group: Option<&Group>) -> Result<(), Failure> {
    let Some(group) = group else { return Ok(()) };
    let name = escaped(&group.name);
    if group.kind == "share" {
        return Err(Failure::failed(format!(
            "{name} is a share group, which has no committed offsets; see kafka-share-groups.sh --reset-offsets"
        )));
    }
    // Offsets of topics without a subscription can be deleted at any time: the coordinator decides.
    let members = group.members.len();
    if members == 0 || arguments.delete {
        return Ok(());
    }
    let text = format!(
        "group {name} is {} and has {members} member{}, and would not notice: stop {}, then seek",
        escaped(&group.state),
        if members == 1 { "" } else { "s" },
        if members == 1 { "it" } else { "them" },
    );
    if arguments.execute {
        return Err(Failure::failed(text));
    }
    eprintln!("ottla: warning: {text}");
    Ok(())
}

/// Makes the changes; returns the error code of each.
///
/// # Errors
/// The coordinator does not answer, or refuses all of it.
fn execute(
    arguments: &SeekArguments,
    cluster: &mut Coordinators,
    changes: &[Change],
) -> Result<Results, Failure> {
    if arguments.delete {
        let partitions: Vec<Partition> =
            changes.iter().filter(|one| one.undone().is_none()).map(|one| one.partition.clone()).collect();
        return match partitions.is_empty() {
            true => Ok(Results::new()),
            false => offsets::delete(cluster, &arguments.group, &partitions),
        };
    }
    let new: BTreeMap<Partition, i64> =
        changes.iter().filter_map(|change| Some((change.partition.clone(), change.new_offset()?))).collect();
    if new.is_empty() { Ok(Results::new()) } else { offsets::commit(cluster, &arguments.group, &new) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::group::described::tests::group;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        seek: SeekArguments,
    }

    fn line(text: &str) -> Result<SeekArguments, clap::Error> {
        Line::try_parse_from(["seek"].into_iter().chain(text.split_whitespace())).map(|line| line.seek)
    }

    #[test]
    fn one_way_to_move_is_needed() {
        assert_eq!(line("g --by -5").unwrap().by, Some(-5));
        assert_eq!(line("g --to end --topic a:0,1 --topic b").unwrap().topic.len(), 2);
        for text in ["g", "g --to end --by 5", "g --to end --delete", "g --from-file f --topic a", "--to end"]
        {
            assert!(line(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_group_with_members_is_left_alone() {
        let busy = group(&[("one", &[])]);
        let refused = check(&line("g --to end --execute").unwrap(), Some(&busy)).unwrap_err().to_string();
        assert!(refused.contains("is Stable and has 1 member, "), "{refused}");
        for text in ["g --to end", "g --delete --execute"] {
            assert_eq!(check(&line(text).unwrap(), Some(&busy)), Ok(()), "{text}");
        }
        assert_eq!(check(&line("g --to end --execute").unwrap(), Some(&group(&[]))), Ok(()));
        let share = Group { kind: "share", ..group(&[]) };
        assert!(check(&line("g --to end").unwrap(), Some(&share)).is_err());
    }
}
