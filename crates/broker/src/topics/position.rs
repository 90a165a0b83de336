//! Checks a client's epoch and offset against a partition, before a byte is read.
//!
//! Pure: the state of the log is an argument. The checks and their order are Kafka's `Partition.readRecords`,
//! `Partition.checkCurrentLeaderEpoch` and `UnifiedLog.read`.

use super::error::PartitionError;

/// The offsets at which a log begins and ends, read once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogState {
    /// The first offset that is served.
    pub(crate) log_start_offset: i64,
    /// The offset after the last transaction that is decided.
    pub(crate) last_stable_offset: i64,
    /// The offset after the last record that is visible.
    pub(crate) high_watermark: i64,
    /// The offset after the last record.
    pub(crate) log_end_offset: i64,
    /// The epoch of the leader, that is of this broker since its last unclean stop.
    pub(crate) leader_epoch: i32,
}

/// The last offset of an epoch, as OffsetForLeaderEpoch answers it; (-1, -1) if it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochEnd {
    /// The largest epoch that is not after the one asked for.
    pub(crate) leader_epoch: i32,
    /// The offset after its last record.
    pub(crate) end_offset: i64,
}

/// The epoch and offset at which a client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The next offset that it wants.
    pub(crate) fetch_offset: i64,
    /// The epoch in which it believes the leader to be.
    pub(crate) current_leader_epoch: Option<i32>,
    /// The epoch of the last record that it has.
    pub(crate) last_fetched_epoch: Option<i32>,
}

/// The result of checking a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PositionCheck {
    /// There is something to read.
    Readable,
    /// Nothing visible there yet.
    CaughtUp,
    /// The client has records that this log does not: it has to go back to this point (KIP-595).
    Diverging(EpochEnd),
}

/// Compares the client's idea of the leader's epoch with the truth (KIP-320).
///
/// # Errors
/// An older epoch is fenced, a newer one is unknown.
pub(crate) fn check_leader_epoch(leader_epoch: i32, believed: Option<i32>) -> Result<(), PartitionError> {
    match believed {
        // After an unclean stop of this broker: the client updates its metadata, then asks
        // OffsetForLeaderEpoch if its offset still exists (KIP-320).
        Some(believed) if believed < leader_epoch => Err(PartitionError::FencedLeaderEpoch),
        Some(believed) if believed > leader_epoch => Err(PartitionError::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

/// An epoch from the wire, where -1 stands for none. Lower ones are as wrong as any that is
/// too old (Kafka's `RequestUtils.getLeaderEpoch`).
pub(crate) fn epoch_from_wire(epoch: i32) -> Option<i32> {
    (epoch != -1).then_some(epoch)
}

/// Checks `position` against a log in `state`, for a reader that sees the records before `visible_end`.
/// `epoch_end` looks up the end of an epoch.
///
/// # Errors
/// Epochs that do not match, and offsets outside the log.
pub(crate) fn check_position(
    state: &LogState,
    visible_end: i64,
    position: &Position,
    epoch_end: impl FnOnce(i32) -> EpochEnd,
) -> Result<PositionCheck, PartitionError> {
    check_leader_epoch(state.leader_epoch, position.current_leader_epoch)?;
    // Kafka's followers send it (KIP-595); Java's consumer leaves it out and asks OffsetForLeaderEpoch.
    if let Some(last_fetched) = position.last_fetched_epoch {
        let end = epoch_end(last_fetched);
        let unknown = end.leader_epoch < 0 || end.end_offset < 0;
        if unknown || position.fetch_offset < state.log_start_offset {
            return Err(PartitionError::OffsetOutOfRange);
        }
        if end.leader_epoch < last_fetched || end.end_offset < position.fetch_offset {
            return Ok(PositionCheck::Diverging(end));
        }
    }
    // Up to the end of the log, not of what is visible: a record that still waits for its sync is in range,
    // only early.
    if position.fetch_offset < state.log_start_offset || position.fetch_offset > state.log_end_offset {
        return Err(PartitionError::OffsetOutOfRange);
    }
    Ok(if position.fetch_offset < visible_end { PositionCheck::Readable } else { PositionCheck::CaughtUp })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: LogState = LogState {
        log_start_offset: 10,
        last_stable_offset: 20,
        high_watermark: 30,
        log_end_offset: 40,
        leader_epoch: 5,
    };

    fn at(fetch_offset: i64) -> Position {
        Position { fetch_offset, current_leader_epoch: None, last_fetched_epoch: None }
    }

    fn check_at(position: &Position) -> Result<PositionCheck, PartitionError> {
        check_position(&STATE, STATE.high_watermark, position, |epoch| match epoch {
            0 => EpochEnd { leader_epoch: -1, end_offset: -1 },
            1..=3 => EpochEnd { leader_epoch: 1, end_offset: 15 },
            epoch => EpochEnd { leader_epoch: epoch, end_offset: 40 },
        })
    }

    #[test]
    fn offsets_outside_the_log_are_out_of_range() {
        for offset in [i64::MIN, -1, 9, 41, i64::MAX] {
            assert_eq!(check_at(&at(offset)), Err(PartitionError::OffsetOutOfRange), "{offset}");
        }
    }

    #[test]
    fn readers_see_up_to_the_visible_end() {
        assert_eq!(check_at(&at(10)), Ok(PositionCheck::Readable));
        assert_eq!(check_at(&at(29)), Ok(PositionCheck::Readable));
        for offset in [30, 35, 40] {
            assert_eq!(check_at(&at(offset)), Ok(PositionCheck::CaughtUp), "{offset}");
        }
        let committed = check_position(&STATE, STATE.last_stable_offset, &at(20), |_| unreachable!());
        assert_eq!(committed, Ok(PositionCheck::CaughtUp));
    }

    #[test]
    fn older_epochs_are_fenced_and_newer_ones_unknown() {
        let believing = |epoch| Position { current_leader_epoch: Some(epoch), ..at(10) };
        assert_eq!(check_at(&believing(4)), Err(PartitionError::FencedLeaderEpoch));
        assert_eq!(check_at(&believing(6)), Err(PartitionError::UnknownLeaderEpoch));
        assert_eq!(check_at(&believing(5)), Ok(PositionCheck::Readable));
    }

    #[test]
    fn the_leader_epoch_is_checked_before_the_offset() {
        let stale = Position { current_leader_epoch: Some(4), ..at(99) };
        assert_eq!(check_at(&stale), Err(PartitionError::FencedLeaderEpoch));
    }

    #[test]
    fn a_client_with_records_of_a_lost_epoch_is_told_where_to_go_back_to() {
        let diverging = Ok(PositionCheck::Diverging(EpochEnd { leader_epoch: 1, end_offset: 15 }));
        let fetched = |epoch, offset| Position { last_fetched_epoch: Some(epoch), ..at(offset) };
        assert_eq!(check_at(&fetched(1, 16)), diverging, "past the epoch's end");
        assert_eq!(check_at(&fetched(3, 12)), diverging, "an epoch that this log never had");
        assert_eq!(check_at(&fetched(1, 15)), Ok(PositionCheck::Readable));
        assert_eq!(check_at(&fetched(0, 12)), Err(PartitionError::OffsetOutOfRange), "unknown epoch");
        assert_eq!(check_at(&fetched(1, 9)), Err(PartitionError::OffsetOutOfRange), "before the log");
    }

    #[test]
    fn minus_one_is_no_epoch() {
        assert_eq!(epoch_from_wire(-1), None);
        assert_eq!(check_leader_epoch(0, epoch_from_wire(-2)), Err(PartitionError::FencedLeaderEpoch));
        assert_eq!(epoch_from_wire(0), Some(0));
    }
}
