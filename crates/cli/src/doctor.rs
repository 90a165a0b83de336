//! `ottla doctor`: follows the path of a client, step by step, and names the first thing that is wrong on it, with the line to change.
//!
//! ```text
//! resolve ─► connect ─► TLS ─► ApiVersions ─► login ─► Metadata ─► permissions ─► the same for every advertised address
//! ```
//! The failure of a step may have several causes. Then a probe finds the cause, on a connection of its own. A probe sends no password.

mod probe;

use clap::Args;
use codec::ErrorCode;
use codec::messages::metadata_request::MetadataRequestTopic;
use codec::messages::{DescribeClusterRequest, MetadataRequest, MetadataResponse, StrBytes, TopicName};
use security::acl::Operation;
use security::certificate::facts;
use serde_json::json;

use crate::client::{Address, ClientError, Connection, Login, Settings, Stream, Target, connect, resolve};
use crate::clock;
use crate::failure::Failure;
use crate::output::{Format, Outcome, escaped};

/// Arguments of `ottla doctor`.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// A topic that the client needs; may be given several times.
    #[arg(long, value_name = "NAME")]
    topic: Vec<String>,
    #[command(flatten)]
    target: Target,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Good,
    /// Some clients need it.
    Note,
    Bad,
}

struct Step {
    name: String,
    grade: Grade,
    text: String,
}

/// The steps so far.
#[derive(Default)]
struct Report(Vec<Step>);

impl Report {
    fn add(&mut self, name: &str, grade: Grade, text: impl Into<String>) {
        self.0.push(Step { name: name.to_owned(), grade, text: text.into() });
    }

    /// Adds a step; returns its value if it was good.
    fn step<T>(&mut self, name: &str, done: Result<(T, String), ClientError>) -> Option<T> {
        match done {
            Ok((value, text)) => {
                self.add(name, Grade::Good, text);
                Some(value)
            }
            Err(error) => {
                self.add(name, Grade::Bad, error.to_string());
                None
            }
        }
    }

    fn outcome(self, format: Format) -> Outcome {
        let is_good = self.0.iter().all(|step| step.grade != Grade::Bad);
        let text = match format {
            Format::Json | Format::Yaml => {
                let step =
                    |step: &Step| json!({"step": step.name, "result": word(step.grade), "text": step.text});
                format
                    .document(&json!({"good": is_good, "steps": self.0.iter().map(step).collect::<Vec<_>>()}))
            }
            Format::Table | Format::Wide => {
                let step = |step: &Step| {
                    format!("{:<6}{:<13}{}\n", word(step.grade), step.name, escaped(&step.text))
                };
                let end = if is_good { "nothing is wrong\n" } else { "" };
                self.0.iter().map(step).chain([end.to_owned()]).collect()
            }
        };
        Outcome { text, is_good }
    }
}

fn word(grade: Grade) -> &'static str {
    match grade {
        Grade::Good => "ok",
        Grade::Note => "note",
        Grade::Bad => "WRONG",
    }
}

pub(crate) fn run(arguments: &DoctorArguments) -> Result<Outcome, Failure> {
    let (addresses, settings) = arguments.target.read()?;
    let mut report = Report::default();
    report.add("settings", Grade::Good, format!("security.protocol={}", settings.protocol()));
    let mut metadata = None;
    for address in &addresses {
        let Some(mut connection) = reach(&mut report, address, &settings) else { continue };
        metadata = ask(&mut report, &mut connection, &settings, &arguments.topic).or(metadata);
    }
    if let Some(metadata) = metadata {
        dial_advertised(&mut report, &metadata, &addresses, &settings);
    }
    Ok(report.outcome(arguments.output))
}

/// The path to one address: a connection that has logged in, or a report of the step that failed.
fn reach(report: &mut Report, address: &Address, settings: &Settings) -> Option<Connection> {
    report.step(
        "resolve",
        resolve(address).map(|found| {
            let texts: Vec<String> = found.iter().map(|socket| socket.ip().to_string()).collect();
            ((), format!("{address}: {}", texts.join(", ")))
        }),
    )?;
    let socket = report
        .step("connect", connect(address, settings.timeout).map(|socket| (socket, address.to_string())))?;
    let stream = match &settings.tls {
        None => Stream::Plain(socket),
        Some(tls) => {
            let done = Stream::encrypt(socket, address, tls, settings.timeout)
                .map_err(|error| probe::explain_tls(error, address, settings));
            let stream =
                report.step("TLS", done.map(|stream| (stream, "the certificate is trusted".to_owned())))?;
            note_expiry(report, &stream);
            stream
        }
    };
    let mut connection = Connection::over(stream, address, settings);
    let versions =
        connection.ask_versions().map_err(|error| probe::explain_versions(error, address, settings));
    report.step(
        "ApiVersions",
        versions.map(|()| ((), format!("{} APIs are served", connection.number_of_apis()))),
    )?;
    if let Some(login) = &settings.login {
        let done = connection.log_in(login);
        report.step("login", done.map(|()| ((), format!("by {}", login.mechanism().name()))))?;
    }
    Some(connection)
}

/// Names a certificate that expires soon.
fn note_expiry(report: &mut Report, stream: &Stream) {
    const SOON_DAYS: i64 = 30;
    let Some(found) = stream.certificate() else { return };
    let Ok(found) = facts(&found) else { return };
    let days = (found.not_after - clock::since_1970().as_secs().cast_signed()) / 86_400;
    if days < SOON_DAYS {
        report.add("TLS", Grade::Note, format!("the broker's certificate expires in {days} days; renew it"));
    }
}

/// Asks for metadata, and for the permissions that the client has.
fn ask(
    report: &mut Report,
    connection: &mut Connection,
    settings: &Settings,
    topics: &[String],
) -> Option<MetadataResponse> {
    let name = |name: &String| {
        let name = TopicName(StrBytes::from_string(name.clone()));
        MetadataRequestTopic::default().with_name(Some(name))
    };
    let request = MetadataRequest::default()
        .with_topics(Some(topics.iter().map(name).collect()))
        .with_allow_auto_topic_creation(false);
    // From version 4 on a topic is not created by being asked for.
    let answer = connection.call_between(if topics.is_empty() { 1 } else { 4 }, 12, &request);
    let answer = answer.map_err(|error| probe::explain_metadata(error, connection.address(), settings));
    let metadata = report.step(
        "Metadata",
        answer.map(|answer| {
            let text = format!("{} broker(s) advertised", answer.brokers.len());
            (answer, text)
        }),
    )?;
    let who = principal(settings);
    for topic in &metadata.topics {
        let name = topic.name.as_ref().map_or("", |name| name.as_str());
        match ErrorCode::from_code(topic.error_code) {
            Some(ErrorCode::None) => report.add("topic", Grade::Good, name),
            Some(ErrorCode::TopicAuthorizationFailed) => report.add(
                "topic",
                Grade::Bad,
                format!(
                    "{name}: {who} may not Describe it; an administrator runs \
                     `ottla acl add --allow-principal {who} --operation Read --topic {name}` (or --operation Write)"
                ),
            ),
            Some(ErrorCode::UnknownTopicOrPartition) => {
                report.add("topic", Grade::Bad, format!("{name} does not exist; create it, or correct its name"));
            }
            _ => report.add("topic", Grade::Bad, format!("{name}: error {}", topic.error_code)),
        }
    }
    cluster_permissions(report, connection, &who);
    Some(metadata)
}

/// The permissions on the cluster, as the broker tells them to each client about itself (KIP-430).
fn cluster_permissions(report: &mut Report, connection: &mut Connection, who: &str) {
    let request = DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
    let Ok(answer) = connection.call(&request) else { return };
    // Of a broker that does not tell.
    if answer.error_code != 0 || answer.cluster_authorized_operations == i32::MIN {
        return;
    }
    match answer.cluster_authorized_operations & (1 << Operation::Describe.code()) {
        0 => report.add(
            "cluster",
            Grade::Note,
            format!(
                "{who} may not Describe the cluster, which producers and consumers do without; an administrator needs \
                 `ottla acl add --allow-principal {who} --operation Describe --operation Alter --cluster`"
            ),
        ),
        _ => report.add("cluster", Grade::Good, "may be described"),
    }
}

/// The principal of the client, as far as its settings tell.
fn principal(settings: &Settings) -> String {
    match &settings.login {
        Some(Login::Plain { user, .. } | Login::Scram { user, is_token: false, .. }) => {
            format!("User:{user}")
        }
        None if settings.tls.is_none() => "User:ANONYMOUS".to_owned(),
        _ => "User:NAME".to_owned(),
    }
}

/// Goes the same path to every address that the brokers advertise: clients use these from then on.
fn dial_advertised(report: &mut Report, metadata: &MetadataResponse, known: &[Address], settings: &Settings) {
    for broker in &metadata.brokers {
        let (host, id) = (escaped(&broker.host), broker.node_id.0);
        let Ok(port @ 1..) = u16::try_from(broker.port) else {
            let port = broker.port;
            let said = format!(
                "{host}:{port} of broker {id}: {port} is no port; correct advertised.listeners of the broker"
            );
            report.add("advertised", Grade::Bad, said);
            continue;
        };
        let address = Address { host, port };
        if known.contains(&address) {
            report.add("advertised", Grade::Good, format!("{address} of broker {id}"));
            continue;
        }
        match Connection::open(&address, settings) {
            Ok(_) => report.add("advertised", Grade::Good, format!("{address} of broker {id}")),
            Err(error) => report.add(
                "advertised",
                Grade::Bad,
                format!(
                    "{address} of broker {id}: {error}; clients go on there after the first connection: set advertised.listeners of \
                     the broker to an address that this machine reaches"
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests;
