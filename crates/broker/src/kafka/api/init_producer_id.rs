//! InitProducerId, key 22: the id and epoch with which an idempotent producer numbers its batches.
//!
//! Versions 0–5:
//! - v1: as v0 (KIP-219).
//! - v2: flexible.
//! - v3: producer id and epoch (KIP-360).
//! - v4: the error PRODUCER_FENCED (KIP-588).
//! - v5: the error TRANSACTION_ABORTABLE (KIP-890), which does not occur here.
//!
//! Without a transactional id the answer is a new id at epoch 0, whatever the producer had before, as in
//! Kafka (`TransactionCoordinator.handleInitProducerId`): since KIP-360 such producers raise their epochs
//! themselves. An id is never given twice, not even by a broker that crashed.
//!
//! Gaps: with a transactional id the answer is UNSUPPORTED_VERSION, which clients report as a final error.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::{Answer, Api, Reply};
use crate::clock;
use crate::kafka::context::Context;
use crate::services::disk_reserve::Write;
use crate::telemetry::line_limit::FAULTS;

/// `RecordBatch.NO_PRODUCER_ID`: in a request, the producer has none yet; in an answer, it gets none.
const NO_PRODUCER_ID: i64 = -1;
/// `RecordBatch.NO_PRODUCER_EPOCH`: goes with no producer id.
const NO_PRODUCER_EPOCH: i16 = -1;

/// See the file's header.
pub(super) struct InitProducerId;

impl Api for InitProducerId {
    type Request = InitProducerIdRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=5;

    async fn handle(cx: &Context, request: InitProducerIdRequest) -> Answer<Self> {
        let refused = refusal(&request);
        let allocated = match refused {
            Some(code) => Err(code),
            // Its producer asks again, and could send no record before there is space.
            None if !cx.disk().has_room(Write::Commits, clock::now()) => {
                Err(ErrorCode::CoordinatorLoadInProgress)
            }
            None => cx.io().cluster().allocate_producer_id().await.map_err(|error| {
                // Retriable: a client asks again, and finds the broker once it runs again.
                if let Some(suppressed) = FAULTS.take("producer id") {
                    tracing::error!(%error, suppressed, "no producer id could be allocated");
                }
                ErrorCode::CoordinatorNotAvailable
            }),
        };
        let response = InitProducerIdResponse::default();
        Ok(Reply::Response(match allocated {
            Ok(id) => response.with_producer_id(ProducerId(id)).with_producer_epoch(0),
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

/// The reason to allocate no id, if there is one.
fn refusal(request: &InitProducerIdRequest) -> Option<ErrorCode> {
    let has_id = request.producer_id.0 != NO_PRODUCER_ID;
    let has_epoch = request.producer_epoch != NO_PRODUCER_EPOCH;
    // KIP-360: a producer that wants its epoch raised names both.
    if has_id != has_epoch {
        return Some(ErrorCode::InvalidRequest);
    }
    request.transactional_id.as_ref().map(|_| ErrorCode::UnsupportedVersion)
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::messages::{StrBytes, TransactionalId};

    #[test]
    fn id_and_epoch_come_together_or_not_at_all() {
        let request = |id, epoch| {
            InitProducerIdRequest::default()
                .with_transactional_id(None)
                .with_producer_id(ProducerId(id))
                .with_producer_epoch(epoch)
        };
        assert_eq!(refusal(&request(-1, -1)), None);
        assert_eq!(refusal(&request(5, 0)), None);
        assert_eq!(refusal(&request(5, -1)), Some(ErrorCode::InvalidRequest));
        assert_eq!(refusal(&request(-1, 0)), Some(ErrorCode::InvalidRequest));
    }

    #[test]
    fn transactional_ids_are_refused_for_good() {
        let id = TransactionalId(StrBytes::from_static_str("payments"));
        let code = refusal(&InitProducerIdRequest::default().with_transactional_id(Some(id)));
        assert_eq!(code, Some(ErrorCode::UnsupportedVersion));
        assert!(!code.unwrap().retriable());
    }
}
