//! EndTxn, key 26: commits or aborts a producer's transaction (KIP-98).
//!
//! Versions 0–5:
//! - v1: as v0 (KIP-219).
//! - v2: the error PRODUCER_FENCED (KIP-588); before, INVALID_PRODUCER_EPOCH.
//! - v3: flexible.
//! - v4: the error TRANSACTION_ABORTABLE (KIP-890), which does not occur here.
//! - v5: the end raises the producer's epoch, which is in the answer (KIP-890).
//!
//! The version of the request alone says by which protocol a transaction ends. When it is answered, markers and offsets are on
//! the disk and visible everywhere: no later request meets a transaction that is still ending.

use std::ops::RangeInclusive;

use codec::messages::{EndTxnRequest, EndTxnResponse, ProducerId as WireProducerId};
use coordinator::transaction::{
    ProducerId, ProducerIdAndEpoch, Protocol, Sender, TransactionError, TransactionalId,
};

use crate::kafka::access::{Access, Operation, TRANSACTIONAL_ID, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::{TransactionCodes, transaction_error_code};
use crate::session::authorizer::Permit;

/// See the file's header.
pub(crate) struct EndTxn;

/// From this version on an end raises the epoch.
const RAISES_FROM: i16 = 5;
/// In an answer: no producer id, and no epoch.
const NONE: i16 = -1;

impl Api for EndTxn {
    type Request = EndTxnRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const ACCESS: Access = Access::Needs(&[whole(TRANSACTIONAL_ID, Operation::Write)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let version = cx.api_version();
        let told = |id: i64, epoch: i16| {
            // Older versions have no such fields.
            let (id, epoch) = if version >= RAISES_FROM { (id, epoch) } else { (i64::from(NONE), NONE) };
            EndTxnResponse::default().with_producer_id(WireProducerId(id)).with_producer_epoch(epoch)
        };
        let permit = match cx.authorize(TRANSACTIONAL_ID, Operation::Write, &request.transactional_id) {
            Ok(permit) => permit,
            Err(code) => {
                return Ok(Reply::Response(told(i64::from(NONE), NONE).with_error_code(code.code())));
            }
        };
        Ok(Reply::Response(match end(cx, &permit, &request).await {
            Ok(producer) => told(producer.id.0, producer.epoch),
            Err(error) => {
                let known = TransactionCodes { fenced: version >= 2, abortable: version >= 4 };
                let code = transaction_error_code(error, known);
                told(i64::from(NONE), NONE).with_error_code(code.code())
            }
        }))
    }

    fn first_error(response: &EndTxnResponse) -> i16 {
        response.error_code
    }
}

async fn end(
    cx: &Context,
    permit: &Permit,
    request: &EndTxnRequest,
) -> Result<ProducerIdAndEpoch, TransactionError> {
    if request.transactional_id.is_empty() {
        return Err(TransactionError::InvalidRequest);
    }
    let id = TransactionalId::from(request.transactional_id.as_str());
    let producer = ProducerIdAndEpoch { id: ProducerId(*request.producer_id), epoch: request.producer_epoch };
    let sender = Sender { producer, connection: cx.peer().number };
    let protocol = if cx.api_version() >= RAISES_FROM { Protocol::V2 } else { Protocol::V1 };
    cx.transactions(permit).end(&id, sender, request.committed, protocol).await
}
