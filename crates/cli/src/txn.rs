//! `ottla txn`: transactions, of their coordinators (ListTransactions, API 66; DescribeTransactions, 65) and of the partitions that they write to
//! (DescribeProducers, 61). Kafka has `kafka-transactions.sh` for it (KIP-664).
//!
//! | module | what |
//! | --- | --- |
//! | `list`, `describe`, `producers`, `hanging`, `abort`, `terminate` | a command each |
//! | `active` | the producers of partitions |
//! | `coordinated` | transactions as their coordinators know them |

mod abort;
mod active;
mod coordinated;
mod describe;
mod hanging;
mod list;
mod producers;
mod terminate;

use clap::{Args, Subcommand};

use crate::client::{Cluster, Coordinators, Leaders, Target};
use crate::failure::Failure;
use crate::output::{Format, Outcome};

/// `ottla txn …`
#[derive(Debug, Args)]
pub struct TxnArguments {
    #[command(subcommand)]
    command: TxnCommand,
    #[command(flatten)]
    target: Target,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t, global = true)]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum TxnCommand {
    /// Lists transactional ids with the states of their transactions.
    List(list::ListArguments),
    /// Shows the transaction of each transactional id: its producer, its state, its age and its partitions.
    Describe {
        /// Transactional ids.
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
    /// Shows the producers of a topic's partitions, and the offset at which each has an open transaction.
    Producers {
        #[arg(value_name = "TOPIC")]
        topic: String,
        #[arg(short, long, value_name = "N,…", value_delimiter = ',', value_parser = clap::value_parser!(i32).range(0..))]
        partition: Vec<i32>,
    },
    /// Finds open transactions that no coordinator will end: they hold up every reader of committed records.
    Hanging(hanging::HangingArguments),
    /// Aborts one open transaction of a partition.
    Abort(abort::AbortArguments),
    /// Ends the open transaction of a transactional id, and shuts out its producer.
    Terminate(terminate::TerminateArguments),
}

pub(crate) fn run(arguments: &TxnArguments) -> Result<Outcome, Failure> {
    let format = arguments.output;
    let cluster = Cluster::connect(&arguments.target)?;
    match &arguments.command {
        TxnCommand::List(list) => {
            list::run(list, &mut Coordinators::of_transactions(cluster), format).map(Outcome::good)
        }
        TxnCommand::Describe { ids } => {
            describe::run(ids, &mut Coordinators::of_transactions(cluster), format)
        }
        TxnCommand::Producers { topic, partition } => {
            producers::run(topic, partition, &mut Leaders::of(cluster), format).map(Outcome::good)
        }
        TxnCommand::Hanging(hanging) => {
            hanging::run(hanging, &mut Coordinators::of_transactions(cluster), format).map(Outcome::good)
        }
        TxnCommand::Terminate(terminate) => {
            terminate::run(terminate, &mut Coordinators::of_transactions(cluster), format).map(Outcome::good)
        }
        TxnCommand::Abort(abort) => abort::run(abort, &mut Leaders::of(cluster), format).map(Outcome::good),
    }
}
