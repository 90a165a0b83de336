//! InitProducerId, key 22: the id and epoch with which an idempotent or transactional producer numbers its batches.
//!
//! Versions 0–5:
//! - v1: as v0 (KIP-219).
//! - v2: flexible.
//! - v3: producer id and epoch (KIP-360).
//! - v4: the error PRODUCER_FENCED (KIP-588); before, INVALID_PRODUCER_EPOCH.
//! - v5: the error TRANSACTION_ABORTABLE (KIP-890), which does not occur here.
//!
//! Without a transactional id the answer is a new id at epoch 0, whatever the producer had before, as in
//! Kafka (`TransactionCoordinator.handleInitProducerId`): since KIP-360 such producers raise their epochs
//! themselves. An id is never given twice, not even by a broker that crashed.
//!
//! With one, the producer becomes its owner: the epoch rises, and what an earlier owner has open is aborted before the
//! answer. Deliberate differences: Kafka answers CONCURRENT_TRANSACTIONS first and has the client ask again; and a producer
//! that names an old epoch changes nothing here, where Kafka aborts the transaction of the owner.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};
use coordinator::transaction::{ProducerIdAndEpoch, TransactionError, TransactionalId};

use super::{Answer, Api, Reply};
use crate::clock;
use crate::kafka::access::{Access, CLUSTER, Operation, TOPIC, TRANSACTIONAL_ID, whole};
use crate::kafka::context::Context;
use crate::kafka::error::{TransactionCodes, transaction_error_code};
use crate::services::disk_reserve::Write;

/// `RecordBatch.NO_PRODUCER_ID`: in a request, the producer has none yet; in an answer, it gets none.
const NO_PRODUCER_ID: i64 = -1;
/// From this version on clients know PRODUCER_FENCED.
const FENCED_FROM: i16 = 4;
/// `RecordBatch.NO_PRODUCER_EPOCH`: goes with no producer id.
const NO_PRODUCER_EPOCH: i16 = -1;

/// See the file's header.
pub(super) struct InitProducerId;

impl Api for InitProducerId {
    type Request = InitProducerIdRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const ACCESS: Access = Access::Needs(&[
        whole(TRANSACTIONAL_ID, Operation::Write).when("there is a transactional id"),
        whole(CLUSTER, Operation::IdempotentWrite)
            .or(TOPIC, Operation::Write)
            .when("there is none; the topic may be any"),
    ]);

    async fn handle(cx: &Context, request: InitProducerIdRequest) -> Answer<Self> {
        let allocated = match request.transactional_id {
            Some(_) => init_transactional(cx, &request).await,
            None => allocate(cx, &request).await,
        };
        let response = InitProducerIdResponse::default();
        Ok(Reply::Response(match allocated {
            Ok(producer) => {
                response.with_producer_id(ProducerId(producer.id.0)).with_producer_epoch(producer.epoch)
            }
            Err(code) => response
                .with_error_code(code.code())
                .with_producer_id(ProducerId(NO_PRODUCER_ID))
                .with_producer_epoch(NO_PRODUCER_EPOCH),
        }))
    }

    fn first_error(response: &InitProducerIdResponse) -> i16 {
        response.error_code
    }
}

/// A new id for a producer without a transactional id.
async fn allocate(cx: &Context, request: &InitProducerIdRequest) -> Result<ProducerIdAndEpoch, ErrorCode> {
    // A client that may do neither is told about the cluster (`KafkaApis.handleInitProducerIdRequest`).
    let permit = match cx.may_cluster(Operation::IdempotentWrite) {
        Ok(permit) => permit,
        Err(code) => cx.authorize_some(TOPIC, Operation::Write).map_err(|_| code)?,
    };
    named(request).map_err(|_| ErrorCode::InvalidRequest)?;
    // Its producer asks again, and could send no record before there is space.
    if !cx.disk().has_room(Write::Commits, clock::now()) {
        return Err(ErrorCode::CoordinatorLoadInProgress);
    }
    let drawn = cx.transactions(&permit).draw().await;
    // Retriable: a client asks again, and finds the broker once it runs again.
    drawn.map(|id| ProducerIdAndEpoch { id, epoch: 0 }).map_err(|_| ErrorCode::CoordinatorNotAvailable)
}

/// The id and epoch of a transactional id's next owner.
async fn init_transactional(
    cx: &Context,
    request: &InitProducerIdRequest,
) -> Result<ProducerIdAndEpoch, ErrorCode> {
    let name = request.transactional_id.as_deref().map_or("", |id| id.as_str());
    let permit = cx.authorize(TRANSACTIONAL_ID, Operation::Write, name)?;
    let known =
        TransactionCodes { fenced: cx.api_version() >= FENCED_FROM, abortable: cx.api_version() >= 5 };
    let id = TransactionalId::from(name);
    let initialized = match named(request) {
        Ok(producer) => {
            let timeout_ms = request.transaction_timeout_ms;
            cx.transactions(&permit).init_producer_id(&id, timeout_ms, producer).await
        }
        Err(error) => Err(error),
    };
    initialized.map_err(|error| transaction_error_code(error, known))
}

/// The producer that goes on, if the request names one (KIP-360).
fn named(request: &InitProducerIdRequest) -> Result<Option<ProducerIdAndEpoch>, TransactionError> {
    ProducerIdAndEpoch::expected(*request.producer_id, request.producer_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_and_epoch_come_together_or_not_at_all() {
        let request = |id, epoch| {
            InitProducerIdRequest::default().with_producer_id(ProducerId(id)).with_producer_epoch(epoch)
        };
        assert_eq!(named(&request(-1, -1)), Ok(None));
        assert!(named(&request(5, 0)).is_ok_and(|named| named.is_some()));
        for (id, epoch) in [(5, -1), (-1, 0), (-2, -2), (5, -2)] {
            assert_eq!(named(&request(id, epoch)), Err(TransactionError::InvalidRequest), "{id} {epoch}");
        }
    }
}
