//! Meaning of several keys together: the rules between keys, and the values that none of them gives alone.
//!
//! Runs at the start and again when a client changes the broker (`resources/broker.rs`): one set of rules
//! holds for both.

use std::path::PathBuf;

use ::security::Secret;

use super::broker_config::{AuditLog, BrokerConfig, DynamicConfigs, StartConfig};
use super::broker_keys::BrokerKeys;
use super::files::Files;
use super::http_authentication::HttpAccess;
use super::http_listener::HttpListener;
use super::listener::{self, Endpoint, Listener, Texts};
use super::problem::{Note, Origin, Problem};
use super::setting::{Setting, Settings};
use super::value::FlushPolicy;
use super::{connection_limits, http_authentication, listener_keys, logins, security, tls};

/// Makes the configuration of the keys' values; `None` where something is wrong, which is then among the problems.
///
/// `started` is the configuration of the start, if the broker runs. No key of logins or TLS changes after the start, so both are taken from it: a store
/// with a password takes a second of processor time to open, which a thread of the runtime does not have.
pub(super) fn resolve(
    mut keys: BrokerKeys,
    mut settings: Settings,
    files: &Files,
    started: Option<&StartConfig>,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<Note>,
) -> Option<BrokerConfig> {
    let mut rules = Rules { settings: &settings, problems };
    rules.node_id(&mut keys);
    rules.limits(&keys);
    let data_dir = rules.data_dir(&keys);
    let mut http_listener = rules.http_listener(&keys);
    let http_access = rules.http_access(&keys);
    let derived = listeners_from_advertised(&keys, &settings);
    if let Some(derived) = derived {
        notes.push(Note::info(format!(
            "listeners is not set and taken from advertised.listeners: {}",
            derived.join(",")
        )));
        keys.start.listeners = derived;
    }
    let listeners = rules.listeners(&keys);
    let authorizer = security::authorizer(&settings, problems, notes);
    if keys.flush_policy == FlushPolicy::Os {
        notes.push(Note::warn(
            "flush.policy=os: acknowledged records are lost when the power goes or the system crashes"
                .to_owned(),
        ));
    }
    let resolved = listeners?;
    for name in &resolved.controller_listeners {
        notes.push(Note::info(format!("listener {name} is for a KRaft controller and is not opened")));
    }
    let listeners = resolved.listeners;
    let clash = http_listener.as_ref().and_then(Option::as_ref).and_then(|http| same_port(http, &listeners));
    if let Some(reason) = clash {
        if settings.contains_key("http.listener") {
            Rules { settings: &settings, problems }.wrong("http.listener", reason);
        } else {
            // As where another program has the default port: the operator did not ask for HTTP.
            notes.push(Note::warn(format!("HTTP is not served: http.listener: {reason}")));
            http_listener = Some(None);
        }
    }
    listener_keys::note_ignored(&settings, &listeners, notes);
    let http = (http_listener.as_ref().and_then(Option::as_ref), http_access.as_ref());
    let (logins, tls) = match started {
        Some(started) => (started.logins.clone(), started.tls.clone()),
        None => (
            logins::resolve(&settings, &listeners, (&files.jaas, &files.jwks), problems, notes),
            tls::resolve(&settings, &listeners, http, &files.tls, problems, notes),
        ),
    };
    // As in Kafka, an empty one is none.
    let secret = settings.get("delegation.token.secret.key").map(|setting| setting.value.as_str());
    let delegation_token_secret = secret.filter(|secret| !secret.is_empty()).map(Secret::new);
    let connection_limits = connection_limits::resolve(&keys, &settings, &listeners, problems);
    // As Kafka does, for those who ask for it under its older name.
    if let (Some(node_id), false) = (settings.get("node.id"), settings.contains_key("broker.id")) {
        settings.insert("broker.id".to_owned(), node_id.clone());
    }
    let audit_log = audit_log(&settings);
    // Only now: every rule has had its say, so that all problems are reported at once.
    let (http_listener, http_access, data_dir) = (http_listener?, http_access?, data_dir?);
    let start = StartConfig {
        keys: keys.start.clone(),
        listeners,
        logins,
        tls,
        http_listener,
        http_access,
        audit_log,
        data_dir,
        authorizer,
        delegation_token_secret,
    };
    let (files, dynamic) = (files.clone(), DynamicConfigs::default());
    Some(BrokerConfig { keys, start, connection_limits, settings, files, dynamic })
}

/// The place of the audit log, if one is asked for.
fn audit_log(settings: &Settings) -> Option<AuditLog> {
    let set = settings.get("audit.log.location").filter(|set| !set.value.trim().is_empty())?;
    Some(match set.value.trim() {
        "stdout" => AuditLog::Stdout,
        _ => AuditLog::File(set.path()),
    })
}

/// Kafka's image listens where it advertises if it is not told where to listen; so does every file whose advertised
/// names the default listener does not have.
fn listeners_from_advertised(keys: &BrokerKeys, settings: &Settings) -> Option<Vec<String>> {
    let advertised = keys.advertised_listeners.as_deref().unwrap_or_default();
    if settings.contains_key("listeners") || advertised.is_empty() {
        return None;
    }
    // One that is malformed is reported when the listeners are resolved.
    let endpoints: Vec<Endpoint> = advertised.iter().map(|text| text.parse().ok()).collect::<Option<_>>()?;
    let from_environment = settings
        .get("advertised.listeners")
        .is_some_and(|Setting { origin, .. }| matches!(origin, Origin::Environment(_)));
    let default_suffices = endpoints.iter().all(|endpoint| endpoint.name == "PLAINTEXT");
    (from_environment || !default_suffices)
        .then(|| endpoints.iter().map(|Endpoint { name, port, .. }| format!("{name}://:{port}")).collect())
}

/// Why HTTP cannot be served beside these listeners. Binding the second of two equal addresses would fail as if another
/// program had the port.
fn same_port(http: &HttpListener, listeners: &[Listener]) -> Option<String> {
    // A name such as localhost may be any address, so only two addresses differ for sure.
    let address =
        |host: &Option<String>| host.as_ref().and_then(|host| host.parse::<std::net::IpAddr>().ok());
    let differ = |listener: &Listener| match (address(&http.host), address(&listener.host)) {
        (Some(one), Some(other)) => one != other && !one.is_unspecified() && !other.is_unspecified(),
        _ => false,
    };
    // Port 0 is another one for each.
    let same = |listener: &&Listener| http.port != 0 && http.port == listener.port && !differ(listener);
    let listener = listeners.iter().find(same)?;
    Some(format!("{http} and {listener} in listeners have the same port; change one of them"))
}

/// The rules between keys. Each notes what is wrong and goes on, so that one start shows all of it.
struct Rules<'a> {
    settings: &'a Settings,
    problems: &'a mut Vec<Problem>,
}

impl Rules<'_> {
    /// Notes what is wrong with `key`, and where it was set.
    fn wrong(&mut self, key: &'static str, reason: String) {
        let origin = self.settings.get(key).map(|setting| setting.origin.clone());
        self.problems.push(Problem::Wrong { key: key.to_owned(), origin, reason });
    }

    /// `broker.id` is the older name of `node.id`.
    fn node_id(&mut self, keys: &mut BrokerKeys) {
        // -1 is the default: the key is not in use.
        let Some(broker_id) = keys.broker_id else { return };
        if !self.settings.contains_key("node.id") {
            keys.start.node_id = broker_id;
        } else if keys.node_id != broker_id {
            let reason =
                format!("{broker_id} is not node.id, which is {}; leave broker.id out", keys.node_id);
            self.wrong("broker.id", reason);
        }
    }

    /// Limits that bound each other.
    fn limits(&mut self, keys: &BrokerKeys) {
        let one = keys.socket_request_max_bytes;
        // The largest request must fit in, or it would wait for ever.
        if let Some(all) = keys.queued_max_request_bytes.filter(|all| all.as_usize() < one.as_usize()) {
            let reason =
                format!("{all} must be at least socket.request.max.bytes, {one}; raise it or lower that");
            self.wrong("queued.max.request.bytes", reason);
        }
        let (shortest, longest) = (keys.group_min_session_timeout_ms, keys.group_max_session_timeout_ms);
        if shortest > longest {
            let reason = format!(
                "{shortest} is more than group.max.session.timeout.ms, {longest}; lower it or raise that"
            );
            self.wrong("group.min.session.timeout.ms", reason);
        }
        self.consumer_groups(keys);
        self.streams_groups(keys);
        // Its clients would take a prepared transaction for safe, and the timeout would abort it.
        if keys.transaction_two_phase_commit_enable {
            let reason = "transactions in two phases (KIP-939) are not served; remove the key".to_owned();
            self.wrong("transaction.two.phase.commit.enable", reason);
        }
        // Kafka refuses 0 too (`KafkaConfig.validateValues`).
        if keys.retention_ms().is_some_and(|ms| ms.as_u64() == 0) {
            let reason = "0 would keep nothing; give -1 to keep records for ever, or a time".to_owned();
            let set = |key: &str| self.settings.contains_key(key);
            let key = ["log.retention.ms", "log.retention.minutes"].into_iter().find(|key| set(key));
            self.wrong(key.unwrap_or("log.retention.hours"), reason);
        }
    }

    /// Timeouts of consumer groups lie within their bounds, and a session outlasts a heartbeat (KIP-848;
    /// `GroupCoordinatorConfig`).
    fn consumer_groups(&mut self, keys: &BrokerKeys) {
        let (beat, session) =
            (keys.group_consumer_heartbeat_interval_ms, keys.group_consumer_session_timeout_ms);
        let beats =
            keys.group_consumer_min_heartbeat_interval_ms..=keys.group_consumer_max_heartbeat_interval_ms;
        let sessions =
            keys.group_consumer_min_session_timeout_ms..=keys.group_consumer_max_session_timeout_ms;
        for (key, bounds, value, allowed) in [
            ("group.consumer.heartbeat.interval.ms", "heartbeat.interval.ms", beat, beats),
            ("group.consumer.session.timeout.ms", "session.timeout.ms", session, sessions),
        ] {
            if !allowed.contains(&value) {
                let reason = format!(
                    "{value} is not between group.consumer.min.{bounds}, {}, and group.consumer.max.{bounds}, {}",
                    allowed.start(),
                    allowed.end()
                );
                self.wrong(key, reason);
            }
        }
        // Members would expire between two heartbeats.
        if beat >= session {
            let reason = format!("{beat} must be less than group.consumer.session.timeout.ms, {session}");
            self.wrong("group.consumer.heartbeat.interval.ms", reason);
        }
        if keys.group_consumer_assignors.is_empty() {
            self.wrong("group.consumer.assignors", "name at least one of uniform, range".to_owned());
        }
    }

    /// Timeouts and standby tasks of streams groups lie within their bounds, and a session outlasts a heartbeat
    /// (KIP-1071; `GroupCoordinatorConfig`).
    fn streams_groups(&mut self, keys: &BrokerKeys) {
        let (beat, session) =
            (keys.group_streams_heartbeat_interval_ms, keys.group_streams_session_timeout_ms);
        let beats =
            keys.group_streams_min_heartbeat_interval_ms..=keys.group_streams_max_heartbeat_interval_ms;
        let sessions = keys.group_streams_min_session_timeout_ms..=keys.group_streams_max_session_timeout_ms;
        let interval = keys.group_streams_assignment_interval_ms;
        let intervals =
            keys.group_streams_min_assignment_interval_ms..=keys.group_streams_max_assignment_interval_ms;
        for (key, bounds, value, allowed) in [
            ("group.streams.heartbeat.interval.ms", "heartbeat.interval.ms", beat, beats),
            ("group.streams.session.timeout.ms", "session.timeout.ms", session, sessions),
            ("group.streams.assignment.interval.ms", "assignment.interval.ms", interval, intervals),
        ] {
            if !allowed.contains(&value) {
                let reason = format!(
                    "{value} is not between group.streams.min.{bounds}, {}, and group.streams.max.{bounds}, {}",
                    allowed.start(),
                    allowed.end()
                );
                self.wrong(key, reason);
            }
        }
        if beat >= session {
            let reason = format!("{beat} must be less than group.streams.session.timeout.ms, {session}");
            self.wrong("group.streams.heartbeat.interval.ms", reason);
        }
        let (replicas, most) =
            (keys.group_streams_num_standby_replicas, keys.group_streams_max_standby_replicas);
        if replicas > most {
            let reason = format!("{replicas} is more than group.streams.max.standby.replicas, {most}");
            self.wrong("group.streams.num.standby.replicas", reason);
        }
    }

    /// The one folder for all data; `None` if that is wrong.
    fn data_dir(&mut self, keys: &BrokerKeys) -> Option<PathBuf> {
        let several = keys.log_dirs.as_deref().filter(|dirs| !dirs.is_empty());
        let (key, dirs) = match several {
            Some(dirs) => ("log.dirs", dirs.join(",")),
            None => ("log.dir", keys.log_dir.join(",")),
        };
        // Kafka spreads partitions over several folders; here all have one journal in one folder (ADR 10).
        if dirs.contains(',') {
            self.wrong(
                key,
                format!("{dirs} names several folders, and Ottla keeps everything in one; name one"),
            );
            return None;
        }
        if dirs.is_empty() {
            self.wrong(key, "no folder is named; name one, such as ./data".to_owned());
            return None;
        }
        Some(PathBuf::from(dirs))
    }

    /// The inner `None` turns HTTP off, the outer one stands for a malformed address.
    fn http_listener(&mut self, keys: &BrokerKeys) -> Option<Option<HttpListener>> {
        HttpListener::parse(&keys.http_listener).map_err(|reason| self.wrong("http.listener", reason)).ok()
    }

    /// The clients that may use HTTP; `None` if that is wrong.
    fn http_access(&mut self, keys: &BrokerKeys) -> Option<HttpAccess> {
        let resolved = http_authentication::resolve(keys, self.settings);
        resolved.map_err(|(key, reason)| self.wrong(key, reason)).ok()
    }

    /// The listeners; `None` if one of their four keys is wrong.
    fn listeners(&mut self, keys: &BrokerKeys) -> Option<listener::Resolved> {
        let texts = Texts {
            listeners: &keys.listeners,
            advertised: keys.advertised_listeners.as_deref().filter(|texts| !texts.is_empty()),
            protocol_map: &keys.listener_security_protocol_map,
            controller_names: &keys.controller_listener_names,
        };
        match listener::resolve(&texts) {
            Ok(resolved) => Some(resolved),
            Err(wrong) => {
                wrong.into_iter().for_each(|(key, reason)| self.wrong(key, reason));
                None
            }
        }
    }
}
