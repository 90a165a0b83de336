//! `ottla config`: configs of every resource, of any Kafka.
//!
//! | module | what |
//! | --- | --- |
//! | `resource` | names of resources, and the broker that has the configs of each |
//! | `list`, `describe` | what is shown |
//! | `change` | what is changed |

mod change;
pub(crate) mod describe;
pub(crate) mod list;
pub(crate) mod resource;

use clap::{Args, Subcommand};

use crate::client::{Cluster, Target};
use crate::config::change::{PairArguments, UnsetArguments};
use crate::config::describe::DescribeArguments;
use crate::config::list::ListArguments;
use crate::configs::Operation;
use crate::failure::Failure;
use crate::output::{Format, Outcome};

/// `ottla config …` of a cluster. The binary has more commands of this name, which need no cluster.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Lists the topics, brokers, groups with configs, or subscriptions to clients' metrics.
    List(Connected<ListArguments>),
    /// Shows the configs that differ from the defaults; with -o wide also their types and all their sources.
    Describe(Connected<DescribeArguments>),
    /// Sets configs.
    Set(Connected<PairArguments>),
    /// Resets configs to their defaults.
    Unset(Connected<UnsetArguments>),
    /// Adds values to configs that are lists.
    Append(Connected<PairArguments>),
    /// Removes values from configs that are lists.
    Subtract(Connected<PairArguments>),
}

/// Arguments of a command, and those of every command that connects.
#[derive(Debug, Args)]
pub struct Connected<A: Args> {
    #[command(flatten)]
    arguments: A,
    #[command(flatten)]
    target: Target,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl<A: Args> Connected<A> {
    fn run(
        &self,
        run: impl FnOnce(&A, &mut Cluster, Format) -> Result<Outcome, Failure>,
    ) -> Result<Outcome, Failure> {
        run(&self.arguments, &mut Cluster::connect(&self.target)?, self.output)
    }
}

pub(crate) fn run(command: &ConfigCommand) -> Result<Outcome, Failure> {
    match command {
        ConfigCommand::List(list) => list.run(list::run),
        ConfigCommand::Describe(describe) => describe.run(describe::run),
        ConfigCommand::Set(set) => {
            set.run(|pairs, cluster, format| pairs.run(Operation::Set, cluster, format))
        }
        ConfigCommand::Unset(unset) => unset.run(change::unset),
        ConfigCommand::Append(append) => {
            append.run(|pairs, cluster, format| pairs.run(Operation::Append, cluster, format))
        }
        ConfigCommand::Subtract(subtract) => {
            subtract.run(|pairs, cluster, format| pairs.run(Operation::Subtract, cluster, format))
        }
    }
}
