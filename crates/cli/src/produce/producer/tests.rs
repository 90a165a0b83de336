//! The producer and a broker of tests, which reports what it is asked.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use codec::messages::metadata_response::MetadataResponseBroker;
use codec::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use codec::messages::{BrokerId, MetadataRequest, ProduceRequest, ProduceResponse, StrBytes};
use codec::records::RecordBatch;
use codec::{ErrorCode, Request as _};

use super::*;
use crate::client::fake::{self, Asked};
use crate::produce::queue::queue;
use crate::produce::topics::AGE;

const APIS: &[(i16, i16)] = &[(MetadataRequest::KEY, 12), (ProduceRequest::KEY, 9)];

/// An event of the broker: it was asked for metadata, or to write values to a partition.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Metadata,
    Written(i32, Vec<String>),
}

fn written(partition: i32, values: &[&str]) -> Seen {
    Seen::Written(partition, values.iter().map(|value| (*value).to_owned()).collect())
}

/// A producer to topic `t`, whose metadata and whose error codes are these functions of the number of such requests before.
fn producer(leaders: fn(usize) -> &'static [i32], code: fn(usize) -> i16) -> (Producer, Receiver<Seen>) {
    let (sender, seen) = sync_channel(100);
    let (lookups, writes) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let address = fake::start(APIS, move |asked| match asked.of::<ProduceRequest>() {
        Some(request) => write(asked, &request, code(writes.fetch_add(1, Ordering::Relaxed)), &sender),
        None => {
            sender.send(Seen::Metadata).unwrap();
            let leaders = leaders(lookups.fetch_add(1, Ordering::Relaxed));
            asked.answer(&fake::metadata(asked.port, "t", leaders, 0))
        }
    });
    let wishes = Wishes { acks: -1, timeout: Duration::from_secs(20), is_zstd: false };
    let defaults = Defaults { topic: Some("t".to_owned()), ..Defaults::default() };
    let producer = Producer::new(fake::leaders(&address), defaults, Compression::None, wishes, |_| Ok(()));
    (producer, seen)
}

fn write(
    asked: &Asked,
    request: &ProduceRequest,
    code: i16,
    seen: &SyncSender<Seen>,
) -> Option<codec::Chain> {
    let topic = request.topic_data.first()?;
    let mut answers = Vec::new();
    for one in &topic.partition_data {
        let batch = RecordBatch::parse(one.records.clone()?).unwrap();
        let values = batch.records().unwrap();
        let values = values.map(|record| String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
        // The test may not look at it.
        let _ = seen.send(Seen::Written(one.index, values.collect()));
        let base_offset = if code == 0 { 0 } else { -1 };
        let answer = PartitionProduceResponse::default().with_index(one.index).with_error_code(code);
        answers.push(answer.with_base_offset(base_offset));
    }
    let topic =
        TopicProduceResponse::default().with_name(topic.name.clone()).with_partition_responses(answers);
    asked.answer(&ProduceResponse::default().with_responses(vec![topic]))
}

fn record(key: &str, value: &str) -> NewRecord {
    NewRecord { key: Some(key.into()), value: Some(value.into()), ..NewRecord::default() }
}

/// Two partitions from the second look-up on.
fn growing(lookups: usize) -> &'static [i32] {
    if lookups == 0 { &[1] } else { &[1, 1] }
}

/// Users saw: a `produce` that ran for days never used the partitions that were added.
#[test]
fn a_topic_is_looked_up_again_after_five_minutes_and_what_waits_is_sent_before() {
    let (mut producer, seen) = producer(growing, |_| 0);
    let now = clock::instant();
    // murmur2("abc") is odd.
    producer.add(record("abc", "one"), now).unwrap();
    producer.add(record("abc", "two"), now + AGE - Duration::from_millis(1)).unwrap();
    producer.add(record("abc", "three"), now + AGE).unwrap();
    producer.add(record("abc", "four"), now + AGE).unwrap();
    producer.flush(clock::instant()).unwrap();
    let seen: Vec<Seen> = seen.try_iter().collect();
    let expected =
        [Seen::Metadata, written(0, &["one", "two"]), Seen::Metadata, written(1, &["three", "four"])];
    assert_eq!(seen, expected);
}

#[test]
fn a_topic_is_looked_up_again_after_a_leader_has_moved() {
    let moved = |writes| if writes == 0 { ErrorCode::NotLeaderOrFollower as i16 } else { 0 };
    let (mut producer, seen) = producer(growing, moved);
    let now = clock::instant();
    producer.add(record("abc", "one"), now).unwrap();
    producer.flush(clock::instant()).unwrap();
    producer.add(record("abc", "two"), now).unwrap();
    producer.flush(clock::instant()).unwrap();
    let seen: Vec<Seen> = seen.try_iter().collect();
    let one = || written(0, &["one"]);
    let expected = [Seen::Metadata, one(), Seen::Metadata, one(), Seen::Metadata, written(1, &["two"])];
    assert_eq!(seen, expected);
}

#[test]
fn a_topic_stays_as_it_was_if_it_has_no_leader_for_the_moment() {
    let (mut producer, seen) = producer(|lookups| if lookups == 1 { &[-1] } else { &[1] }, |_| 0);
    let now = clock::instant();
    producer.add(record("abc", "one"), now).unwrap();
    producer.add(record("abc", "two"), now + AGE).unwrap();
    producer.flush(clock::instant()).unwrap();
    assert!(seen.try_iter().any(|seen| seen == written(0, &["two"])));
}

/// Users saw: Ctrl-C lost the records that waited.
#[test]
fn a_signal_sends_what_waits() {
    let (mut producer, seen) = producer(|_| &[1], |_| 0);
    let (mut sender, mut records) = queue();
    for value in ["one", "two"] {
        sender.put(Ok(record("a", value))).unwrap();
    }
    let end = producer.run(&mut records, &Interrupt::that_has_come()).unwrap();
    assert_eq!((end, producer.acknowledged()), (End::Interrupted, 2));
    assert_eq!(seen.try_iter().last(), Some(written(0, &["one", "two"])));
}

/// Users saw: `produce -v > /dev/full` did not say how many records were safe.
#[test]
fn a_failure_of_the_output_says_how_many_records_are_safe() {
    static IS_FULL: AtomicBool = AtomicBool::new(false);
    let (mut producer, _seen) = producer(|_| &[1, 1], |_| 0);
    producer.print = |_| match IS_FULL.load(Ordering::Relaxed) {
        true => Err(Failure::failed("no space")),
        false => Ok(()),
    };
    let now = clock::instant();
    producer.add(record("abc", "one"), now).unwrap();
    producer.flush(clock::instant()).unwrap();
    IS_FULL.store(true, Ordering::Relaxed);
    producer.add(record("abc", "two"), now).unwrap();
    producer.add(record("21", "three"), now).unwrap();
    let failure = producer.flush(clock::instant()).unwrap_err().to_string();
    assert_eq!(failure, "no space (acknowledged records: 3)");
}

/// A producer to a topic of two leaders, of which the second is at this port.
fn with_second_leader(port: u16) -> Producer {
    let address = fake::start(APIS, move |asked| match asked.of::<ProduceRequest>() {
        Some(request) => write(asked, &request, 0, &sync_channel(1).0),
        None => {
            let mut answer = fake::metadata(asked.port, "t", &[1, 2], 0);
            let second = MetadataResponseBroker::default().with_node_id(BrokerId(2)).with_port(port.into());
            answer.brokers.push(second.with_host(StrBytes::from_static_str("127.0.0.1")));
            asked.answer(&answer)
        }
    });
    let wishes = Wishes { acks: -1, timeout: Duration::from_secs(20), is_zstd: false };
    let defaults = Defaults { topic: Some("t".to_owned()), ..Defaults::default() };
    Producer::new(fake::leaders(&address), defaults, Compression::None, wishes, |_| Ok(()))
}

/// Users saw: records that were written did not count, as the leader of other partitions had failed.
#[test]
fn what_one_leader_acknowledged_counts_where_another_fails() {
    let closing = fake::start(APIS, |_| None).port;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let missing = listener.local_addr().unwrap().port();
    drop(listener);
    for (port, was_sent) in [(closing, true), (missing, false)] {
        let mut producer = with_second_leader(port);
        producer.print = |lines| Err(Failure::failed(format!("printed {lines:?}")));
        let now = clock::instant();
        // To the first leader, and to the second.
        for key in ["21", "21", "abc"] {
            producer.add(record(key, "one"), now).unwrap();
        }
        let failure = producer.flush(clock::instant()).unwrap_err().to_string();
        assert!(
            failure.starts_with(&format!(
                "{}127.0.0.1:{port}",
                if was_sent { "" } else { "cannot connect to " }
            )),
            "{failure}"
        );
        assert!(failure.ends_with("printed \"t 0 0\\n\" (acknowledged records: 2)"), "{failure}");
        assert_eq!(
            failure.contains("; the batches that were on the way may have been written, or not"),
            was_sent,
            "{failure}"
        );
    }
}

#[test]
fn the_records_before_a_wrong_one_are_sent() {
    let (mut producer, seen) = producer(|_| &[1], |_| 0);
    let (mut sender, mut records) = queue();
    sender.put(Ok(record("a", "one"))).unwrap();
    sender.put(Err("line 2 is wrong".to_owned())).unwrap();
    let failure = producer.run(&mut records, &Interrupt::that_has_not_come()).unwrap_err().to_string();
    assert_eq!(failure, "line 2 is wrong (acknowledged records: 1)");
    assert_eq!(seen.try_iter().last(), Some(written(0, &["one"])));
    let refused = |_| ErrorCode::MessageTooLarge as i16;
    let (mut producer, _seen) = super::tests::producer(|_| &[1], refused);
    producer.add(record("a", "one"), clock::instant()).unwrap();
    let failure = producer.flush(clock::instant()).unwrap_err().to_string();
    assert!(failure.ends_with("or send shorter records (acknowledged records: 0)"), "{failure}");
}

/// Users saw: every batch that was full was followed by one of a single record.
#[test]
fn a_record_after_a_full_batch_waits_for_others() {
    let (mut producer, seen) = producer(|_| &[1], |_| 0);
    let now = clock::instant();
    producer.add(record("a", &"x".repeat(1 << 20)), now).unwrap();
    let first = producer.deadline.unwrap();
    producer.add(record("a", "one"), now).unwrap();
    assert!(matches!(seen.try_iter().last(), Some(Seen::Written(0, _))), "it was full");
    let second = producer.deadline.unwrap();
    assert!(second > first, "the record after it has a time of its own");
    producer.add(record("a", "two"), now).unwrap();
    assert_eq!(producer.deadline, Some(second), "a further one does not move it");
    producer.flush(now).unwrap();
    assert_eq!(producer.deadline, None);
}

#[test]
fn the_end_of_the_input_sends_what_waits() {
    let (mut producer, seen) = producer(|_| &[1], |_| 0);
    let (mut sender, mut records) = queue();
    sender.put(Ok(record("a", "one"))).unwrap();
    drop(sender);
    let end = producer.run(&mut records, &Interrupt::that_has_not_come()).unwrap();
    assert_eq!((end, producer.acknowledged()), (End::Whole, 1));
    assert_eq!(seen.try_iter().last(), Some(written(0, &["one"])));
}

#[test]
fn a_partition_beyond_the_last_is_refused() {
    let (mut producer, _seen) = producer(|_| &[1], |_| 0);
    let beyond = NewRecord { partition: Some(1), ..record("a", "one") };
    let failure = producer.add(beyond, clock::instant()).unwrap_err().to_string();
    assert_eq!(failure, "topic t has no partition 1: it has 1, counted from 0 (acknowledged records: 0)");
    producer.defaults.partition = Some(1);
    assert!(producer.check_topic().is_err());
    producer.defaults.partition = Some(0);
    assert_eq!(producer.check_topic(), Ok(()));
}

#[test]
fn zstd_needs_a_broker_that_knows_it() {
    let apis = &[(MetadataRequest::KEY, 12), (ProduceRequest::KEY, 6)];
    let address = fake::start(apis, |asked| asked.answer(&fake::metadata(asked.port, "t", &[1], 0)));
    let wishes = Wishes { acks: -1, timeout: Duration::from_secs(20), is_zstd: true };
    let defaults = Defaults { topic: Some("t".to_owned()), ..Defaults::default() };
    let mut producer =
        Producer::new(fake::leaders(&address), defaults, Compression::Zstd, wishes, |_| Ok(()));
    let now = clock::instant();
    producer.add(record("a", "one"), now).unwrap();
    let failure = producer.flush(now).unwrap_err().to_string();
    assert!(
        failure.contains("does not serve Produce in a version that this command needs (7 to 12)"),
        "{failure}"
    );
}

/// A router between both may have forgotten the connection without a word.
#[test]
fn a_connection_that_was_idle_for_a_minute_is_not_used_again() {
    let (sender, connections) = sync_channel(10);
    let address = fake::start(APIS, move |asked| match asked.of::<ProduceRequest>() {
        Some(request) => {
            sender.send((asked.connection, request.acks, request.timeout_ms)).unwrap();
            write(asked, &request, 0, &sync_channel(1).0)
        }
        None => asked.answer(&fake::metadata(asked.port, "t", &[1], 0)),
    });
    let wishes = Wishes { acks: -1, timeout: Duration::from_secs(20), is_zstd: false };
    let defaults = Defaults { topic: Some("t".to_owned()), ..Defaults::default() };
    let mut producer =
        Producer::new(fake::leaders(&address), defaults, Compression::None, wishes, |_| Ok(()));
    let now = clock::instant();
    for at in [now, now + IDLE, now + 2 * IDLE + Duration::from_millis(1)] {
        producer.add(record("a", "one"), at).unwrap();
        producer.flush(at).unwrap();
    }
    let seen: Vec<_> = connections.try_iter().collect();
    assert_eq!(seen, [(1, -1, 20_000), (1, -1, 20_000), (2, -1, 20_000)]);
}
