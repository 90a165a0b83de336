//! Transactions as their coordinators know them.

use codec::messages::describe_transactions_response::TransactionState;
use codec::messages::{
    DescribeTransactionsRequest, ListTransactionsRequest, ProducerId, StrBytes, TransactionalId,
};

use crate::client::{Coordinators, Partition, patiently, refused};
use crate::failure::Failure;
use crate::output::escaped;

/// A transactional id as its coordinator lists it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) producer_id: i64,
    pub(super) state: String,
    pub(super) coordinator: i32,
}

/// The transactional ids of all brokers that a request asks for, sorted.
///
/// # Errors
/// A broker does not answer, refuses, is older than `at_least`, or does not know a state that is asked for.
pub(super) fn list(
    cluster: &mut Coordinators,
    at_least: i16,
    request: &ListTransactionsRequest,
) -> Result<Vec<Listed>, Failure> {
    let mut found = Vec::new();
    for broker in cluster.brokers()? {
        let ask = || cluster.call_node(broker, at_least..=2, request);
        let answer = patiently(ask, |answer| Some(answer.error_code))?;
        if answer.error_code != 0 {
            return Err(refused("list transactions", answer.error_code, None));
        }
        if let Some(state) = answer.unknown_state_filters.first() {
            return Err(Failure::failed(format!("broker {broker} knows no state {}", escaped(state))));
        }
        found.extend(answer.transaction_states.into_iter().map(|one| Listed {
            id: one.transactional_id.to_string(),
            producer_id: one.producer_id.0,
            state: one.transaction_state.to_string(),
            coordinator: broker,
        }));
    }
    found.sort();
    Ok(found)
}

/// Asks for the transactional ids of some producers.
pub(super) fn of_producers(ids: impl IntoIterator<Item = i64>) -> ListTransactionsRequest {
    ListTransactionsRequest::default()
        .with_producer_id_filters(ids.into_iter().map(ProducerId).collect())
        .with_duration_filter(-1)
}

/// The transaction of a transactional id, with its coordinator.
pub(super) struct Described {
    pub(super) coordinator: i32,
    pub(super) state: TransactionState,
}

impl Described {
    /// The partitions that the transaction has written to, as far as its coordinator was told.
    pub(super) fn partitions(&self) -> Vec<Partition> {
        let mut all: Vec<Partition> = self
            .state
            .topics
            .iter()
            .flat_map(|topic| {
                let of = |index: &i32| Partition { topic: topic.topic.to_string(), index: *index };
                topic.partitions.iter().map(of).collect::<Vec<_>>()
            })
            .collect();
        all.sort();
        all
    }
}

/// Asks the coordinator of a transactional id; the inner error is its error code.
///
/// # Errors
/// It cannot be found or reached.
pub(super) fn describe(cluster: &mut Coordinators, id: &str) -> Result<Result<Described, i16>, Failure> {
    let name = TransactionalId(StrBytes::from_string(id.to_owned()));
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![name]);
    let answer = cluster.call(id, 0..=0, &request, |answer| {
        answer.transaction_states.iter().map(|one| one.error_code).collect()
    })?;
    let coordinator = cluster.coordinator(id)?.id;
    let Some(state) = answer.transaction_states.into_iter().next() else {
        return Err(Failure::failed(format!("broker {coordinator} says nothing about {}", escaped(id))));
    };
    Ok(if state.error_code == 0 { Ok(Described { coordinator, state }) } else { Err(state.error_code) })
}
