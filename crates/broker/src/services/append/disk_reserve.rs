//! Space of the disk that records of clients may not take.
//!
//! Guarantees that appends are refused before the disk is so full that a write of the storage could fail, which would end
//! the process; that they are admitted again, without a restart, once there is space; and one line in the log for each
//! change. Everything else is written all the same: deletion, retention, topics, groups and their offsets need little, and
//! some of them free space. How much is reserved is the storage's rule ([`DiskSpace::reserve`]).
//!
//! Clients see KAFKA_STORAGE_ERROR, as from a Kafka whose log directory failed. The Java producer and librdkafka look up the
//! leader again and retry until their delivery timeout (2 and 5 minutes), so that a disk that is freed in time costs no
//! record. A refusal that is final (POLICY_VIOLATION) would lose records at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use storage::DiskSpace;

use crate::telemetry::metrics::{ExtraFamily, ExtraKind};

/// A look at the disk is good for this long: others write to it too.
const GOOD_FOR: Duration = Duration::from_secs(1);
/// While appends are refused: producers that retry must not make the broker look more often.
const RETRY_EVERY: Duration = Duration::from_millis(50);
/// Most bytes that are admitted after one look at the disk.
const MAX_CREDIT_BYTES: u64 = 64 << 20;
/// A byte of a small batch is written to the journal and to a table; one of a large batch once, which this overrates.
const WRITES_PER_BYTE: u64 = 2;

/// Reads the space of the disk; `None` if the system does not tell.
type Probe = Box<dyn Fn() -> Option<DiskSpace> + Send + Sync>;

/// Admits appends while there is space for them.
pub(super) struct DiskReserve {
    probe: Probe,
    state: Mutex<State>,
    /// Bytes admitted whose appends have not ended: the disk may not show them yet.
    in_flight: AtomicU64,
}

#[derive(Default)]
struct State {
    seen: Option<(Instant, Option<DiskSpace>)>,
    /// Bytes that may be admitted before the next look.
    credit: u64,
    is_full: bool,
}

/// Bytes on their way to the disk; counted until this is dropped.
pub(super) struct Admitted<'a> {
    in_flight: &'a AtomicU64,
    bytes: u64,
}

impl std::fmt::Debug for DiskReserve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskReserve").finish_non_exhaustive()
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl State {
    /// Takes in the space that was read.
    fn look(&mut self, space: Option<DiskSpace>, in_flight: u64, now: Instant) {
        self.seen = Some((now, space));
        // A system that does not tell is no reason to refuse.
        let Some(space) = space else {
            (self.credit, self.is_full) = (MAX_CREDIT_BYTES, false);
            return;
        };
        let on_its_way = in_flight.saturating_mul(WRITES_PER_BYTE);
        let room = space.free.saturating_sub(space.reserve()).saturating_sub(on_its_way);
        // More is needed to begin again than to go on: the free space moves by what a flush writes and then frees, and the log
        // would have two lines for each.
        let needed = if self.is_full { space.reserve() / 4 } else { 0 };
        let is_full = room <= needed;
        self.credit = if is_full { 0 } else { (room / (2 * WRITES_PER_BYTE)).min(MAX_CREDIT_BYTES) };
        match (std::mem::replace(&mut self.is_full, is_full), is_full) {
            (false, true) => tracing::warn!(
                free_bytes = space.free,
                reserve_bytes = space.reserve(),
                "the disk of log.dirs is almost full: Produce is refused with KAFKA_STORAGE_ERROR until there is space; delete \
                 records or topics (kafka-delete-records.sh, kafka-topics.sh --delete), lower retention.ms or \
                 retention.bytes, or enlarge the disk"
            ),
            (true, false) => {
                tracing::info!(free_bytes = space.free, "the disk has space again: Produce is served");
            }
            _ => {}
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let good_for = if self.is_full { RETRY_EVERY } else { GOOD_FOR };
        self.seen.is_none_or(|(at, _)| now.saturating_duration_since(at) >= good_for)
    }
}

impl DiskReserve {
    pub(super) fn new(probe: impl Fn() -> Option<DiskSpace> + Send + Sync + 'static) -> Self {
        Self { probe: Box::new(probe), state: Mutex::default(), in_flight: AtomicU64::new(0) }
    }

    /// Admits that many bytes, or returns `None` if there is no space for them.
    pub(super) fn admit(&self, bytes: u64, now: Instant) -> Option<Admitted<'_>> {
        let mut state = self.state.lock();
        if state.is_due(now) || (!state.is_full && state.credit < bytes) {
            self.look(&mut state, now);
        }
        if state.is_full {
            return None;
        }
        // A request that is larger than the credit is admitted all the same: its bytes are in flight until the disk shows
        // them, and one is at most `socket.request.max.bytes`.
        state.credit = state.credit.saturating_sub(bytes);
        self.in_flight.fetch_add(bytes, Ordering::Relaxed);
        Some(Admitted { in_flight: &self.in_flight, bytes })
    }

    /// Reads the space; the lock is held meanwhile, which is short, so that looks take turns.
    fn look(&self, state: &mut State, now: Instant) {
        state.look((self.probe)(), self.in_flight.load(Ordering::Relaxed), now);
    }

    /// The space and the state as metrics, after a look: without producers there is no other.
    pub(super) fn families(&self, now: Instant) -> Vec<ExtraFamily> {
        let mut state = self.state.lock();
        self.look(&mut state, now);
        let space = state.seen.and_then(|(_, space)| space);
        let bytes = |read: fn(DiskSpace) -> u64| space.map(|space| read(space) as f64);
        let full = Some(f64::from(u8::from(state.is_full)));
        [
            ("ottla_disk_free_bytes", "Free space of the disk of log.dirs.", bytes(|space| space.free)),
            (
                "ottla_disk_reserve_bytes",
                "Part of the disk that records may not take.",
                bytes(DiskSpace::reserve),
            ),
            ("ottla_disk_full", "1 while Produce is refused because the disk is almost full.", full),
        ]
        .into_iter()
        // A size that the system does not tell is left out.
        .filter_map(|(name, help, value)| {
            let series = vec![(Vec::new(), value?)];
            Some(ExtraFamily { name: name.into(), help: help.into(), kind: ExtraKind::Gauge, series })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const MIB: u64 = 1 << 20;
    /// Its reserve is 1 GiB.
    const TOTAL: u64 = 100 << 30;
    const RESERVE_MIB: u64 = 1024;

    /// A reserve over a disk whose free space the test sets, in MiB.
    fn over(free_mib: u64) -> (DiskReserve, Arc<AtomicU64>) {
        let free = Arc::new(AtomicU64::new(free_mib));
        let seen = Arc::clone(&free);
        let probe = move || Some(DiskSpace { total: TOTAL, free: seen.load(Ordering::Relaxed) * MIB });
        (DiskReserve::new(probe), free)
    }

    #[test]
    fn appends_are_refused_at_the_reserve_and_admitted_again_well_above_it() {
        let ((reserve, free), start) = (over(RESERVE_MIB + 1), crate::clock::now());
        assert!(reserve.admit(1, start).is_some());
        free.store(RESERVE_MIB, Ordering::Relaxed);
        assert!(reserve.admit(1, start + GOOD_FOR).is_none());
        free.store(RESERVE_MIB + RESERVE_MIB / 4, Ordering::Relaxed);
        assert!(reserve.admit(1, start + GOOD_FOR * 2).is_none(), "not enough to go on for long");
        free.store(RESERVE_MIB + RESERVE_MIB / 4 + 1, Ordering::Relaxed);
        assert!(reserve.admit(1, start + GOOD_FOR * 2).is_none(), "it has just looked");
        assert!(reserve.admit(1, start + GOOD_FOR * 3).is_some());
    }

    #[test]
    fn the_disk_is_looked_at_again_before_it_can_be_full() {
        let ((reserve, free), start) = (over(RESERVE_MIB + 40), crate::clock::now());
        assert!(reserve.admit(10 * MIB, start).is_some());
        free.store(RESERVE_MIB, Ordering::Relaxed);
        assert!(reserve.admit(1, start).is_none(), "10 MiB were admitted, of which each is written twice");
    }

    #[test]
    fn bytes_on_their_way_count_as_written() {
        let ((reserve, _), start) = (over(RESERVE_MIB + 40), crate::clock::now());
        let first = reserve.admit(20 * MIB, start);
        assert!(first.is_some());
        assert!(reserve.admit(MIB, start).is_none());
        drop(first);
        let (reserve, _) = over(RESERVE_MIB + 40);
        drop(reserve.admit(20 * MIB, start));
        assert!(reserve.admit(MIB, start).is_some(), "it has ended, and the disk shows the same");
    }

    #[test]
    fn a_disk_that_does_not_tell_is_no_reason_to_refuse() {
        let reserve = DiskReserve::new(|| None);
        assert!(reserve.admit(u64::MAX / 4, crate::clock::now()).is_some());
        assert_eq!(reserve.families(crate::clock::now()).len(), 1);
    }
}
