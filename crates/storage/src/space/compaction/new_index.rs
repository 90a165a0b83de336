//! The time index of a log after a cleaning.

use std::vec::IntoIter;

use bytes::Bytes;
use codec::records::{BatchError, BatchHeader};

use crate::log::{CleanedRecord, CompleteInterval, IndexInterval, IntervalRecord, LogStart};

/// The time index over the batches that stay, with positions counted from 0.
pub(super) struct NewIndex {
    open: IndexInterval,
    complete: Vec<CompleteInterval>,
    before: std::iter::Peekable<IntoIter<CompleteInterval>>,
}

impl NewIndex {
    pub(super) fn new(start_offset: i64, before: Vec<CompleteInterval>) -> Self {
        let end = IntervalRecord { end_offset: start_offset, end_position: 0, appended_ms: 0 };
        Self {
            open: IndexInterval::new(end, i64::MIN),
            complete: Vec::new(),
            before: before.into_iter().peekable(),
        }
    }

    pub(super) fn add(&mut self, batch: &Bytes) -> Result<BatchHeader, BatchError> {
        let header = BatchHeader::parse(batch)?;
        while self.before.next_if(|(_, record)| record.end_offset <= header.base_offset).is_some() {}
        // Of the old interval that held the batch: a new one is as young as its last batch was.
        let appended_ms = self.before.peek().map_or(0, |(_, record)| record.appended_ms);
        let complete = self.open.add(batch.len(), header.max_timestamp, header.next_offset(), appended_ms);
        self.complete.extend(complete);
        Ok(header)
    }

    /// One of which at most the header can be read.
    pub(super) fn add_damaged(&mut self, base_offset: i64, bytes: &Bytes) {
        let known = self.add(bytes).is_ok();
        if !known {
            self.complete.extend(self.open.add(bytes.len(), -1, base_offset.saturating_add(1), 0));
        }
    }

    /// The log start and the index, once the bytes that stay are known.
    pub(super) fn finish(
        mut self,
        log_start: LogStart,
        cleaned: &CleanedRecord,
    ) -> (LogStart, Vec<CompleteInterval>) {
        let bytes = self.open.end.end_position;
        if !self.open.is_empty() {
            let complete = self.open.complete();
            self.complete.push(complete);
        }
        // The clean part keeps its end, so that positions above it stay as they are; its start moves.
        let start_position = cleaned.position.saturating_sub(bytes);
        for (_, record) in &mut self.complete {
            record.end_position += start_position;
        }
        if let Some((_, last)) = self.complete.last_mut() {
            // The last batches may have been removed: the dirty part still begins there.
            last.end_offset = cleaned.offset;
        }
        (LogStart { offset: log_start.offset, position: start_position }, self.complete)
    }
}
