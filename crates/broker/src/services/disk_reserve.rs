//! Space of the disk that writes of clients may not take: its steps, and which writes are refused at each.
//!
//! Guarantees that clients' writes are refused before the disk is so full that a write of the storage could fail,
//! which would end the process; that they are admitted again, without a restart, once there is space; and one line in
//! the log for each change (of changes that come too fast, for the last). Records take most and go first; offsets go
//! last, so that consumers can finish what is stored. What frees space is never refused: deletion of topics, records, groups and offsets, retention, and what
//! members write that leave or stay. How much is reserved is the storage's rule ([`DiskSpace::reserve`]).
//!
//! Producers see KAFKA_STORAGE_ERROR, as from a Kafka whose log directory failed. The Java producer and librdkafka
//! look up the leader again and retry until their delivery timeout (2 and 5 minutes), so that a disk that is freed in
//! time costs no record. A refusal that is final (POLICY_VIOLATION) would lose records at once. The codes of the
//! others are in `kafka/error.rs`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use storage::{DiskSpace, Storage};

use crate::telemetry::line_limit::LineLimit;
use crate::telemetry::metrics::{ExtraFamily, ExtraKind};

/// A look at the disk is good for this long: others write to it too.
const GOOD_FOR: Duration = Duration::from_secs(1);
/// While writes are refused: clients that retry must not make the broker look more often.
const RETRY_EVERY: Duration = Duration::from_millis(50);
/// Most bytes that are admitted after one look at the disk.
const MAX_CREDIT_BYTES: u64 = 64 << 20;
/// A byte of a small batch is written to the journal and to a table; one of a large batch once, which this overrates.
const WRITES_PER_BYTE: u64 = 2;

/// The kinds of clients' writes, in the order in which a disk that fills up refuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Write {
    /// Batches of records.
    Records,
    /// New topics and partitions.
    Topics,
    /// Committed offsets, members that join, configurations, producer ids.
    Commits,
}

impl Write {
    /// The free space down to which it is admitted. `unflushed`: bytes that go to the disk whatever is refused.
    fn threshold(self, reserve: u64, unflushed: u64) -> u64 {
        match self {
            Self::Records => reserve,
            Self::Topics => reserve / 2,
            // Never before topics: half of the smallest reserve is as much as can be unflushed.
            Self::Commits => reserve / 4 + unflushed.min(reserve / 4),
        }
    }

    /// The refusal of this and all before it, in words for an operator.
    fn refusal(self) -> &'static str {
        match self {
            Self::Records => "Produce is refused with KAFKA_STORAGE_ERROR",
            Self::Topics => "Produce and new topics and partitions are refused",
            Self::Commits => {
                "Produce, new topics and partitions, commits of offsets, joins of groups and changes of \
                 configurations are refused"
            }
        }
    }
}

/// Space, as it was read.
#[derive(Clone, Copy, Debug)]
struct Seen {
    disk: DiskSpace,
    /// See [`Write::threshold`].
    unflushed: u64,
}

/// Reads the space of the disk; `None` if the system does not tell.
type Probe = Box<dyn Fn() -> Option<Seen> + Send + Sync>;

/// Admits writes of clients while there is space for them. One per broker.
pub(crate) struct DiskReserve {
    probe: Probe,
    state: Mutex<State>,
    /// Bytes admitted whose appends have not ended: the disk may not show them yet.
    in_flight: AtomicU64,
    /// Limits the lines about changes.
    lines: LineLimit,
}

#[derive(Default)]
struct State {
    seen: Option<(Instant, Option<Seen>)>,
    /// Bytes of records that may be admitted before the next look.
    credit: u64,
    /// The last kind that is refused; those before it are too.
    refused: Option<Write>,
    /// The kind that the last line in the log named.
    told: Option<Write>,
}

/// Bytes on their way to the disk; counted until this is dropped.
pub(crate) struct Admitted<'a> {
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
    fn look(&mut self, seen: Option<Seen>, in_flight: u64, now: Instant) {
        self.seen = Some((now, seen));
        // A system that does not tell is no reason to refuse.
        let Some(Seen { disk, unflushed }) = seen else {
            (self.credit, self.refused) = (MAX_CREDIT_BYTES, None);
            return;
        };
        let left = disk.free.saturating_sub(in_flight.saturating_mul(WRITES_PER_BYTE));
        let is_refused = |write: &Write| {
            let threshold = write.threshold(disk.reserve(), unflushed);
            // More is needed to begin again than to go on: the free space moves by what a flush writes and then
            // frees, and the log would have two lines for each.
            let more = if self.refused >= Some(*write) { threshold / 4 } else { 0 };
            left <= threshold + more
        };
        let refused = [Write::Commits, Write::Topics, Write::Records].into_iter().find(is_refused);
        let room = left.saturating_sub(disk.reserve());
        self.credit =
            if refused.is_some() { 0 } else { (room / (2 * WRITES_PER_BYTE)).min(MAX_CREDIT_BYTES) };
        self.refused = refused;
    }

    /// One line for a change, once the limit allows: until then each look tries again, so that the last line is true.
    fn tell(&mut self, lines: &LineLimit, now: Instant) {
        let Some((_, Some(Seen { disk, .. }))) = self.seen else { return };
        if self.told == self.refused || lines.take_at("full disk", now).is_none() {
            return;
        }
        let before = std::mem::replace(&mut self.told, self.refused);
        let (free_bytes, reserve_bytes) = (disk.free, disk.reserve());
        match self.refused {
            Some(write) if self.refused > before => tracing::warn!(
                free_bytes,
                reserve_bytes,
                "the disk of log.dirs is almost full: {} until there is space; delete records or topics \
                 (kafka-delete-records.sh, kafka-topics.sh --delete), lower retention.ms or retention.bytes, or enlarge \
                 the disk",
                write.refusal()
            ),
            Some(write) => {
                let refusal = write.refusal();
                tracing::info!(free_bytes, reserve_bytes, "the disk has more space: still, {refusal}");
            }
            None => tracing::info!(free_bytes, "the disk has space again: Produce is served"),
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let good_for = if self.refused.is_some() { RETRY_EVERY } else { GOOD_FOR };
        self.seen.is_none_or(|(at, _)| now.saturating_duration_since(at) >= good_for)
    }
}

impl DiskReserve {
    /// The reserve of the disk that holds the data folder.
    pub(crate) fn of(storage: Storage) -> Self {
        Self::with(move || Some(Seen { disk: storage.disk_space()?, unflushed: storage.unflushed_bytes() }))
    }

    fn with(probe: impl Fn() -> Option<Seen> + Send + Sync + 'static) -> Self {
        let (state, in_flight) = (Mutex::default(), AtomicU64::new(0));
        Self { probe: Box::new(probe), state, in_flight, lines: LineLimit::new() }
    }

    /// The reserve of a disk that does not tell its space.
    #[cfg(test)]
    pub(crate) fn unknown() -> Self {
        Self::with(|| None)
    }

    /// Admits that many bytes of records, or returns `None` if there is no space for them.
    pub(crate) fn admit(&self, bytes: u64, now: Instant) -> Option<Admitted<'_>> {
        let mut state = self.state.lock();
        if state.is_due(now) || (state.refused.is_none() && state.credit < bytes) {
            self.look(&mut state, now);
        }
        if state.refused.is_some() {
            return None;
        }
        // A request that is larger than the credit is admitted all the same: its bytes are in flight until the disk
        // shows them, and one is at most `socket.request.max.bytes`.
        state.credit = state.credit.saturating_sub(bytes);
        self.in_flight.fetch_add(bytes, Ordering::Relaxed);
        Some(Admitted { in_flight: &self.in_flight, bytes })
    }

    /// True if there is space for writes of this kind. They are not counted, as they are small beside what is left
    /// below their thresholds, and once records are refused each look is a new one every [`RETRY_EVERY`].
    pub(crate) fn has_room(&self, write: Write, now: Instant) -> bool {
        let mut state = self.state.lock();
        if state.is_due(now) {
            self.look(&mut state, now);
        }
        state.refused < Some(write)
    }

    /// Reads the space; the lock is held meanwhile, which is short, so that looks take turns.
    fn look(&self, state: &mut State, now: Instant) {
        state.look((self.probe)(), self.in_flight.load(Ordering::Relaxed), now);
        state.tell(&self.lines, now);
    }

    /// The space and the state as metrics, after a look: without clients there is no other.
    pub(crate) fn families(&self, now: Instant) -> Vec<ExtraFamily> {
        let mut state = self.state.lock();
        self.look(&mut state, now);
        let space = state.seen.and_then(|(_, seen)| seen);
        let bytes = |read: fn(DiskSpace) -> u64| space.map(|space| read(space.disk) as f64);
        let full = match state.refused {
            None => 0.0,
            Some(Write::Records) => 1.0,
            Some(Write::Topics) => 2.0,
            Some(Write::Commits) => 3.0,
        };
        [
            ("ottla_disk_free_bytes", "Free space of the disk of log.dirs.", bytes(|space| space.free)),
            (
                "ottla_disk_reserve_bytes",
                "Part of the disk that records may not take.",
                bytes(DiskSpace::reserve),
            ),
            (
                "ottla_disk_full",
                "1 while Produce is refused as the disk is almost full, 2 while new topics are, 3 while commits are.",
                Some(full),
            ),
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
mod tests;
#[cfg(test)]
mod wire_tests;
