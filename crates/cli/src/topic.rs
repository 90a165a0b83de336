//! `ottla topic`: topics and what is in them, of any Kafka.
//!
//! | module | what |
//! | --- | --- |
//! | `wanted` | names and regular expressions as arguments |
//! | `select` | the topics that they fit |
//! | `list`, `describe` | what is shown |
//! | `create`, `alter`, `delete`, `trim` | what is changed |
//! | `offsets` | what is asked for besides metadata and configs |
//! | `before` | an offset, a time or an age as an argument |
//! | `report` | the result for each topic |

mod alter;
mod before;
mod create;
mod delete;
mod describe;
mod list;
mod offsets;
mod report;
mod select;
mod trim;
mod wanted;

use clap::{Args, Subcommand};
use codec::messages::StrBytes;

use crate::client::{Cluster, Leaders, Target};
use crate::failure::Failure;
use crate::output::{Format, Outcome};
use crate::topic::alter::AlterArguments;
use crate::topic::create::CreateArguments;
use crate::topic::delete::DeleteArguments;
use crate::topic::select::ShowArguments;
use crate::topic::trim::TrimArguments;

pub(crate) use self::select::id_text;

/// The time that a broker gets for a change.
pub(crate) const TIMEOUT_MS: i32 = 30_000;

/// `ottla topic …`
#[derive(Debug, Args)]
pub struct TopicArguments {
    #[command(subcommand)]
    command: TopicCommand,
    #[command(flatten)]
    target: Target,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t, global = true)]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum TopicCommand {
    /// Lists topics; with -o wide also their ids, and how many configs each sets.
    List(ShowArguments),
    /// Shows partitions with leaders, replicas and offsets, and the configs that differ from the defaults.
    Describe(ShowArguments),
    /// Creates topics.
    Create(CreateArguments),
    /// Adds partitions to topics, and changes their configs.
    Alter(AlterArguments),
    /// Deletes topics and all their records, after a question.
    Delete(DeleteArguments),
    /// Deletes the records before an offset or a time, after a question.
    Trim(TrimArguments),
}

pub(crate) fn run(arguments: &TopicArguments) -> Result<Outcome, Failure> {
    let mut leaders = Leaders::of(Cluster::connect(&arguments.target)?);
    let format = arguments.output;
    match &arguments.command {
        TopicCommand::List(list) => list::run(list, &mut leaders, format),
        TopicCommand::Describe(describe) => describe::run(describe, &mut leaders, format),
        TopicCommand::Create(create) => create::run(create, leaders.cluster(), format),
        TopicCommand::Alter(alter) => alter::run(alter, &mut leaders, format),
        TopicCommand::Delete(delete) => delete::run(delete, &mut leaders, format),
        TopicCommand::Trim(trim) => trim::run(trim, &mut leaders, format),
    }
}

/// A config as an argument: `key=value`.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE, such as retention.ms=3600000".to_owned()),
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

#[cfg(test)]
mod tests;
