//! The tools of the binary, as processes of their own, against a broker with TLS, logins, an authorizer and delegation tokens. Its certificates are
//! those of `ottla tls dev`.

mod config;
mod doctor;
mod group;
mod records;
mod topic;
mod txn;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use ottla_tests::broker::binary;
use ottla_tests::ports::Port;
use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const ADMIN: &str = "the admin's secret";

/// The end of a tool.
#[derive(Debug)]
struct Ended {
    code: i32,
    out: String,
    err: String,
}

/// Runs a tool, with this on its standard input.
fn tool(arguments: &[&str], input: &str) -> Result<Ended> {
    let mut command = Command::new(binary()?);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    // A tool that reads nothing has closed it.
    let _ = child.stdin.take().context("its input")?.write_all(input.as_bytes());
    let output = child.wait_with_output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ended { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) })
}

/// A broker with a listener of each protocol, and one that advertises an address where no process listens.
struct Secured {
    folder: TempDir,
    ports: [Port; 6],
    child: Child,
}

#[derive(Clone, Copy)]
enum At {
    SaslSsl,
    Plaintext,
    SaslPlaintext,
    /// Asks for a client certificate.
    Ssl,
    Unreachable,
}

impl Secured {
    fn start() -> Result<Self> {
        let folder = TempDir::with_prefix("ottla-tools-")?;
        let tls = folder.path().join("tls").display().to_string();
        let made = tool(&["tls", "dev", &tls, "--client", "alice"], "")?;
        ensure!(made.code == 0 && made.out.contains("made server.pem"), "{made:?}");
        let ports =
            [Port::take()?, Port::take()?, Port::take()?, Port::take()?, Port::take()?, Port::take()?];
        let [safe, open, login, mutual, far, http] = ports.each_ref().map(Port::number);
        let configuration = format!(
            "listeners=SAFE://localhost:{safe},OPEN://localhost:{open},LOGIN://localhost:{login},MUTUAL://localhost:{mutual},FAR://localhost:{far}\n\
             advertised.listeners=SAFE://localhost:{safe},OPEN://localhost:{open},LOGIN://localhost:{login},MUTUAL://localhost:{mutual},\
             FAR://localhost:1\n\
             listener.security.protocol.map=SAFE:SASL_SSL,OPEN:PLAINTEXT,LOGIN:SASL_PLAINTEXT,MUTUAL:SSL,FAR:PLAINTEXT\n\
             sasl.enabled.mechanisms=SCRAM-SHA-512\n\
             connection.failed.authentication.delay.ms=1\n\
             ssl.keystore.type=PEM\nssl.keystore.location=server.pem\n\
             ssl.truststore.type=PEM\nssl.truststore.location=ca.pem\nlistener.name.mutual.ssl.client.auth=required\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             delegation.token.secret.key=a key of these tests alone\n\
             log.dirs={}\nhttp.listener=localhost:{http}\n",
            folder.path().join("data").display()
        );
        let file = folder.path().join("tls/server.properties");
        fs::write(&file, configuration)?;
        let file = file.display().to_string();
        let checked = tool(&["config", "check", &file], "")?;
        ensure!(checked.code == 0, "{checked:?}");
        let log = fs::File::create(folder.path().join("log"))?;
        let child = Command::new(binary()?)
            .args(["serve", "--config", &file])
            .env("OTTLA_BOOTSTRAP_USER", format!("admin:{ADMIN}:SCRAM-SHA-512"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut secured = Self { folder, ports, child };
        secured.wait(http)?;
        Ok(secured)
    }

    /// Until the broker says that it is ready.
    fn wait(&mut self, http: u16) -> Result<()> {
        let since = Instant::now();
        loop {
            let mut answer = String::new();
            let asked = TcpStream::connect(("localhost", http)).and_then(|mut stream| {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
                stream.read_to_string(&mut answer)
            });
            if asked.is_ok() && answer.starts_with("HTTP/1.1 200") {
                return Ok(());
            }
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            ensure!(since.elapsed() < PATIENCE, "not ready: {answer}\n{}", log());
            if let Some(status) = self.child.try_wait()? {
                bail!("the broker ended: {status}\n{}", log());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn address(&self, at: At) -> String {
        format!("localhost:{}", self.ports[at as usize].number())
    }

    /// Writes a file of client keys; returns its path.
    fn config(&self, name: &str, text: &str) -> Result<String> {
        let path = self.folder.path().join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    fn ca(&self) -> String {
        self.folder.path().join("tls/ca.pem").display().to_string()
    }

    /// The keys of a user who logs in by TLS and SCRAM.
    fn login(&self, user: &str, password: &str, more: &str) -> String {
        format!(
            "security.protocol=SASL_SSL\nssl.truststore.type=PEM\nssl.truststore.location={}\nsasl.mechanism=SCRAM-SHA-512\n\
             sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{user}\" \
             password=\"{password}\";\n{more}",
            self.ca()
        )
    }

    /// Runs a tool as the administrator; it must end with this code.
    fn admin(&self, code: i32, arguments: &[&str], input: &str) -> Result<Ended> {
        let config = self.config("admin.properties", &self.login("admin", ADMIN, ""))?;
        let address = self.address(At::SaslSsl);
        let target = ["--bootstrap-server", &address, "--command-config", &config];
        let ended = tool(&[arguments, &target].concat(), input)?;
        ensure!(ended.code == code, "{arguments:?}: {ended:?}");
        Ok(ended)
    }

    /// Runs the doctor with a file of these keys.
    fn doctor(&self, at: At, keys: &str, more: &[&str]) -> Result<Ended> {
        let config = self.config("doctor.properties", keys)?;
        let address = self.address(at);
        tool(&[&["doctor", "--bootstrap-server", &address, "--command-config", &config], more].concat(), "")
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn json(ended: &Ended) -> Result<Value> {
    serde_json::from_str(&ended.out).with_context(|| format!("{ended:?}"))
}

#[test]
fn an_administrator_uses_every_tool() -> Result<()> {
    let broker = Secured::start()?;
    users(&broker)?;
    acls(&broker)?;
    quotas(&broker)?;
    tokens(&broker)
}

fn users(broker: &Secured) -> Result<()> {
    let added = broker.admin(0, &["user", "add", "alice", "--password-stdin"], "alice's secret\n")?;
    assert_eq!(added.out, "added user alice (SCRAM-SHA-512)\n");
    assert!(added.err.is_empty(), "{added:?}");
    let again = broker.admin(1, &["user", "add", "alice", "--password-stdin"], "x\n")?;
    assert!(again.err.contains("has a password of SCRAM-SHA-512 already"), "{again:?}");
    let listed = broker.admin(0, &["user", "list"], "")?;
    assert_eq!(
        listed.out,
        "USER   MECHANISM      ITERATIONS\nadmin  SCRAM-SHA-512  4096\nalice  SCRAM-SHA-512  4096\n"
    );
    // A command without a terminal asks for the source of the password, and sends nothing.
    let none = broker.admin(2, &["user", "password", "alice"], "")?;
    assert!(none.err.contains("--password-stdin"), "{none:?}");
    // The made password logs in; the old one does not any more.
    let made = json(&broker.admin(0, &["user", "password", "alice", "--generate", "-o", "json"], "")?)?;
    let password = made["password"].as_str().context("a password")?;
    assert_eq!(broker.doctor(At::SaslSsl, &broker.login("alice", password, ""), &[])?.code, 0);
    assert_eq!(broker.doctor(At::SaslSsl, &broker.login("alice", "alice's secret", ""), &[])?.code, 1);
    // Without permission a user learns which one is missing.
    let config = broker.config("alice.properties", &broker.login("alice", password, "acks=all\n"))?;
    let target = ["--bootstrap-server", &broker.address(At::SaslSsl), "--command-config", &config];
    let refused = tool(&[&["user", "list"], target.as_slice()].concat(), "")?;
    assert!(refused.code == 1 && refused.err.contains("CLUSTER_AUTHORIZATION_FAILED"), "{refused:?}");
    assert!(refused.err.contains("line 6: acks has no effect"), "{refused:?}");
    let deleted = broker.admin(0, &["user", "delete", "alice"], "")?;
    assert_eq!(deleted.out, "deleted user alice\n");
    let missing = broker.admin(1, &["user", "delete", "alice"], "")?;
    assert!(missing.err.contains("does not exist"), "{missing:?}");
    Ok(())
}

fn acls(broker: &Secured) -> Result<()> {
    let consumer = ["--allow-principal", "User:bob", "--consumer", "--topic", "orders", "--group", "billing"];
    broker.admin(0, &[&["acl", "add"], consumer.as_slice()].concat(), "")?;
    broker.admin(
        0,
        &[
            "acl",
            "add",
            "--deny-principal",
            "User:bob",
            "--topic",
            "or",
            "--resource-pattern-type",
            "prefixed",
            "--operation",
            "Write",
        ],
        "",
    )?;
    let listed = json(&broker.admin(0, &["acl", "list", "-o", "json"], "")?)?;
    assert_eq!(listed.as_array().map(Vec::len), Some(4), "{listed}");
    let one = broker.admin(0, &["acl", "list", "--group", "billing"], "")?;
    assert!(one.out.contains("GROUP     billing  LITERAL  ALLOW       User:bob   *     Read"), "{}", one.out);
    let check = |code: i32, operation: &str, resource: &str| -> Result<String> {
        let arguments =
            ["acl", "check", "--principal", "User:bob", "--operation", operation, "--resource", resource];
        Ok(broker.admin(code, &arguments, "")?.out)
    };
    let text = check(0, "Read", "topic:orders")?;
    assert!(text.contains("ALLOW User:bob Read on TOPIC orders (LITERAL) from *"), "{text}");
    let text = check(1, "Write", "topic:orders")?;
    assert!(text.contains("DENY User:bob Write on TOPIC or (PREFIXED) from *"), "{text}");
    check(1, "Read", "topic:bills")?;
    let unsure = broker.admin(2, &[&["acl", "remove"], consumer.as_slice()].concat(), "")?;
    assert!(unsure.err.contains("--force"), "{unsure:?}");
    broker.admin(0, &[&["acl", "remove", "--force"], consumer.as_slice()].concat(), "")?;
    check(1, "Read", "topic:orders")?;
    // Without a principal all entries of the resource go.
    broker.admin(
        0,
        &["acl", "remove", "--force", "--topic", "or", "--resource-pattern-type", "prefixed"],
        "",
    )?;
    assert_eq!(broker.admin(0, &["acl", "list"], "")?.out, "no entries\n");
    Ok(())
}

fn quotas(broker: &Secured) -> Result<()> {
    broker.admin(
        0,
        &[
            "quota",
            "set",
            "--user",
            "bob",
            "--client-id",
            "app",
            "producer_byte_rate=1048576",
            "request_percentage=50",
        ],
        "",
    )?;
    broker.admin(0, &["quota", "set", "--ip-default", "connection_creation_rate=10"], "")?;
    let listed = broker.admin(0, &["quota", "list"], "")?;
    assert_eq!(
        listed.out,
        "USER  CLIENT-ID  IP         QUOTA                     VALUE\n\
         -     -          <default>  connection_creation_rate  10\n\
         bob   app        -          producer_byte_rate        1048576\n\
         bob   app        -          request_percentage        50\n"
    );
    let wrong = broker.admin(1, &["quota", "set", "--user", "bob", "no_such_rate=1"], "")?;
    assert!(wrong.err.contains("no_such_rate"), "{wrong:?}");
    broker.admin(0, &["quota", "remove", "--user", "bob", "--client-id", "app", "request_percentage"], "")?;
    broker.admin(0, &["quota", "remove", "--user", "bob", "--client-id", "app"], "")?;
    let missing = broker.admin(1, &["quota", "remove", "--user", "bob"], "")?;
    assert!(missing.err.contains("have no quota"), "{missing:?}");
    let left = json(&broker.admin(0, &["quota", "list", "-o", "json"], "")?)?;
    assert_eq!(left[0]["entity"]["ip"], Value::Null);
    assert_eq!(left.as_array().map(Vec::len), Some(1), "{left}");
    Ok(())
}

fn tokens(broker: &Secured) -> Result<()> {
    let made = json(&broker.admin(
        0,
        &["token", "create", "--renewer", "User:bob", "--max-life", "2h", "-o", "json"],
        "",
    )?)?;
    let (id, hmac) = (made["id"].as_str().context("id")?, made["hmac"].as_str().context("hmac")?);
    let listed = broker.admin(0, &["token", "list"], "")?;
    assert!(
        listed.out.contains(id) && listed.out.contains("User:bob") && !listed.out.contains(hmac),
        "{listed:?}"
    );
    assert!(broker.admin(0, &["token", "list", "--show-hmac"], "")?.out.contains(hmac));
    let renewed = broker.admin(0, &["token", "renew", id, "--period", "1h"], "")?;
    assert!(renewed.out.contains("expires 20"), "{renewed:?}");
    // The token logs in, until it expires.
    let keys = broker.login(id, hmac, "").replace("password=\"", "tokenauth=\"true\" password=\"");
    let well = broker.doctor(At::SaslSsl, &keys, &[])?;
    assert_eq!(well.code, 0, "{well:?}");
    broker.admin(0, &["token", "expire", id], "")?;
    assert_eq!(broker.doctor(At::SaslSsl, &keys, &[])?.code, 1);
    let unknown = broker.admin(1, &["token", "renew", "none"], "")?;
    assert!(unknown.err.contains("there is no token"), "{unknown:?}");
    Ok(())
}
