//! Transactions as others see them: lists, descriptions and metrics. Nothing here changes one.

use std::sync::atomic::Ordering;

use coordinator::transaction::view::Filter;
use coordinator::transaction::{Description, Overview, TransactionError, TransactionState, TransactionalId};

use super::super::shell::Missing;
use super::{TransactionService, refusal, unwritten};
use crate::telemetry::metrics::{ExtraFamily, ExtraKind};

impl TransactionService {
    /// This broker coordinates transactional ids, now or once they are loaded.
    pub(crate) fn is_here(&self) -> bool {
        self.shell.ensure_loaded() != Err(Missing::NotCoordinator)
    }

    /// DescribeTransactions, one id; told once what it tells is durable.
    ///
    /// # Errors
    /// INVALID_REQUEST for an empty id, TRANSACTIONAL_ID_NOT_FOUND, or the coordinator is not here.
    pub(crate) async fn describe(&self, id: &TransactionalId) -> Result<Description, TransactionError> {
        if id.as_str().is_empty() {
            return Err(TransactionError::InvalidRequest);
        }
        let viewed = self.shell.view(id, |machine| machine.describe());
        let (description, ticket) =
            viewed.map_err(|missing| refusal(missing, TransactionError::TransactionalIdNotFound))?;
        ticket.durable().await.map_err(unwritten)?;
        description
    }

    /// ListTransactions: the ids that the filter admits, in their order.
    ///
    /// # Errors
    /// The coordinator is not here, or not loaded yet.
    pub(crate) async fn list(&self, filter: &Filter, now_ms: i64) -> Result<Vec<Overview>, TransactionError> {
        self.shell
            .ensure_loaded()
            .map_err(|missing| refusal(missing, TransactionError::CoordinatorNotAvailable))?;
        let admitted = |overview: &Overview| filter.admits(overview, now_ms);
        let viewed = self.shell.view_all(|machine| machine.overview().filter(admitted));
        let mut list = Vec::new();
        for (overview, ticket) in viewed {
            if let Some(overview) = overview {
                ticket.durable().await.map_err(unwritten)?;
                list.push(overview);
            }
        }
        list.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(list)
    }

    /// The metrics; looks at every id.
    pub(crate) fn families(&self, now_ms: i64) -> Vec<ExtraFamily> {
        let overviews = self.shell.view_all(|machine| machine.overview());
        let known = overviews.len();
        let open: Vec<Overview> = overviews
            .into_iter()
            .filter_map(|(overview, _)| overview)
            .filter(|overview| overview.state == TransactionState::Ongoing)
            .collect();
        let oldest_ms = open.iter().map(|overview| now_ms.saturating_sub(overview.started_at_ms)).max();
        let counters = &self.shell.kind().counters;
        let ended = [
            ("commit", &counters.commits),
            ("abort", &counters.aborts),
            ("timeout", &counters.timeouts),
            ("fenced", &counters.fencings),
            ("admin", &counters.by_admins),
        ];
        let ended: Vec<_> = ended
            .map(|(outcome, count)| {
                let labels = vec![("outcome".into(), outcome.to_owned())];
                (labels, count.load(Ordering::Relaxed) as f64)
            })
            .into();
        let alone = |value: f64| vec![(Vec::new(), value)];
        let family = |name: &str, help: &str, kind, series| ExtraFamily {
            name: name.to_owned().into(),
            help: help.to_owned().into(),
            kind,
            series,
        };
        let (counter, gauge) = (ExtraKind::Counter, ExtraKind::Gauge);
        let open_s = counters.open_ms.load(Ordering::Relaxed) as f64 / 1000.0;
        vec![
            family(
                "ottla_transactional_ids",
                "Transactional ids that are known.",
                gauge,
                alone(known as f64),
            ),
            family("ottla_transactions_open", "Transactions that are open.", gauge, alone(open.len() as f64)),
            family(
                "ottla_transactions_oldest_open_seconds",
                "Age of the oldest open transaction; 0 if none is open.",
                gauge,
                alone(oldest_ms.unwrap_or(0).max(0) as f64 / 1000.0),
            ),
            family(
                "ottla_transactions_ended_total",
                "Transactions that have ended, by outcome.",
                counter,
                ended,
            ),
            family(
                "ottla_transactions_open_seconds_total",
                "Time for which the ended transactions were open, added up.",
                counter,
                alone(open_s),
            ),
        ]
    }
}
