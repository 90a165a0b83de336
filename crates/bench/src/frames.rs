//! Ready-made requests: a produce request is built once by the codec and then only patched.
//!
//! A produce frame is a head (length, header, topic, partition, size of the records), a batch, and the three
//! empty tag sections that end it. Per request only the correlation id and the partition change, both in
//! the head, so the batches are shared by all requests and never touched again. Batches of one load have the same
//! size, unless it is `mixed`. Without a codec they differ in content (random, so that nothing can compress it away); with one a single
//! batch of words is sent again and again, since others would not compress to the same size. All content comes from
//! one seed, so that a run can be repeated and two brokers get the same bytes.

use anyhow::{Result, ensure};
use bytes::{Bytes, BytesMut};
use codec::Request as _;
use codec::messages::ProduceRequest;
use codec::messages::fetch_request::{FetchPartition, FetchTopic};
use codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use codec::messages::{BrokerId, FetchRequest};
use codec::records::{BatchBuilder, Compression};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use crate::clock::wall_ms;
use crate::control::{framed, topic_name};
use crate::loads::{Load, ProducerKind};
use crate::tally::Counts;

/// The last version that names topics by name; its fields mean the same as in newer ones.
pub(crate) const PRODUCE_VERSION: i16 = 12;
/// As for produce; it has fetch sessions (KIP-227).
pub(crate) const FETCH_VERSION: i16 = 12;
/// Different batches per load.
pub(crate) const BATCHES: usize = 8;
/// Of a load of mixed sizes: enough that no size is left out; an odd number, so that partitions get each of them.
const MIXED_BATCHES: usize = 127;
/// The smallest and the greatest size of a record, and of a batch without its header.
const MIXED_BYTES: (u32, u32) = (100, 100 << 10);
/// Of the content of records: any number, but always the same.
pub(crate) const SEED: u64 = 11;
/// The tag sections of partition, topic and request.
pub(crate) const TAIL: [u8; 3] = [0, 0, 0];
/// Position of the correlation id in a frame: after length, key and version.
pub(crate) const CORRELATION_AT: usize = 8;
/// How long the broker may wait for its replicas, in ms.
pub(crate) const TIMEOUT_MS: i32 = 30_000;

/// The produce requests of one load.
#[derive(Debug)]
pub(crate) struct ProduceFrames(Vec<Template>);

/// A request that is sent again and again.
#[derive(Debug)]
struct Template {
    /// Everything before the records. Patched for each request.
    head: Vec<u8>,
    /// Position of the partition index in `head`.
    partition_at: usize,
    /// The batch, followed by the end of the frame.
    body: Bytes,
    /// One request of this kind.
    counts: Counts,
}

impl ProduceFrames {
    /// Builds the requests of `load`.
    ///
    /// # Errors
    /// The codec writes another layout than the one that is patched: the fields are checked where they are
    /// expected.
    pub(crate) fn build(topic: &str, load: &Load) -> Result<ProduceFrames> {
        let mut random = StdRng::seed_from_u64(SEED);
        let template = |load: &Load, random: &mut StdRng| {
            Template::build(topic, load.acks, batch(load, random), load.records)
        };
        let templates: Result<Vec<_>> = match load.compression {
            _ if load.mixed => (0..MIXED_BATCHES)
                .map(|_| {
                    let drawn = drawn(load, &mut random);
                    template(&drawn, &mut random)
                })
                .collect(),
            Compression::None => (0..BATCHES).map(|_| template(load, &mut random)).collect(),
            _ => Ok(vec![template(load, &mut random)?]),
        };
        Ok(ProduceFrames(templates?))
    }

    /// The head of the next request, patched, its body, and how it counts; `number` chooses the batch.
    pub(crate) fn next(
        &mut self,
        correlation: i32,
        partition: u32,
        number: usize,
    ) -> (&[u8], &Bytes, Counts) {
        let count = self.0.len();
        let Template { head, partition_at, body, counts } = &mut self.0[number % count];
        head[CORRELATION_AT..CORRELATION_AT + 4].copy_from_slice(&correlation.to_be_bytes());
        head[*partition_at..*partition_at + 4].copy_from_slice(&partition.to_be_bytes());
        (head, body, *counts)
    }

    /// Sizes of the batches, each once.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        let mut sizes: Vec<_> = self.0.iter().map(|template| template.counts.bytes as usize).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }
}

impl Template {
    fn build(topic: &str, acks: i16, batch: Bytes, records: u32) -> Result<Template> {
        let frame = produce_frame(topic, acks, batch.clone())?;
        let head = frame.len() - TAIL.len() - batch.len();
        ensure!(
            frame[head..head + batch.len()] == batch && frame.ends_with(&TAIL),
            "an unknown produce layout"
        );
        // The size of the records, a varint, follows the partition; the check below finds a layout that changed.
        let partition_at = head - uvarint_bytes(batch.len() + 1) - 4;
        ensure!(frame[partition_at..partition_at + 4] == [0; 4], "an unknown produce layout");
        // One piece for the socket: batch and tail of a request are sent together.
        let body = Bytes::copy_from_slice(&frame[head..]);
        let counts = Counts { requests: 1, records: records.into(), bytes: batch.len() as u64 };
        Ok(Template { head: frame[..head].to_vec(), partition_at, body, counts })
    }
}

/// The load with sizes drawn for one batch: small ones as often as large ones, each between 100 bytes and 100 KiB.
fn drawn(load: &Load, random: &mut StdRng) -> Load {
    let mut size = |from: u32| {
        let octaves = (f64::from(MIXED_BYTES.1) / f64::from(from)).log2();
        (f64::from(from) * (octaves * random.random_range(0.0..1.0)).exp2()) as u32
    };
    let record_bytes = size(MIXED_BYTES.0);
    Load { record_bytes, records: size(record_bytes) / record_bytes, ..*load }
}

/// A batch of the load: all records without a key, with values of one size.
pub(crate) fn batch(load: &Load, random: &mut StdRng) -> Bytes {
    // All records of one time: old ones would be deleted by retention.
    let now = wall_ms();
    let mut builder = BatchBuilder::new().compression(load.compression);
    if load.producer != ProducerKind::Plain {
        // The first numbers there are: each request that sends the batch has its own.
        builder = builder.producer(0, 0, 0);
    }
    if load.producer.is_transactional() {
        builder = builder.transactional();
    }
    let mut value = vec![0; load.record_bytes as usize];
    for _ in 0..load.records {
        match load.compression {
            Compression::None => random.fill_bytes(&mut value),
            _ => fill_with_words(&mut value, random),
        }
        builder.push(now, None, Some(&value), &[]);
    }
    builder.build()
}

/// Words of eight letters out of a thousand: gzip and zstd shrink them to a third, lz4 and snappy to two thirds, like
/// the records of most users.
fn fill_with_words(value: &mut [u8], random: &mut StdRng) {
    for word in value.chunks_mut(8) {
        // The steps are those of PCG's 32-bit generator: the first number decides the whole word, so there
        // are a thousand words.
        let mut number = random.random_range(0..1000_u32);
        for letter in word {
            number = number.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            *letter = b'a' + (number >> 27).min(25) as u8;
        }
    }
}

/// A whole frame as the codec writes it: one topic, partition 0, one batch, correlation id 0.
fn produce_frame(topic: &str, acks: i16, batch: Bytes) -> Result<BytesMut> {
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(batch));
    let topic = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![partition]);
    let request =
        ProduceRequest::default().with_acks(acks).with_timeout_ms(TIMEOUT_MS).with_topic_data(vec![topic]);
    let mut body = BytesMut::new();
    request.encode(PRODUCE_VERSION, &mut body)?;
    framed(ProduceRequest::KEY, PRODUCE_VERSION, 0, &body)
}

/// Bytes of a number in the variable-length form of compact lengths: seven bits in each.
pub(crate) fn uvarint_bytes(value: usize) -> usize {
    let bits = usize::BITS - value.leading_zeros();
    bits.div_ceil(7).max(1) as usize
}

/// The fields of a fetch request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FetchTerms {
    /// KIP-227: 0 opens a session.
    pub(crate) session_id: i32,
    /// Its next epoch; 0 opens a session.
    pub(crate) session_epoch: i32,
    /// `max_bytes`, also of each partition.
    pub(crate) max_bytes: u32,
    /// How long the broker waits for the first byte, in ms.
    pub(crate) max_wait_ms: u32,
    /// Nothing of a transaction that is open, and the list of aborted ones.
    pub(crate) read_committed: bool,
}

/// A fetch request for partitions from offsets on: a whole frame.
pub(crate) fn fetch(
    topic: &str,
    correlation: i32,
    terms: FetchTerms,
    from: impl Iterator<Item = (u32, i64)>,
) -> Result<BytesMut> {
    let max_bytes = i32::try_from(terms.max_bytes)?;
    let ask = |(index, offset): (u32, i64)| {
        FetchPartition::default()
            .with_partition(index.cast_signed())
            // No epoch: the broker compares nothing (KIP-320).
            .with_current_leader_epoch(-1)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(max_bytes)
    };
    let partitions: Vec<FetchPartition> = from.map(ask).collect();
    // In a session in which nothing moved, a fetch names no topic (KIP-227).
    let topics = match partitions.is_empty() {
        true => Vec::new(),
        false => vec![FetchTopic::default().with_topic(topic_name(topic)).with_partitions(partitions)],
    };
    let request = FetchRequest::default()
        // -1 is a consumer; any other number is a follower.
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(i32::try_from(terms.max_wait_ms)?)
        // As Java's `fetch.min.bytes`.
        .with_min_bytes(1)
        .with_max_bytes(max_bytes)
        .with_isolation_level(i8::from(terms.read_committed))
        .with_session_id(terms.session_id)
        .with_session_epoch(terms.session_epoch)
        .with_topics(topics);
    let mut body = BytesMut::new();
    request.encode(FETCH_VERSION, &mut body)?;
    framed(FetchRequest::KEY, FETCH_VERSION, correlation, &body)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::str::FromStr as _;

    use codec::frame::RequestHeader;
    use codec::records::{BatchHeader, RecordBatch};

    use super::*;
    use crate::loads::Spec;

    #[test]
    fn patched_frames_are_what_the_codec_would_write() {
        for text in [
            "produce-one",
            "produce-100b",
            "produce-1k",
            "produce-1k:records=1,record-bytes=0",
            "produce-1k:records=3,record-bytes=70000",
            "produce-gzip",
            "produce-snappy",
            "produce-lz4",
            "produce-zstd",
            "mixed",
            "mixed:compression=lz4",
        ] {
            let load = Load { acks: -1, ..Spec::from_str(text).unwrap().load };
            let mut frames = ProduceFrames::build("some-topic", &load).unwrap();
            for number in 0..2 * BATCHES {
                let (correlation, partition) = (0x0102_0304 + number as i32, 1999);
                let (head, body, counts) = frames.next(correlation, partition, number);
                let mut frame = Bytes::from([head, body].concat());
                assert_eq!(frame.split_to(4)[..], (frame.len() as u32).to_be_bytes());
                let header = RequestHeader::parse(&mut frame).unwrap();
                assert_eq!((header.api_key, header.correlation_id), (0, correlation));
                let request = ProduceRequest::decode(frame, PRODUCE_VERSION).unwrap();
                assert_eq!(request.acks, -1);
                let topic = &request.topic_data[0];
                assert_eq!(topic.name.as_str(), "some-topic");
                assert_eq!(topic.partition_data[0].index, 1999);
                let batch = topic.partition_data[0].records.clone().unwrap();
                assert_eq!(batch.len() as u64, counts.bytes);
                let batch = RecordBatch::parse(batch).unwrap();
                assert_eq!(batch.header().records_count as u64, counts.records);
                assert_eq!(batch.header().attributes.compression().unwrap(), load.compression);
            }
        }
    }

    #[test]
    fn words_shrink_as_far_as_each_codec_can_and_random_bytes_not_at_all() {
        // Of a thousand bytes of content: measured, and room of a twentieth for new versions of the codecs.
        for (text, expected) in [
            ("produce-1k", 1_005..=1_015),
            ("produce-gzip", 312..=345),
            ("produce-snappy", 645..=713),
            ("produce-lz4", 536..=592),
            ("produce-zstd", 283..=312),
        ] {
            let load = Spec::from_str(text).unwrap().load;
            let content = (load.records * load.record_bytes) as usize;
            let shrunk = ProduceFrames::build("some-topic", &load).unwrap().sizes()[0] * 1000 / content;
            assert!(expected.contains(&shrunk), "{text}: {shrunk} of a thousand, not {expected:?}");
        }
    }

    #[test]
    fn mixed_sizes_reach_from_the_smallest_to_the_greatest() {
        let load = Spec::from_str("mixed").unwrap().load;
        let frames = ProduceFrames::build("some-topic", &load).unwrap();
        let sizes = frames.sizes();
        assert!(sizes.len() > 100 && sizes[0] < 400 && sizes[sizes.len() - 1] > 80 << 10, "{sizes:?}");
        // A header, and what a hundred-byte record takes besides its value.
        assert!(sizes[sizes.len() - 1] < 120 << 10, "{sizes:?}");
        assert!(frames.0.iter().any(|one| one.counts.records == 1), "a record alone");
        assert!(frames.0.iter().any(|one| one.counts.records > 100), "many records");
    }

    #[test]
    fn content_is_the_same_at_every_run_and_differs_within_one() {
        for text in ["produce-1k", "produce-zstd"] {
            let load = Spec::from_str(text).unwrap().load;
            let content = |frames: &ProduceFrames| -> Vec<Bytes> {
                // The header holds the time at which the batch was built, and the CRC of it.
                frames.0.iter().map(|one| one.body.slice(BatchHeader::LEN..)).collect()
            };
            let first = content(&ProduceFrames::build("some-topic", &load).unwrap());
            assert_eq!(first, content(&ProduceFrames::build("some-topic", &load).unwrap()));
            let count = if load.compression == Compression::None { BATCHES } else { 1 };
            assert_eq!(first.iter().collect::<HashSet<_>>().len(), count, "{text}");
        }
    }
}
