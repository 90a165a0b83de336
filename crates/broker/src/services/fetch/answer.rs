//! The answer to a fetch, partition by partition.

use std::sync::Arc;

use bytes::Bytes;
use storage::AbortedTransaction;

use super::budget::FetchShare;
use super::set::AnswerSummary;
use crate::telemetry::metrics::TopicMetrics;
use crate::topics::error::PartitionError;
use crate::topics::names::TopicRef;
use crate::topics::position::EpochEnd;

/// The answer of one partition.
#[derive(Debug)]
pub(crate) struct PartitionAnswer {
    /// The topic, as the request named it.
    pub(crate) topic: TopicRef,
    /// The partition's index.
    pub(crate) index: i32,
    /// Its records, or why there are none.
    pub(crate) outcome: Result<Served, PartitionError>,
    /// Counts what is sent of it; `None` if there is no such partition.
    pub(crate) metrics: Option<Arc<TopicMetrics>>,
}

/// The state and the records found in a partition.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// The offset after the last visible record.
    pub(crate) high_watermark: i64,
    /// The offset after the last decided transaction.
    pub(crate) last_stable_offset: i64,
    /// The first offset.
    pub(crate) log_start_offset: i64,
    /// Whole batches, as they are in the log, one or more in each piece.
    pub(crate) batches: Vec<Bytes>,
    /// Their sizes, added up.
    pub(crate) bytes: usize,
    /// There are records, but not one batch of them fitted into what was left of the answer.
    pub(crate) had_no_room: bool,
    /// Aborted transactions among them, if the reader asked for committed records only.
    pub(crate) aborted: Option<Vec<AbortedTransaction>>,
    /// The point where the client's log diverges from this one; then there are no batches.
    pub(crate) diverging: Option<EpochEnd>,
}

/// The answer to a fetch.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The session, 0 if there is none.
    pub(crate) session_id: i32,
    /// In an incremental fetch only what is new, else every partition asked for, in the order of the request.
    pub(crate) partitions: Vec<PartitionAnswer>,
    /// The bytes' share of the budget: to be dropped when they have been written.
    pub(crate) share: FetchShare,
}

impl PartitionAnswer {
    /// The parts that decide whether it is worth sending in an incremental fetch.
    pub(super) fn summary(&self) -> AnswerSummary {
        match &self.outcome {
            Ok(served) => AnswerSummary {
                high_watermark: served.high_watermark,
                log_start_offset: served.log_start_offset,
                has_records: served.bytes > 0,
                left_records: served.had_no_room,
                is_refusal: served.diverging.is_some(),
            },
            Err(_) => AnswerSummary { is_refusal: true, ..AnswerSummary::default() },
        }
    }
}
