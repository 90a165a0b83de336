//! The `ottla` binary: arguments, configuration, logging, then the broker until a signal ends it.

mod banner;
mod cli;

use std::process::ExitCode;
use std::time::Duration;

use broker::config::{Loaded, Note};
use broker::telemetry::logging;
use broker::{Broker, Outcome, StartOptions};
use clap::Parser as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{Cli, Command, Serve};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How long requests that were begun may take to be answered. Less than the ten seconds that `docker stop` grants.
const DRAIN_DEADLINE: Duration = Duration::from_secs(8);
/// How long threads that still work get to notice that the process ends.
const RUNTIME_DEADLINE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(arguments) => serve(&arguments),
        Command::Config(command) => cli::config(&command),
        Command::Healthcheck { http } => cli::healthcheck(http),
    }
}

fn serve(arguments: &Serve) -> ExitCode {
    let loaded = match arguments.load() {
        Ok(loaded) => loaded,
        Err(error) => return cli::wrong_configuration(&error),
    };
    let loggers = match logging::init(loaded.config.log_format, loaded.config.log_level) {
        Ok(loggers) => loggers,
        Err(error) => return cli::wrong_configuration(&error),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return cli::failed(&format!("cannot start {threads} threads: {error}; check `ulimit -u`"));
        }
    };
    let code = runtime.block_on(run(loaded, arguments.options(loggers)));
    runtime.shutdown_timeout(RUNTIME_DEADLINE);
    code
}

async fn run(Loaded { config, notes }: Loaded, options: StartOptions) -> ExitCode {
    for Note { text, is_warning } in &notes {
        if *is_warning { tracing::warn!("{text}") } else { tracing::info!("{text}") }
    }
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return cli::failed(&format!("cannot listen for signals: {error}")),
    };
    let broker = tokio::select! {
        started = Broker::start(config.clone(), options) => match started {
            Ok(broker) => broker,
            Err(error) => return cli::failed(&error.to_string()),
        },
        name = signals.next() => return cli::forced(&format!("{name} while starting")),
    };
    cli::print(&banner::text(&config, broker.addresses(), broker.http_addresses()));
    let name = tokio::select! {
        name = signals.next() => name,
        // What was not acknowledged may be lost: only a new start tells what the disk holds.
        reason = broker.failed() => return cli::failed(&format!("the storage failed, start anew: {reason}")),
    };
    tracing::info!("{name}: stopping; a second signal stops at once");
    tokio::select! {
        outcome = broker.shutdown(DRAIN_DEADLINE) => match outcome {
            Outcome::Clean => ExitCode::SUCCESS,
            Outcome::Forced => ExitCode::from(cli::EXIT_FORCED),
        },
        name = signals.next() => cli::forced(&format!("{name} while stopping")),
    }
}

/// What asks the process to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
