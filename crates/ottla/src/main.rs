//! The `ottla` binary: arguments, configuration, logging, then the broker until a signal ends it.
//!
//! One thread of the runtime for each processor; everything that the broker does begins in `run`. The file is
//! also built as `ottla-faulty` (`faulty.rs` is a link to it), whose storage breaks writes and syncs for
//! tests.

mod banner;
mod cli;
mod inspect;
mod new_users;
mod signals;

use std::process::ExitCode;
use std::time::Duration;

use broker::config::{BrokerConfig, Loaded, Note};
use broker::telemetry::logging;
use broker::{Broker, Outcome, StartError, StartOptions};
use clap::{CommandFactory as _, Parser as _};

use crate::cli::{Cli, Command, Serve};
use crate::signals::{Arrived, Effect, Signals, no_effect};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How long requests that were begun may take to be answered. Less than the ten seconds that `docker stop` grants.
const DRAIN_DEADLINE: Duration = Duration::from_secs(8);
/// How long threads that still work get to notice that the process ends.
const RUNTIME_DEADLINE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    // By the name of one of Kafka's tools, the binary takes that tool's flags, which the parser below does not know.
    if let Some(code) = ::cli::kafka_tool(std::env::args_os()) {
        return code;
    }
    match Cli::parse().command {
        Command::Serve(arguments) => serve(&arguments),
        Command::Config(command) => cli::config(&command),
        Command::Healthcheck { http } => cli::healthcheck(http),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Tools(command) => ::cli::run(&command, Cli::command),
    }
}

/// Runs the broker until it ends, and returns the exit code of the process.
fn serve(arguments: &Serve) -> ExitCode {
    // It heeds the quota of a container (cgroups), so a broker with two of 64 cores starts two threads.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return cli::failed(&format!("cannot start {threads} threads: {error}; check `ulimit -u`"));
        }
    };
    // Before anything that takes time: a signal that comes earlier ends the process at once.
    let signals = {
        let _entered = runtime.enter();
        Signals::new()
    };
    let signals = match signals {
        Ok(signals) => signals,
        Err(error) => return cli::failed(&format!("cannot listen for signals: {error}")),
    };
    let loaded = match arguments.load() {
        Ok(loaded) => loaded,
        Err(error) => return cli::wrong_configuration(&error),
    };
    // After loading, which decides how to log. What there is to log about that comes back as notes.
    let loggers = match logging::init(loaded.config.log_format, loaded.config.log_level) {
        Ok(loggers) => loggers,
        Err(error) => return cli::wrong_configuration(&error),
    };
    let options = match arguments.options(&loaded.config, loggers) {
        Ok(options) => options,
        Err(error) => return cli::wrong_configuration(&error),
    };
    let code = runtime.block_on(run(loaded, options, signals));
    // A read that blocks cannot be aborted; without a deadline tokio would wait for it.
    runtime.shutdown_timeout(RUNTIME_DEADLINE);
    code
}

/// Starts the broker, waits for a signal or for the storage to fail, and stops. The notes of the
/// configuration are logged first.
async fn run(Loaded { config, notes }: Loaded, options: StartOptions, mut signals: Signals) -> ExitCode {
    for Note { text, is_warning } in &notes {
        if *is_warning { tracing::warn!("{text}") } else { tracing::info!("{text}") }
    }
    let has_tls = config.listeners().iter().any(|listener| listener.protocol.has_tls());
    if has_tls || config.start().http_tls().is_some() {
        signals.renew_at_hangup();
    }
    let (broker, stopped_by) = match start(&config, options, &mut signals).await {
        Ok(started) => started,
        Err(code) => return code,
    };
    let name = match stopped_by {
        Some(name) => name,
        None => {
            cli::print(&banner::text(&config, broker.addresses(), broker.http_addresses()));
            let other = |arrived: Arrived| match arrived.effect {
                Effect::Report => broker.report(),
                Effect::Renew => broker.read_certificates_again(),
                _ => no_effect(arrived),
            };
            tokio::select! {
                name = signals.stop(other) => name,
                // What was not acknowledged may be lost: only a new start tells what the disk holds.
                reason = broker.failed() => {
                    return cli::failed(&format!("the storage failed, start anew: {reason}"));
                }
            }
        }
    };
    tracing::info!("{name}: stopping; SIGINT or SIGTERM once more stops at once");
    tokio::select! {
        outcome = broker.shutdown(DRAIN_DEADLINE) => match outcome {
            Outcome::Clean => ExitCode::SUCCESS,
            Outcome::Forced => ExitCode::from(cli::EXIT_FORCED),
        },
        name = signals.force() => cli::forced(&format!("{name} while stopping")),
    }
}

/// Starts the broker, to its end even if a signal asks for a stop meanwhile: a data folder that is left half opened would
/// have to be recovered. Returns that signal's name, too.
async fn start(
    config: &BrokerConfig,
    options: StartOptions,
    signals: &mut Signals,
) -> Result<(Broker, Option<&'static str>), ExitCode> {
    let failed = |error: StartError| cli::failed(&error.to_string());
    let starting = Broker::start(config.clone(), options);
    tokio::pin!(starting);
    let name = tokio::select! {
        started = &mut starting => return started.map(|broker| (broker, None)).map_err(failed),
        name = signals.stop(no_effect) => name,
    };
    tracing::info!("{name}: stopping once the start is complete; SIGINT or SIGTERM once more stops at once");
    tokio::select! {
        started = starting => started.map(|broker| (broker, Some(name))).map_err(failed),
        name = signals.force() => Err(cli::forced(&format!("{name} while starting"))),
    }
}
