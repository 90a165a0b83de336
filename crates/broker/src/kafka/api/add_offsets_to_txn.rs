//! AddOffsetsToTxn, key 25: makes a group part of a producer's transaction before its offsets are committed there (KIP-98).
//!
//! Versions 0–4:
//! - v1: as v0 (KIP-219).
//! - v2: the error PRODUCER_FENCED (KIP-588); before, INVALID_PRODUCER_EPOCH.
//! - v3: flexible.
//! - v4: the error TRANSACTION_ABORTABLE (KIP-890), which does not occur here.
//!
//! The group need not exist, and its id may be empty, as in Kafka: TxnOffsetCommit refuses that. A producer that
//! TxnOffsetCommit 5 serves sends none of these.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};
use coordinator::group::GroupId;
use coordinator::transaction::{
    GroupRef, ProducerId, ProducerIdAndEpoch, Sender, ShardId, TransactionError, TransactionalId,
};

use crate::kafka::access::{Access, GROUP, Operation, TRANSACTIONAL_ID, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::{TransactionCodes, transaction_error_code};

/// See the file's header.
pub(crate) struct AddOffsetsToTxn;

impl Api for AddOffsetsToTxn {
    type Request = AddOffsetsToTxnRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    const ACCESS: Access =
        Access::Needs(&[whole(TRANSACTIONAL_ID, Operation::Write), whole(GROUP, Operation::Read)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let code = add(cx, &request).await.err().unwrap_or(ErrorCode::None);
        Ok(Reply::Response(AddOffsetsToTxnResponse::default().with_error_code(code.code())))
    }

    fn first_error(response: &AddOffsetsToTxnResponse) -> i16 {
        response.error_code
    }
}

async fn add(cx: &Context, request: &AddOffsetsToTxnRequest) -> Result<(), ErrorCode> {
    let version = cx.api_version();
    cx.authorize(TRANSACTIONAL_ID, Operation::Write, &request.transactional_id)?;
    let permit = cx.authorize(GROUP, Operation::Read, &request.group_id)?;
    let code = |error| {
        transaction_error_code(error, TransactionCodes { fenced: version >= 2, abortable: version >= 4 })
    };
    if request.transactional_id.is_empty() {
        return Err(code(TransactionError::InvalidRequest));
    }
    let id = TransactionalId::from(request.transactional_id.as_str());
    let producer = ProducerIdAndEpoch { id: ProducerId(*request.producer_id), epoch: request.producer_epoch };
    let sender = Sender { producer, connection: cx.peer().number };
    let group = GroupRef { shard: ShardId::default(), group: GroupId::from(request.group_id.as_str()) };
    cx.transactions(&permit).add_offsets(&id, sender, &group).await.map_err(code)
}
