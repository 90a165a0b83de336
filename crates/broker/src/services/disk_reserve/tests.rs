//! The steps of the reserve, on a disk whose free space the test sets.

use std::sync::Arc;

use super::*;
use crate::telemetry::line_limit::INTERVAL;

const MIB: u64 = 1 << 20;
/// Its reserve is 1 GiB.
const TOTAL: u64 = 100 << 30;
const RESERVE_MIB: u64 = 1024;

/// A reserve over a disk whose free space the test sets, in MiB.
fn over(free_mib: u64) -> (DiskReserve, Arc<AtomicU64>) {
    let free = Arc::new(AtomicU64::new(free_mib));
    let seen = Arc::clone(&free);
    let disk = move || DiskSpace { total: TOTAL, free: seen.load(Ordering::Relaxed) * MIB };
    (DiskReserve::with(move || Some(Seen { disk: disk(), unflushed: 0 })), free)
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

/// Records, topics, commits: which of them there is room for.
fn admitted(reserve: &DiskReserve, now: Instant) -> [bool; 3] {
    [Write::Records, Write::Topics, Write::Commits].map(|write| reserve.has_room(write, now))
}

#[test]
fn topics_and_then_commits_are_refused_as_the_disk_fills_up_and_admitted_again_as_it_empties() {
    let ((reserve, free), mut now) = (over(RESERVE_MIB + 1), crate::clock::now());
    for (free_mib, expected) in [
        (RESERVE_MIB + 1, [true, true, true]),
        (RESERVE_MIB, [false, true, true]),
        (RESERVE_MIB / 2 + 1, [false, true, true]),
        (RESERVE_MIB / 2, [false, false, true]),
        (RESERVE_MIB / 4 + 1, [false, false, true]),
        (RESERVE_MIB / 4, [false, false, false]),
        (0, [false, false, false]),
        // A quarter more than the threshold is needed to begin again.
        (RESERVE_MIB / 4 * 5 / 4, [false, false, false]),
        (RESERVE_MIB / 4 * 5 / 4 + 1, [false, false, true]),
        (RESERVE_MIB / 2 * 5 / 4 + 1, [false, true, true]),
        (RESERVE_MIB * 5 / 4 + 1, [true, true, true]),
    ] {
        free.store(free_mib, Ordering::Relaxed);
        now += GOOD_FOR;
        assert_eq!(admitted(&reserve, now), expected, "{free_mib} MiB are free");
        assert_eq!(reserve.admit(1, now).is_some(), expected[0]);
    }
}

/// A flush of it must find space, whatever clients commit.
#[test]
fn commits_leave_room_for_what_is_not_flushed_and_are_refused_no_sooner_than_topics() {
    for (unflushed_mib, last_mib) in
        [(0, RESERVE_MIB / 4), (100, RESERVE_MIB / 4 + 100), (4096, RESERVE_MIB / 2)]
    {
        for (free_mib, expected) in [(last_mib, false), (last_mib + 1, true)] {
            let disk = DiskSpace { total: TOTAL, free: free_mib * MIB };
            let reserve = DiskReserve::with(move || Some(Seen { disk, unflushed: unflushed_mib * MIB }));
            assert_eq!(admitted(&reserve, crate::clock::now())[2], expected, "{unflushed_mib} MiB");
        }
    }
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
    let reserve = DiskReserve::unknown();
    assert!(reserve.admit(u64::MAX / 4, crate::clock::now()).is_some());
    assert_eq!(reserve.families(crate::clock::now()).len(), 1);
}

#[test]
fn of_changes_that_come_too_fast_the_last_is_told_once_a_line_may_be_written() {
    let ((reserve, free), mut now) = (over(RESERVE_MIB), crate::clock::now());
    let look = |now| {
        reserve.has_room(Write::Records, now);
        let state = reserve.state.lock();
        (state.told, state.refused)
    };
    let untold = [RESERVE_MIB, 2 * RESERVE_MIB].into_iter().cycle().take(100).find_map(|free_mib| {
        free.store(free_mib, Ordering::Relaxed);
        now += GOOD_FOR;
        let (told, refused) = look(now);
        (told != refused).then_some(refused)
    });
    let refused = untold.expect("not each of so many changes has a line");
    assert_eq!(look(now + INTERVAL), (refused, refused));
}
