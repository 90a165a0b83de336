//! HTTP at the edges of a start: a port that another program has, a broker that serves none.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use ottla_tests::broker::{Options, STOP, answers, binary};
use ottla_tests::ports::Port;
use ottla_tests::process::signal;
use tempfile::TempDir;

/// A broker of which nothing is said about HTTP except these arguments.
struct Broker {
    child: Child,
    address: SocketAddr,
    _port: Port,
    _folder: TempDir,
}

impl Broker {
    fn start(arguments: &[&str]) -> Result<Broker> {
        let (folder, port) = (TempDir::with_prefix("ottla-http-")?, Port::take()?);
        let address = SocketAddr::from(([127, 0, 0, 1], port.number()));
        let mut command = Command::new(binary()?);
        command.arg("serve").arg("--data").arg(folder.path().join("data"));
        command.arg("--listen").arg(address.to_string()).args(arguments).env_remove("KAFKA_HTTP_LISTENER");
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut broker = Broker { child, address, _port: port, _folder: folder };
        let since = Instant::now();
        while !answers(address) {
            ensure!(broker.child.try_wait()?.is_none(), "the broker ended at start");
            ensure!(since.elapsed() < Duration::from_secs(30), "not ready");
            thread::sleep(Duration::from_millis(5));
        }
        Ok(broker)
    }

    /// Stops it; what it wrote.
    fn stop(mut self) -> Result<Output> {
        signal(self.child.id(), "TERM")?;
        let since = Instant::now();
        while self.child.try_wait()?.is_none() {
            if since.elapsed() > 2 * STOP {
                self.child.kill()?;
                bail!("it does not stop");
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(self.child.wait_with_output()?)
    }
}

/// Many programs use port 8080; a user who only wants Kafka has asked for none of it.
#[test]
fn a_taken_port_that_was_not_asked_for_does_not_keep_kafka_from_starting() -> Result<()> {
    // If this fails, another program has it: as good.
    let _taken = TcpListener::bind("127.0.0.1:8080");
    let output = Broker::start(&[])?.stop()?;
    ensure!(output.status.success(), "{}", output.status);
    let log = String::from_utf8_lossy(&output.stderr);
    let warning = log.lines().find(|line| line.contains("WARN") && line.contains("HTTP is not served"));
    ensure!(warning.is_some_and(|line| line.contains("8080") && line.contains("--http")), "{log}");
    ensure!(!String::from_utf8_lossy(&output.stdout).contains("HTTP"), "the banner names an address");
    Ok(())
}

#[test]
fn healthcheck_asks_the_kafka_listener_where_http_is_switched_off() -> Result<()> {
    let broker = Broker::start(&["--override", "http.listener="])?;
    let listeners = format!("PLAINTEXT://{}", broker.address);
    let healthcheck = || -> Result<Output> {
        let mut command = Command::new(binary()?);
        command.arg("healthcheck").env("KAFKA_HTTP_LISTENER", "").env("KAFKA_LISTENERS", &listeners);
        Ok(command.output()?)
    };
    let healthy = healthcheck()?;
    ensure!(healthy.status.success(), "{healthy:?}");
    broker.stop()?;
    let gone = healthcheck()?;
    ensure!(gone.status.code() == Some(1) && !gone.stderr.is_empty(), "{gone:?}");
    Ok(())
}

/// The first line of the answer to GET of `path`; empty if there is none.
fn status(address: SocketAddr, path: &str) -> String {
    let ask = || -> Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.lines().next().unwrap_or_default().to_owned())
    };
    ask().unwrap_or_default()
}

/// Kubernetes killed a broker with a long replay: `/livez` did not answer before the data folder was open.
#[test]
fn health_answers_while_the_data_folder_is_being_opened() -> Result<()> {
    let folder = TempDir::with_prefix("ottla-http-")?;
    let mut broker = Options::default().data(folder.path()).start()?;
    broker.terminate()?;
    // A recovery as slow as the test wants it: the file with the format becomes a pipe, which the broker reads once it is
    // written to.
    let format = folder.path().join("FORMAT");
    let text = fs::read_to_string(&format)?;
    fs::remove_file(&format)?;
    ensure!(Command::new("mkfifo").arg(&format).status()?.success(), "mkfifo failed");
    let http = broker.http_address();
    let starting = thread::spawn(move || broker.start().map(|_| broker));
    let since = Instant::now();
    while !status(http, "/livez").contains(" 200 ") && since.elapsed() < Duration::from_secs(5) {
        thread::sleep(Duration::from_millis(20));
    }
    let meanwhile = ["/livez", "/readyz", "/metrics"].map(|path| status(http, path));
    // Before the answers are looked at: a test that fails leaves no broker behind.
    fs::write(&format, text)?;
    let Ok(started) = starting.join() else { bail!("starting it panicked") };
    let mut broker = started?;
    for (answer, code) in meanwhile.iter().zip([" 200 ", " 503 ", " 200 "]) {
        ensure!(answer.contains(code), "{meanwhile:?}");
    }
    // The listener of Kafka accepts a moment before the broker calls itself ready.
    let since = Instant::now();
    while !status(http, "/readyz").contains(" 200 ") {
        ensure!(since.elapsed() < Duration::from_secs(5), "{}", status(http, "/readyz"));
        thread::sleep(Duration::from_millis(10));
    }
    broker.terminate()?;
    Ok(())
}
