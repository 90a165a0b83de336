//! Walks over the settled family while its batches are moved from file to file.

use std::path::Path;

use bytes::BytesMut;
use codec::records::{self, BatchBuilder};
use rocksdb::WriteBatch;
use uuid::Uuid;

use super::*;
use crate::{
    StorageOptions,
    engine::file_name::SettledNumber,
    log::{GenerationNumber, Recovered},
};

const NUMBER: PartitionNumber = PartitionNumber(7);
const EXTENT: Extent = Extent { base_offset: 0, family: BatchFamily::Settled, position: 0 };

fn engine(folder: &Path) -> Arc<Engine> {
    let options = StorageOptions { settled_file_bytes: 1, ..StorageOptions::new(folder) };
    let engine = Engine::open(folder, &options).unwrap();
    engine.create_generation(GenerationNumber(1)).unwrap();
    engine.journal.roll(GenerationNumber(1)).unwrap();
    Arc::new(engine)
}

fn partition() -> Partition {
    let partition = Partition::new(
        NUMBER,
        Uuid::nil(),
        0,
        0,
        Recovered { extents: vec![EXTENT], ..Recovered::default() },
    );
    partition.recover_end(3, Default::default());
    partition
}

/// Writes three batches to a new file, and the pointers to them.
fn settle(engine: &Engine) {
    let batch = |base_offset| {
        let mut bytes = BytesMut::from(&BatchBuilder::new().record(1, None, Some(b"value")).build()[..]);
        records::set_base_offset(&mut bytes, base_offset);
        bytes.freeze()
    };
    let bodies: Vec<Bytes> = (0..3).map(batch).collect();
    let places = engine.settled_files.append(&bodies).unwrap();
    let (mut operations, family) = (WriteBatch::default(), engine.family(BatchFamily::Settled).unwrap());
    for ((base_offset, place), body) in (0..).zip(places).zip(&bodies) {
        let pointer = Pointer::encode(place, body.first_chunk().unwrap());
        operations.put_cf(&family, keys::batch(NUMBER, base_offset), pointer);
    }
    engine.write(operations, &[]).unwrap();
}

fn next(cursor: &mut BatchCursor<'_>) -> Result<Option<i64>, ReadError> {
    let Some(batch) = cursor.next()? else { return Ok(None) };
    batch.load()?;
    Ok(Some(batch.header.base_offset))
}

#[test]
fn a_late_reader_follows_batches_that_were_moved_and_whose_file_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, partition) = (engine(folder.path()), partition());
    settle(&engine);
    let mut cursor = BatchCursor::new(&engine, &partition, 0, 3);
    assert_eq!(next(&mut cursor).unwrap(), Some(0));
    settle(&engine);
    engine.settled_files.remove(SettledNumber(1)).unwrap();
    // It still holds the first file.
    assert_eq!(next(&mut cursor).unwrap(), Some(1));
    cursor.step().unwrap();
    let mut read = cursor.into_resumable(2, None).unwrap();
    read.file = None;
    let mut cursor = BatchCursor::new(&engine, &partition, 2, 3);
    cursor.resume(read);
    assert_eq!(next(&mut cursor).unwrap(), Some(2), "by the new pointer");
    assert_eq!(next(&mut cursor).unwrap(), None);
}

#[test]
fn a_missing_file_costs_its_batches_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, partition) = (engine(folder.path()), partition());
    settle(&engine);
    engine.settled_files.remove(SettledNumber(1)).unwrap();
    let mut cursor = BatchCursor::new(&engine, &partition, 0, 3);
    for offset in 0..3 {
        let Err(ReadError::Storage(StorageError::DamagedBatch(found))) = next(&mut cursor) else { panic!() };
        assert_eq!((found.base_offset, found.file.as_str()), (offset, "settled-00000001"));
        assert_eq!(found.detail, "the file is missing");
    }
    assert_eq!(next(&mut cursor).unwrap(), None);
    let mut cursor = BatchCursor::new(&engine, &partition, 0, 3);
    let kept = cursor.next_kept().unwrap().unwrap();
    assert!(kept.damage.is_some() && kept.bytes.len() == kept.header.unwrap().size_bytes());
}
