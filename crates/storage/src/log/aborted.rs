//! Aborted transactions of a partition: the entries of their index, and those that a reader is told of.
//!
//! A read of the offsets from `from` to before `until` needs every transaction with a marker at or above `from` and a first offset
//! below `until`. Entries are in classes by their span, each class in the order of the markers. An entry of a class whose spans are below
//! `b` belongs to the read only if its marker is below `until + b`. Of the entries that a look-up meets in vain each was open at `until`
//! or within one span of its class after it, so their number follows the transactions that are open at a time, and not
//! those that ever were aborted, however long one of them lasts.

use std::collections::VecDeque;

use crate::AbortedTransaction;

/// Bits of the spans of class 0. A wider one makes a short read look at more entries in vain, a narrower one makes more classes.
const SMALLEST_BITS: u32 = 6;

/// A class of aborted transactions by their span, which is the offset of the marker minus the first offset. Spans of class `n` have
/// `n + 6` bits, those of class 0 at most as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SpanClass(pub(crate) u8);

impl SpanClass {
    /// Of one more than the greatest class: an offset has 63 bits.
    pub(crate) const COUNT: u8 = 58;

    /// Spans of the class are below this.
    pub(crate) fn bound(self) -> i64 {
        1_i64.checked_shl(u32::from(self.0) + SMALLEST_BITS).filter(|bound| *bound > 0).unwrap_or(i64::MAX)
    }

    /// The offset below which all markers lie that a read which ends before `until` needs of this class.
    pub(crate) fn markers_end(self, until: i64) -> i64 {
        until.saturating_add(self.bound())
    }
}

/// Classes of which a partition may have entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpanClasses(pub(crate) u64);

impl SpanClasses {
    /// Entries of before there were classes, by the offset of the marker alone. Never a class of an entry.
    pub(crate) const UNCLASSED: Self = Self(1 << 63);

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn has_unclassed(self) -> bool {
        self.0 & Self::UNCLASSED.0 != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those by span, in their order.
    pub(crate) fn iter(self) -> impl Iterator<Item = SpanClass> {
        (0..SpanClass::COUNT).filter(move |class| self.0 & (1 << class) != 0).map(SpanClass)
    }
}

impl From<SpanClass> for SpanClasses {
    fn from(class: SpanClass) -> Self {
        Self(1 << class.0.min(SpanClass::COUNT - 1))
    }
}

/// An aborted transaction of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AbortedEntry {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    /// Offset of the marker that ended it.
    pub(crate) marker_offset: i64,
    /// The first offset of the oldest transaction that was open right after the marker, or the offset after the marker:
    /// transactions that end later begin at or above it.
    pub(crate) last_stable_offset: i64,
}

impl AbortedEntry {
    pub(crate) fn class(&self) -> SpanClass {
        let span = self.marker_offset.saturating_sub(self.first_offset).max(1);
        let bits = i64::BITS - span.leading_zeros();
        let class = bits.saturating_sub(SMALLEST_BITS);
        SpanClass(u8::try_from(class).expect("a number has 64 bits").min(SpanClass::COUNT - 1))
    }
}

impl From<&AbortedEntry> for AbortedTransaction {
    fn from(entry: &AbortedEntry) -> Self {
        Self { producer_id: entry.producer_id, first_offset: entry.first_offset }
    }
}

/// Collects the aborted transactions of a read. It gets the entries of each class in the order of their markers. The
/// first one has a marker at or above the offset at which the read begins.
pub(crate) struct AbortedScan {
    /// The offset after the read.
    until: i64,
    /// No transaction with a marker at or above this offset belongs to the read.
    markers_end: i64,
    /// Entries that it was given.
    met: usize,
    found: Vec<AbortedEntry>,
}

impl AbortedScan {
    /// Of a read that ends before `until`.
    pub(crate) fn new(until: i64) -> Self {
        Self { until, markers_end: i64::MAX, met: 0, found: Vec::new() }
    }

    /// The offset at which a look through the entries of a class can end.
    pub(crate) fn markers_end(&self, class: SpanClass) -> i64 {
        self.markers_end.min(class.markers_end(self.until))
    }

    /// Takes the next entry of a class; true if no later one can belong to the read.
    pub(crate) fn add(&mut self, entry: &AbortedEntry) -> bool {
        self.met += 1;
        if entry.first_offset < self.until {
            self.found.push(*entry);
        }
        let is_last = entry.last_stable_offset >= self.until;
        if is_last {
            // Of other classes neither: they began even later.
            self.markers_end = self.markers_end.min(entry.marker_offset);
        }
        is_last
    }

    /// Entries that it was given, those in vain included.
    pub(crate) fn met(&self) -> usize {
        self.met
    }

    /// All of them, by first offset: clients take them up in this order.
    pub(crate) fn finish(self) -> Vec<AbortedTransaction> {
        self.entries().iter().map(AbortedTransaction::from).collect()
    }

    /// The same as the index has them.
    pub(crate) fn entries(mut self) -> Vec<AbortedEntry> {
        self.found.sort_unstable_by_key(|entry| entry.first_offset);
        self.found
    }
}

/// The aborted transactions of a log's tail.
#[derive(Debug, Default)]
pub(crate) struct RecentAborted {
    /// By class, each in the order of the markers.
    classes: Vec<VecDeque<AbortedEntry>>,
}

impl RecentAborted {
    /// Its marker is the newest of all.
    pub(crate) fn push(&mut self, entry: AbortedEntry) {
        let class = usize::from(entry.class().0);
        if self.classes.len() <= class {
            self.classes.resize_with(class + 1, VecDeque::new);
        }
        self.classes[class].push_back(entry);
    }

    /// Forgets those whose marker is below the offset.
    pub(crate) fn forget_below(&mut self, offset: i64) {
        for entries in &mut self.classes {
            while entries.pop_front_if(|entry| entry.marker_offset < offset).is_some() {}
        }
    }

    /// Those that a read from `from` to before `until` needs.
    pub(crate) fn overlapping(&self, from: i64, until: i64) -> AbortedScan {
        let mut scan = AbortedScan::new(until);
        for (class, entries) in (0..).map(SpanClass).zip(&self.classes) {
            let first = entries.partition_point(|entry| entry.marker_offset < from);
            let end = scan.markers_end(class);
            for entry in entries.range(first..).take_while(|entry| entry.marker_offset < end) {
                if scan.add(entry) {
                    break;
                }
            }
        }
        scan
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.classes.iter().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(producer_id: i64, first_offset: i64, last_stable_offset: i64) -> AbortedEntry {
        AbortedEntry { producer_id, first_offset, marker_offset: 0, last_stable_offset }
    }

    #[test]
    fn each_span_is_below_the_bound_of_its_class_and_not_below_that_of_the_one_before() {
        let class = |span| AbortedEntry { marker_offset: 7 + span, ..entry(1, 7, 0) }.class();
        for span in [1, 2, 63, 64, 65, 127, 128, 1 << 20, (1 << 20) - 1, i64::MAX - 7] {
            let SpanClass(number) = class(span);
            assert!(span < SpanClass(number).bound() || SpanClass(number).bound() == i64::MAX, "{span}");
            assert!(number == 0 || span >= SpanClass(number - 1).bound(), "{span}");
        }
        assert_eq!((class(63), class(64), class(128)), (SpanClass(0), SpanClass(1), SpanClass(2)));
        assert_eq!(class(i64::MAX - 7), SpanClass(SpanClass::COUNT - 1));
        assert_eq!(SpanClass(3).markers_end(i64::MAX - 1), i64::MAX);
    }

    /// A reader met every later transaction while one that was open all the time had not ended.
    #[test]
    fn a_look_up_is_short_while_one_transaction_lasts_over_all_others() {
        let mut recent = RecentAborted::default();
        let number = 100_000;
        for short in 0..number {
            let first_offset = 1 + 2 * short;
            recent.push(AbortedEntry {
                producer_id: short,
                first_offset,
                marker_offset: first_offset + 1,
                last_stable_offset: 0,
            });
        }
        let last = 2 * number + 1;
        recent.push(AbortedEntry {
            producer_id: -1,
            first_offset: 0,
            marker_offset: last,
            last_stable_offset: last + 1,
        });
        let scan = recent.overlapping(100_000, 100_010);
        assert!(scan.met() < 50, "{} entries", scan.met());
        let told = scan.finish();
        assert_eq!(told.first(), Some(&AbortedTransaction { producer_id: -1, first_offset: 0 }));
        assert_eq!(told.len(), 1 + 6);
    }

    #[test]
    fn a_scan_ends_where_no_later_transaction_can_begin_before_the_end_of_the_read() {
        let mut scan = AbortedScan::new(50);
        // The one of producer 3 was open until the last marker.
        assert!(!scan.add(&entry(1, 40, 10)));
        assert!(!scan.add(&entry(2, 60, 10)));
        assert!(scan.add(&entry(3, 10, 90)));
        let found: Vec<_> =
            scan.finish().iter().map(|found| (found.producer_id, found.first_offset)).collect();
        assert_eq!(found, [(3, 10), (1, 40)], "by first offset");
    }
}
