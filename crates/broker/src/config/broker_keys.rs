//! The broker keys that Ottla acts on, or will: one entry defines a key entirely.
//!
//! An entry gives the field, its type, the key, the default (`None` is Kafka's null), the allowed values and the effect;
//! the comment above it is also its documentation for users. Keys that are fixed at start and keys that may change while
//! the broker runs are two tables and two types, so that a value that may have changed cannot be read off what the broker
//! was started with. Parsing, [`BrokerKeys`], DescribeConfigs and `docs/configuration.md` derive from it. Names, types, ranges and
//! defaults are Kafka 4.3's, except where `DIFFERENCES` in `docs.rs` says so. Kafka keys without an effect here are in
//! `inert_keys.rs`.

use coordinator::group::MigrationPolicy;
use coordinator::group::assignor::Assignor;

use super::key::Check::{Any, AtLeast, Between, BetweenOr, EachOf, OneOf};
use super::key::Effect::{Enforced, Inert, NotYet};
use super::key::Key;
use super::quantity::{Bytes, Hours, Millis, Minutes, OrNone};
use super::reader::SettingsReader;
use super::value::{
    CleanupPolicy, CompressionType, FlushPolicy, HttpAuthentication, LogFormat, LogLevel, MIGRATION_POLICIES,
    Password, TimestampType, Value as ConfigValue,
};

macro_rules! broker_keys {
    ($(#[doc = $struct_doc:literal])+
     $keys:ident, $(#[doc = $table_doc:literal])+ $table:ident, dynamic: $dynamic:literal,
     $(beside $other:ident: $other_keys:ident,)?
     $($(#[doc = $doc:literal])+
       $field:ident: $type:ty = $name:literal, $default:expr, $check:expr, $effect:expr;)+) => {
        $(#[doc = $struct_doc])+
        #[derive(Clone, Debug)]
        pub struct $keys {
            $(
                /// The other table's keys.
                pub(super) $other: $other_keys,
            )?
            $($(#[doc = $doc])+ pub $field: <$type as ConfigValue>::Held,)+
        }

        $(#[doc = $table_doc])+
        pub(super) static $table: &[Key] = &[
            $(Key {
                name: $name,
                kind: <$type as ConfigValue>::KIND,
                default: $default,
                check: $check,
                effect: $effect,
                dynamic: $dynamic,
                doc: concat!($($doc),+),
            },)+
        ];

        impl $keys {
            /// Reads every key; the reader records what is malformed. `None` only if an entry contradicts itself.
            pub(super) fn read(reader: &mut SettingsReader<'_>) -> Option<Self> {
                $(let $other = $other_keys::read(reader)?;)?
                let key = |name| $table.iter().find(|key: &&Key| key.name == name);
                // All keys are read before the first `?`, so that every mistake is reported at once.
                $(let $field = key($name).and_then(|key| reader.read::<$type>(key));)+
                Some(Self { $($other,)? $($field: $field?,)+ })
            }
        }
    };
}

/// Every key of both tables.
pub(super) fn broker_keys() -> impl Iterator<Item = &'static Key> {
    START_KEYS.iter().chain(RUNNING_KEYS)
}

/// Keys that may change while the broker runs do not stand alone: what holds now is those and the fixed ones.
impl std::ops::Deref for BrokerKeys {
    type Target = StartKeys;

    fn deref(&self) -> &StartKeys {
        &self.start
    }
}

broker_keys! {
    /// The keys that are fixed when the broker starts.
    StartKeys,
    /// Their table, in the order of the documentation.
    START_KEYS,
    dynamic: false,

    // ---- who and where
    /// The id of this broker in Metadata and in DescribeConfigs.
    node_id: i32 = "node.id", Some("1"), AtLeast(0), Enforced;
    /// The older name of `node.id`; where both are set they must agree.
    broker_id: OrNone<i32> = "broker.id", Some("-1"), AtLeast(-1), Enforced;
    /// The addresses to listen on: a list of `NAME://HOST:PORT`. Without a host on every interface, IPv4 and IPv6.
    listeners: Vec<String> = "listeners", Some("PLAINTEXT://:9092"), Any, Enforced;
    /// The address that clients of each listener are told to connect to. Without it, and with a listener on every
    /// interface, each client is told an address that works for its connection.
    advertised_listeners: Option<Vec<String>> = "advertised.listeners", None, Any, Enforced;
    /// The protocol of each listener name: PLAINTEXT, SSL (TLS), SASL_PLAINTEXT (logins), SASL_SSL (logins within TLS).
    listener_security_protocol_map: String = "listener.security.protocol.map",
        Some("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"), Any, Enforced;
    /// The class that decides what clients may do. Kafka's own, of this and of earlier versions, all stand for Ottla's authorizer, which
    /// decides as they do; any other class stops the start. Empty: every client may do everything.
    authorizer_class_name: String = "authorizer.class.name", Some(""), Any, Enforced;
    /// Listeners named here belong to a KRaft controller in Kafka. There is none: they are left out, with a note.
    controller_listener_names: Vec<String> = "controller.listener.names", Some(""), Any, Enforced;
    /// Names of config providers, which keep secrets out of this file: a value `${file:/run/secrets/kafka.properties:password}`,
    /// `${directory:/run/secrets:password}` or `${env:PASSWORD}` is replaced at the start, where `file`, `directory` and `env` are
    /// named here and have their class. A reference that leads to nothing stops the start.
    config_providers: Vec<String> = "config.providers", Some(""), Any, Enforced;
    /// The address of `/metrics`, `/livez` and `/readyz`, as HOST:PORT; `https://HOST:PORT` encrypts them, by the keys `ssl.*` or, before
    /// them, `http.ssl.*`. Empty turns HTTP off. A key of Ottla's own.
    http_listener: String = "http.listener", Some("localhost:8080"), Any, Enforced;
    /// How clients of HTTP show who they are: `none`; `basic`, by user and password; `bearer`, by a token; `certificate`, by one of an
    /// authority in the truststore. `/livez` and `/readyz` stay open, without details, for probes. A key of Ottla's own.
    http_authentication: HttpAuthentication =
        "http.authentication", Some("none"), OneOf(HttpAuthentication::NAMES), Enforced;
    /// With `http.authentication=basic`: a file with a line `name:hash` for each user, as `htpasswd -B` writes it (bcrypt). Without it
    /// the users of SCRAM are those of HTTP too. It is read again when it changes. A key of Ottla's own.
    http_basic_users_location: Option<String> = "http.basic.users.location", None, Any, Enforced;
    /// With `http.authentication=bearer`: a file with a token a line. It is read again when it changes. A key of Ottla's own.
    http_bearer_token_location: Option<String> = "http.bearer.token.location", None, Any, Enforced;
    /// The place of the audit log: `stdout`, or a file; a relative path begins at the folder of the configuration file. Empty: there is
    /// none. A line of JSON for each refused login, each denial of the authorizer and each change by an administrator. A key of
    /// Ottla's own.
    audit_log_location: Option<String> = "audit.log.location", None, Any, Enforced;
    /// The audit log's file is renamed and begun anew when it would hold more. A key of Ottla's own.
    audit_log_max_bytes: Bytes<i64> = "audit.log.max.bytes", Some("104857600"), AtLeast(1024), Enforced;
    /// How many full files of the audit log are kept. A key of Ottla's own.
    audit_log_max_files: i32 = "audit.log.max.files", Some("10"), Between(0, 1000), Enforced;
    /// True: the audit log has a line for each login that was accepted, too. A key of Ottla's own.
    audit_log_accepted_logins: bool = "audit.log.accepted.logins", Some("false"), Any, Enforced;
    /// The folder that holds the data. One folder: a list of several is refused. Comes before `log.dir`.
    log_dirs: Option<Vec<String>> = "log.dirs", None, Any, Enforced;
    /// The folder that holds the data, where `log.dirs` is not set.
    log_dir: Vec<String> = "log.dir", Some("./data"), Any, Enforced;
    /// How log lines are written to standard error: `text`, `json`, or `auto` for text on a terminal and JSON
    /// elsewhere. A key of Ottla's own.
    log_format: LogFormat = "log.format", Some("auto"), OneOf(LogFormat::NAMES), Enforced;
    /// The least severe lines that are logged; the environment variable RUST_LOG, where set, says it in more detail.
    /// A key of Ottla's own.
    log_level: LogLevel = "log.level", Some("info"), OneOf(LogLevel::NAMES), Enforced;

    // ---- quotas
    /// Samples of a client's use that count for its quota; one more is kept.
    quota_window_num: u32 = "quota.window.num", Some("11"), AtLeast(1), Enforced;
    /// Length of a sample, in seconds.
    quota_window_size_seconds: u32 = "quota.window.size.seconds", Some("1"), AtLeast(1), Enforced;
    /// Samples of quotas of changes to topics (`controller_mutation_rate`): with the next key the time in which what a client may save up is earned.
    controller_quota_window_num: u32 = "controller.quota.window.num", Some("11"), AtLeast(1), Enforced;
    /// Length of such a sample, in seconds.
    controller_quota_window_size_seconds: u32 = "controller.quota.window.size.seconds", Some("1"), AtLeast(1), Enforced;
    // ---- sockets and limits
    /// The largest request that is read from a connection.
    socket_request_max_bytes: Bytes<i32> = "socket.request.max.bytes", Some("104857600"), AtLeast(1), Enforced;
    /// SO_SNDBUF of client connections; -1 leaves it to the operating system.
    socket_send_buffer_bytes: OrNone<Bytes<i32>, 1> = "socket.send.buffer.bytes", Some("-1"), AtLeast(-1), Enforced;
    /// SO_RCVBUF of client connections; -1 leaves it to the operating system.
    socket_receive_buffer_bytes: OrNone<Bytes<i32>, 1> = "socket.receive.buffer.bytes", Some("-1"), AtLeast(-1), Enforced;
    /// How many connections may wait to be accepted.
    socket_listen_backlog_size: i32 = "socket.listen.backlog.size", Some("4096"), AtLeast(1), Enforced;
    /// A connection without a request for this long is closed.
    connections_max_idle_ms: OrNone<Millis<i64>> = "connections.max.idle.ms", Some("600000"), AtLeast(-1), Enforced;
    /// The bytes of requests in memory at a time; when they are used up, no further request is read until one is
    /// answered. -1 lifts the limit.
    queued_max_request_bytes: OrNone<Bytes<i64>> = "queued.max.request.bytes", Some("268435456"), AtLeast(-1), Enforced;
    /// The most bytes that a Fetch answer holds, whatever the client asks for.
    fetch_max_bytes: Bytes<i32> = "fetch.max.bytes", Some("57671680"), AtLeast(1024), Enforced;
    /// The most partitions that a DescribeTopicPartitions answer holds; the client asks for the rest.
    max_request_partition_size_limit: i32 =
        "max.request.partition.size.limit", Some("2000"), AtLeast(1), Enforced;
    /// The most bytes of metrics that a client may push at a time (KIP-714), as they come.
    telemetry_max_bytes: Bytes<i32> = "telemetry.max.bytes", Some("1048576"), AtLeast(1), Enforced;
    /// How many incremental fetch sessions (KIP-227) are kept.
    max_incremental_fetch_session_cache_slots: usize =
        "max.incremental.fetch.session.cache.slots", Some("1000"), AtLeast(0), Enforced;

    // ---- TLS, on listeners of SSL and SASL_SSL
    /// JKS, PKCS12 or PEM. The contents decide: PEM and PKCS12 are served, which keytool writes under the name JKS as well; a true JKS
    /// stops the start with the command that converts it. Like all keys `ssl.*` with an effect also for one listener, `listener.name.<listener>.ssl.keystore.type`.
    ssl_keystore_type: String = "ssl.keystore.type", Some("JKS"), Any, Enforced;
    /// A PEM file with the private key and the chain of certificates, the broker's own first, or a PKCS12 file. Relative to the
    /// configuration's file.
    ssl_keystore_location: Option<String> = "ssl.keystore.location", None, Any, Enforced;
    /// The password of a PKCS12 file. PEM has none: if it is set with one, the start is refused, as in Kafka.
    ssl_keystore_password: Option<Password> = "ssl.keystore.password", None, Any, Enforced;
    /// The password of an encrypted private key (`ENCRYPTED PRIVATE KEY`), or of the key in a PKCS12 file, where it has one of its own.
    ssl_key_password: Option<Password> = "ssl.key.password", None, Any, Enforced;
    /// The private key itself as PEM, with `ssl.keystore.type=PEM` and without a location.
    ssl_keystore_key: Option<Password> = "ssl.keystore.key", None, Any, Enforced;
    /// The chain of certificates itself as PEM, with `ssl.keystore.key`.
    ssl_keystore_certificate_chain: Option<Password> = "ssl.keystore.certificate.chain", None, Any, Enforced;
    /// As `ssl.keystore.type`, of the store of authorities.
    ssl_truststore_type: String = "ssl.truststore.type", Some("JKS"), Any, Enforced;
    /// A PEM or PKCS12 file with the certificates of the authorities that clients' certificates may come from.
    ssl_truststore_location: Option<String> = "ssl.truststore.location", None, Any, Enforced;
    /// The password of a PKCS12 file. PEM has none: if it is set with one, the start is refused, as in Kafka.
    ssl_truststore_password: Option<Password> = "ssl.truststore.password", None, Any, Enforced;
    /// The certificates of the authorities themselves as PEM, with `ssl.truststore.type=PEM` and without a location.
    ssl_truststore_certificates: Option<Password> = "ssl.truststore.certificates", None, Any, Enforced;
    /// A file with lists of revoked certificates (CRLs), in PEM, or one in DER. A client in a list is refused. A client is also
    /// refused if its authority has no list in the file, or if that list is out of date. At most 1 MiB. Also for one listener. A key of Ottla's own.
    ottla_ssl_crl_location: Option<String> = "ottla.ssl.crl.location", None, Any, Enforced;
    /// If clients show a certificate: `required`, `requested` (one without is `User:ANONYMOUS`), or `none`. The first two need a
    /// truststore. On a listener of SASL_SSL a client is known by its login, not by its certificate.
    ssl_client_auth: String = "ssl.client.auth", Some("none"), OneOf(&["required", "requested", "none"]), Enforced;
    /// The versions of TLS. Earlier ones than TLSv1.2 stop the start.
    ssl_enabled_protocols: Vec<String> = "ssl.enabled.protocols", Some("TLSv1.2,TLSv1.3"), Any, Enforced;
    /// In Kafka the context of Java, which knows all versions here: TLS, TLSv1.2 and TLSv1.3 are accepted, and
    /// `ssl.enabled.protocols` decides.
    ssl_protocol: String = "ssl.protocol", Some("TLSv1.3"), Any, Enforced;
    /// The cipher suites, by their names in TLS; empty: all that are served. One that is not served stops the start.
    ssl_cipher_suites: Vec<String> = "ssl.cipher.suites", Some(""), Any, Enforced;
    /// Rules that make the name of a principal of a client certificate's subject: `DEFAULT`, or `RULE:pattern/replacement/` with `L` or
    /// `U` after it; the first that fits counts.
    ssl_principal_mapping_rules: String = "ssl.principal.mapping.rules", Some("DEFAULT"), Any, Enforced;

    // ---- logins, on listeners of SASL_PLAINTEXT and SASL_SSL
    /// The mechanisms by which clients log in. PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER are
    /// served; any other stops the start where a listener asks for logins.
    /// Also for one listener: `listener.name.<listener>.sasl.enabled.mechanisms`.
    sasl_enabled_mechanisms: Vec<String> = "sasl.enabled.mechanisms", Some("GSSAPI"), Any, Enforced;
    /// How long a login lasts: a client has to log in again on the same connection before that is over (KIP-368). 0: for as
    /// long as the connection. Also for one listener, `listener.name.<listener>.connections.max.reauth.ms`, and for one of
    /// its mechanisms, `listener.name.<listener>.<mechanism>.connections.max.reauth.ms`.
    connections_max_reauth_ms: Millis<i64> = "connections.max.reauth.ms", Some("0"), AtLeast(0), Enforced;
    /// The longest request before a login, in bytes. Where it is not set and OAUTHBEARER is served, 65536: tokens are longer than
    /// passwords. Also for one listener.
    sasl_server_max_receive_size: Bytes<i32> = "sasl.server.max.receive.size", Some("16384"), AtLeast(1), Enforced;
    /// How long the answer to a failed login is delayed. It doubles with each failure in a row from one address, up to 5 s or
    /// this time, if that is longer. Also for one listener.
    connection_failed_authentication_delay_ms: Millis<i32> =
        "connection.failed.authentication.delay.ms", Some("100"), AtLeast(0), Enforced;

    // ---- logins by OAUTHBEARER; each also for one listener, and for `listener.name.<listener>.oauthbearer.`
    /// The public keys of the issuer of tokens, as a JSON Web Key Set: `https://…`, `http://…` on this machine, or `file:/…`. OAUTHBEARER
    /// does not start without it: there are no unsigned tokens.
    sasl_oauthbearer_jwks_endpoint_url: Option<String> = "sasl.oauthbearer.jwks.endpoint.url", None, Any, Enforced;
    /// How often the keys are fetched again. A file is looked at each second.
    sasl_oauthbearer_jwks_endpoint_refresh_ms: Millis<i64> =
        "sasl.oauthbearer.jwks.endpoint.refresh.ms", Some("3600000"), AtLeast(1000), Enforced;
    /// How long the next try waits after keys could not be fetched; it doubles with each failure in a row.
    sasl_oauthbearer_jwks_endpoint_retry_backoff_ms: Millis<i64> =
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Some("100"), AtLeast(1), Enforced;
    /// The longest that the next try waits.
    sasl_oauthbearer_jwks_endpoint_retry_backoff_max_ms: Millis<i64> =
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Some("10000"), AtLeast(1), Enforced;
    /// The only issuer (`iss`) of tokens that count.
    sasl_oauthbearer_expected_issuer: Option<String> = "sasl.oauthbearer.expected.issuer", None, Any, Enforced;
    /// A token counts if one of these is in its audience (`aud`).
    sasl_oauthbearer_expected_audience: Vec<String> = "sasl.oauthbearer.expected.audience", Some(""), Any, Enforced;
    /// If true, `sasl.oauthbearer.expected.issuer` may be missing: tokens of any issuer count that one of the keys has signed.
    sasl_oauthbearer_allow_unverified_issuer: bool =
        "sasl.oauthbearer.allow.unverified.issuer", Some("false"), Any, Enforced;
    /// If true, `sasl.oauthbearer.expected.audience` may be missing: tokens for any service of the issuer count.
    sasl_oauthbearer_allow_unverified_audience: bool =
        "sasl.oauthbearer.allow.unverified.audience", Some("false"), Any, Enforced;
    /// How far the clocks of issuer and broker may differ.
    sasl_oauthbearer_clock_skew_seconds: i32 = "sasl.oauthbearer.clock.skew.seconds", Some("30"), Between(0, 3600), Enforced;
    /// The claim that names the user.
    sasl_oauthbearer_sub_claim_name: String = "sasl.oauthbearer.sub.claim.name", Some("sub"), Any, Enforced;
    /// The claim that holds the scopes. No scope is demanded; the claim has to be a text or a list of texts.
    sasl_oauthbearer_scope_claim_name: String = "sasl.oauthbearer.scope.claim.name", Some("scope"), Any, Enforced;

    // ---- delegation tokens (KIP-48), by which clients log in by SCRAM without a password
    /// The secret of which tokens are made; without it there are none. With another secret no token logs in any more.
    delegation_token_secret_key: Option<Password> = "delegation.token.secret.key", None, Any, Enforced;
    /// How long a token lasts at most, renewed or not.
    delegation_token_max_lifetime_ms: Millis<i64> =
        "delegation.token.max.lifetime.ms", Some("604800000"), AtLeast(1), Enforced;
    /// How long a token lasts until it has to be renewed.
    delegation_token_expiry_time_ms: Millis<i64> =
        "delegation.token.expiry.time.ms", Some("86400000"), AtLeast(1), Enforced;

    // ---- topics
    /// The partitions of a topic whose creator leaves the number open.
    num_partitions: u32 = "num.partitions", Some("1"), AtLeast(1), Enforced;
    /// The replicas of a topic whose creator leaves the number open. One node holds one replica: only 1 is possible.
    default_replication_factor: i32 = "default.replication.factor", Some("1"), Between(1, 1), Enforced;
    /// If true, a topic that does not exist is created when a client asks for its metadata.
    auto_create_topics_enable: bool = "auto.create.topics.enable", Some("true"), Any, Enforced;
    /// If true, DeleteTopics deletes; otherwise it is refused.
    delete_topic_enable: bool = "delete.topic.enable", Some("true"), Any, Enforced;

    // ---- durability
    /// When an acks=all record is acknowledged: `sync` once it is on the disk, `os` once the operating system has it,
    /// which is Kafka's way and loses acknowledged records when the power goes. A key of Ottla's own.
    flush_policy: FlushPolicy = "flush.policy", Some("sync"), OneOf(FlushPolicy::NAMES), Enforced;
    /// The longest that anything written stays without being synced to the disk. acks=all does not wait for it.
    log_flush_interval_ms: Millis<i64> = "log.flush.interval.ms", Some("1000"), AtLeast(1), Enforced;

    // ---- retention and cleaning
    /// How long records are kept. Comes before `log.retention.hours`.
    log_retention_minutes: Option<OrNone<Minutes>> = "log.retention.minutes", None, AtLeast(-1), Enforced;
    /// How long records are kept.
    log_retention_hours: OrNone<Hours> = "log.retention.hours", Some("168"), AtLeast(-1), Enforced;
    /// How often records that may be dropped are looked for.
    log_retention_check_interval_ms: Millis<i64> =
        "log.retention.check.interval.ms", Some("300000"), AtLeast(1), Enforced;
    /// If true, compacted topics are cleaned.
    log_cleaner_enable: bool = "log.cleaner.enable", Some("true"), Any, Enforced;

    // ---- groups and producers
    /// The shortest session timeout that a classic group's member may ask for.
    group_min_session_timeout_ms: Millis<i32> = "group.min.session.timeout.ms", Some("6000"), AtLeast(0), Enforced;
    /// The longest session timeout that a classic group's member may ask for.
    group_max_session_timeout_ms: Millis<i32> = "group.max.session.timeout.ms", Some("1800000"), AtLeast(0), Enforced;
    /// How long the first rebalance of a new group waits for further members.
    group_initial_rebalance_delay_ms: Millis<i32> =
        "group.initial.rebalance.delay.ms", Some("250"), AtLeast(0), Enforced;
    /// The most members of a classic group.
    group_max_size: usize = "group.max.size", Some("2147483647"), AtLeast(1), Enforced;
    /// How often members of consumer groups (KIP-848) are told to send heartbeats.
    group_consumer_heartbeat_interval_ms: Millis<i32> =
        "group.consumer.heartbeat.interval.ms", Some("5000"), AtLeast(1), Enforced;
    /// The shortest `group.consumer.heartbeat.interval.ms` that is accepted.
    group_consumer_min_heartbeat_interval_ms: Millis<i32> =
        "group.consumer.min.heartbeat.interval.ms", Some("5000"), AtLeast(1), Enforced;
    /// The longest `group.consumer.heartbeat.interval.ms` that is accepted.
    group_consumer_max_heartbeat_interval_ms: Millis<i32> =
        "group.consumer.max.heartbeat.interval.ms", Some("15000"), AtLeast(1), Enforced;
    /// When a member of a consumer group that is not heard is removed.
    group_consumer_session_timeout_ms: Millis<i32> =
        "group.consumer.session.timeout.ms", Some("45000"), AtLeast(1), Enforced;
    /// The shortest `group.consumer.session.timeout.ms` that is accepted.
    group_consumer_min_session_timeout_ms: Millis<i32> =
        "group.consumer.min.session.timeout.ms", Some("45000"), AtLeast(1), Enforced;
    /// The longest `group.consumer.session.timeout.ms` that is accepted.
    group_consumer_max_session_timeout_ms: Millis<i32> =
        "group.consumer.max.session.timeout.ms", Some("60000"), AtLeast(1), Enforced;
    /// The most members of a consumer group.
    group_consumer_max_size: usize = "group.consumer.max.size", Some("2147483647"), AtLeast(1), Enforced;
    /// The assignors that members of consumer groups can ask for. The first is used when they do not ask.
    group_consumer_assignors: Vec<Assignor> =
        "group.consumer.assignors", Some("uniform,range"), EachOf(&["uniform", "range"]), Enforced;
    /// Which way a group with members may change between the classic and the consumer protocol.
    group_consumer_migration_policy: MigrationPolicy =
        "group.consumer.migration.policy", Some("bidirectional"),
        OneOf(MIGRATION_POLICIES), Enforced;
    /// How often members of streams groups (KIP-1071) are told to send heartbeats.
    group_streams_heartbeat_interval_ms: Millis<i32> =
        "group.streams.heartbeat.interval.ms", Some("5000"), AtLeast(1), Enforced;
    /// The shortest `group.streams.heartbeat.interval.ms` that is accepted.
    group_streams_min_heartbeat_interval_ms: Millis<i32> =
        "group.streams.min.heartbeat.interval.ms", Some("5000"), AtLeast(1), Enforced;
    /// The longest `group.streams.heartbeat.interval.ms` that is accepted.
    group_streams_max_heartbeat_interval_ms: Millis<i32> =
        "group.streams.max.heartbeat.interval.ms", Some("15000"), AtLeast(1), Enforced;
    /// When a member of a streams group that is not heard is removed.
    group_streams_session_timeout_ms: Millis<i32> =
        "group.streams.session.timeout.ms", Some("45000"), AtLeast(1), Enforced;
    /// The shortest `group.streams.session.timeout.ms` that is accepted.
    group_streams_min_session_timeout_ms: Millis<i32> =
        "group.streams.min.session.timeout.ms", Some("45000"), AtLeast(1), Enforced;
    /// The longest `group.streams.session.timeout.ms` that is accepted.
    group_streams_max_session_timeout_ms: Millis<i32> =
        "group.streams.max.session.timeout.ms", Some("60000"), AtLeast(1), Enforced;
    /// The most members of a streams group.
    group_streams_max_size: usize = "group.streams.max.size", Some("2147483647"), AtLeast(1), Enforced;
    /// The standby tasks of each task with state in a streams group.
    group_streams_num_standby_replicas: usize =
        "group.streams.num.standby.replicas", Some("0"), AtLeast(0), Enforced;
    /// The largest `group.streams.num.standby.replicas` that is accepted.
    group_streams_max_standby_replicas: usize =
        "group.streams.max.standby.replicas", Some("2"), AtLeast(0), Enforced;
    /// How long the first member of an empty streams group waits for further members.
    group_streams_initial_rebalance_delay_ms: Millis<i32> =
        "group.streams.initial.rebalance.delay.ms", Some("3000"), AtLeast(0), Enforced;
    /// The shortest `group.streams.assignment.interval.ms` that is accepted.
    group_streams_min_assignment_interval_ms: Millis<i32> =
        "group.streams.min.assignment.interval.ms", Some("0"), AtLeast(0), Enforced;
    /// The longest `group.streams.assignment.interval.ms` that is accepted.
    group_streams_max_assignment_interval_ms: Millis<i32> =
        "group.streams.max.assignment.interval.ms", Some("15000"), AtLeast(0), Enforced;
    /// The longest metadata text that may be committed with an offset.
    offset_metadata_max_bytes: Bytes<i32> = "offset.metadata.max.bytes", Some("4096"), AtLeast(0), Enforced;
    /// How long offsets outlive the last member of their group, or the last commit where there are no members.
    offsets_retention_minutes: Minutes = "offsets.retention.minutes", Some("10080"), AtLeast(1), Enforced;
    /// How often expired offsets are looked for.
    offsets_retention_check_interval_ms: Millis<i64> =
        "offsets.retention.check.interval.ms", Some("600000"), AtLeast(1), Enforced;
    /// How often expired producers are looked for.
    producer_id_expiration_check_interval_ms: Millis<i32> =
        "producer.id.expiration.check.interval.ms", Some("600000"), AtLeast(1), Enforced;

    // ---- transactions
    /// The longest time that a producer may ask for its transactions. A producer that asks for more is refused.
    transaction_max_timeout_ms: Millis<i32> = "transaction.max.timeout.ms", Some("900000"), AtLeast(1), Enforced;
    /// How long a transactional id is remembered after its last transaction.
    transactional_id_expiration_ms: Millis<i32> =
        "transactional.id.expiration.ms", Some("604800000"), AtLeast(1), Enforced;
    /// If true, producers could prepare transactions for another system to end (KIP-939), which Ottla does not serve.
    transaction_two_phase_commit_enable: bool =
        "transaction.two.phase.commit.enable", Some("false"), Any, Enforced;

    // ---- segment files: read as defaults of topic keys
    /// The age at which Kafka rolls a segment file.
    log_roll_hours: i32 = "log.roll.hours", Some("168"), AtLeast(1), Inert;
    /// The random part of the age at which Kafka rolls a segment file.
    log_roll_jitter_hours: i32 = "log.roll.jitter.hours", Some("0"), AtLeast(0), Inert;
}

broker_keys! {
    /// The value of every key as of one moment. Those that may change while the broker runs are fields of their own, those
    /// that are fixed at start are [`StartKeys`]: who holds only these cannot read a value that may have changed.
    BrokerKeys,
    /// The table of the keys that may change while the broker runs, in the order of the documentation.
    RUNNING_KEYS,
    dynamic: true,
    beside start: StartKeys,

    // ---- sockets and limits
    /// The most connections at a time. At most a quarter of them, or 4 if that is more, may be without a login where one is asked for. Also for
    /// one listener, `listener.name.<listener>.max.connections`, beside that of all.
    max_connections: usize = "max.connections", Some("10000"), AtLeast(0), Enforced;
    /// The most connections at a time from one address.
    max_connections_per_ip: usize = "max.connections.per.ip", Some("1000"), AtLeast(0), Enforced;
    /// Other numbers for single addresses, `address:number,…`. Names of hosts are not looked up.
    max_connections_per_ip_overrides: String = "max.connections.per.ip.overrides", Some(""), Any, Enforced;
    /// The most connections in a second; those above it wait, in turn by address. Also for one listener, beside that of all.
    max_connection_creation_rate: u32 = "max.connection.creation.rate", Some("1000"), AtLeast(0), Enforced;

    // ---- topics
    /// The largest record batch that is accepted, as it stands compressed.
    message_max_bytes: Bytes<i32> = "message.max.bytes", Some("1048588"), AtLeast(0), Enforced;
    /// The timestamp of records: CreateTime is the producer's, LogAppendTime the broker's.
    log_message_timestamp_type: TimestampType =
        "log.message.timestamp.type", Some("CreateTime"), OneOf(TimestampType::NAMES), Enforced;
    /// How far a producer's timestamp may lie in the past; ignored for LogAppendTime.
    log_message_timestamp_before_max_ms: Millis<i64> =
        "log.message.timestamp.before.max.ms", Some("9223372036854775807"), AtLeast(0), Enforced;
    /// How far a producer's timestamp may lie in the future; ignored for LogAppendTime.
    log_message_timestamp_after_max_ms: Millis<i64> =
        "log.message.timestamp.after.max.ms", Some("3600000"), AtLeast(0), Enforced;
    /// The replicas that must have an acks=all record before it is acknowledged. As in Kafka no more
    /// count than a partition has, and here it has one.
    min_insync_replicas: i32 = "min.insync.replicas", Some("1"), AtLeast(1), Enforced;
    /// The codec that batches are kept in; `producer` keeps them as they came.
    compression_type: CompressionType =
        "compression.type", Some("producer"), OneOf(CompressionType::NAMES), Enforced;
    /// The level for `compression.type=gzip`; -1 is the codec's default.
    compression_gzip_level: OrNone<i32> = "compression.gzip.level", Some("-1"), BetweenOr(1, 9, -1), Enforced;
    /// The level for `compression.type=lz4` in Kafka. Ottla writes LZ4 at one level, the fast one.
    compression_lz4_level: i32 = "compression.lz4.level", Some("9"), Between(1, 17), Inert;
    /// The level for `compression.type=zstd`.
    compression_zstd_level: i32 = "compression.zstd.level", Some("3"), Between(-131_072, 22), Enforced;

    // ---- groups
    /// The least time between two assignments of a streams group's tasks; changes that come sooner are assigned together.
    group_streams_assignment_interval_ms: Millis<i32> =
        "group.streams.assignment.interval.ms", Some("1000"), AtLeast(0), Enforced;

    // ---- transactions
    /// How long the sequence numbers of an idempotent producer are remembered after its last batch.
    producer_id_expiration_ms: Millis<i32> = "producer.id.expiration.ms", Some("86400000"), AtLeast(1), Enforced;
    /// If false, a producer from before Kafka 4.0 may write to partitions that it has not announced, and such a transaction
    /// may never end.
    transaction_partition_verification_enable: bool =
        "transaction.partition.verification.enable", Some("true"), Any, Enforced;

    // ---- durability
    /// The records after which a partition is synced.
    log_flush_interval_messages: i64 =
        "log.flush.interval.messages", Some("9223372036854775807"), AtLeast(1), NotYet;

    // ---- retention and cleaning
    /// How long records are kept; -1 is for ever. Comes before `log.retention.minutes`.
    log_retention_ms: Option<OrNone<Millis<i64>>> = "log.retention.ms", None, AtLeast(-1), Enforced;
    /// The bytes that a partition keeps; -1 is without a limit.
    log_retention_bytes: OrNone<Bytes<i64>> = "log.retention.bytes", Some("-1"), Any, Enforced;
    /// The treatment of old records: dropped (`delete`), reduced to the newest of each key (`compact`), or both.
    log_cleanup_policy: CleanupPolicy =
        "log.cleanup.policy", Some("delete"), EachOf(CleanupPolicy::NAMES), Enforced;
    /// How long a tombstone of a compacted topic is kept for consumers to see.
    log_cleaner_delete_retention_ms: Millis<i64> =
        "log.cleaner.delete.retention.ms", Some("86400000"), AtLeast(0), Enforced;
    /// How long a record is left as it is before it may be compacted away.
    log_cleaner_min_compaction_lag_ms: Millis<i64> =
        "log.cleaner.min.compaction.lag.ms", Some("0"), AtLeast(0), Enforced;
    /// The longest that a record may wait for compaction.
    log_cleaner_max_compaction_lag_ms: Millis<i64> =
        "log.cleaner.max.compaction.lag.ms", Some("9223372036854775807"), AtLeast(1), Enforced;
    /// The part of a compacted log that must be uncleaned before it is cleaned.
    log_cleaner_min_cleanable_ratio: f64 =
        "log.cleaner.min.cleanable.ratio", Some("0.5"), Between(0, 1), Enforced;

    // ---- segment files: read as defaults of topic keys
    /// The size of a segment file in Kafka. Ottla has no segment files; topics report it.
    log_segment_bytes: i32 = "log.segment.bytes", Some("1073741824"), AtLeast(1_048_576), Inert;
    /// The age at which Kafka rolls a segment file. Comes before `log.roll.hours`.
    log_roll_ms: Option<i64> = "log.roll.ms", None, AtLeast(1), Inert;
    /// The random part of the age at which Kafka rolls a segment file. Comes before `log.roll.jitter.hours`.
    log_roll_jitter_ms: Option<i64> = "log.roll.jitter.ms", None, AtLeast(0), Inert;
    /// The size of an index file in Kafka. Ottla has no index files; topics report it.
    log_index_size_max_bytes: i32 = "log.index.size.max.bytes", Some("10485760"), AtLeast(4), Inert;
    /// The bytes between two index entries in Kafka. Ottla's index has its own spacing; topics report it.
    log_index_interval_bytes: i32 = "log.index.interval.bytes", Some("4096"), AtLeast(0), Inert;
    /// How long Kafka keeps a deleted segment file. Ottla has no segment files; topics report it.
    log_segment_delete_delay_ms: i64 = "log.segment.delete.delay.ms", Some("60000"), AtLeast(0), Inert;
    /// If true, Kafka allocates segment files in advance. Ottla has no segment files; topics report it.
    log_preallocate: bool = "log.preallocate", Some("false"), Any, Inert;
    /// The bytes that Kafka keeps locally of a partition in tiered storage. Ottla has no tiered storage; topics
    /// report it.
    log_local_retention_bytes: i64 = "log.local.retention.bytes", Some("-2"), AtLeast(-2), Inert;
    /// How long Kafka keeps records of tiered storage locally. Ottla has no tiered storage; topics report it.
    log_local_retention_ms: i64 = "log.local.retention.ms", Some("-2"), AtLeast(-2), Inert;
    /// If true, a replica that lags may lead a partition in Kafka. There is one replica; topics report it.
    unclean_leader_election_enable: bool =
        "unclean.leader.election.enable", Some("false"), Any, Inert;
}
