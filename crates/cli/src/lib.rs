//! The tools of the `ottla` binary: everything that it does besides running a broker and looking into a data folder.
//!
//! They need no broker of this project: what talks to one speaks the Kafka protocol to any. The broker crate uses
//! nothing of this crate, and this crate nothing of the broker or the storage.
//!
//! | module | what |
//! | --- | --- |
//! | `tls_dev` | certificates for development: an authority, a server, clients |
//! | `client` | a client of any Kafka: TLS, logins, versions |
//! | `user`, `acl`, `quota`, `token` | what an administrator changes |
//! | `group` | groups of consumers: their members, offsets and lags |
//! | `txn` | transactional ids, open and hanging transactions |
//! | `doctor` | what is wrong on a client's path |
//! | `topic` | topics |
//! | `config` | configs of every resource |
//! | `configs` | the requests about configs |
//! | `produce`, `consume` | records, written and read |
//! | `record` | the forms of records: patterns, lines, JSON |
//! | `kafka_tools` | Kafka's own tools by their names: their flags, their lines |
//! | `generate` | completions of shells, manual pages |
//! | `password` | passwords that are read or made |
//! | `confirm` | the question before something is destroyed |
//! | `patterns` | regular expressions of names |
//! | `output` | what is printed |
//! | `base64` | bytes as text |
//! | `failure` | errors and exit codes |
//! | `interrupt` | Ctrl-C |
//! | `time` | times as users write them |
//! | `random`, `clock` | the only places that draw random bytes and read the clock |
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod acl;
mod base64;
mod client;
mod clock;
mod config;
mod configs;
mod confirm;
mod consume;
mod doctor;
mod failure;
mod generate;
mod group;
mod interrupt;
mod kafka_tools;
mod output;
mod password;
mod patterns;
mod produce;
mod quota;
mod random;
mod record;
mod time;
mod tls_dev;
mod token;
mod topic;
mod txn;
mod user;

use std::process::ExitCode;

use clap::Subcommand;

pub use crate::config::ConfigCommand;

use crate::acl::AclArguments;
use crate::consume::ConsumeArguments;
use crate::doctor::DoctorArguments;
use crate::failure::Failure;
use crate::generate::GenerateArguments;
use crate::group::GroupArguments;
use crate::output::Outcome;
use crate::produce::ProduceArguments;
use crate::quota::QuotaArguments;
use crate::tls_dev::TlsCommand;
use crate::token::TokenArguments;
use crate::topic::TopicArguments;
use crate::txn::TxnArguments;
use crate::user::UserArguments;

pub use crate::kafka_tools::kafka_tool;

/// The tools, by their names on the command line.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes certificates for development.
    #[command(subcommand)]
    Tls(TlsCommand),
    /// Lists, adds and deletes users of SCRAM, and changes their passwords.
    User(UserArguments),
    /// Lists, adds and removes entries of the authorizer (ACLs), and explains its decisions.
    Acl(AclArguments),
    /// Lists, sets and removes quotas.
    Quota(QuotaArguments),
    /// Creates, renews, expires and lists delegation tokens.
    Token(TokenArguments),
    /// Lists, describes, creates, alters and deletes topics, and deletes records before an offset.
    Topic(TopicArguments),
    /// Lists and describes groups of consumers, shows their lag, moves their offsets, and deletes them.
    Group(GroupArguments),
    /// Lists and describes transactions, finds those that hang, and aborts them.
    Txn(TxnArguments),
    /// Writes records to a topic: each line of standard input is a value.
    Produce(ProduceArguments),
    /// Reads records of topics: the value of each, and a newline.
    Consume(ConsumeArguments),
    /// Finds what is wrong between a client and a broker; exits with 1 if anything is.
    Doctor(DoctorArguments),
    /// Makes completions for a shell, or manual pages.
    Generate(GenerateArguments),
}

/// Runs a tool; returns the exit code of the process. `whole` makes the command line of the binary, which has more commands than these.
pub fn run(command: &Command, whole: fn() -> clap::Command) -> ExitCode {
    let done = match command {
        Command::Tls(TlsCommand::Dev(arguments)) => tls_dev::run(arguments).map(Outcome::good),
        Command::User(arguments) => user::run(arguments).map(Outcome::good),
        Command::Acl(arguments) => acl::run(arguments),
        Command::Quota(arguments) => quota::run(arguments).map(Outcome::good),
        Command::Token(arguments) => token::run(arguments).map(Outcome::good),
        Command::Topic(arguments) => topic::run(arguments),
        Command::Group(arguments) => group::run(arguments),
        Command::Txn(arguments) => txn::run(arguments),
        Command::Produce(arguments) => produce::run(arguments).map(Outcome::good),
        Command::Consume(arguments) => consume::run(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Generate(arguments) => generate::run(arguments, whole()).map(Outcome::good),
    };
    ended(done)
}

/// Runs `ottla config …` of a cluster; returns the exit code of the process.
pub fn run_config(command: &ConfigCommand) -> ExitCode {
    ended(config::run(command))
}

/// Prints the result of a tool.
fn ended(done: Result<Outcome, Failure>) -> ExitCode {
    match done.and_then(|outcome| output::print(&outcome.text).map(|()| outcome.is_good)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => failure.report(),
    }
}
