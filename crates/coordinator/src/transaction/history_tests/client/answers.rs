//! The client's side of an answer: what it may be told, and how it goes on.

use super::super::super::TransactionError;
use super::super::requests::{Answer, Request};
use super::{History, Phase};

impl History {
    pub(super) fn hear(&mut self, nth: usize, request: &Request, answer: Answer) {
        if answer == Answer::Refused(TransactionError::ConcurrentTransactions) {
            // It sends the same again.
            return;
        }
        let fate = self.world.fate(self.clients[nth].transaction);
        let client = &mut self.clients[nth];
        client.pending = None;
        match (request, answer) {
            (Request::Init { .. }, Answer::Producer(producer)) => {
                (client.producer, client.phase) = (Some(producer), Phase::Ready);
            }
            (Request::End { commit, .. }, Answer::Producer(producer)) => {
                // T6. An abort of nothing has no fate.
                assert!(fate.is_none_or(|fate| fate.commit == *commit), "{client:?} was told a lie");
                assert!(client.phase != Phase::Open || fate.is_some(), "{client:?} ended nothing");
                (client.producer, client.phase) = (Some(producer), Phase::Ready);
            }
            (_, Answer::Refused(error)) => self.refused(nth, request, error),
            (_, answer) => {
                assert!(
                    !matches!(&answer, Answer::Partitions(allowed) if allowed.contains(&false)),
                    "{client:?}"
                );
                match request {
                    Request::AddPartitions(partitions) => client.partitions.extend(partitions),
                    Request::AddOffsets(group) => drop(client.groups.insert(group.clone())),
                    _ => {}
                }
                client.phase = Phase::Open;
            }
        }
    }

    /// A refusal must have its reason, and ends the client unless it may go on.
    fn refused(&mut self, nth: usize, request: &Request, error: TransactionError) {
        let client = &mut self.clients[nth];
        let fate = self.world.fate(client.transaction);
        let is_mine = self.world.is_owner(client.number) && self.world.is_known();
        let ended_without_it = fate.is_some_and(|fate| !fate.by_its_producer);
        match error {
            TransactionError::ProducerFenced | TransactionError::InvalidProducerIdMapping if !is_mine => {
                client.phase = Phase::Gone;
            }
            TransactionError::ProducerFenced | TransactionError::InvalidProducerIdMapping
                if ended_without_it =>
            {
                assert!(!matches!(request, Request::Init { .. }), "{client:?} cannot go on");
                client.phase = Phase::Outside;
            }
            // A commit after the timeout.
            TransactionError::InvalidTxnState if ended_without_it => client.phase = Phase::Outside,
            error => panic!("{client:?} is refused: {request:?}: {error}"),
        }
    }
}
