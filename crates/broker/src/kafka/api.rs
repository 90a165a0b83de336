//! The registry: which Kafka APIs the broker serves, at which versions, and what runs them.
//!
//! Adding an API touches this file in two lines: its `mod` and its entry in the registry. From the registry alone come
//! the lookup by key, ApiVersions, metric labels, frame limits, `docs/protocol.md` and the test that calls every API
//! at every version. Const assertions refuse an entry that serves what the codec cannot read, and a key that occurs
//! twice. Decoding, the call and encoding are compiled here for each API, as only its entry knows its types. What an API does
//! is left to its file, the path of a request to `dispatch.rs`.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_client_quotas;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_replica_log_dirs;
mod alter_user_scram_credentials;
mod api_versions;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_acls;
mod create_delegation_token;
mod create_partitions;
mod create_topics;
mod delete_acls;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_acls;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_delegation_token;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_transactions;
mod describe_user_scram_credentials;
mod elect_leaders;
mod end_txn;
mod expire_delegation_token;
mod fetch;
mod find_coordinator;
mod get_telemetry_subscriptions;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod push_telemetry;
mod renew_delegation_token;
mod sasl_authenticate;
mod sasl_handshake;
mod streams_group_describe;
mod streams_group_heartbeat;
mod sync_group;
mod txn_offset_commit;
mod unregister_broker;
mod update_features;
mod write_txn_markers;

use std::collections::HashSet;
use std::future::Future;
use std::hash::Hash;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use codec::frame::{self, RequestHeader};
use codec::{Chain, DecodeError, EncodeError, ErrorCode, Request, Response};
use thiserror::Error;

use crate::clock;
use crate::kafka::access::Access;
use crate::kafka::answered::{Answered, Receipt};
use crate::kafka::audit::Audited;
use crate::kafka::context::Context;

/// One Kafka API: its request type, the versions that are really served, and its handler.
pub(crate) trait Api: Sized {
    /// The request; it fixes key, name, the versions that can be read, and the response.
    type Request: Request;

    /// The versions that are implemented, not those that can be parsed; ApiVersions tells clients exactly this.
    const VERSIONS: RangeInclusive<i16>;

    /// The permissions that it needs, or why it needs none. Without a default, so that no API is forgotten.
    const ACCESS: Access;

    /// When in the life of a connection it may be called.
    const PHASE: Phase = Phase::Authenticated;

    /// True if its requests carry data and may be as long as `socket.request.max.bytes`.
    const CARRIES_RECORDS: bool = false;

    /// True if requests of this API may run side by side on one connection, with each other and with those of the other such
    /// APIs: each takes its place in the log before its first wait. All others wait until everything that was
    /// sent before them is done, so that a client which does not wait for answers (a commit, then a fetch of the
    /// commit) still sees what it did itself, as it does in Kafka, which runs one request of a connection at a time.
    const OVERLAPS: bool = false;

    /// Returns true if ApiVersions lists the API now. It is served in any case.
    fn is_advertised(_cx: &Context) -> bool {
        true
    }

    /// Answers one request. What runs before the first await runs in the order in which the requests of a connection
    /// arrived; the rest may overlap with the connection's other requests. The future is dropped if the client goes away.
    fn handle(cx: &Context, request: Self::Request) -> impl Future<Output = Answer<Self>> + Send;

    /// The first error code in a response, 0 for none: it is counted in the metrics.
    fn first_error(_response: &<Self::Request as Request>::Response) -> i16 {
        0
    }

    /// The answer between the two steps of a re-authentication, after which the connection is closed; `None` closes it at once.
    fn illegal_sasl_state() -> Option<<Self::Request as Request>::Response> {
        None
    }

    /// The answer, written at version 0, to a version outside `VERSIONS`; `None` closes the connection.
    fn unsupported_version() -> Option<<Self::Request as Request>::Response> {
        None
    }
}

/// The result of a handler. An error closes the connection; refusals with a Kafka error code are responses.
pub(crate) type Answer<A> = Result<Reply<<<A as Api>::Request as Request>::Response>, Disconnect>;

/// The first error among the codes of an answer; 0, which is Kafka's code for no error, if there is none.
fn first_code(codes: impl IntoIterator<Item = i16>) -> i16 {
    codes.into_iter().find(|code| *code != ErrorCode::None.code()).unwrap_or(ErrorCode::None.code())
}

/// The names in a request, each where it comes first: an answer is not to outgrow the state that exists.
fn each_once<T: Clone + Eq + Hash>(names: Vec<T>) -> impl Iterator<Item = T> {
    let mut told = HashSet::new();
    names.into_iter().filter(move |name| told.insert(name.clone()))
}

/// A handler's reply.
#[derive(Debug)]
pub(crate) enum Reply<R> {
    /// Sent to the client.
    Response(R),
    /// The request asked for none (Produce with acks=0).
    None,
}

/// When in the life of a connection an API may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// At any time, once before a login too.
    Any,
    /// Before a login, and after it where the client may log in again.
    Login,
    /// Only after a login, where the listener asks for one.
    Authenticated,
}

/// Why a connection is closed by a request.
#[derive(Debug, Error)]
pub(crate) enum Disconnect {
    /// Bytes that are not the message they claim to be.
    #[error("malformed request: {0}")]
    Malformed(#[from] DecodeError),
    /// No API has this key here.
    #[error("unknown API key {0}")]
    UnknownApi(i16),
    /// The API has no such version here, and no way to say so in an answer.
    #[error("unsupported version {version} of {api}")]
    UnsupportedVersion {
        /// Kafka's name of the API.
        api: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A fault of ours: the answer cannot be written.
    #[error("the answer cannot be encoded: {0}")]
    Unanswerable(#[from] EncodeError),
    /// The handler will not go on with this client.
    /// The text is for the log alone: the client sees the connection end.
    #[error("{0}")]
    Refused(String),
}

/// A request that is being answered. An error closes the connection.
pub(crate) type Running = Pin<Box<dyn Future<Output = Result<Answered, Disconnect>> + Send>>;

/// Reads a request body, calls the handler, writes the answer. The number is the entry's index.
pub(crate) type Run = fn(Context, usize, Bytes) -> Running;

/// One row of the registry: an [`Api`] with its types erased.
pub(crate) struct Entry {
    /// Its position in the registry, by which metrics are kept.
    pub(crate) index: usize,
    /// The API key on the wire.
    pub(crate) key: i16,
    /// Kafka's name of the API.
    pub(crate) name: &'static str,
    /// Least and greatest version served.
    pub(crate) versions: (i16, i16),
    /// Returns true if ApiVersions lists the API now.
    pub(crate) is_advertised: fn(&Context) -> bool,
    /// The permissions that it needs.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "read by tests, which make docs/protocol.md and compare")
    )]
    pub(crate) access: Access,
    /// When it may be called.
    pub(crate) phase: Phase,
    /// True if its frames may be as long as `socket.request.max.bytes`; see [`Entry::max_frame_bytes`].
    carries_records: bool,
    /// True if its requests may run side by side on one connection.
    pub(crate) overlaps: bool,
    /// Decode, call, encode.
    pub(crate) run: Run,
    /// The answer to a version that is not served, if there is one.
    pub(crate) refuse_version: fn(&RequestHeader, usize) -> Result<Answered, Disconnect>,
    /// The answer between the two steps of a re-authentication, if there is one.
    pub(crate) refuse_state: fn(&RequestHeader, usize) -> Result<Answered, Disconnect>,
}

impl Entry {
    /// The entry of `A`. Evaluated by the compiler, which refuses versions that the codec cannot read.
    const fn of<A: Api>() -> Self {
        let (served, readable) = (A::VERSIONS, <A::Request as Request>::VERSIONS);
        let versions = (*served.start(), *served.end());
        assert!(versions.0 <= versions.1, "an empty range of versions");
        assert!(
            *readable.start() <= versions.0 && versions.1 <= *readable.end(),
            "versions that the codec cannot read"
        );
        Self {
            // Set by `numbered`.
            index: 0,
            key: <A::Request as Request>::KEY,
            name: <A::Request as Request>::NAME,
            versions,
            is_advertised: A::is_advertised,
            access: A::ACCESS,
            phase: A::PHASE,
            carries_records: A::CARRIES_RECORDS,
            overlaps: A::OVERLAPS,
            run: run::<A>,
            refuse_version: refuse_version::<A>,
            refuse_state: refuse_state::<A>,
        }
    }

    /// As [`Self::of`], for an API whose requests are in the audit log.
    const fn audited<A>() -> Self
    where
        A: Api,
        A::Request: Audited + Clone,
    {
        Self { run: run_audited::<A>, ..Self::of::<A>() }
    }

    /// Returns true if this version is served.
    pub(crate) fn serves(&self, version: i16) -> bool {
        (self.versions.0..=self.versions.1).contains(&version)
    }

    /// The longest frame accepted, in bytes, where `socket.request.max.bytes` is `largest`.
    pub(crate) fn max_frame_bytes(&self, largest: usize) -> usize {
        if self.carries_records { largest } else { largest.min(MAX_PLAIN_FRAME_BYTES) }
    }
}

/// Decodes, calls and encodes for one API; see [`Run`].
fn run<A: Api>(cx: Context, api: usize, body: Bytes) -> Running {
    Box::pin(async move {
        let request = A::Request::decode(body, cx.api_version())?;
        let reply = call::<A>(&cx, request).await?;
        encode::<A>(&cx, api, reply)
    })
}

/// As [`run`], with the changes of the request told to the audit log before they are answered.
fn run_audited<A>(cx: Context, api: usize, body: Bytes) -> Running
where
    A: Api,
    A::Request: Audited + Clone,
{
    if !cx.audit().is_on() {
        return run::<A>(cx, api, body);
    }
    let tasks = cx.tasks().clone();
    let work = async move {
        let request = A::Request::decode(body, cx.api_version())?;
        // Before it is served: it may remove what it names.
        let resource = request.resource(cx.token_reach().as_ref().map(|reach| &*reach.tokens));
        let reply = call::<A>(&cx, request.clone()).await?;
        if let Reply::Response(response) = &reply {
            let mut changes = request.changes(response);
            if let Some(name) = resource {
                changes.iter_mut().for_each(|change| change.resource.clone_from(&name));
            }
            cx.tell_changes(A::Request::NAME, changes).await;
        }
        encode::<A>(&cx, api, reply)
    };
    // A task of its own: a change that was made is told although its client has gone.
    Box::pin(async move {
        let done = tasks.complete("audited-request", work).await;
        done.unwrap_or_else(|| Err(Disconnect::Refused("the broker stops".to_owned())))
    })
}

/// Calls the handler. Tests compare what it asked the authorizer for with what it declares.
async fn call<A: Api>(cx: &Context, request: A::Request) -> Answer<A> {
    // Logins are not counted: nothing is served to a client before them.
    let is_timed = matches!(A::PHASE, Phase::Authenticated) && cx.quota().bounds_time();
    let charge = |spent, is_answered| cx.quota().charge_time(spent, is_answered);
    let reply = timed(A::handle(cx, request), is_timed, charge).await?;
    #[cfg(test)]
    if let Some(questions) = cx.questions() {
        crate::kafka::access::compare(A::Request::NAME, A::ACCESS, &questions.asked());
    }
    Ok(reply)
}

/// The frame of a reply, and what is counted about it.
fn encode<A: Api>(
    cx: &Context,
    api: usize,
    reply: Reply<<A::Request as Request>::Response>,
) -> Result<Answered, Disconnect> {
    let version = cx.api_version();
    match reply {
        Reply::Response(mut response) => {
            let throttle_ms = cx.quota().throttle_ms();
            if throttle_ms > 0 {
                response.set_throttle_time_ms(throttle_ms);
            }
            let receipt = Receipt { api, version, error_code: A::first_error(&response) };
            answer(cx.header(), version, &response, receipt)
        }
        // Counted as a success: a request with acks=0 that fails is an `Err`, and closes the connection.
        Reply::None => Ok(Answered { frame: None, receipt: Receipt { api, version, error_code: 0 } }),
    }
}

/// Runs a handler. If asked to, it adds up the time for which a thread runs it, without what it waits, and passes that on.
async fn timed<R>(
    handling: impl Future<Output = Result<Reply<R>, Disconnect>>,
    is_timed: bool,
    charge: impl FnOnce(Duration, bool),
) -> Result<Reply<R>, Disconnect> {
    let mut handling = std::pin::pin!(handling);
    let mut spent = Duration::ZERO;
    let reply = std::future::poll_fn(|cx| {
        let begun = is_timed.then(clock::now);
        let polled = handling.as_mut().poll(cx);
        spent += begun.map_or(Duration::ZERO, |begun| clock::now().saturating_duration_since(begun));
        polled
    })
    .await;
    if is_timed && let Ok(reply) = &reply {
        charge(spent, matches!(reply, Reply::Response(_)));
    }
    reply
}

/// The version 0 answer to a version that `A` does not serve, if it has one.
fn refuse_version<A: Api>(header: &RequestHeader, api: usize) -> Result<Answered, Disconnect> {
    let version = header.api_version;
    let Some(response) = A::unsupported_version() else {
        return Err(Disconnect::UnsupportedVersion { api: A::Request::NAME, version });
    };
    let receipt = Receipt { api, version, error_code: A::first_error(&response) };
    // Version 0 is the layout that any client can read, whatever it asked for (KIP-511).
    answer(header, 0, &response, receipt)
}

/// The answer of `A` to a request between the two steps of a re-authentication, if it has one.
fn refuse_state<A: Api>(header: &RequestHeader, api: usize) -> Result<Answered, Disconnect> {
    let version = header.api_version;
    let response = A::illegal_sasl_state();
    let response =
        response.ok_or_else(|| Disconnect::Refused("a request within a re-authentication".to_owned()))?;
    let receipt = Receipt { api, version, error_code: A::first_error(&response) };
    answer(header, version, &response, receipt)
}

/// A whole answer: length prefix, header, and body at a version.
pub(crate) fn answer<R: Response>(
    header: &RequestHeader,
    version: i16,
    response: &R,
    receipt: Receipt,
) -> Result<Answered, Disconnect> {
    let mut chain = Chain::new();
    // By key as well as version: ApiVersions keeps header version 0 at all of its versions (KIP-511).
    frame::response_header(header.correlation_id, header.api_key, version, &mut chain);
    response.encode(version, &mut chain)?;
    Ok(Answered { frame: Some(chain.into_frame()?), receipt })
}

/// Longest frame of an API that carries no records: 4 MiB hold a request for tens of thousands of partitions.
const MAX_PLAIN_FRAME_BYTES: usize = 4 << 20;

/// Every API that is served, ordered by key.
pub(crate) static REGISTRY: &[Entry] = &numbered([
    Entry::of::<produce::Produce>(),
    Entry::of::<fetch::Fetch>(),
    Entry::of::<list_offsets::ListOffsets>(),
    Entry::of::<metadata::Metadata>(),
    Entry::of::<offset_commit::OffsetCommit>(),
    Entry::of::<offset_fetch::OffsetFetch>(),
    Entry::of::<find_coordinator::FindCoordinator>(),
    Entry::of::<join_group::JoinGroup>(),
    Entry::of::<heartbeat::Heartbeat>(),
    Entry::of::<leave_group::LeaveGroup>(),
    Entry::of::<sync_group::SyncGroup>(),
    Entry::of::<describe_groups::DescribeGroups>(),
    Entry::of::<list_groups::ListGroups>(),
    Entry::of::<sasl_handshake::SaslHandshake>(),
    Entry::of::<api_versions::ApiVersions>(),
    Entry::audited::<create_topics::CreateTopics>(),
    Entry::audited::<delete_topics::DeleteTopics>(),
    Entry::audited::<delete_records::DeleteRecords>(),
    Entry::of::<init_producer_id::InitProducerId>(),
    Entry::of::<offset_for_leader_epoch::OffsetForLeaderEpoch>(),
    Entry::of::<add_partitions_to_txn::AddPartitionsToTxn>(),
    Entry::of::<add_offsets_to_txn::AddOffsetsToTxn>(),
    Entry::of::<end_txn::EndTxn>(),
    Entry::audited::<write_txn_markers::WriteTxnMarkers>(),
    Entry::of::<txn_offset_commit::TxnOffsetCommit>(),
    Entry::of::<describe_acls::DescribeAcls>(),
    Entry::audited::<create_acls::CreateAcls>(),
    Entry::audited::<delete_acls::DeleteAcls>(),
    Entry::of::<describe_configs::DescribeConfigs>(),
    Entry::audited::<alter_configs::AlterConfigs>(),
    Entry::of::<alter_replica_log_dirs::AlterReplicaLogDirs>(),
    Entry::of::<describe_log_dirs::DescribeLogDirs>(),
    Entry::of::<sasl_authenticate::SaslAuthenticate>(),
    Entry::audited::<create_partitions::CreatePartitions>(),
    Entry::audited::<create_delegation_token::CreateDelegationToken>(),
    Entry::audited::<renew_delegation_token::RenewDelegationToken>(),
    Entry::audited::<expire_delegation_token::ExpireDelegationToken>(),
    Entry::of::<describe_delegation_token::DescribeDelegationToken>(),
    Entry::audited::<delete_groups::DeleteGroups>(),
    Entry::of::<elect_leaders::ElectLeaders>(),
    Entry::audited::<incremental_alter_configs::IncrementalAlterConfigs>(),
    Entry::of::<alter_partition_reassignments::AlterPartitionReassignments>(),
    Entry::of::<list_partition_reassignments::ListPartitionReassignments>(),
    Entry::audited::<offset_delete::OffsetDelete>(),
    Entry::of::<describe_client_quotas::DescribeClientQuotas>(),
    Entry::audited::<alter_client_quotas::AlterClientQuotas>(),
    Entry::of::<describe_user_scram_credentials::DescribeUserScramCredentials>(),
    Entry::audited::<alter_user_scram_credentials::AlterUserScramCredentials>(),
    Entry::of::<describe_quorum::DescribeQuorum>(),
    Entry::audited::<update_features::UpdateFeatures>(),
    Entry::of::<describe_cluster::DescribeCluster>(),
    Entry::of::<describe_producers::DescribeProducers>(),
    Entry::of::<unregister_broker::UnregisterBroker>(),
    Entry::of::<describe_transactions::DescribeTransactions>(),
    Entry::of::<list_transactions::ListTransactions>(),
    Entry::of::<consumer_group_heartbeat::ConsumerGroupHeartbeat>(),
    Entry::of::<consumer_group_describe::ConsumerGroupDescribe>(),
    Entry::of::<get_telemetry_subscriptions::GetTelemetrySubscriptions>(),
    Entry::of::<push_telemetry::PushTelemetry>(),
    Entry::of::<list_config_resources::ListConfigResources>(),
    Entry::of::<describe_topic_partitions::DescribeTopicPartitions>(),
    Entry::of::<streams_group_heartbeat::StreamsGroupHeartbeat>(),
    Entry::of::<streams_group_describe::StreamsGroupDescribe>(),
]);

/// Tells each entry its position. Keys must ascend, so that no key occurs twice.
const fn numbered<const N: usize>(mut entries: [Entry; N]) -> [Entry; N] {
    let mut at = 0;
    // A `const fn` cannot loop over an iterator.
    while at < N {
        assert!(at == 0 || entries[at - 1].key < entries[at].key, "registry keys must ascend, each once");
        entries[at].index = at;
        at += 1;
    }
    entries
}

/// Looks an API key up. Done once for each request, when its key has been read: the entry goes along with the frame.
pub(crate) fn entry(key: i16) -> Option<&'static Entry> {
    // `numbered` asserts that the keys ascend.
    REGISTRY.get(REGISTRY.binary_search_by_key(&key, |entry| entry.key).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_registered() {
        // Cargo runs tests in the folder of their crate.
        let mut files: Vec<String> = std::fs::read_dir("src/kafka/api")
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().replace('_', ""))
            .collect();
        let mut registered: Vec<String> = REGISTRY.iter().map(|entry| entry.name.to_lowercase()).collect();
        files.sort();
        registered.sort();
        assert_eq!(files, registered);
    }

    #[test]
    fn entry_is_found_by_its_key_alone() {
        for (index, known) in REGISTRY.iter().enumerate() {
            assert_eq!(entry(known.key).map(|entry| (entry.name, entry.index)), Some((known.name, index)));
        }
        for unknown in [-1, 4, 5, 6, 7, 1000, i16::MIN, i16::MAX] {
            assert!(entry(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn only_requests_that_are_ordered_by_the_log_overlap() {
        let overlap: Vec<_> =
            REGISTRY.iter().filter(|entry| entry.overlaps).map(|entry| entry.name).collect();
        assert_eq!(overlap, ["Produce", "TxnOffsetCommit"]);
    }

    #[test]
    fn only_records_may_use_long_frames() {
        let largest = 100 << 20;
        for entry in REGISTRY {
            let expected = if entry.name == "Produce" { largest } else { 4 << 20 };
            assert_eq!(entry.max_frame_bytes(largest), expected, "{}", entry.name);
            assert_eq!(entry.max_frame_bytes(1000), 1000);
        }
    }
}
