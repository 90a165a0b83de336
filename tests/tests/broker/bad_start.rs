//! A bad start exits non-zero, soon, with one message that names cause and remedy.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ottla_tests::broker::{TestBroker, binary};
use ottla_tests::ports::Port;
use tempfile::TempDir;

/// A broker that ended by itself.
struct Ended {
    code: Option<i32>,
    said: String,
}

impl Ended {
    /// It failed, and one message contains all of these.
    fn complains_about(&self, parts: &[&str]) -> Result<()> {
        ensure!(self.code.is_some_and(|code| code != 0), "exit code {:?}: {}", self.code, self.said);
        let errors: Vec<&str> = self.said.lines().filter(|line| is_error(line)).collect();
        ensure!(errors.len() == 1, "{} messages instead of one:\n{}", errors.len(), self.said);
        for part in parts {
            ensure!(errors[0].contains(part), "nothing of {part:?} in: {}", errors[0]);
        }
        ensure!(!self.said.contains("panicked"), "{}", self.said);
        Ok(())
    }
}

/// Log lines below ERROR are ignored; everything else is a message.
fn is_error(line: &str) -> bool {
    let quiet = ["INFO", "WARN", "DEBUG"];
    !line.trim().is_empty() && !quiet.iter().any(|level| line.contains(level))
}

/// Starts a broker that must fail to start.
fn start(data: &Path, more: &[&str]) -> Result<Ended> {
    let (port, http) = (Port::take()?, Port::take()?);
    let (listen, http) = (format!("127.0.0.1:{}", port.number()), format!("127.0.0.1:{}", http.number()));
    let mut command = Command::new(binary()?);
    command.arg("serve").arg("--data").arg(data);
    // A flag may be given only once.
    if !more.contains(&"--listen") {
        command.arg("--listen").arg(&listen);
    }
    if !more.contains(&"--http") {
        command.arg("--http").arg(&http);
    }
    let mut child =
        command.args(more).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let since = Instant::now();
    while child.try_wait()?.is_none() {
        if since.elapsed() > Duration::from_secs(10) {
            child.kill()?;
            let output = child.wait_with_output()?;
            anyhow::bail!("it runs: {}", String::from_utf8_lossy(&output.stderr));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok(Ended { code: output.status.code(), said: String::from_utf8_lossy(&said).into_owned() })
}

fn folder() -> Result<TempDir> {
    Ok(TempDir::with_prefix("ottla-bad-start-")?)
}

#[test]
fn a_port_that_is_taken() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let folder = folder()?;
    start(folder.path(), &["--listen", &address])?.complains_about(&[&address, "in use", "--listen"])?;
    start(folder.path(), &["--http", &address])?.complains_about(&[&address, "in use", "--http"])
}

/// By another broker, which goes on.
#[test]
fn a_folder_that_is_locked() -> Result<()> {
    let broker = TestBroker::start_new()?;
    let data = broker.data().to_str().context("path")?.to_owned();
    start(broker.data(), &[])?.complains_about(&[&data, "another"])?;
    ensure!(ottla_tests::broker::answers(broker.address()), "the first broker no longer answers");
    Ok(())
}

/// A mount that is read-only (only root can make one; elsewhere a folder without write permission).
#[test]
fn a_folder_that_is_read_only() -> Result<()> {
    let folder = folder()?;
    let path = folder.path().to_str().context("path")?;
    let mount = |arguments: &[&str]| Command::new("mount").args(arguments).stderr(Stdio::null()).status();
    let mounted =
        mount(&["-t", "tmpfs", "-o", "ro", "ottla-test", path]).is_ok_and(|status| status.success());
    if !mounted {
        let mut permissions = fs::metadata(path)?.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(path, permissions)?;
    }
    let ended = start(folder.path(), &[]);
    if mounted {
        Command::new("umount").arg(path).status()?;
    }
    ended?.complains_about(&[path, "writ"])
}

#[test]
fn a_file_where_the_folder_should_be() -> Result<()> {
    let folder = folder()?;
    let file = folder.path().join("file");
    fs::write(&file, "not a folder")?;
    start(&file, &[])?.complains_about(&[file.to_str().context("path")?])
}

/// Whatever else is in the folder stays as it is.
#[test]
fn a_folder_of_a_newer_format() -> Result<()> {
    let mut broker = TestBroker::start_new()?;
    broker.terminate()?;
    let format = find_format(broker.data())?;
    let text = fs::read_to_string(&format)?;
    let newer = bumped(&text).with_context(|| format!("no number in {}: {text:?}", format.display()))?;
    fs::write(&format, &newer)?;
    start(broker.data(), &[])?.complains_about(&["newer"])?;
    ensure!(fs::read_to_string(&format)? == newer, "it was changed");
    fs::write(&format, text)?;
    broker.start().map(drop)
}

/// The file that carries the version of the folder's format.
fn find_format(data: &Path) -> Result<std::path::PathBuf> {
    let entries = fs::read_dir(data)?.collect::<Result<Vec<_>, _>>()?;
    let names: Vec<_> = entries.iter().map(|entry| entry.path()).collect();
    let found =
        names.iter().find(|path| path.file_name().is_some_and(|name| name.eq_ignore_ascii_case("format")));
    found.cloned().with_context(|| format!("no format file among {names:?}"))
}

/// The first number in it raised by 1000.
fn bumped(text: &str) -> Option<String> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let rest = &text[start..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let number: u64 = rest[..end].parse().ok()?;
    Some(format!("{}{}{}", &text[..start], number + 1000, &rest[end..]))
}

#[test]
fn an_unknown_key() -> Result<()> {
    let folder = folder()?;
    start(folder.path(), &["--override", "num.partitoins=3"])?.complains_about(&[
        "num.partitoins",
        "num.partitions",
        "--override",
    ])
}

#[test]
fn a_value_that_is_malformed() -> Result<()> {
    let folder = folder()?;
    start(folder.path(), &["--override", "num.partitions=three"])?
        .complains_about(&["num.partitions", "three"])?;
    start(folder.path(), &["--override", "num.partitions=0"])?
        .complains_about(&["num.partitions", "at least 1"])?;
    start(folder.path(), &["--override", "no-equals-sign"])?.complains_about(&["no-equals-sign", "KEY=VALUE"])
}

#[test]
fn a_configuration_file_that_cannot_be_read() -> Result<()> {
    let folder = folder()?;
    let missing = folder.path().join("server.properties");
    let missing = missing.to_str().context("path")?;
    start(folder.path(), &["--config", missing])?.complains_about(&[missing, "--config"])?;
    let folder_instead = folder.path().to_str().context("path")?;
    start(folder.path(), &["--config", folder_instead])?.complains_about(&[folder_instead, "--config"])
}

#[test]
fn a_mistake_in_a_configuration_file_is_named_with_its_line() -> Result<()> {
    let folder = folder()?;
    let file = folder.path().join("server.properties");
    fs::write(&file, "# a comment\nnum.partitions=3\nlog.retention.hours=a week\n")?;
    let path = file.to_str().context("path")?;
    start(&folder.path().join("data"), &["--config", path])?.complains_about(&[
        &format!("{path}:3"),
        "log.retention.hours",
        "a week",
    ])
}
