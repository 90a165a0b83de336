//! A broker under test: the real `ottla` binary, as a process of its own.
//!
//! Started on a folder of its own (or one it is given) and on ports of its own, ready when it
//! answers ApiVersions. It can be killed, stopped and started again on the same folder and ports,
//! keeps every line it logs, and is killed when the [`TestBroker`] is dropped.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::ports::Port;
use crate::process::{self, Memory};

/// A broker gets this long to become ready, also on a busy machine.
const READY: Duration = Duration::from_secs(30);
/// SIGTERM must end it within this time.
pub const STOP: Duration = Duration::from_secs(5);
/// ApiVersions v0, correlation id 7, no client id, with its length prefix.
const API_VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

/// How to start a broker.
#[derive(Debug, Clone, Default)]
pub struct Options {
    binary: Option<PathBuf>,
    data: Option<PathBuf>,
    overrides: Vec<String>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Options {
    /// On this folder, which is not removed afterwards.
    #[must_use]
    pub fn data(mut self, path: &Path) -> Self {
        self.data = Some(path.to_owned());
        self
    }

    /// With `--override key=value`.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.overrides.push(format!("{key}={}", value.to_string()));
        self
    }

    /// With an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.environment.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Another binary than [`binary`].
    #[must_use]
    pub fn binary(mut self, path: &Path) -> Self {
        self.binary = Some(path.to_owned());
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// If it exits or does not answer; the error has its log.
    pub fn start(self) -> Result<TestBroker> {
        let (port, http) = (Port::take()?, Port::take()?);
        let folder = match self.data {
            Some(_) => None,
            None => Some(TempDir::with_prefix("ottla-test-")?),
        };
        let data = match (&self.data, &folder) {
            (Some(path), _) => path.clone(),
            (None, Some(folder)) => folder.path().join("data"),
            (None, None) => bail!("no folder"),
        };
        let binary = match &self.binary {
            Some(path) => path.clone(),
            None => binary()?,
        };
        let mut broker = TestBroker {
            options: self,
            binary,
            data,
            _folder: folder,
            port,
            http,
            running: None,
            log: Log::default(),
        };
        broker.start()?;
        Ok(broker)
    }
}

/// The `ottla` binary: `$OTTLA_BINARY`, or the one in the target folder of the running test.
///
/// # Errors
/// If there is none; the error says how to build it.
pub fn binary() -> Result<PathBuf> {
    named_binary("OTTLA_BINARY", "ottla", "cargo build --release -p ottla")
}

/// A binary by its variable or its name beside the running test.
///
/// # Errors
/// If there is none; the error gives the command that builds it.
pub fn named_binary(variable: &str, name: &str, build: &str) -> Result<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        let path = PathBuf::from(path);
        ensure!(path.is_file(), "{variable}={} does not exist", path.display());
        return Ok(path);
    }
    let test = env::current_exe()?;
    let found = test.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("no `{name}` near {}: {build}", test.display()))
}

/// A running or stopped broker.
#[derive(Debug)]
pub struct TestBroker {
    options: Options,
    binary: PathBuf,
    data: PathBuf,
    _folder: Option<TempDir>,
    port: Port,
    http: Port,
    running: Option<Running>,
    log: Log,
}

#[derive(Debug)]
struct Running {
    child: Child,
    readers: Vec<JoinHandle<()>>,
}

/// The lines of all runs, newest last.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl TestBroker {
    /// A broker with default options.
    ///
    /// # Errors
    /// As [`Options::start`].
    pub fn start_new() -> Result<TestBroker> {
        Options::default().start()
    }

    /// Starts the stopped broker again, on the same folder and ports; returns the time from
    /// exec to the first answer.
    ///
    /// # Errors
    /// If it is running, exits, or does not answer.
    pub fn start(&mut self) -> Result<Duration> {
        ensure!(self.running.is_none(), "it runs already");
        let started = Instant::now();
        let mut child = self.command().spawn().with_context(|| format!("{}", self.binary.display()))?;
        let mut readers = Vec::new();
        if let Some(out) = child.stdout.take() {
            readers.push(self.log.keep(out)?);
        }
        if let Some(err) = child.stderr.take() {
            readers.push(self.log.keep(err)?);
        }
        self.running = Some(Running { child, readers });
        while !answers(self.address()) {
            if let Some(status) = self.exited()? {
                bail!("the broker ended at start: {status}\n{}\n{}", self.tail(40), self.inspected());
            }
            ensure!(started.elapsed() < READY, "not ready after {READY:?}\n{}", self.tail(40));
            thread::sleep(Duration::from_millis(1));
        }
        Ok(started.elapsed())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("serve").arg("--data").arg(&self.data);
        command.arg("--listen").arg(self.address().to_string());
        command.arg("--http").arg(self.http_address().to_string());
        for one in &self.options.overrides {
            command.arg("--override").arg(one);
        }
        command.args(&self.options.arguments);
        command.envs(self.options.environment.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Its exit status, if it ended by itself; it then counts as stopped.
    ///
    /// # Errors
    /// If it was not running.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        let running = self.running.as_mut().context("it is not running")?;
        let Some(status) = running.child.try_wait()? else { return Ok(None) };
        self.reap()?;
        Ok(Some(status))
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// If it does not within `limit`.
    pub fn wait_for_exit(&mut self, limit: Duration) -> Result<ExitStatus> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            ensure!(since.elapsed() < limit, "still running after {limit:?}\n{}", self.tail(40));
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// If it is not running.
    pub fn kill_9(&mut self) -> Result<()> {
        self.running.as_mut().context("it is not running")?.child.kill()?;
        self.reap().map(|_| ())
    }

    /// SIGTERM; it must exit with 0 within [`STOP`]. Returns the time it took.
    ///
    /// # Errors
    /// If it does not.
    pub fn terminate(&mut self) -> Result<Duration> {
        let since = Instant::now();
        process::signal(self.pid()?, "TERM")?;
        let status = self.wait_for_exit(STOP)?;
        ensure!(status.success(), "SIGTERM: {status}\n{}", self.tail(40));
        Ok(since.elapsed())
    }

    fn reap(&mut self) -> Result<ExitStatus> {
        let mut running = self.running.take().context("it is not running")?;
        let status = running.child.wait()?;
        for reader in running.readers {
            let _ = reader.join();
        }
        Ok(status)
    }

    /// One more argument, from the next start on.
    pub fn add_argument(&mut self, argument: &str) {
        self.options.arguments.push(argument.to_owned());
    }

    /// An environment variable, from the next start on.
    pub fn set_environment(&mut self, key: &str, value: &str) {
        self.options.environment.push((key.to_owned(), value.to_owned()));
    }

    /// Address of its Kafka listener.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port.number()))
    }

    /// Address of its HTTP listener.
    pub fn http_address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.http.number()))
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Findings of `ottla inspect` in its data folder, for a test that fails.
    pub fn inspected(&self) -> String {
        let output = Command::new(&self.binary).arg("inspect").arg(&self.data).arg("--check").output();
        match output {
            Ok(output) => format!(
                "ottla inspect --check: {}\n{}{}",
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ),
            Err(error) => format!("ottla inspect: {error}"),
        }
    }

    /// Its process id.
    ///
    /// # Errors
    /// If it is not running.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.running.as_ref().context("it is not running")?.child.id())
    }

    /// Its resident memory.
    ///
    /// # Errors
    /// If it is not running.
    pub fn memory(&self) -> Result<Memory> {
        process::memory(self.pid()?)
    }

    /// Every line it wrote so far, over all its runs.
    pub fn lines(&self) -> Vec<String> {
        self.log.0.lock().clone()
    }

    /// The lines that contain this.
    pub fn lines_with(&self, needle: &str) -> Vec<String> {
        self.log.0.lock().iter().filter(|line| line.contains(needle)).cloned().collect()
    }

    /// The same, once there are that many: a line is read a moment after the broker has written it. After five seconds those that
    /// have come.
    pub fn awaited_lines_with(&self, needle: &str, count: usize) -> Vec<String> {
        let since = Instant::now();
        loop {
            let found = self.lines_with(needle);
            if found.len() >= count || since.elapsed() > Duration::from_secs(5) {
                return found;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The newest lines, for an error message.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.log.0.lock();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        if self.running.is_some() {
            let _ = self.kill_9();
        }
        if thread::panicking() {
            eprintln!("--- log of the broker on {}\n{}", self.address(), self.tail(60));
        }
    }
}

impl Log {
    /// Keeps the lines from a pipe, on a thread that ends with it.
    fn keep(&self, pipe: impl Read + Send + 'static) -> Result<JoinHandle<()>> {
        let log = self.clone();
        let read = move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                log.0.lock().push(line);
            }
        };
        Ok(thread::Builder::new().name("broker-log".to_owned()).spawn(read)?)
    }
}

/// True if a broker answers ApiVersions there.
pub fn answers(address: SocketAddr) -> bool {
    let ask = || -> Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(&API_VERSIONS)?;
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        Ok(head[4..] == [0, 0, 0, 7])
    };
    ask().unwrap_or(false)
}
