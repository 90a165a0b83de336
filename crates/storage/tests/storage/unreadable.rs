//! Records that are too large are refused; records that cannot be read cost what they are about, and no start.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use storage::{
    Acks, CatalogError, ConfigsChange, NewTopic, OpenError, ResourceConfigs, Storage, StorageOptions,
    TooLarge, Topic,
};
use uuid::Uuid;

use crate::common::{Partitions, append, batch, create, delete, open, values, wait};

const CLIENT_METRICS: u8 = 16;

/// Replaces a value in the state family of a folder that is closed; returns the old one.
fn replace(folder: &Path, key: &[u8], change: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let families = rocksdb::DB::list_cf(&rocksdb::Options::default(), folder).unwrap();
    let database = rocksdb::DB::open_cf(&rocksdb::Options::default(), folder, families).unwrap();
    let state = database.cf_handle("state").unwrap();
    let old = database.get_cf(state, key).unwrap().unwrap_or_default();
    database.put_cf(state, key, change(&old)).unwrap();
    database.flush_cf(state).unwrap();
    old
}

fn topic_key(topic: &Topic) -> Vec<u8> {
    [&[4], topic.id.as_bytes().as_slice()].concat()
}

fn try_create(storage: &Storage, name: &str) -> Result<Arc<Topic>, CatalogError> {
    let new = NewTopic { name: name.into(), id: Uuid::new_v4(), partitions: 1, configs: BTreeMap::new() };
    wait(|done| storage.cluster().create_topics(vec![new], done)).unwrap().remove(0)
}

fn client_metrics(name: &str, value: String) -> ResourceConfigs {
    let configs = BTreeMap::from([("metrics".to_owned(), value)]);
    ResourceConfigs { resource_type: CLIENT_METRICS, name: name.into(), configs }
}

/// Users saw: three APPENDs of 32 KB to a client-metrics resource, and the next start refused the folder.
#[test]
fn configs_too_long_for_their_record_are_refused_and_the_folder_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let write =
        |configs: ResourceConfigs| wait(|done| storage.cluster().write_configs(configs, done)).unwrap();
    write(client_metrics("all", "a".repeat(65_535))).unwrap();
    let refused = write(client_metrics("all", "b".repeat(98_304))).unwrap_err();
    assert_eq!(refused, TooLarge { what: "bytes of a configuration's value", size: 98_304, limit: 65_535 });
    assert_eq!(write(client_metrics(&"n".repeat(65_536), "v".into())).unwrap_err().size, 65_536);

    let topic = create(&storage, "t", 1);
    let configs = BTreeMap::from([("k".to_owned(), "v".repeat(70_000))]);
    let change = ConfigsChange { id: topic.id, from: BTreeMap::new(), to: configs.clone() };
    let altered = wait(|done| storage.cluster().alter_topic_configs(vec![change], done)).unwrap().remove(0);
    assert!(matches!(altered, Err(CatalogError::TooLarge(TooLarge { size: 70_000, .. }))));
    let new = NewTopic { name: "u".into(), id: Uuid::new_v4(), partitions: 3, configs };
    let created = wait(|done| storage.cluster().create_topics(vec![new], done)).unwrap().remove(0);
    assert!(matches!(created, Err(CatalogError::TooLarge(_))));
    assert!(matches!(try_create(&storage, &"n".repeat(65_536)), Err(CatalogError::TooLarge(_))));
    let many =
        NewTopic { name: "m".into(), id: Uuid::new_v4(), partitions: u32::MAX, configs: BTreeMap::new() };
    let created = wait(|done| storage.cluster().create_topics(vec![many], done)).unwrap().remove(0);
    assert!(matches!(created, Err(CatalogError::TooLarge(_))));
    storage.close().unwrap();
    drop(storage);

    let storage = open(folder.path());
    let found = storage.cluster().configs().unwrap();
    assert_eq!(found.readable, [client_metrics("all", "a".repeat(65_535))], "as before the refused write");
    assert!(found.unreadable.is_empty());
    let catalog = storage.cluster().catalog();
    assert_eq!((catalog.len(), catalog.topic("t").unwrap().configs.len()), (1, 0));
    storage.close().unwrap();
}

#[test]
fn configs_that_cannot_be_read_cost_their_own_resource_only() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    for name in ["cut", "sound"] {
        wait(|done| storage.cluster().write_configs(client_metrics(name, "v".into()), done))
            .unwrap()
            .unwrap();
    }
    storage.close().unwrap();
    drop(storage);
    replace(folder.path(), b"\x0d\x10cut", |old| old[..old.len() - 1].to_vec());

    let storage = open(folder.path());
    let found = storage.cluster().configs().unwrap();
    assert_eq!(found.readable, [client_metrics("sound", "v".into())]);
    let [unreadable] = found.unreadable.as_slice() else { panic!("{found:?}") };
    assert_eq!((unreadable.resource_type, unreadable.name.as_str()), (Some(CLIENT_METRICS), "cut"));
    assert!(unreadable.error.to_string().contains("configs record"), "{}", unreadable.error);
    wait(|done| storage.cluster().write_configs(client_metrics("cut", "w".into()), done)).unwrap().unwrap();
    assert_eq!(storage.cluster().configs().unwrap().readable.len(), 2, "a new value replaces it");
    storage.close().unwrap();
}

/// As the broker that cut long values would have left it: the name is there, the partitions are not.
#[test]
fn a_topic_that_cannot_be_read_is_refused_and_keeps_its_name_and_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let options = StorageOptions {
        generation_bytes: 50_000,
        settle_bytes: 1,
        tail_bytes: 0,
        ..StorageOptions::new(folder.path())
    };
    let storage = Storage::open(options.clone()).unwrap();
    let (topic, other) = (create(&storage, "t", 2), create(&storage, "other", 1));
    let value = vec![1; 4_000];
    for _ in 0..40 {
        for partition in [&topic.partitions()[0], &topic.partitions()[1], &other.partitions()[0]] {
            append(&storage, partition, batch(&[(1, &value)]), Acks::All).unwrap();
        }
    }
    storage.close().unwrap();
    drop(storage);
    let sound = replace(folder.path(), &topic_key(&topic), |old| old[..old.len() - 1].to_vec());

    let storage = Storage::open(StorageOptions { generation_bytes: 1 << 30, ..options.clone() }).unwrap();
    let catalog = storage.cluster().catalog();
    let [unreadable] = catalog.unreadable() else { panic!("{catalog:?}") };
    assert_eq!((unreadable.id, unreadable.name.as_deref()), (topic.id, Some("t")));
    let unreadable: Vec<_> =
        catalog.unreadable().iter().map(|each| (each.name.as_deref(), each.id)).collect();
    assert_eq!(unreadable, [(Some("t"), topic.id)]);
    assert!(catalog.topic("t").is_none() && catalog.topic_by_id(topic.id).is_none());
    assert_eq!(values(&storage, &catalog.topic("other").unwrap().partitions()[0], 0).len(), 40);
    assert_eq!(try_create(&storage, "t").unwrap_err(), CatalogError::Unreadable);
    // Everything else in its generations dies: they stay all the same.
    delete(&storage, catalog.topic("other").unwrap());
    let new = create(&storage, "new", 1);
    append(&storage, &new.partitions()[0], batch(&[(1, &value)]), Acks::All).unwrap();
    let generations = storage.metrics().generations;
    for _ in 0..3 {
        storage.tend_logs().unwrap();
        append(&storage, &new.partitions()[0], batch(&[(1, b"small")]), Acks::All).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // The one that takes appends has none of that topic's records if it was new: it may get a successor.
    assert!(storage.metrics().generations >= generations, "none is dropped");
    storage.close().unwrap();
    drop(storage);

    replace(folder.path(), &topic_key(&topic), |_| sound);
    let storage = Storage::open(options).unwrap();
    let found = storage.cluster().catalog().topic("t").unwrap().clone();
    for partition in &found.partitions() {
        assert_eq!(values(&storage, partition, 0).len(), 40, "nothing was lost");
        append(&storage, partition, batch(&[(1, b"more")]), Acks::All).unwrap();
    }
    let numbers = |topic: &Topic| topic.partitions().iter().map(|one| one.number()).collect::<Vec<_>>();
    let new = storage.cluster().catalog().topic("new").unwrap().clone();
    assert!(numbers(&new).iter().all(|number| !numbers(&found).contains(number)));
    storage.close().unwrap();
}

#[test]
fn a_topic_whose_name_cannot_be_read_stops_the_start_unless_its_loss_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    let (topic, other) = (create(&storage, "t", 1), create(&storage, "other", 1));
    append(&storage, &other.partitions()[0], batch(&[(1, b"v")]), Acks::All).unwrap();
    storage.close().unwrap();
    drop(storage);
    replace(folder.path(), &topic_key(&topic), |old| [&[9], &old[1..]].concat());

    let refused = Storage::open(StorageOptions::new(folder.path())).unwrap_err();
    assert!(matches!(refused, OpenError::UnreadableTopic { id, .. } if id == topic.id), "{refused}");
    assert!(refused.to_string().contains("--accept-data-loss"), "{refused}");
    let accepted = StorageOptions { accept_data_loss: true, ..StorageOptions::new(folder.path()) };
    let storage = Storage::open(accepted).unwrap();
    assert_eq!(
        values(&storage, &storage.cluster().catalog().topic("other").unwrap().partitions()[0], 0).len(),
        1
    );
    assert_eq!(storage.cluster().catalog().unreadable()[0].name, None);
    storage.close().unwrap();
}
