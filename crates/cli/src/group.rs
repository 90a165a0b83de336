//! `ottla group`: groups of consumers of any type: classic ones and those of Kafka Connect, of the consumer protocol (KIP-848), of Kafka Streams
//! (KIP-1071), and share groups (KIP-932) as far as the broker serves them.
//!
//! | module | what |
//! | --- | --- |
//! | `list`, `describe`, `lag`, `seek`, `delete` | a command each |
//! | `names` | the groups that a command names |
//! | `described` | a group as its coordinator describes it, by its type |
//! | `offsets` | committed offsets |
//! | `ends` | positions in logs |
//! | `rows` | both together: the lag of each partition |
//! | `watch` | a text that is drawn again and again |

pub(crate) mod delete;
mod describe;
pub(crate) mod described;
pub(crate) mod ends;
mod lag;
pub(crate) mod list;
mod names;
pub(crate) mod offsets;
mod rows;
pub(crate) mod seek;
mod watch;

use clap::{Args, Subcommand};

use self::names::Groups;
use crate::client::{Cluster, Coordinators, Target};
use crate::failure::Failure;
use crate::output::{Format, Outcome};

/// `ottla group …`
#[derive(Debug, Args)]
pub struct GroupArguments {
    #[command(subcommand)]
    command: GroupCommand,
    #[command(flatten)]
    target: Target,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t, global = true)]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum GroupCommand {
    /// Lists groups with their types and states.
    List(list::ListArguments),
    /// Shows coordinators, states, members, offsets and lags of groups.
    Describe(Groups),
    /// Counts the records that groups have yet to read, by topic and in total.
    Lag(lag::LagArguments),
    /// Moves the committed offsets of a group without members: shows the new ones, and sets them with --execute.
    Seek(seek::SeekArguments),
    /// Deletes groups and their committed offsets.
    Delete(delete::DeleteArguments),
}

pub(crate) fn run(arguments: &GroupArguments) -> Result<Outcome, Failure> {
    let format = arguments.output;
    let connect = || Cluster::connect(&arguments.target).map(Coordinators::of);
    match &arguments.command {
        GroupCommand::List(list) => list::run(list, &mut connect()?, format).map(Outcome::good),
        GroupCommand::Describe(groups) => describe::run(groups, &mut connect()?, format),
        GroupCommand::Lag(lag) => lag::run(lag, &arguments.target, format),
        GroupCommand::Seek(seek) => seek::run(seek, &mut connect()?, format),
        GroupCommand::Delete(delete) => delete::run(delete, &mut connect()?, format),
    }
}

/// A text of a table without the bold titles that it has on a terminal.
#[cfg(test)]
fn bare(text: &str) -> String {
    text.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "")
}
