//! The folder as a whole: topics, generations, coordinator records, refused starts, calls during a close.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::common::{Partitions, append, batch, copy_of, create, delete, open, values, wait};
use bytes::Bytes;
use storage::{
    Acks, AppendEntry, AppendRequest, CatalogError, ConfigsChange, CoordinatorRecord, FlushPolicy, NewTopic,
    OpenError, ReadError, Storage, StorageOptions,
};
use uuid::Uuid;

#[test]
fn a_folder_whose_database_has_lost_its_file_current_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let topic = create(&storage, "t", 1);
    append(&storage, &topic.partitions()[0], batch(&[(1, b"v")]), Acks::All).unwrap();
    storage.close().unwrap();
    drop((storage, topic));
    let current = folder.path().join("CURRENT");
    let content = std::fs::read(&current).unwrap();
    std::fs::remove_file(&current).unwrap();
    for accept_data_loss in [false, true] {
        let options = StorageOptions { accept_data_loss, ..StorageOptions::new(folder.path()) };
        let refused = Storage::open(options).unwrap_err().to_string();
        assert!(refused.contains("CURRENT is missing") && refused.contains("MANIFEST"), "{refused}");
    }
    // Its journal alone is reason enough.
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "sst") {
            std::fs::rename(&path, path.with_extension("moved")).unwrap();
        }
    }
    let refused = Storage::open(StorageOptions::new(folder.path())).unwrap_err().to_string();
    assert!(refused.contains("CURRENT is missing"), "{refused}");
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "moved") {
            std::fs::rename(&path, path.with_extension("sst")).unwrap();
        }
    }
    std::fs::write(&current, content).unwrap();
    let storage = open(folder.path());
    assert_eq!(
        values(&storage, &storage.cluster().catalog().topic("t").unwrap().partitions()[0], 0).len(),
        1
    );
    storage.close().unwrap();
}

#[test]
fn topics_are_created_grown_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let topic = create(&storage, "t", 2);
    let again = NewTopic { name: "t".into(), id: Uuid::new_v4(), partitions: 1, configs: BTreeMap::new() };
    let refused =
        wait(|done| storage.cluster().create_topics(vec![again], done)).unwrap().remove(0).unwrap_err();
    assert_eq!(refused, CatalogError::TopicAlreadyExists);
    let grown = wait(|done| storage.cluster().create_partitions(vec![(topic.id, 3)], done))
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(grown.partitions().len(), 3);
    assert!(Arc::ptr_eq(&grown.partitions()[0], &topic.partitions()[0]));
    let shrunk = wait(|done| storage.cluster().create_partitions(vec![(topic.id, 3)], done))
        .unwrap()
        .remove(0)
        .unwrap_err();
    assert_eq!(shrunk, CatalogError::InvalidPartitions { current: 3, wanted: 3 });

    append(&storage, &topic.partitions()[0], batch(&[(1, b"old")]), Acks::All).unwrap();
    delete(&storage, &topic);
    assert!(storage.cluster().catalog().topic("t").is_none());
    let gone = storage.shard().read(&topic.partitions()[0], 0, crate::common::UNLIMITED).unwrap_err();
    assert!(matches!(gone, ReadError::Deleted));
    append(&storage, &topic.partitions()[0], batch(&[(1, b"late")]), Acks::All).unwrap_err();
    let anew = create(&storage, "t", 1);
    assert_ne!(anew.id, topic.id);
    assert_eq!(values(&storage, &anew.partitions()[0], 0), []);
    storage.close().unwrap();
}

#[test]
fn configs_change_durably_and_no_change_is_lost_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let (topic, other) = (create(&storage, "t", 2), create(&storage, "other", 1));
    append(&storage, &topic.partitions()[0], batch(&[(1, b"kept")]), Acks::All).unwrap();
    let configs = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let alter = |id, from: &[(&str, &str)], to: &[(&str, &str)]| {
        let change = ConfigsChange { id, from: configs(from), to: configs(to) };
        wait(|done| storage.cluster().alter_topic_configs(vec![change], done)).unwrap().remove(0)
    };
    let changed = alter(topic.id, &[], &[("a", "1"), ("b", "2")]).unwrap();
    assert_eq!(changed.configs, configs(&[("a", "1"), ("b", "2")]));
    assert!(Arc::ptr_eq(&changed.partitions()[1], &topic.partitions()[1]));
    assert!(Arc::ptr_eq(&changed, storage.cluster().catalog().topic("t").unwrap()));
    // Made before the first change was in effect.
    assert_eq!(alter(topic.id, &[], &[("c", "3")]).unwrap_err(), CatalogError::ConfigsChanged);
    assert_eq!(alter(Uuid::new_v4(), &[], &[]).unwrap_err(), CatalogError::UnknownTopic);
    alter(topic.id, &[("a", "1"), ("b", "2")], &[("b", "4")]).unwrap();
    storage.close().unwrap();
    drop(storage);

    let storage = open(folder.path());
    let catalog = storage.cluster().catalog();
    let topic = catalog.topic("t").unwrap();
    assert_eq!(topic.configs, configs(&[("b", "4")]));
    assert_eq!((topic.partitions().len(), values(&storage, &topic.partitions()[0], 0).len()), (2, 1));
    assert_eq!(catalog.topic("other").unwrap().configs, other.configs);
    storage.close().unwrap();
}

/// Users saw: 10 000 topics, created one by one, took 25 s, and 1 000 took less than a second.
#[test]
fn creating_topics_one_by_one_does_not_cost_the_square_of_their_number() {
    let folder = tempfile::tempdir().unwrap();
    // Without syncs, so that only the work is measured.
    let options = StorageOptions { flush_policy: FlushPolicy::Os, ..StorageOptions::new(folder.path()) };
    let storage = Storage::open(options).unwrap();
    let mut created = 0;
    // The time that nine of ten creations took at least: the others tell what else the machine does.
    let mut create_more = |count: usize| {
        let mut times: Vec<Duration> = (created..created + count)
            .map(|number| {
                let started = Instant::now();
                create(&storage, &format!("topic-{number}"), 1);
                started.elapsed()
            })
            .collect();
        created += count;
        times.sort_unstable();
        times[count / 10]
    };
    let (first, _, last) = (create_more(1_000), create_more(8_000), create_more(1_000));
    // With copies of the whole catalog it was 19 times as much, and milliseconds.
    assert!(
        last < 3 * first + Duration::from_micros(500),
        "{first:?} among the first 1 000, {last:?} among the last"
    );
    assert_eq!(storage.cluster().catalog().len(), 10_000);
    storage.close().unwrap();
}

#[test]
fn reads_cross_generations_and_empty_ones_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        StorageOptions { generation_bytes: 10_000, tail_bytes: 0, ..StorageOptions::new(folder.path()) };
    let storage = Storage::open(options.clone()).unwrap();
    let (kept, deleted) = (create(&storage, "kept", 1), create(&storage, "deleted", 1));
    let value = vec![1u8; 4000];
    let generations = |path: &std::path::Path| {
        let names = rocksdb::DB::list_cf(&rocksdb::Options::default(), path).unwrap();
        names.iter().filter(|name| name.starts_with("gen-")).count()
    };
    for _ in 0..40 {
        append(&storage, &deleted.partitions()[0], batch(&[(1, &value)]), Acks::All).unwrap();
    }
    for _ in 0..40 {
        append(&storage, &kept.partitions()[0], batch(&[(1, &value)]), Acks::All).unwrap();
    }
    assert_eq!(values(&storage, &kept.partitions()[0], 0).len(), 40);
    assert_eq!(values(&storage, &kept.partitions()[0], 20).len(), 20);
    let before = generations(folder.path());
    assert!(before > 4, "{before} generations");
    delete(&storage, &deleted);
    storage.close().unwrap();
    drop(storage);
    let storage = Storage::open(options).unwrap();
    assert!(generations(folder.path()) < before, "space of deleted topics comes back");
    let partition = Arc::clone(&storage.cluster().catalog().topic("kept").unwrap().partitions()[0]);
    assert_eq!(values(&storage, &partition, 0).len(), 40);
    storage.close().unwrap();
}

/// Users saw: a request now and then failed with KAFKA_STORAGE_ERROR while thousands were queued.
#[test]
fn every_command_of_a_burst_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let (sender, answers) = std::sync::mpsc::sync_channel(12_000);
    for number in 0..12_000u32 {
        let record = CoordinatorRecord { key: number.to_be_bytes().to_vec().into(), value: Some("v".into()) };
        let sender = sender.clone();
        storage.shard().write_coordinator(
            storage.shard().led_epoch().unwrap(),
            vec![record],
            Box::new(move |outcome| sender.send(outcome).unwrap_or_default()),
        );
    }
    drop(sender);
    let answered = answers.iter().filter(Result::is_ok).count();
    assert_eq!(answered, 12_000);
    assert_eq!(coordinator_records(&storage, b"").len(), 12_000);
    storage.close().unwrap();
}

/// The coordinator records whose keys begin with `prefix`.
fn coordinator_records(storage: &Storage, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut records = Vec::new();
    storage
        .shard()
        .scan_coordinator(prefix, &mut |key, value| records.push((key.to_vec(), value.to_vec())))
        .unwrap();
    records
}

#[test]
fn coordinator_records_are_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let record = |key: &'static str, value: Option<&'static str>| CoordinatorRecord {
        key: Bytes::from_static(key.as_bytes()),
        value: value.map(|value| Bytes::from_static(value.as_bytes())),
    };
    let records = vec![record("b", Some("1")), record("a", Some("2")), record("c", Some("3"))];
    wait(|done| storage.shard().write_coordinator(storage.shard().led_epoch().unwrap(), records, done))
        .unwrap();
    wait(|done| {
        storage.shard().write_coordinator(
            storage.shard().led_epoch().unwrap(),
            vec![record("c", None), record("b", Some("4"))],
            done,
        )
    })
    .unwrap();
    let killed = copy_of(folder.path());
    storage.close().unwrap();
    let storage = open(killed.path());
    let owned = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
    assert_eq!(coordinator_records(&storage, b""), [owned("a", "2"), owned("b", "4")]);
    assert_eq!(coordinator_records(&storage, b"b"), [owned("b", "4")]);
    storage.close().unwrap();
}

#[test]
fn a_log_cut_short_before_the_fence_is_not_started_silently() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let topic = create(&storage, "t", 1);
    append(&storage, &topic.partitions()[0], batch(&[(1, b"a")]), Acks::All).unwrap();
    let killed = copy_of(folder.path());
    storage.close().unwrap();
    std::fs::write(killed.path().join("FENCE"), "1 1000000\n").unwrap();
    let refused = Storage::open(StorageOptions::new(killed.path())).unwrap_err();
    assert!(matches!(refused, OpenError::DataLoss { .. }), "{refused}");
    assert!(refused.to_string().contains("synced up to byte 1000000 of journal-00000001"), "{refused}");
    let accepted = StorageOptions { accept_data_loss: true, ..StorageOptions::new(killed.path()) };
    let storage = Storage::open(accepted).unwrap();
    assert_eq!(storage.cluster().catalog().topic("t").unwrap().partitions()[0].leader_epoch(), 1);
    storage.close().unwrap();
    drop(storage);
    open(killed.path()).close().unwrap();
}

/// The power failed, or the process was killed, while the first journal was created.
#[test]
fn a_first_journal_without_a_header_is_made_anew() {
    for content in [b"".as_slice(), b"OTTLA"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("FORMAT"), "3\n").unwrap();
        std::fs::write(folder.path().join("journal-00000001"), content).unwrap();
        let storage = open(folder.path());
        let topic = create(&storage, "t", 1);
        append(&storage, &topic.partitions()[0], batch(&[(1, b"a")]), Acks::All).unwrap();
        let killed = copy_of(folder.path());
        storage.close().unwrap();
        let storage = open(killed.path());
        assert_eq!(
            values(&storage, &storage.cluster().catalog().topic("t").unwrap().partitions()[0], 0).len(),
            1
        );
        storage.close().unwrap();
    }
}

#[test]
fn every_call_during_a_close_gets_an_answer() {
    for _ in 0..30 {
        let folder = tempfile::tempdir().unwrap();
        let storage = open(folder.path());
        let topic = create(&storage, "t", 1);
        let asking: Vec<_> = (0..3)
            .map(|which| {
                let (storage, partition) = (storage.clone(), Arc::clone(&topic.partitions()[0]));
                let ask = move || match which {
                    0 => storage.tend_logs().is_ok(),
                    1 => wait(|done| storage.cluster().allocate_producer_id(done)).is_ok(),
                    _ => {
                        let entry = AppendEntry {
                            partition: Arc::clone(&partition),
                            batch: batch(&[(1, b"v")]),
                            log_append_time: false,
                            unknown_producer_begins_at_zero: false,
                        };
                        let request =
                            AppendRequest { entries: vec![entry], acks: Acks::Leader, coordinator: None };
                        wait(|done| storage.shard().append(request, done)).is_ok()
                    }
                };
                std::thread::spawn(move || while ask() {})
            })
            .collect();
        std::thread::sleep(std::time::Duration::from_millis(5));
        storage.close().unwrap();
        // A call that is never answered would block here for ever.
        asking.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
