//! Fetches against a real log in a temporary folder.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use codec::records::{BatchBuilder, RecordBatch, batches};
use storage::{Acks, AppendEntry, AppendRequest, Isolation, NewTopic, Storage, StorageOptions, Topic};

use super::answer::PartitionAnswer;
use super::*;
use crate::config::BrokerConfig;
use crate::io::Io;
use crate::telemetry::metrics::{DEFAULT_MAX_SERIES, Metrics, MetricsOptions};
use crate::topics::error::PartitionError;

mod committed;

const MIB: usize = 1 << 20;
/// Longer than any test takes: who waits for it was not woken.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

struct Broker {
    io: Io,
    shard: storage::Shard,
    fetcher: Arc<Fetcher>,
    shutdown: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Broker {
    fn new() -> Self {
        Self::with(FetcherOptions { session_slots: 10, max_response_bytes: MIB, budget_bytes: 4 * MIB })
    }

    fn with(options: FetcherOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(StorageOptions::new(folder.path())).unwrap();
        let metrics = Metrics::new(MetricsOptions {
            api_names: vec!["Fetch"],
            error_name: |_| "",
            max_series: DEFAULT_MAX_SERIES,
        });
        let config = Arc::new(BrokerConfig::from_pairs(&[]).unwrap());
        let configs = Arc::new(crate::config::runtime::RuntimeConfigs::new(config));
        let partitions = Arc::new(Topics::new(storage.cluster().clone(), configs, metrics));
        let shard = storage.shard().clone();
        let io = Io::new(storage);
        let fetcher = Arc::new(Fetcher::new(io.shard().clone(), partitions, Clock::system(), options));
        Self { io, shard, fetcher, shutdown: CancellationToken::new(), _folder: folder }
    }

    async fn create(&self, name: &str, partitions: u32) -> Arc<Topic> {
        let topic =
            NewTopic { name: name.into(), id: crate::random::id(), partitions, configs: BTreeMap::new() };
        self.io.cluster().create_topics(vec![topic]).await.unwrap().remove(0).unwrap()
    }

    async fn delete(&self, topic: &Topic) {
        self.io.cluster().delete_topics(vec![topic.id]).await.unwrap().remove(0).unwrap();
    }

    /// Appends one batch of one record with a value of `bytes` bytes; the batch's size.
    async fn append(&self, topic: &Topic, partition: usize, bytes: usize) -> usize {
        let batch = BatchBuilder::new().record(1, None, Some(&vec![7; bytes])).build();
        let batch = RecordBatch::parse(batch).unwrap();
        let size = batch.size_bytes();
        let entry = AppendEntry {
            partition: topic.led_here().nth(partition).unwrap().clone(),
            batch,
            log_append_time: false,
            unknown_producer_begins_at_zero: false,
        };
        let request = AppendRequest { entries: vec![entry], acks: Acks::Leader, coordinator: None };
        self.io.shard().append(request).await.unwrap().remove(0).unwrap();
        size
    }

    fn begin(&self, session: (i32, i32), wanted: Vec<PartitionFetch>) -> OpenFetch {
        self.fetcher.begin(request(session, wanted)).unwrap()
    }

    /// A fetch in the given session, as a client would send it.
    fn fetch(
        &self,
        session: (i32, i32),
        wanted: Vec<PartitionFetch>,
        terms: FetchTerms,
    ) -> impl Future<Output = Fetched> + Send + 'static {
        let open = self.begin(session, wanted);
        let (fetcher, shutdown) = (Arc::clone(&self.fetcher), self.shutdown.clone());
        async move { fetcher.run(open, terms, &shutdown).await }
    }
}

fn request((session_id, session_epoch): (i32, i32), wanted: Vec<PartitionFetch>) -> FetchRequest {
    let uses_topic_ids = wanted.first().is_some_and(|wanted| matches!(wanted.topic, TopicRef::Id(_)));
    FetchRequest { session_id, session_epoch, uses_topic_ids, wanted, forgotten: Vec::new() }
}

const NO_SESSION: (i32, i32) = (0, -1);
const NEW_SESSION: (i32, i32) = (0, 0);

fn wanted(topic: &str, index: i32, fetch_offset: i64) -> PartitionFetch {
    PartitionFetch {
        topic: TopicRef::named(topic),
        index,
        fetch_offset,
        max_bytes: MIB,
        current_leader_epoch: None,
        last_fetched_epoch: None,
    }
}

fn terms(min_bytes: usize, max_wait: Duration) -> FetchTerms {
    FetchTerms { max_wait, min_bytes, max_bytes: MIB, isolation: Isolation::ReadUncommitted }
}

/// Index and bytes, or error, of each partition answered.
fn summary(fetched: &Fetched) -> Vec<(i32, Result<usize, PartitionError>)> {
    let of = |answer: &PartitionAnswer| {
        let bytes = answer.outcome.as_ref().map(|served| {
            assert_eq!(served.bytes, served.batches.iter().map(Bytes::len).sum::<usize>());
            served.bytes
        });
        (answer.index, bytes.map_err(|error| *error))
    };
    fetched.partitions.iter().map(of).collect()
}

/// Completes `fetch` after `then`, and fails if `fetch` ends before.
async fn woken_by<T>(fetch: impl Future<Output = Fetched>, then: impl Future<Output = T>) -> (Fetched, T) {
    let mut fetch = std::pin::pin!(fetch);
    let early = tokio::time::timeout(SHORT, fetch.as_mut()).await;
    assert!(early.is_err(), "did not wait");
    let done = then.await;
    let fetched = tokio::time::timeout(LONG / 4, fetch).await.expect("was not woken");
    (fetched, done)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_is_answered_at_once_in_the_order_asked() {
    let broker = Broker::new();
    let topic = broker.create("orders", 3).await;
    let first = broker.append(&topic, 0, 10).await;
    let second = broker.append(&topic, 0, 20).await;
    let fetched =
        broker.fetch(NO_SESSION, vec![wanted("orders", 2, 0), wanted("orders", 0, 1)], terms(1, LONG)).await;
    assert_eq!(summary(&fetched), [(2, Ok(0)), (0, Ok(second))]);
    assert_eq!(fetched.session_id, 0);
    let fetched = broker.fetch(NO_SESSION, vec![wanted("orders", 0, 0)], terms(1, LONG)).await;
    assert_eq!(summary(&fetched), [(0, Ok(first + second))]);
    let served = fetched.partitions[0].outcome.as_ref().unwrap();
    assert_eq!((served.high_watermark, served.last_stable_offset, served.log_start_offset), (2, 2, 0));
    assert_eq!(served.aborted, None);
    let (header, _) = batches(&served.batches[1]).next().unwrap().unwrap();
    assert_eq!(header.base_offset, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_ends_the_wait() {
    let broker = Broker::new();
    let topic = broker.create("orders", 2).await;
    let wants = vec![wanted("orders", 0, 0), wanted("orders", 1, 0)];
    let fetch = broker.fetch(NO_SESSION, wants, terms(1, LONG));
    let (fetched, size) = woken_by(fetch, broker.append(&topic, 1, 10)).await;
    assert_eq!(summary(&fetched), [(0, Ok(0)), (1, Ok(size))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_few_bytes_do_not_end_the_wait_and_are_not_lost() {
    let broker = Broker::new();
    let topic = broker.create("orders", 2).await;
    let size = broker.append(&topic, 0, 100).await;
    let wants = vec![wanted("orders", 0, 0), wanted("orders", 1, 0)];
    let fetch = broker.fetch(NO_SESSION, wants, terms(3 * size, LONG));
    let appends = async {
        broker.append(&topic, 1, 100).await;
        tokio::time::sleep(SHORT).await;
        broker.append(&topic, 0, 100).await;
    };
    let (fetched, ()) = woken_by(fetch, appends).await;
    assert_eq!(summary(&fetched), [(0, Ok(2 * size)), (1, Ok(size))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_brings_what_there_is() {
    let broker = Broker::new();
    let topic = broker.create("orders", 1).await;
    let nothing = broker.fetch(NO_SESSION, vec![wanted("orders", 0, 0)], terms(1, SHORT)).await;
    assert_eq!(summary(&nothing), [(0, Ok(0))]);
    let fetch =
        broker.fetch(NO_SESSION, vec![wanted("orders", 0, 0)], terms(MIB, Duration::from_millis(300)));
    let (fetched, size) = woken_by(fetch, broker.append(&topic, 0, 10)).await;
    assert_eq!(summary(&fetched), [(0, Ok(size))], "appended while it waited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_ends_the_wait() {
    let broker = Broker::new();
    broker.create("orders", 1).await;
    let fetch = broker.fetch(NO_SESSION, vec![wanted("orders", 0, 0)], terms(1, LONG));
    let (fetched, ()) = woken_by(fetch, async { broker.shutdown.cancel() }).await;
    assert_eq!(summary(&fetched), [(0, Ok(0))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_the_topic_ends_the_wait() {
    let broker = Broker::new();
    let topic = broker.create("orders", 1).await;
    let by_id = PartitionFetch { topic: TopicRef::Id(topic.id), ..wanted("", 0, 0) };
    let fetch = broker.fetch(NO_SESSION, vec![by_id.clone()], terms(1, LONG));
    let (fetched, ()) = woken_by(fetch, broker.delete(&topic)).await;
    assert_eq!(summary(&fetched), [(0, Err(PartitionError::UnknownTopicId))]);

    let topic = broker.create("orders", 1).await;
    let by_id = PartitionFetch { topic: TopicRef::Id(topic.id), ..by_id };
    let fetched = broker.fetch(NEW_SESSION, vec![by_id.clone()], terms(0, LONG)).await;
    assert_eq!(summary(&fetched), [(0, Ok(0))]);
    broker.delete(&topic).await;
    broker.create("orders", 1).await;
    let asked = FetchRequest { uses_topic_ids: true, ..request((fetched.session_id, 1), vec![]) };
    let open = broker.fetcher.begin(asked).unwrap();
    let fetched = broker.fetcher.run(open, terms(1, LONG), &broker.shutdown).await;
    assert_eq!(summary(&fetched), [(0, Err(PartitionError::InconsistentTopicId))]);
}

/// A consumer that waits for records showed two requests for each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_counts_once_for_each_partition_however_often_it_is_looked_at() {
    let broker = Broker::new();
    let topic = broker.create("orders", 2).await;
    let counted = |fetched: &Fetched| {
        fetched.partitions[0].metrics.as_ref().map(|metrics| metrics.total_fetch_requests.value())
    };
    let wants = vec![wanted("orders", 0, 0), wanted("orders", 1, 0)];
    let waiting = broker.fetch(NO_SESSION, wants, terms(1, LONG));
    let (fetched, _) = woken_by(waiting, broker.append(&topic, 0, 10)).await;
    assert_eq!(counted(&fetched), Some(2));
    let found = broker.fetch(NO_SESSION, vec![wanted("orders", 0, 0)], terms(1, LONG)).await;
    assert_eq!(counted(&found), Some(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_answered_at_once_unknown_partitions_only_if_all_are() {
    let broker = Broker::new();
    let topic = broker.create("orders", 1).await;
    let unknown = || wanted("nothing", 0, 0);
    let fetched = broker.fetch(NO_SESSION, vec![unknown()], terms(1, LONG)).await;
    assert_eq!(summary(&fetched), [(0, Err(PartitionError::UnknownTopicOrPartition))]);
    let beyond = broker.fetch(NO_SESSION, vec![wanted("orders", 0, 5)], terms(1, LONG)).await;
    assert_eq!(summary(&beyond), [(0, Err(PartitionError::OffsetOutOfRange))]);
    let metrics = beyond.partitions[0].metrics.as_ref().unwrap();
    assert_eq!(metrics.failed_fetch_requests.value(), 0, "the client is mistaken, and nothing has failed");
    let fetch = broker.fetch(NO_SESSION, vec![unknown(), wanted("orders", 0, 0)], terms(1, LONG));
    let (fetched, size) = woken_by(fetch, broker.append(&topic, 0, 10)).await;
    assert_eq!(summary(&fetched), [(0, Err(PartitionError::UnknownTopicOrPartition)), (0, Ok(size))]);
    assert!(broker.fetch(NO_SESSION, vec![], terms(1, LONG)).await.partitions.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_batch_comes_whatever_its_size_and_the_others_wait_their_turn() {
    let broker = Broker::new();
    let topic = broker.create("orders", 3).await;
    for partition in 0..3 {
        broker.append(&topic, partition, 5000).await;
    }
    let size = broker.append(&topic, 0, 5000).await;
    let tiny = FetchTerms { max_bytes: 10, ..terms(1, LONG) };
    let all = (0..3).map(|index| wanted("orders", index, 0)).collect::<Vec<_>>();
    let fetched = broker.fetch(NEW_SESSION, all, tiny).await;
    assert_eq!(summary(&fetched), [(0, Ok(size)), (1, Ok(0)), (2, Ok(0))]);
    // The session gives each its turn, though the client does not move.
    let mut turns = Vec::new();
    for epoch in 1..=6 {
        let fetched = broker.fetch((fetched.session_id, epoch), vec![], tiny).await;
        turns.extend(summary(&fetched).iter().map(|(index, bytes)| {
            assert_eq!(*bytes, Ok(size));
            *index
        }));
    }
    assert_eq!(turns, [0, 1, 2, 0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_had_no_room_come_next() {
    let broker = Broker::new();
    let topic = broker.create("orders", 2).await;
    let size = broker.append(&topic, 0, 5000).await;
    broker.append(&topic, 1, 5000).await;
    // Room for one batch and a half.
    let narrow = FetchTerms { max_bytes: size + size / 2, ..terms(1, LONG) };
    let all = vec![wanted("orders", 0, 0), wanted("orders", 1, 0)];
    let id = broker.fetch(NEW_SESSION, all, FetchTerms { max_bytes: 0, ..narrow }).await.session_id;
    let first = broker.fetch((id, 1), vec![], narrow).await;
    assert_eq!(summary(&first)[0], (0, Ok(size)));
    let second = broker.fetch((id, 2), vec![wanted("orders", 0, 1)], narrow).await;
    assert_eq!(summary(&second), [(1, Ok(size))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_answers_only_what_is_new() {
    let broker = Broker::new();
    let topic = broker.create("orders", 100).await;
    let all = (0..100).map(|index| wanted("orders", index, 0)).collect::<Vec<_>>();
    let fetched = broker.fetch(NEW_SESSION, all, terms(0, LONG)).await;
    assert_eq!(fetched.partitions.len(), 100);
    let id = fetched.session_id;
    assert!(id > 0);

    let nothing = broker.fetch((id, 1), vec![], terms(1, SHORT)).await;
    assert_eq!((summary(&nothing), nothing.session_id), (vec![], id));

    let fetch = broker.fetch((id, 2), vec![], terms(1, LONG));
    let (fetched, size) = woken_by(fetch, broker.append(&topic, 42, 10)).await;
    assert_eq!(summary(&fetched), [(42, Ok(size))]);

    // The client has not moved: it is told again; then it moves, and all is quiet.
    let fetched = broker.fetch((id, 3), vec![], terms(1, LONG)).await;
    assert_eq!(summary(&fetched), [(42, Ok(size))]);
    let quiet = broker.fetch((id, 4), vec![wanted("orders", 42, 1)], terms(1, SHORT)).await;
    assert_eq!(summary(&quiet), []);

    // An append between two requests is found by the next one.
    broker.append(&topic, 7, 10).await;
    let fetched = broker.fetch((id, 5), vec![], terms(1, LONG)).await;
    assert_eq!(summary(&fetched), [(7, Ok(size))]);
    assert_eq!(broker.fetcher.session_counts(), (1, 100, 0));
}

/// As Kafka's `CachedPartition.maybeUpdateResponseData`: watermarks that the client does not know are news.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_new_to_a_session_is_told_of_without_room_for_its_records() {
    let broker = Broker::new();
    let topic = broker.create("orders", 4).await;
    let first = broker.append(&topic, 0, 2000).await;
    let opened = broker.fetch(NEW_SESSION, vec![wanted("orders", 0, 0)], terms(1, LONG)).await;
    let session = opened.session_id;
    let sizes = [broker.append(&topic, 1, 2000).await, broker.append(&topic, 2, 3000).await];
    let tight = FetchTerms { max_bytes: 100, ..terms(1, LONG) };
    let added = vec![wanted("orders", 1, 0), wanted("orders", 2, 0), wanted("orders", 3, 0)];
    let fetched = broker.fetch((session, 1), added, tight).await;
    assert_eq!(summary(&fetched), [(0, Ok(first)), (1, Ok(0)), (2, Ok(0)), (3, Ok(0))]);
    let watermarks = fetched.partitions.iter().map(|answer| answer.outcome.as_ref().unwrap().high_watermark);
    assert_eq!(watermarks.collect::<Vec<_>>(), [1, 1, 1, 0]);
    // Their records come all the same, and nothing is told twice.
    let mut rest = Vec::new();
    for epoch in 2..=3 {
        rest.extend(summary(&broker.fetch((session, epoch), vec![wanted("orders", 0, 1)], tight).await));
    }
    rest.sort_by_key(|(index, _)| *index);
    assert_eq!(rest, [(1, Ok(sizes[0])), (2, Ok(sizes[1]))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_fetch_leaves_its_session_whole() {
    let broker = Broker::new();
    let topic = broker.create("orders", 2).await;
    let all = vec![wanted("orders", 0, 0), wanted("orders", 1, 0)];
    let id = broker.fetch(NEW_SESSION, all, terms(0, LONG)).await.session_id;
    broker.append(&topic, 0, 10).await;
    let size = broker.append(&topic, 1, 10).await;
    // The client has had the record of partition 0, but not the news of its high watermark.
    let abandoned = broker.fetch((id, 1), vec![wanted("orders", 0, 1)], terms(MIB, LONG));
    assert!(tokio::time::timeout(SHORT, abandoned).await.is_err());
    let fetched = broker.fetch((id, 2), vec![], terms(1, LONG)).await;
    assert_eq!(summary(&fetched), [(0, Ok(0)), (1, Ok(size))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgotten_partitions_are_not_answered() {
    let broker = Broker::new();
    let topic = broker.create("orders", 2).await;
    let all = vec![wanted("orders", 0, 0), wanted("orders", 1, 0)];
    let id = broker.fetch(NEW_SESSION, all, terms(0, LONG)).await.session_id;
    let forget = |epoch, index| FetchRequest {
        forgotten: vec![(TopicRef::named("orders"), index)],
        ..request((id, epoch), vec![])
    };
    broker.append(&topic, 0, 10).await;
    let open = broker.fetcher.begin(forget(1, 0)).unwrap();
    let fetched = broker.fetcher.run(open, terms(1, SHORT), &broker.shutdown).await;
    assert_eq!(summary(&fetched), []);
    let open = broker.fetcher.begin(forget(2, 1)).unwrap();
    let fetched = broker.fetcher.run(open, terms(1, LONG), &broker.shutdown).await;
    assert_eq!((summary(&fetched), fetched.session_id), (vec![], 0));
    assert_eq!(broker.fetcher.begin(request((id, 3), vec![])).unwrap_err(), SessionError::IdNotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_checked_and_closed() {
    let broker = Broker::new();
    broker.create("orders", 1).await;
    let refused = |session| broker.fetcher.begin(request(session, vec![])).unwrap_err();
    assert_eq!(refused((77, 1)), SessionError::IdNotFound);
    let id = broker.fetch(NEW_SESSION, vec![wanted("orders", 0, 0)], terms(0, LONG)).await.session_id;
    assert_eq!(refused((id, 2)), SessionError::InvalidEpoch);
    let ids = FetchRequest { uses_topic_ids: true, ..request((id, 1), vec![]) };
    assert_eq!(broker.fetcher.begin(ids).unwrap_err(), SessionError::TopicIdError);
    broker.fetch((id, -1), vec![], terms(0, LONG)).await;
    assert_eq!(refused((id, 1)), SessionError::IdNotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_in_flight_are_bounded_over_all_fetches() {
    let broker =
        Broker::with(FetcherOptions { session_slots: 10, max_response_bytes: MIB, budget_bytes: 64 * 1024 });
    let topic = broker.create("orders", 1).await;
    broker.append(&topic, 0, 60_000).await;
    let fetch = || broker.fetch(NO_SESSION, vec![wanted("orders", 0, 0)], terms(1, LONG));
    let held = fetch().await;
    assert!(broker.fetcher.budget.held_bytes() > 56 * 1024);
    let (second, ()) = woken_by(fetch(), async { drop(held) }).await;
    assert!(second.partitions[0].outcome.as_ref().unwrap().bytes > 60_000);
    drop(second);
    assert_eq!(broker.fetcher.budget.held_bytes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_at_any_moment_of_a_fetch_is_seen() {
    let broker = Broker::new();
    let topic = broker.create("orders", 1).await;
    let mut id = broker.fetch(NEW_SESSION, vec![wanted("orders", 0, 0)], terms(0, LONG)).await.session_id;
    for round in 0..1000 {
        // One append for each fetch: if its wake-up is lost, nothing else comes to wake the fetch.
        let wants = vec![wanted("orders", 0, round)];
        let session = if round % 2 == 0 { NO_SESSION } else { NEW_SESSION };
        let fetch = broker.fetch(session, wants, terms(1, LONG));
        let (fetched, _) = tokio::join!(tokio::time::timeout(LONG / 4, fetch), broker.append(&topic, 0, 10));
        let fetched = fetched.expect("a wake-up was lost");
        assert_eq!(summary(&fetched).len(), 1);
        id = id.max(fetched.session_id);
    }
    assert!(id > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_append_of_a_storm_is_seen_without_a_pause() {
    let broker = Broker::new();
    let topic = broker.create("orders", 4).await;
    let mut id = 0;
    let mut epoch = 0;
    let mut offsets = [0_i64; 4];
    let appends = async {
        for round in 0..400 {
            broker.append(&topic, round % 4, 10).await;
        }
    };
    let reads = async {
        let started = timer_now();
        while offsets.iter().sum::<i64>() < 400 {
            let wants = (0..4).map(|index| wanted("orders", index, offsets[index as usize])).collect();
            let fetched = broker.fetch((id, epoch), wants, terms(1, LONG)).await;
            (id, epoch) = (fetched.session_id, epoch + 1);
            for answer in &fetched.partitions {
                let served = answer.outcome.as_ref().unwrap();
                offsets[answer.index as usize] += served.batches.len() as i64;
            }
        }
        assert!(timer_now() - started < LONG / 2, "a wake-up was lost");
    };
    tokio::join!(appends, reads);
}
