//! TxnOffsetCommit, key 28: stores how far a group has read, once a producer's transaction commits (KIP-98).
//!
//! Versions 0–6:
//! - v1: as v0 (KIP-219).
//! - v2: leader epoch (KIP-320); COORDINATOR_LOAD_IN_PROGRESS, before that COORDINATOR_NOT_AVAILABLE.
//! - v3: the consumer of the group, which is checked (KIP-447); flexible.
//! - v4: the error TRANSACTION_ABORTABLE (KIP-890); before, INVALID_TXN_STATE.
//! - v5: the group joins the transaction by the request itself (KIP-890).
//! - v6: topics by id; a member's group that does not exist is GROUP_ID_NOT_FOUND (KIP-1319).
//!
//! Until the transaction ends the offsets are pending: OffsetFetch shows the ones before, or UNSTABLE_OFFSET_COMMIT to
//! clients that ask for stable ones. The group joins the transaction even if it refuses the request, as in Kafka.

use std::ops::RangeInclusive;
use std::sync::Arc;

use codec::ErrorCode;
use codec::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use codec::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use codec::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use coordinator::group::offsets::OffsetCommit as Commit;
use coordinator::group::requests::CommitIdentity;
use coordinator::group::{GenerationId, GroupError, GroupId, GroupInstanceId, MemberId};
use coordinator::transaction::{
    ProducerId, ProducerIdAndEpoch, Protocol, Sender, TransactionError, TransactionalId,
};
use storage::Topic;

use crate::kafka::access::{Access, GROUP, Operation, TOPIC, TRANSACTIONAL_ID, each, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::{TransactionCodes, group_error_code, transaction_error_code};
use crate::services::coordinator::group::CommitTerms;
use crate::services::coordinator::transaction::NotStaged;
use crate::session::authorizer::{Internal, Permit};

/// See the file's header.
pub(crate) struct TxnOffsetCommit;

/// From this version on the request itself announces the group.
const ANNOUNCES_FROM: i16 = 5;
/// From this version on topics are named by id alone.
const TOPIC_IDS_FROM: i16 = 6;

impl Api for TxnOffsetCommit {
    type Request = TxnOffsetCommitRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    const ACCESS: Access = Access::Needs(&[
        whole(TRANSACTIONAL_ID, Operation::Write),
        whole(GROUP, Operation::Read),
        each(TOPIC, Operation::Read),
    ]);
    // Each takes its place in the log before its first wait, under the lock of its transactional id. Java's client sends it while
    // the batches of the transaction are on their way: one sync then covers both.
    const OVERLAPS: bool = true;

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let version = cx.api_version();
        let permits = match permitted(cx, &request) {
            Ok(permits) => permits,
            Err(code) => {
                let partitions = request.topics.iter().map(|topic| topic.partitions.len()).sum();
                return Ok(Reply::Response(response(&request, vec![Some(code); partitions])));
            }
        };
        let (commits, mut codes) = commits(cx, &request);
        // Nothing to store: nothing to judge either, as in Kafka.
        if !commits.is_empty() {
            let result = stage(cx, &permits, &request, commits).await;
            fill(&mut codes, &result, version);
        }
        Ok(Reply::Response(response(&request, codes)))
    }

    fn first_error(response: &TxnOffsetCommitResponse) -> i16 {
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        super::first_code(partitions.map(|partition| partition.error_code))
    }
}

/// Asks about the transactional id, then about the group.
///
/// # Errors
/// The code for the whole request.
fn permitted(cx: &Context, request: &TxnOffsetCommitRequest) -> Result<Permit, ErrorCode> {
    cx.authorize(TRANSACTIONAL_ID, Operation::Write, &request.transactional_id)?;
    cx.authorize(GROUP, Operation::Read, &request.group_id)
}

/// Hands the commits to the transaction and the group.
async fn stage(
    cx: &Context,
    permit: &Permit,
    request: &TxnOffsetCommitRequest,
    commits: Vec<Commit>,
) -> Result<Vec<Result<(), GroupError>>, NotStaged> {
    let version = cx.api_version();
    if request.group_id.is_empty() {
        return Err(GroupError::InvalidGroupId.into());
    }
    if request.transactional_id.is_empty() {
        return Err(TransactionError::InvalidRequest.into());
    }
    let id = TransactionalId::from(request.transactional_id.as_str());
    let producer = ProducerIdAndEpoch { id: ProducerId(*request.producer_id), epoch: request.producer_epoch };
    let sender = Sender { producer, connection: cx.peer().number };
    let protocol = if version >= ANNOUNCES_FROM { Protocol::V2 } else { Protocol::V1 };
    let who = CommitIdentity {
        member_id: MemberId::from(request.member_id.as_str()),
        group_instance_id: request.group_instance_id.as_deref().map(GroupInstanceId::from),
        generation: GenerationId(request.generation_id_or_member_epoch),
    };
    let terms = CommitTerms { who, retention_ms: None, knows_member_epochs: version >= TOPIC_IDS_FROM };
    let group_id = GroupId::from(request.group_id.as_str());
    cx.transactions(permit).commit_offsets(&id, sender, protocol, &group_id, &terms, commits).await
}

/// Returns the commits to pass on, and a code for every partition of the request in order: `None` where the group will
/// answer.
fn commits(cx: &Context, request: &TxnOffsetCommitRequest) -> (Vec<Commit>, Vec<Option<ErrorCode>>) {
    let catalog = cx.catalog(&Permit::internal(Internal::Names));
    let by_id = cx.api_version() >= TOPIC_IDS_FROM;
    let (mut commits, mut codes) = (Vec::new(), Vec::new());
    for asked in &request.topics {
        let topic = if by_id { catalog.topic_by_id(asked.topic_id) } else { catalog.topic(&asked.name) };
        let known_name = topic.map_or(asked.name.as_str(), |topic| topic.name.as_str());
        // An id without a topic has no name to ask about.
        let denied = (!by_id || topic.is_some())
            .then(|| cx.authorize(TOPIC, Operation::Read, known_name).err())
            .flatten();
        let topic = topic.filter(|_| denied.is_none());
        let name: Arc<str> = topic.map_or_else(Arc::default, |topic| Arc::from(topic.name.as_str()));
        let unknown = if let Some(code) = denied {
            code
        } else if by_id && topic.is_none() {
            ErrorCode::UnknownTopicId
        } else {
            ErrorCode::UnknownTopicOrPartition
        };
        for partition in &asked.partitions {
            let found = topic.filter(|topic| topic.partition(partition.partition_index).is_some());
            codes.push(found.is_none().then_some(unknown));
            commits.extend(found.map(|topic| commit(&name, topic, partition)));
        }
    }
    (commits, codes)
}

/// One offset to store.
fn commit(name: &Arc<str>, topic: &Topic, partition: &TxnOffsetCommitRequestPartition) -> Commit {
    Commit {
        topic: Arc::clone(name),
        topic_id: topic.id,
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: Arc::from(partition.committed_metadata.as_deref().unwrap_or_default()),
    }
}

/// Fills in the codes of the partitions that were passed on, in their order.
fn fill(
    codes: &mut [Option<ErrorCode>],
    result: &Result<Vec<Result<(), GroupError>>, NotStaged>,
    version: i16,
) {
    let mut results = result.iter().flatten();
    for code in codes.iter_mut().filter(|code| code.is_none()) {
        let group_code = |error: GroupError| known(group_error_code(error), version);
        *code = Some(match result {
            Ok(_) => results.next().copied().unwrap_or(Ok(())).map_or_else(group_code, |()| ErrorCode::None),
            Err(NotStaged::Group(error)) => group_code(*error),
            Err(NotStaged::Transaction(error)) => {
                // In all versions: `TxnOffsetCommitResponse` knows no PRODUCER_FENCED.
                let codes = TransactionCodes { fenced: false, abortable: version >= 4 };
                known(transaction_error_code(*error, codes), version)
            }
        });
    }
}

/// The code for a client of that version.
fn known(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        ErrorCode::CoordinatorLoadInProgress if version < 2 => ErrorCode::CoordinatorNotAvailable,
        // Clients that announce their groups do not expect it here.
        ErrorCode::ConcurrentTransactions if version < ANNOUNCES_FROM => ErrorCode::CoordinatorNotAvailable,
        code => code,
    }
}

fn response(request: &TxnOffsetCommitRequest, codes: Vec<Option<ErrorCode>>) -> TxnOffsetCommitResponse {
    let mut codes = codes.into_iter().flatten();
    let mut one = |partition: &TxnOffsetCommitRequestPartition| {
        TxnOffsetCommitResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_error_code(codes.next().unwrap_or(ErrorCode::None).code())
    };
    let topics = request.topics.iter().map(|topic| {
        // The version decides which of the two is written.
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(topic.partitions.iter().map(&mut one).collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}
