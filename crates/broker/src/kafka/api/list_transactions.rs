//! ListTransactions, key 66: the transactional ids of this broker (KIP-664).
//!
//! Versions 0–2:
//! - v1: those whose transaction began longer ago than a duration (KIP-994). One that never began counts as very old, and one
//!   that has ended keeps its begin, as in Kafka.
//! - v2: those whose whole id matches a pattern (KIP-1152). The syntax is that of the regex crate, which like Kafka's RE2/J takes
//!   linear time; INVALID_REGULAR_EXPRESSION if it is not valid.
//!
//! A state that does not exist is named in the answer, and admits nothing.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::list_transactions_response::TransactionState as ListedState;
use codec::messages::{
    ListTransactionsRequest, ListTransactionsResponse, ProducerId as WireProducerId, StrBytes,
    TransactionalId,
};
use coordinator::transaction::view::{Filter, pattern};
use coordinator::transaction::{Overview, ProducerId, TransactionState};

use crate::kafka::access::{Access, Operation, TRANSACTIONAL_ID, left_out};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::{TransactionCodes, transaction_error_code};
use crate::session::authorizer::{Internal, Permit};

/// See the file's header.
pub(crate) struct ListTransactions;

impl Api for ListTransactions {
    type Request = ListTransactionsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const ACCESS: Access = Access::Needs(&[left_out(TRANSACTIONAL_ID, Operation::Describe)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let is_unknown = |name: &&StrBytes| !TransactionState::is_known(name);
        let unknown: Vec<StrBytes> = request.state_filters.iter().filter(is_unknown).cloned().collect();
        let response = ListTransactionsResponse::default().with_unknown_state_filters(unknown);
        let Some(filter) = filter(&request) else {
            let code = ErrorCode::InvalidRegularExpression.code();
            return Ok(Reply::Response(ListTransactionsResponse::default().with_error_code(code)));
        };
        let permit = Permit::internal(Internal::Names);
        let visible = |one: &Overview| cx.may(TRANSACTIONAL_ID, Operation::Describe, one.id.as_str()).is_ok();
        Ok(Reply::Response(match cx.transactions(&permit).list(filter, cx.clock().now_ms()).await {
            Ok(list) => {
                response.with_transaction_states(list.into_iter().filter(visible).map(listed).collect())
            }
            Err(error) => {
                let known = TransactionCodes { fenced: true, abortable: true };
                let code = transaction_error_code(error, known).code();
                ListTransactionsResponse::default().with_error_code(code)
            }
        }))
    }

    fn first_error(response: &ListTransactionsResponse) -> i16 {
        response.error_code
    }
}

/// The filter of a request. `None`: its pattern is not valid.
fn filter(request: &ListTransactionsRequest) -> Option<Filter> {
    let states = request.state_filters.iter().filter_map(|name| TransactionState::named(name)).collect();
    // Empty admits everything, as an absent one does.
    let text = request.transactional_id_pattern.as_deref().filter(|text| !text.is_empty());
    Some(Filter {
        states: (!request.state_filters.is_empty()).then_some(states),
        producer_ids: request.producer_id_filters.iter().map(|id| ProducerId(id.0)).collect(),
        older_than_ms: Some(request.duration_filter).filter(|duration| *duration >= 0),
        pattern: match text {
            Some(text) => Some(pattern(text).ok()?),
            None => None,
        },
    })
}

fn listed(overview: Overview) -> ListedState {
    ListedState::default()
        .with_transactional_id(TransactionalId(StrBytes::from_string(overview.id.to_string())))
        .with_producer_id(WireProducerId(overview.producer_id.0))
        .with_transaction_state(StrBytes::from_static_str(overview.state.name()))
}
