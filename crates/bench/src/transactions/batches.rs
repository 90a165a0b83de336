//! Ready-made produce requests of one producer with an id: built once by the codec, then only patched.
//!
//! A request has one batch, or one in each of several partitions. Besides correlation id and partitions, each request has the
//! producer's id, epoch and sequence numbers in the headers of its batches, and therefore checksums of its own. The records of
//! the last batch are shared by all requests and never copied.

use anyhow::{Context as _, Result, ensure};
use bytes::{Buf as _, Bytes, BytesMut};
use codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use codec::messages::{ProduceRequest, StrBytes, TransactionalId};
use codec::records::BatchHeader;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::control::{encoded, topic_name};
use crate::frames::{self, BATCHES, CORRELATION_AT, SEED, TAIL, TIMEOUT_MS, uvarint_bytes};
use crate::loads::{Load, ProducerKind};
use crate::tally::Counts;

/// Partitions of one request at most: Java's limit of a request is 1 MiB (`max.request.size`).
const PARTITIONS: usize = 1000;
/// Positions in a batch: CRC, attributes (the first field that it covers), producer id, epoch and sequence.
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const PRODUCER_AT: usize = 43;

/// The requests that a producer sends in turn.
#[derive(Debug)]
pub(super) struct Requests(Vec<Template>);

/// A request that is sent again and again.
#[derive(Debug)]
struct Template {
    /// Up to the records of the last batch.
    head: BytesMut,
    /// In the order of the frame.
    slots: Vec<Slot>,
    /// The records of the last batch and the end of the frame.
    body: Bytes,
    counts: Counts,
}

/// A partition of a request.
#[derive(Debug)]
struct Slot {
    /// Position of the partition's index.
    index_at: usize,
    /// Position of the batch.
    batch_at: usize,
    batch_bytes: usize,
}

/// The fields of the producer in a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    pub(super) producer_id: i64,
    pub(super) producer_epoch: i16,
}

/// The version of Produce that a kind of producer sends.
pub(super) fn produce_version(kind: ProducerKind) -> i16 {
    // From 12 on a batch announces its partition (KIP-890).
    if kind == ProducerKind::V1 { 11 } else { 12 }
}

impl Requests {
    /// Builds them. With several partitions in a transaction the requests cover it in turn; otherwise they differ in their records only.
    ///
    /// # Errors
    /// The codec writes another layout than the one that is patched: the fields are checked where they are expected.
    pub(super) fn build(topic: &str, load: &Load, id: Option<&str>) -> Result<Requests> {
        let mut random = StdRng::seed_from_u64(SEED);
        let touched = load.touched as usize;
        let sizes: Vec<usize> = if touched == 1 {
            vec![1; BATCHES]
        } else {
            (0..touched).step_by(PARTITIONS).map(|from| PARTITIONS.min(touched - from)).collect()
        };
        let templates = sizes.into_iter().map(|partitions| {
            let batches = (0..partitions).map(|_| frames::batch(load, &mut random)).collect();
            Template::build(topic, load, id, batches)
        });
        Ok(Requests(templates.collect::<Result<_>>()?))
    }

    /// The number of requests that cover the partitions of a transaction, if it has several.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Of each batch, headers included.
    pub(super) fn batch_bytes(&self) -> Vec<usize> {
        self.0.iter().flat_map(|template| &template.slots).map(|slot| slot.batch_bytes).collect()
    }

    /// The number of partitions of a request.
    pub(super) fn partitions(&self, number: usize) -> usize {
        self.0[number % self.0.len()].slots.len()
    }

    /// The counts of one request.
    pub(super) fn counts(&self, number: usize) -> Counts {
        self.0[number % self.0.len()].counts
    }

    /// The head of a request, patched, and its body. `partitions` are pairs of an index and a sequence number.
    pub(super) fn patched(
        &mut self,
        number: usize,
        correlation: i32,
        identity: Identity,
        partitions: &[(u32, i32)],
    ) -> (&[u8], &Bytes) {
        let count = self.0.len();
        let Template { head, slots, body, .. } = &mut self.0[number % count];
        head[CORRELATION_AT..CORRELATION_AT + 4].copy_from_slice(&correlation.to_be_bytes());
        for (slot, (partition, sequence)) in slots.iter().zip(partitions) {
            head[slot.index_at..slot.index_at + 4].copy_from_slice(&partition.to_be_bytes());
            let in_head = slot.batch_bytes.min(head.len() - slot.batch_at);
            let batch = &mut head[slot.batch_at..slot.batch_at + in_head];
            set_producer(batch, &body[..slot.batch_bytes - in_head], identity, *sequence);
        }
        (head, body)
    }
}

/// Writes the producer's fields into a batch of two parts, of which the first holds the header, and renews its CRC.
fn set_producer(batch: &mut [u8], rest: &[u8], identity: Identity, sequence: i32) {
    let fields = &mut batch[PRODUCER_AT..BatchHeader::LEN - 4];
    fields[..8].copy_from_slice(&identity.producer_id.to_be_bytes());
    fields[8..10].copy_from_slice(&identity.producer_epoch.to_be_bytes());
    fields[10..].copy_from_slice(&sequence.to_be_bytes());
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(&batch[ATTRIBUTES_AT..]);
    digest.update(rest);
    let crc = digest.finalize() as u32;
    batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
}

impl Template {
    fn build(topic: &str, load: &Load, id: Option<&str>, batches: Vec<Bytes>) -> Result<Template> {
        let data = (0..).zip(&batches).map(|(index, batch)| {
            PartitionProduceData::default().with_index(index).with_records(Some(batch.clone()))
        });
        let data =
            TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(data.collect());
        let request = ProduceRequest::default()
            .with_transactional_id(id.map(|id| TransactionalId(StrBytes::from_string(id.to_owned()))))
            .with_acks(-1)
            .with_timeout_ms(TIMEOUT_MS)
            .with_topic_data(vec![data]);
        let frame = encoded(produce_version(load.producer), 0, &request)?;
        let mut slots = Vec::with_capacity(batches.len());
        // From the end: each batch is followed by the tags of its partition, the last one by all three.
        let mut end = frame.len() - (TAIL.len() - 1);
        for (index, batch) in batches.iter().enumerate().rev() {
            let batch_at = end.checked_sub(1 + batch.len()).context("an unknown produce layout")?;
            let index_at = batch_at - uvarint_bytes(batch.len() + 1) - 4;
            ensure!(
                frame[batch_at..batch_at + batch.len()] == *batch
                    && frame[index_at..index_at + 4] == u32::try_from(index)?.to_be_bytes(),
                "an unknown produce layout"
            );
            slots.push(Slot { index_at, batch_at, batch_bytes: batch.len() });
            end = index_at;
        }
        slots.reverse();
        let last = slots.last().context("a request without a batch")?.batch_at;
        let mut head = frame;
        let body = head.split_off(last + BatchHeader::LEN).freeze();
        let bytes = batches.iter().map(|batch| batch.len() as u64).sum();
        let records = u64::from(load.records) * batches.len() as u64;
        // Its own allocation: small bodies of many producers would otherwise hold their heads twice.
        let body = body.clone().copy_to_bytes(body.len());
        Ok(Template { head, slots, body, counts: Counts { requests: 1, records, bytes } })
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use codec::Request as _;
    use codec::frame::RequestHeader;
    use codec::records::RecordBatch;

    use super::*;
    use crate::loads::Spec;

    #[test]
    fn patched_requests_are_what_the_codec_would_write() {
        for text in [
            "txn-one",
            "txn-v1-16",
            "txn-full",
            "idempotent-1k",
            "txn-wide:touched=2500,partitions=2500",
            "txn-one:record-bytes=0",
            "txn-full:compression=lz4",
        ] {
            let load = Spec::from_str(text).unwrap().load;
            let id = load.producer.is_transactional().then_some("some-id");
            let mut requests = Requests::build("some-topic", &load, id).unwrap();
            let total: usize = (0..requests.len()).map(|number| requests.partitions(number)).sum();
            assert!(load.touched == 1 || total == load.touched as usize, "{text}");
            for number in 0..2 * requests.len() {
                let count = requests.partitions(number);
                let wanted: Vec<(u32, i32)> =
                    (0..count as u32).map(|at| (at * 7, 1000 + at as i32)).collect();
                let identity = Identity { producer_id: 1 << 40, producer_epoch: 77 };
                let counts = requests.counts(number);
                let (head, body) = requests.patched(number, 0x0102_0304, identity, &wanted);
                let mut frame = Bytes::from([head, body].concat());
                assert_eq!(frame.split_to(4)[..], (frame.len() as u32).to_be_bytes());
                let header = RequestHeader::parse(&mut frame).unwrap();
                assert_eq!((header.api_key, header.correlation_id), (0, 0x0102_0304));
                let request = ProduceRequest::decode(frame, header.api_version).unwrap();
                assert_eq!(request.transactional_id.as_ref().map(|id| id.as_str()), id);
                assert_eq!(request.acks, -1);
                let partitions = &request.topic_data[0].partition_data;
                let mut bytes = 0;
                for (partition, (index, sequence)) in partitions.iter().zip(&wanted) {
                    assert_eq!(partition.index.cast_unsigned(), *index);
                    // Checks the CRC too.
                    let batch = RecordBatch::parse(partition.records.clone().unwrap()).unwrap();
                    let header = batch.header();
                    assert_eq!((header.producer_id, header.producer_epoch), (1 << 40, 77));
                    assert_eq!(header.base_sequence, *sequence);
                    assert_eq!(header.attributes.is_transactional(), id.is_some());
                    bytes += batch.size_bytes() as u64;
                }
                assert_eq!((partitions.len(), bytes), (count, counts.bytes), "{text}");
            }
        }
    }
}
