//! Readers of records and of committed offsets, as clients are: aborted records are dropped by the list that
//! comes with a fetch.

use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use codec::messages::OffsetFetchRequest;
use codec::messages::fetch_response::PartitionData;
use codec::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};

use super::super::{History, Name, OffsetRead, Poll, StableEnd};
use super::{Shared, group_partition, partition};
use crate::admin::{group_id, topic_name};
use crate::client::Client;
use crate::consumer::{Ask, FETCH_VERSION, fetch_request};
use crate::records;

/// A fetch is 0 or, of committed records only, 1.
const READ_COMMITTED: i8 = 1;
const TRANSACTIONAL: u8 = 0x10;
const CONTROL: u8 = 0x20;
const ATTRIBUTES: usize = 22;
const UNSTABLE_OFFSET_COMMIT: i16 = 88;

/// The result of a fetch for a client: its records, and its position after them.
struct Given {
    records: Vec<(i64, Option<Name>)>,
    to: i64,
    last_stable_offset: i64,
    high_watermark: i64,
    /// The list of aborted transactions came sorted.
    sorted: bool,
}

fn fetch(
    shared: &Shared,
    client: &mut Client,
    index: i32,
    offset: i64,
    committed_only: bool,
) -> Result<Given> {
    let ask = Ask { topic: &shared.topic, partition: index, offset, max_wait_ms: 50 };
    let request = fetch_request(&ask).with_isolation_level(if committed_only { READ_COMMITTED } else { 0 });
    let response = client.call(FETCH_VERSION, &request)?.message;
    ensure!(response.error_code == 0, "Fetch: error {}", response.error_code);
    let mut partitions = response.responses.into_iter().flat_map(|topic| topic.partitions);
    let data = partitions.next().context("Fetch: no answer")?;
    ensure!(data.error_code == 0, "Fetch: error {}", data.error_code);
    given(data, offset, committed_only)
}

/// Walks the batches as Kafka's clients do.
fn given(mut data: PartitionData, from: i64, committed_only: bool) -> Result<Given> {
    let mut bytes = data.records.take().unwrap_or_default();
    let mut list = data.aborted_transactions.take().unwrap_or_default();
    let sorted = list.is_sorted_by_key(|aborted| aborted.first_offset);
    // As Java's consumer does. Others trust the broker.
    list.sort_by_key(|aborted| aborted.first_offset);
    let mut list = list.into_iter().peekable();
    let mut aborted: HashSet<i64> = HashSet::new();
    let (mut records, mut to) = (Vec::new(), from);
    while bytes.len() >= records::HEADER {
        let length = 12 + usize::try_from(i32::from_be_bytes(bytes[8..12].try_into()?))?;
        if bytes.len() < length {
            break;
        }
        let batch = bytes.split_to(length);
        let base = i64::from_be_bytes(batch[..8].try_into()?);
        let last = base + i64::from(i32::from_be_bytes(batch[23..27].try_into()?));
        let producer_id = i64::from_be_bytes(batch[43..51].try_into()?);
        let attributes = batch[ATTRIBUTES];
        while let Some(next) = list.next_if(|next| next.first_offset <= last) {
            aborted.insert(next.producer_id.0);
        }
        to = to.max(last + 1);
        if attributes & CONTROL != 0 {
            aborted.remove(&producer_id);
            continue;
        }
        if committed_only && attributes & TRANSACTIONAL != 0 && aborted.contains(&producer_id) {
            continue;
        }
        records.extend(names(batch)?.into_iter().filter(|(offset, _)| *offset >= from));
    }
    let (last_stable_offset, high_watermark) = (data.last_stable_offset, data.high_watermark);
    Ok(Given { records, to, last_stable_offset, high_watermark, sorted })
}

fn names(batch: Bytes) -> Result<Vec<(i64, Option<Name>)>> {
    let read = records::read(batch)?.into_iter();
    Ok(read.map(|record| (record.offset, record.content.value.as_deref().and_then(Name::parse))).collect())
}

/// Follows a partition from its start over all restarts.
pub(super) fn follow(shared: &Shared, reader: u32, index: i32, committed_only: bool) -> Result<History> {
    let mut history = History::default();
    let (mut client, mut from) = (None, 0);
    while !shared.is_stopped() {
        let Some(connection) = shared.connected(&mut client) else { continue };
        let asked = shared.clock.now();
        let Ok(given) = fetch(shared, connection, index, from, committed_only) else {
            client = None;
            thread::sleep(Duration::from_millis(2));
            continue;
        };
        let answered = shared.clock.now();
        history.unsorted_lists += u64::from(!given.sorted);
        // The checker knows no record of this name.
        let unknown = Name { transaction: u64::MAX, number: u32::MAX };
        let records = given.records.into_iter().map(|(offset, name)| (offset, name.unwrap_or(unknown)));
        history.polls.push(Poll {
            reader,
            partition: partition(index),
            committed_only,
            sought: from == 0,
            asked,
            answered,
            from,
            to: given.to,
            records: records.collect(),
        });
        let offset = given.last_stable_offset;
        history.stable_ends.push(StableEnd { partition: partition(index), asked, answered, offset });
        from = given.to;
    }
    Ok(history)
}

/// Everything that is committed in a partition, once no transaction is open there.
pub(super) fn read_all(shared: &Shared, client: &mut Client, index: i32) -> Result<Vec<(i64, Option<Name>)>> {
    let since = Instant::now();
    let (mut all, mut from) = (Vec::new(), 0);
    loop {
        let given = fetch(shared, client, index, from, true)?;
        all.extend(given.records);
        from = given.to;
        if from >= given.high_watermark {
            return Ok(all);
        }
        ensure!(since.elapsed() < Duration::from_secs(60), "a transaction stays open below {from}");
    }
}

/// Asks for committed offsets until the load ends.
pub(super) fn audit(shared: &Shared) -> Result<History> {
    let mut history = History::default();
    let mut client = None;
    for turn in 0.. {
        if shared.is_stopped() {
            break;
        }
        let Some(connection) = shared.connected(&mut client) else { continue };
        let (index, stable) = (turn % shared.partitions, turn % 2 == 0);
        match committed(shared, connection, index, stable) {
            Ok(read) => history.offset_reads.extend(read),
            Err(_) => {
                client = None;
                thread::sleep(Duration::from_millis(2));
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(history)
}

/// The committed offset of the writers' group for a partition. `None`: stable offsets were asked for, and one
/// is pending.
pub(super) fn committed(
    shared: &Shared,
    client: &mut Client,
    index: i32,
    stable: bool,
) -> Result<Option<OffsetRead>> {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(topic_name(&shared.topic))
        .with_partition_indexes(vec![index]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(group_id(&shared.group))
        .with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(stable);
    let asked = shared.clock.now();
    let response = client.call(8, &request)?;
    let answered = shared.clock.now();
    let group = response.groups.first().context("OffsetFetch: no answer")?;
    ensure!(group.error_code == 0, "OffsetFetch: error {}", group.error_code);
    let mut partitions = group.topics.iter().flat_map(|topic| &topic.partitions);
    let answer = partitions.next().context("OffsetFetch: no partition")?;
    if answer.error_code == UNSTABLE_OFFSET_COMMIT {
        return Ok(None);
    }
    ensure!(answer.error_code == 0, "OffsetFetch: error {} of a partition", answer.error_code);
    let (partition, offset) = (group_partition(index), answer.committed_offset);
    Ok(Some(OffsetRead { partition, stable, asked, answered, offset }))
}
