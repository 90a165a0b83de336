//! The folder's clock over crashes (ADR 3).

use std::path::Path;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time::{Duration, Instant};

use storage::{Acks, Storage, StorageOptions};

use crate::common::{Partitions, append, copy_of, create, in_transaction, open, wait};

#[test]
fn the_folders_clock_does_not_go_back_behind_a_coordinators_record() {
    let folder = tempfile::tempdir().unwrap();
    let uptime = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&uptime);
    let options = |folder: &Path| {
        let clock = Arc::clone(&clock);
        let uptime = move || Duration::from_millis(clock.load(Ordering::SeqCst));
        StorageOptions { uptime: Arc::new(uptime), ..StorageOptions::new(folder) }
    };
    let storage = Storage::open(options(folder.path())).unwrap();
    uptime.store(5_000, Ordering::SeqCst);
    let epoch = storage.shard().led_epoch().unwrap();
    wait(|done| storage.shard().write_coordinator(epoch, Vec::new(), done)).unwrap();
    let copy = copy_of(folder.path());
    storage.close().unwrap();
    let crashed = Storage::open(options(copy.path())).unwrap();
    assert_eq!(crashed.shard().open_ms(), 5_000);
    crashed.close().unwrap();
}

/// Holds the folder's clock by what `hold` does, and waits until a killed process would find it moved.
fn clock_is_stored_while_held<T>(hold: impl FnOnce(&Storage) -> T) {
    let folder = tempfile::tempdir().unwrap();
    let uptime = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&uptime);
    let uptime_now = move || Duration::from_millis(clock.load(Ordering::SeqCst));
    let options = StorageOptions { uptime: Arc::new(uptime_now), ..StorageOptions::new(folder.path()) };
    let storage = Storage::open(options).unwrap();
    let held = hold(&storage);
    uptime.store(9_000, Ordering::SeqCst);
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let killed = copy_of(folder.path());
        let found = open(killed.path());
        let open_ms = found.shard().open_ms();
        found.close().unwrap();
        if open_ms >= 9_000 {
            break;
        }
        assert!(Instant::now() < until, "the clock is at {open_ms} ms after a crash");
    }
    drop(held);
    storage.close().unwrap();
}

/// A transaction whose owner is gone ends when its timeout has passed by this clock, however often the broker is killed.
#[test]
fn the_folders_clock_is_stored_while_a_transaction_is_open() {
    clock_is_stored_while_held(|storage| {
        let topic = create(storage, "t", 1);
        append(storage, &topic.partitions()[0], in_transaction(7, 0, 0, 1), Acks::All).unwrap();
    });
}

/// One of offsets alone is open in no partition: its timeout began anew with each kill -9.
#[test]
fn the_folders_clock_is_stored_while_a_coordinator_holds_it() {
    clock_is_stored_while_held(|storage| storage.shard().keep_time());
}
