//! A load of groups that fails while the broker runs.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::super::super::transaction::RETRY;
use super::super::OpenError;
use super::*;

/// Bytes of metadata beside an offset, so that records fill more than the one block that a start leaves in memory.
const METADATA_BYTES: usize = 4000;
/// Groups with such an offset.
const GROUPS: usize = 40;

/// The table files of a folder, in which every bit is another than it was.
struct Damage(Vec<(File, Vec<u8>)>);

impl Damage {
    fn of(folder: &Path) -> Self {
        let mut tables = Vec::new();
        table_files(folder, &mut tables);
        assert!(!tables.is_empty(), "nothing was flushed");
        let damaged = tables.into_iter().map(|path| {
            let bytes = fs::read(&path).unwrap();
            let file = File::options().write(true).open(path).unwrap();
            let other: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
            file.write_all_at(&other, 0).unwrap();
            (file, bytes)
        });
        Self(damaged.collect())
    }

    fn mend(self) {
        for (file, bytes) in self.0 {
            file.write_all_at(&bytes, 0).unwrap();
        }
    }
}

fn table_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            table_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "sst") {
            found.push(path);
        }
    }
}

#[tokio::test]
async fn groups_that_cannot_be_loaded_are_refused_and_are_loaded_once_they_can_be() {
    let (running, mut client) = start().await;
    let member = join(&mut client, 3, "g").await.member_id;
    sync(&mut client, 3, "g", &member, 1).await;
    commit(&mut client, 7, commit_request("g", &member, 1, 5)).await;
    let before = fetch(&mut client, 8, "g", None).await;
    for number in 0..GROUPS {
        let mut request = one_offset(&format!("g{number}"), 1);
        let metadata = format!("{number:02}").repeat(METADATA_BYTES / 2);
        request.topics[0].partitions[0].committed_metadata = Some(text(&metadata));
        assert_eq!(commit(&mut client, 7, request).await, [0]);
    }
    // A clean stop leaves all records in table files.
    let running = running.restart(&[]).await;
    let mut client = running.client().await;
    let (groups, storage) = (&running.broker.services.groups, running.broker.services.io.storage());
    let damage = Damage::of(running.folder());

    let refused = vec![0, LOADING, 0, LOADING, LOADING];
    for _ in 0..2 {
        lead(&running, false).await;
        assert_eq!(fetch_code(&mut client, "g").await, NOT_COORDINATOR, "also while a load is tried again");
        lead(&running, true).await;
        let failed = groups.load(storage.shard().led_epoch().unwrap(), storage).await;
        assert!(matches!(failed, Err(OpenError::Storage(_))), "{failed:?}");
        assert_eq!(codes(&mut client, &member).await, (refused.clone(), 0));
    }
    let codes = commit(&mut client, 7, commit_request("g", &member, 1, 6)).await;
    assert!(codes.contains(&LOADING) && !codes.contains(&0), "{codes:?}");

    // Until no change of the shard is left that would begin another attempt: the next one is a repetition.
    tokio::time::sleep(2 * RETRY + RETRY / 2).await;
    assert_eq!(fetch_code(&mut client, "g").await, LOADING);
    damage.mend();
    until_loaded(&mut client, "g").await;
    assert_eq!(heartbeat(&mut client, 3, "g", &member, 1).await, 0, "the same member and generation");
    assert_eq!(fetch(&mut client, 8, "g", None).await, before, "the same offsets");
}
