//! The command line: what can be asked of the binary, and the commands that need no running broker.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use broker::config::{BrokerConfig, ConfigError, HttpListener, Loaded, Sources, host_port, load, markdown};
use broker::telemetry::loggers::Loggers;
use broker::{StartOptions, healthcheck};
use clap::{Args, Parser, Subcommand};
use security::Secret;

use crate::new_users::{self, WrongUser};

/// The configuration is wrong (EX_CONFIG of sysexits.h).
pub(crate) const EXIT_CONFIG: u8 = 78;
/// The broker could not start, or stopped because of a fault.
pub(crate) const EXIT_FAILED: u8 = 1;
/// The broker was told twice to stop, or could not finish in time.
pub(crate) const EXIT_FORCED: u8 = 3;

const EXIT_CODES: &str = "Exit codes: 0 done or stopped cleanly, 1 failed, 2 wrong usage, 3 stopped by force, \
                          78 wrong configuration.";

/// A message broker that speaks the Kafka protocol.
#[derive(Debug, Parser)]
#[command(name = "ottla", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the broker until it is told to stop.
    Serve(Serve),
    /// Shows and changes configs of a cluster; checks a configuration file, or documents all keys.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Asks a running broker whether it is ready; exits with 0 if it is.
    Healthcheck {
        /// Address at which the broker serves HTTP, https://HOST:PORT within TLS [default: as KAFKA_HTTP_LISTENER says, else localhost:8080]
        #[arg(long, value_name = "HOST:PORT")]
        http: Option<String>,
    },
    /// Shows what a data folder holds and what the next start would do; changes nothing.
    Inspect(Inspect),
    #[command(flatten)]
    Tools(::cli::Command),
}

/// Flags come before KAFKA_* environment variables, those before the file, that before the defaults.
#[derive(Debug, Default, Args)]
pub(crate) struct Serve {
    /// A server.properties, as for Kafka.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets one key; may be given several times.
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// The folder that holds the data (log.dirs) [default: ./data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Address that Kafka clients connect to (listeners) [default: port 9092 of every interface]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Address of /metrics, /livez and /readyz, https://HOST:PORT for TLS (http.listener) [default: localhost:8080]
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<String>,
    /// Warns of unknown keys instead of refusing them.
    #[arg(long)]
    lenient: bool,
    /// Starts although records that were on the disk are missing, and goes on without them.
    #[arg(long)]
    accept_data_loss: bool,
    /// Makes a user of SCRAM, as kafka-storage.sh does, unless it exists; may be given several times. Other users of the machine
    /// can see it: OTTLA_BOOTSTRAP_USER_FILE names a file that holds name:password
    #[arg(long = "add-scram", value_name = "MECHANISM=[name=…,password=…]", value_parser = new_users::secret)]
    add_scram: Vec<Secret>,
}

/// Reads a data folder as the next start would, writes nothing to it, and exits with 1 if something is damaged.
///
/// No broker can start on the folder meanwhile. A folder that a broker has in use is shown as of one moment.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The data folder (log.dirs).
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Reads every batch and every record of the journal, and verifies their checksums.
    #[arg(long, conflicts_with = "offset")]
    pub(crate) check: bool,
    /// Shows one topic: the extents of its partitions, and how many batches they have.
    #[arg(long, value_name = "NAME")]
    pub(crate) topic: Option<String>,
    /// Shows one partition of the topic.
    #[arg(long, value_name = "INDEX", requires = "topic")]
    pub(crate) partition: Option<i32>,
    /// Shows the batch of the partition that holds this offset.
    #[arg(long, value_name = "OFFSET", requires = "partition")]
    pub(crate) offset: Option<i64>,
    /// Shows the records of one journal file; with --check, also the checksums of their batches.
    #[arg(long, value_name = "FILE", conflicts_with = "topic")]
    pub(crate) journal: Option<String>,
    /// Prints JSON for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Reports everything that is wrong with a file; exits with 78 if anything is.
    Check {
        /// A server.properties, as for Kafka.
        file: PathBuf,
        /// Warns of unknown keys instead of refusing them.
        #[arg(long)]
        lenient: bool,
    },
    /// Prints the documentation of all keys, in Markdown.
    Docs,
    #[command(flatten)]
    OfCluster(::cli::ConfigCommand),
}

impl Serve {
    /// The options that hold for one start and are no keys of the configuration.
    ///
    /// # Errors
    /// A user is not written as it must be; no part of the text is told.
    pub(crate) fn options(&self, config: &BrokerConfig, loggers: Loggers) -> Result<StartOptions, WrongUser> {
        let new_users = self.add_scram.iter().map(new_users::added).collect::<Result<_, _>>()?;
        let accept_data_loss = self.accept_data_loss;
        let bootstrap_user = new_users::bootstrap(config, |name| std::env::var_os(name).map(lossy))?;
        Ok(StartOptions { accept_data_loss, new_users, bootstrap_user, loggers, disk_space: None })
    }

    /// The configuration that flags, environment and file make together.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn load(&self) -> Result<Loaded, ConfigError> {
        load(&Sources {
            file: self.config.clone(),
            env: variables().collect(),
            overrides: self.overrides.clone(),
            flags: self.flags(),
            lenient: self.lenient,
        })
    }

    /// Each flag that was given, with the key that it sets and the value of that.
    fn flags(&self) -> Vec<(&'static str, &'static str, String)> {
        let flag = |flag, key, value: Option<String>| value.map(|value| (flag, key, value));
        let listen = self.listen.as_ref().map(|address| format!("PLAINTEXT://{address}"));
        let flags = [
            flag("--data", "log.dirs", self.data.clone()),
            flag("--listen", "listeners", listen),
            flag("--http", "http.listener", self.http.clone()),
        ];
        flags.into_iter().flatten().collect()
    }
}

/// The environment. A name that is no UTF-8 is none of ours: those are ASCII.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, lossy(value))))
}

/// A value as text, with bytes that are no UTF-8 replaced.
fn lossy(value: std::ffi::OsString) -> String {
    value.to_string_lossy().into_owned()
}

/// Runs `ottla config …`.
pub(crate) fn config(command: &ConfigCommand) -> ExitCode {
    match command {
        ConfigCommand::Check { file, lenient } => {
            // The file alone is judged: variables set no keys, yet the file may refer to them.
            let env = variables().filter(|(name, _)| !name.starts_with("KAFKA_")).collect();
            let sources = Sources { file: Some(file.clone()), env, lenient: *lenient, ..Sources::default() };
            match load(&sources) {
                Ok(Loaded { notes, .. }) => {
                    let notes: String = notes.iter().map(|note| format!("{}\n", note.text)).collect();
                    print(&format!("{notes}{} is a valid configuration\n", file.display()))
                }
                Err(error) => wrong_configuration(&error),
            }
        }
        ConfigCommand::Docs => print(&markdown()),
        ConfigCommand::OfCluster(command) => ::cli::run_config(command),
    }
}

/// Asks the broker at `http`, or where the environment has it, whether it is ready.
pub(crate) fn healthcheck(http: Option<String>) -> ExitCode {
    let set = |name| std::env::var(name).ok();
    let answer = match (http, set("KAFKA_HTTP_LISTENER")) {
        (Some(address), _) => healthcheck::http(&address),
        (None, Some(listener)) => match local_address(&listener) {
            Some(address) => healthcheck::http(&address),
            // Switched off.
            None => healthcheck::kafka(&kafka_address(set("KAFKA_LISTENERS"))),
        },
        // Where nothing is configured here, the broker may still have been told to serve no HTTP, or found its port taken.
        (None, None) => match healthcheck::http("localhost:8080") {
            Err(error) if !error.is_of_a_broker() => {
                healthcheck::kafka(&kafka_address(set("KAFKA_LISTENERS")))
            }
            answer => answer,
        },
    };
    match answer {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string()),
    }
}

/// The address at which a broker with these `listeners` is reached from its own machine.
fn kafka_address(listeners: Option<String>) -> String {
    let config = listeners.and_then(|text| BrokerConfig::from_pairs(&[("listeners", &text)]).ok());
    let first = config.as_ref().and_then(|config| config.listeners().first());
    first.map_or("localhost:9092".to_owned(), |listener| local(listener.host.as_deref(), listener.port))
}

/// Host and port for a client on the same machine, which reaches a listener on all addresses at `localhost`.
fn local(host: Option<&str>, port: u16) -> String {
    host_port(host.filter(|host| !matches!(*host, "0.0.0.0" | "::")).unwrap_or("localhost"), port)
}

/// The address at which a broker with this `http.listener` is reached from its own machine; `None` if it serves no HTTP.
fn local_address(http_listener: &str) -> Option<String> {
    let HttpListener { host, port, tls } = HttpListener::parse(http_listener).ok()??;
    let address = local(host.as_deref(), port);
    Some(if tls { format!("https://{address}") } else { address })
}

/// Says what is wrong with the configuration.
pub(crate) fn wrong_configuration(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("ottla: {error}");
    ExitCode::from(EXIT_CONFIG)
}

/// Says why the broker does not run.
pub(crate) fn failed(why: &str) -> ExitCode {
    eprintln!("ottla: {why}");
    ExitCode::from(EXIT_FAILED)
}

/// Says why the broker ended before it was done.
pub(crate) fn forced(why: &str) -> ExitCode {
    eprintln!("ottla: stopped by force: {why}");
    ExitCode::from(EXIT_FORCED)
}

/// Writes to standard output. A reader that has gone away, such as `head`, is no failure.
pub(crate) fn print(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            failed(&format!("cannot write to standard output: {error}"))
        }
        _ => ExitCode::SUCCESS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(arguments: &[&str]) -> Serve {
        let arguments = ["ottla", "serve"].iter().chain(arguments);
        match Cli::try_parse_from(arguments).map(|cli| cli.command) {
            Ok(Command::Serve(serve)) => serve,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn short_flags_stand_for_keys_and_win() {
        let serve =
            serve(&["--data", "/d", "--listen", "[::1]:1", "--http", ":2", "--override", "log.dirs=/x"]);
        let config = serve.load().expect("valid").config;
        assert_eq!(config.data_dir(), std::path::Path::new("/d"));
        let listeners: Vec<String> = config.listeners().iter().map(ToString::to_string).collect();
        assert_eq!(listeners, ["PLAINTEXT://[::1]:1"]);
        assert_eq!(config.http_listener().map(ToString::to_string).as_deref(), Some("*:2"));
    }

    #[test]
    fn a_wrong_flag_is_named_in_the_error() {
        let error = serve(&["--listen", "9092"]).load().expect_err("refused").to_string();
        assert!(error.contains("--listen: listeners: PLAINTEXT://9092 is not NAME://HOST:PORT"), "{error}");
    }

    /// S18: clap repeats a value that it refuses.
    #[test]
    fn a_wrong_user_is_refused_without_its_text() {
        let loggers = || broker::telemetry::loggers::Loggers::default();
        let config = BrokerConfig::from_pairs(&[]).expect("valid");
        let options = |text| serve(&["--add-scram", text]).options(&config, loggers());
        let error = options("SCRAM-SHA-256=[name=a,pass=hunter2]").expect_err("refused").to_string();
        assert!(error.contains("--add-scram") && !error.contains("hunter2"), "{error}");
        assert!(!format!("{:?}", serve(&["--add-scram", "hunter2"])).contains("hunter2"));
        let users = options("SCRAM-SHA-256=[name=a,password=hunter2]").expect("valid").new_users;
        assert_eq!(users.len(), 1);
    }

    #[test]
    fn a_healthcheck_asks_where_the_broker_serves() {
        assert_eq!(local_address(":81").as_deref(), Some("localhost:81"));
        assert_eq!(local_address("[::1]:81").as_deref(), Some("[::1]:81"));
        assert_eq!(local_address("0.0.0.0:81").as_deref(), Some("localhost:81"));
        assert_eq!(local_address(""), None);
        let kafka = |listeners: Option<&str>| kafka_address(listeners.map(str::to_owned));
        assert_eq!(kafka(None), "localhost:9092");
        assert_eq!(kafka(Some("PLAINTEXT://0.0.0.0:19092")), "localhost:19092");
        assert_eq!(kafka(Some("PLAINTEXT://[::1]:9")), "[::1]:9");
    }

    #[test]
    fn config_check_exits_with_78_or_0() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let check = || config(&ConfigCommand::Check { file: file.path().to_owned(), lenient: false });
        std::fs::write(file.path(), "num.partitions=2").expect("written");
        assert_eq!(check(), ExitCode::SUCCESS);
        std::fs::write(file.path(), "num.partition=2").expect("written");
        assert_eq!(check(), ExitCode::from(EXIT_CONFIG));
    }
}
