//! FindCoordinator, key 10: which broker coordinates a group or a transactional id. With one broker, the answer is this one, or
//! COORDINATOR_NOT_AVAILABLE while it does not lead the shard of their records.
//!
//! Versions 0–6:
//! - v1: key type, throttle time, error message.
//! - v2: as v1 (KIP-219).
//! - v3: flexible.
//! - v4: several keys at once (KIP-699).
//! - v5: TRANSACTION_ABORTABLE is understood (KIP-890).
//! - v6: share groups (KIP-932).
//!
//! Gaps: a share group (key type 2) is refused with INVALID_REQUEST and a message that says so, on which clients fail at once
//! instead of asking for ever.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::find_coordinator_response::Coordinator;
use codec::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse, StrBytes};

use crate::kafka::access::{Access, CLUSTER, GROUP, Operation, TRANSACTIONAL_ID, each};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;

/// See the file's header.
pub(crate) struct FindCoordinator;

/// Kafka's `FindCoordinatorRequest.CoordinatorType`: the key is a group id. Version 0 has no type and means
/// this.
const GROUP_KEY: i8 = 0;
/// The key is a transactional id.
const TRANSACTION: i8 = 1;
/// The key is a share group with topic id and partition, `group:topic:partition` (KIP-932).
const SHARE: i8 = 2;

impl Api for FindCoordinator {
    type Request = FindCoordinatorRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    const ACCESS: Access = Access::Needs(&[
        each(GROUP, Operation::Describe).when("the key is a group"),
        each(TRANSACTIONAL_ID, Operation::Describe).when("the key is a transactional id"),
        each(CLUSTER, Operation::ClusterAction).when("the key is of a share group"),
    ]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let kind = request.key_type;
        let response = if cx.api_version() < 4 {
            single(coordinator(cx, kind, request.key), cx.api_version())
        } else {
            let coordinators = request.coordinator_keys.into_iter().map(|key| coordinator(cx, kind, key));
            FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
        };
        Ok(Reply::Response(response))
    }

    fn first_error(response: &FindCoordinatorResponse) -> i16 {
        let several = response.coordinators.iter().map(|coordinator| coordinator.error_code);
        super::first_code(several.chain([response.error_code]))
    }
}

/// The answer for one key: this broker at the address that works for this client, or a refusal without a
/// node.
fn coordinator(cx: &Context, kind: i8, key: StrBytes) -> Coordinator {
    let answer = Coordinator::default().with_key(key);
    let refused = refusal(cx, kind, &answer.key);
    if let Some((code, why)) = refused {
        return answer
            // Kafka's `Node.noNode`: no id, no host and no port.
            .with_node_id(BrokerId(-1))
            .with_port(-1)
            .with_error_code(code.code())
            .with_error_message(Some(StrBytes::from_static_str(why)));
    }
    // The address must be the one that works for this client: it opens a connection of its own to the coordinator.
    let (host, port) = cx.advertised_address();
    answer
        .with_node_id(BrokerId(cx.node_id()))
        .with_host(StrBytes::from_string(host))
        .with_port(i32::from(port))
        .with_error_message(Some(StrBytes::from_static_str("")))
}

/// The code and the text for a key without an answer.
fn refusal(cx: &Context, kind: i8, key: &str) -> Option<(ErrorCode, &'static str)> {
    let told = |code: ErrorCode| (code, code.message());
    let permit = match kind {
        GROUP_KEY => cx.authorize(GROUP, Operation::Describe, key),
        TRANSACTION => cx.authorize(TRANSACTIONAL_ID, Operation::Describe, key),
        // Older versions have no such type: what the client may is not asked (`KafkaApis.getCoordinator`).
        SHARE if cx.api_version() >= 6 => cx.authorize_cluster(Operation::ClusterAction),
        _ => return check(kind).err().map(|why| (ErrorCode::InvalidRequest, why)),
    };
    let permit = match permit {
        Ok(permit) => permit,
        Err(code) => return Some(told(code)),
    };
    if let Err(why) = check(kind) {
        return Some((ErrorCode::InvalidRequest, why));
    }
    let here = match kind {
        TRANSACTION => cx.transactions(&permit).is_here(),
        _ => cx.groups(&permit).is_here(),
    };
    // As Kafka while the partition of the group's records has no leader. Clients ask again.
    (!here).then(|| told(ErrorCode::CoordinatorNotAvailable))
}

/// Judges a type of key.
///
/// # Errors
/// No such coordinator is here; the text is for the user.
fn check(kind: i8) -> Result<(), &'static str> {
    match kind {
        GROUP_KEY | TRANSACTION => Ok(()),
        SHARE => Err("Share groups are not available on this broker yet."),
        _ => Err("Unknown coordinator key type."),
    }
}

/// The form before version 4, for one key.
fn single(answer: Coordinator, version: i16) -> FindCoordinatorResponse {
    FindCoordinatorResponse::default()
        .with_error_code(answer.error_code)
        .with_error_message(answer.error_message.filter(|_| version >= 1))
        .with_node_id(answer.node_id)
        .with_host(answer.host)
        .with_port(answer.port)
}
