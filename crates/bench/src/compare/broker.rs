//! Starts a broker on an empty folder and ports of its own, and kills it and removes its files.
//!
//! A broker's files lie in a folder of its own below the one that was given, beside a file with its pid: a
//! script that started this program can kill what is left by that, however this program ends.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use rustix::process::{Pid, Signal, kill_process};

use crate::connection::Connection;
use crate::control::{self, Control};
use crate::endpoint::{Endpoint, Tls};
use crate::loads::{Load, LoadKind, Security};
use crate::login;
use crate::rules;

/// A broker gets this long to answer.
const READY: Duration = Duration::from_secs(120);
/// Ports below those that Linux gives to outgoing connections.
const PORTS: std::ops::Range<u16> = 12_000..19_000;
/// Ottla limits connections by default, Kafka does not.
const UNLIMITED: [&str; 3] = [
    "max.connections=2147483647",
    "max.connections.per.ip=2147483647",
    "max.connection.creation.rate=2147483647",
];

/// The kinds of brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BrokerKind {
    /// Apache Kafka by its start script, with stock settings except those that a load asks for.
    Kafka,
    /// The binary of `--ottla` (or `--other-ottla`), with its limits of connections lifted.
    Ottla,
}

impl BrokerKind {
    /// As in output, JSON and names of folders.
    pub(crate) fn name(self) -> &'static str {
        match self {
            BrokerKind::Kafka => "kafka",
            BrokerKind::Ottla => "ottla",
        }
    }
}

/// The brokers' programs, and the folder for their files.
#[derive(Debug)]
pub(crate) struct Lab {
    /// For data, logs and pid files; absolute.
    pub(crate) folder: PathBuf,
    /// `KEY=VALUE`, after those that lift the limits of connections.
    pub(crate) ottla_overrides: Vec<String>,
    /// The start script; see [`Lab::start`] for what it is given.
    pub(crate) kafka: PathBuf,
    /// The folder of the jars.
    pub(crate) kafka_libs: PathBuf,
}

/// A broker that answers. Killed, and its folder removed, when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    /// On loopback, in the clear; the port after it is taken too (HTTP, or the controller), and the next one for what the load asks for.
    address: SocketAddr,
    /// For the load.
    pub(crate) endpoint: Endpoint,
    /// 0 until the process is known.
    pub(crate) pid: u32,
    /// From its start to its first answer.
    pub(crate) ready_ms: f64,
    /// Removed with everything in it when this is dropped.
    home: PathBuf,
    /// Beside `home`; removed when this is dropped.
    pid_file: PathBuf,
    /// Kafka's script leaves it to run on its own.
    child: Option<Child>,
    /// Ottla's.
    binary: PathBuf,
    /// `KEY=VALUE` that the load asks for.
    settings: Vec<String>,
}

impl Lab {
    /// Starts a broker, with what the load asks for: Kafka may sync before it acknowledges, as Ottla always does for acks=all, and
    /// in a load with retention both look for old records ten times, not once in five minutes.
    ///
    /// # Errors
    /// No port is free, or the broker does not answer within two minutes.
    pub(crate) fn start(&self, kind: BrokerKind, ottla: &Path, load: &Load) -> Result<Running> {
        let home = self.folder.join(kind.name());
        // Of a run that was killed, if there is any.
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home)?;
        // Dirty pages of the run before must not be written during this one.
        rustix::fs::sync();
        let port = free_ports()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut running = Running {
            address,
            endpoint: Endpoint::plain(address),
            pid: 0,
            ready_ms: 0.0,
            home,
            pid_file: self.folder.join(format!("{}.pid", kind.name())),
            child: None,
            binary: ottla.to_owned(),
            settings: Vec::new(),
        };
        if load.kind == LoadKind::Soak {
            let interval_ms = (u64::from(load.length_s) * 100).clamp(1_000, 60_000);
            running.settings.push(format!("log.retention.check.interval.ms={interval_ms}"));
            if kind == BrokerKind::Kafka {
                // Otherwise its first look comes after 30 s.
                running.settings.push(format!("log.initial.task.delay.ms={interval_ms}"));
            }
        }
        running.protect(kind, load)?;
        match kind {
            BrokerKind::Kafka => self.start_kafka(&mut running, load.kafka_syncs)?,
            BrokerKind::Ottla => self.start_ottla(&mut running)?,
        }
        running.prepare(load)?;
        Ok(running)
    }

    /// Starts Ottla, also on a folder that has data, and waits until it answers ApiVersions.
    fn start_ottla(&self, running: &mut Running) -> Result<()> {
        let log = fs::File::create(running.home.join("log"))?;
        let http = SocketAddr::from((Ipv4Addr::LOCALHOST, running.address.port() + 1));
        let mut command = Command::new(&running.binary);
        command.arg("serve").arg("--data").arg(running.home.join("data"));
        command.arg("--http").arg(http.to_string());
        // The settings have `listeners` otherwise.
        if running.endpoint.address == running.address {
            command.arg("--listen").arg(running.address.to_string());
        }
        let more = running.settings.iter().chain(&self.ottla_overrides).map(String::as_str);
        for one in UNLIMITED.into_iter().chain(more) {
            command.arg("--override").arg(one);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let began = Instant::now();
        let child = command.spawn().with_context(|| running.binary.display().to_string())?;
        running.pid = child.id();
        // The script that started this program kills the process by it, however this program ends.
        fs::write(&running.pid_file, running.pid.to_string())?;
        let child = running.child.insert(child);
        while !answers(running.address) {
            if let Some(status) = child.try_wait()? {
                bail!(
                    "ottla ended at its start ({status}):\n{}",
                    fs::read_to_string(running.home.join("log"))?
                );
            }
            ensure!(began.elapsed() < READY, "ottla does not answer");
            thread::sleep(Duration::from_millis(1));
        }
        running.ready_ms = began.elapsed().as_secs_f64() * 1000.0;
        Ok(())
    }

    /// Starts Kafka and waits for its script, which returns once ApiVersions is answered. The time is the one
    /// that the script prints, without the formatting of the folder.
    fn start_kafka(&self, running: &mut Running, syncs: bool) -> Result<()> {
        // The script looks for the jars there.
        std::os::unix::fs::symlink(&self.kafka_libs, running.home.join("libs"))?;
        let mut command = Command::new("bash");
        command.arg(&self.kafka).arg(&running.home).arg(running.address.port().to_string());
        // Stock otherwise: only what the load asks for differs.
        command.args(syncs.then_some("log.flush.interval.messages=1")).args(&running.settings);
        command.stdin(Stdio::null());
        let output = command.output().with_context(|| self.kafka.display().to_string())?;
        // Before the outcome is looked at: a Kafka that did not come up must be killed as well.
        if let Ok(pid) = fs::read_to_string(running.home.join("pid")) {
            running.pid = pid.trim().parse().context("kafka's pid")?;
            fs::write(&running.pid_file, pid)?;
        }
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success() && running.pid != 0,
            "kafka did not start: {said}{}{}",
            String::from_utf8_lossy(&output.stderr),
            running.log()
        );
        let ready = said.split_once("ready after ").and_then(|(_, rest)| rest.split_whitespace().next());
        running.ready_ms = ready.context("kafka's script does not say how long it took")?.parse()?;
        Ok(())
    }
}

impl Running {
    /// Asks for a listener as the load wants it, beside the one in the clear.
    fn protect(&mut self, kind: BrokerKind, load: &Load) -> Result<()> {
        if !load.needs_listener() {
            return Ok(());
        }
        let port = self.address.port();
        let protocol = match (load.security, load.login) {
            (Security::Plain, _) => "SASL_PLAINTEXT",
            (_, true) => "SASL_SSL",
            (_, false) => "SSL",
        };
        let (controller, its_protocol) = match kind {
            BrokerKind::Kafka => (format!("CONTROLLER://127.0.0.1:{},", port + 1), "CONTROLLER:PLAINTEXT,"),
            BrokerKind::Ottla => (String::new(), ""),
        };
        self.settings.extend([
            format!("listeners=PLAINTEXT://127.0.0.1:{port},{controller}BENCH://127.0.0.1:{}", port + 2),
            format!("listener.security.protocol.map=PLAINTEXT:PLAINTEXT,{its_protocol}BENCH:{protocol}"),
        ]);
        if load.login {
            let module = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
            self.settings.extend([
                "listener.name.bench.sasl.enabled.mechanisms=SCRAM-SHA-512".to_owned(),
                format!("listener.name.bench.scram-sha-512.sasl.jaas.config={module}"),
            ]);
        }
        if load.acls > 0 {
            // Who is not logged in prepares the load.
            self.settings.extend([
                "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned(),
                "super.users=User:ANONYMOUS".to_owned(),
            ]);
        }
        self.endpoint = Endpoint::plain(SocketAddr::from((Ipv4Addr::LOCALHOST, port + 2)));
        self.endpoint.login = load.login;
        if load.security != Security::Plain {
            let tls = Tls::of_this_run()?;
            let (keys, trusted) = tls.write_stores(&self.home)?;
            self.settings.extend([
                "ssl.keystore.type=PEM".to_owned(),
                format!("ssl.keystore.location={}", keys.display()),
            ]);
            if load.security == Security::TlsClientCertificate {
                self.settings.extend([
                    "ssl.client.auth=required".to_owned(),
                    "ssl.truststore.type=PEM".to_owned(),
                    format!("ssl.truststore.location={}", trusted.display()),
                ]);
            }
            self.endpoint.tls = Some(tls);
        }
        Ok(())
    }

    /// The user, the ACLs and the quotas of the load.
    fn prepare(&self, load: &Load) -> Result<()> {
        if !load.login {
            return Ok(());
        }
        let mut control = Control::connect(Endpoint::plain(self.address))?;
        login::add_user(&mut control)?;
        if load.acls > 0 {
            rules::add_acls(&mut control, load.acls)?;
        }
        if load.quotas > 0 {
            rules::add_quotas(&mut control, load.quotas)?;
        }
        Ok(())
    }

    /// kill -9, and a start on the same folder; returns the ms until it answered.
    ///
    /// # Errors
    /// For Kafka: the script that starts it empties its folder.
    pub(crate) fn crash_and_restart(&mut self, lab: &Lab) -> Result<f64> {
        let child = self.child.as_mut().context("only Ottla can be started again")?;
        child.kill()?;
        child.wait()?;
        lab.start_ottla(self)?;
        Ok(self.ready_ms)
    }

    /// Ends it.
    ///
    /// # Errors
    /// If it had ended by itself, with the end of its log.
    pub(crate) fn stop(self) -> Result<()> {
        if is_running(self.pid) {
            return Ok(());
        }
        bail!("the broker ended by itself:\n{}", self.log())
    }

    /// The end of its log.
    fn log(&self) -> String {
        let log = fs::read_to_string(self.home.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its data is removed, so a clean stop is not needed.
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        } else if let Some(pid) = Pid::from_raw(self.pid.cast_signed())
            && is_running(self.pid)
        {
            let _ = kill_process(pid, Signal::KILL);
            // No child of this process, so it cannot be waited for.
            while is_running(self.pid) {
                thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = fs::remove_file(&self.pid_file);
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// True if the process exists and is no zombie.
fn is_running(pid: u32) -> bool {
    // No such file: the process is gone.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the last parenthesis: the name before it may contain anything.
    pid != 0 && stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Returns true if a broker answers ApiVersions at the address; an open port alone says less.
fn answers(address: SocketAddr) -> bool {
    let ask = || Connection::open(Endpoint::plain(address))?.exchange(&control::api_versions()?);
    ask().is_ok()
}

/// The first of three adjacent ports that are free.
fn free_ports() -> Result<u16> {
    // Runs at the same time begin at different ports.
    let start = u16::try_from(std::process::id() % u32::from(PORTS.end - PORTS.start))?;
    for step in (0..PORTS.end - PORTS.start).step_by(3) {
        let port = PORTS.start + (start + step) % (PORTS.end - PORTS.start - 2);
        // Closed again at once. If another program takes the port meanwhile, the broker's start says so.
        let listens = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if (port..port + 3).all(listens) {
            return Ok(port);
        }
    }
    bail!("no free port in {PORTS:?}")
}
