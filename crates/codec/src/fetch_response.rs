//! The Fetch response, written so that record data is never copied.
//!
//! kafka-protocol writes into one contiguous buffer; the batches of a Fetch response are most of
//! what a broker sends, so here they are spliced into the [`Chain`] as they are. Same bytes, all
//! versions. Fields that a version lacks are left out, as are tagged fields at their defaults.
//! A partition may bring its batches as they lie in the log, in several buffers ([`FetchResponse`]).
//!
//! The bytes are those that kafka-protocol would write, which the tests compare for every version
//! that it has. A field of a later version is left out where kafka-protocol would fail.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes};
use kafka_protocol::protocol::Encodable;

use crate::chain::Chain;
use crate::error::EncodeError;
use crate::extended::Extended;
use crate::messages;
use crate::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use crate::varint::put_uvarint;

/// A Fetch response whose partitions may have several buffers of records each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FetchResponse {
    /// All of it but the records that are in `batches`.
    pub message: messages::FetchResponse,
    /// The records of each partition of `message`, counted over all topics, to be sent one after
    /// another. A partition with an entry here has no `records` of its own; those after the last
    /// entry do. Empty in a response that was decoded.
    /// A list without buffers is an empty field, not null.
    pub batches: Vec<Vec<Bytes>>,
}

impl From<messages::FetchResponse> for FetchResponse {
    fn from(message: messages::FetchResponse) -> Self {
        FetchResponse { message, batches: Vec::new() }
    }
}

/// From this version on there are transactions, and before it message sets instead of batches (KIP-98).
const TRANSACTIONS_FROM: i16 = 4;
/// From this version on lengths are varints and structs end in tagged fields.
const FLEXIBLE_FROM: i16 = 12;
/// From this version on topics are named by their ids (KIP-516).
const TOPIC_IDS_FROM: i16 = 13;

struct Encoder<'a> {
    /// Record data is pushed to it, all else goes into its buffer.
    out: &'a mut Chain,
    version: i16,
    /// Those of the partitions that are not yet written.
    batches: std::slice::Iter<'a, Vec<Bytes>>,
}

/// Appends `response` to `out`.
///
/// # Errors
/// If there is no such version, or a length does not fit its field.
pub(crate) fn encode(response: &FetchResponse, version: i16, out: &mut Chain) -> Result<(), EncodeError> {
    let mut encoder = Encoder { out, version, batches: response.batches.iter() };
    // All versions, also those before 4 that kafka-protocol does not write.
    if !<messages::FetchResponse as Extended>::VERSIONS.contains(&version) {
        return Err(encoder.error("no such version".to_owned()));
    }
    encoder.response(&response.message)
}

impl Encoder<'_> {
    /// The whole body.
    fn response(&mut self, response: &messages::FetchResponse) -> Result<(), EncodeError> {
        let out = self.out.buf();
        if self.version >= 1 {
            out.put_i32(response.throttle_time_ms);
        }
        // Fetch sessions (KIP-227).
        if self.version >= 7 {
            out.put_i16(response.error_code);
            out.put_i32(response.session_id);
        }
        self.count(Some(response.responses.len()))?;
        for topic in &response.responses {
            self.topic(topic)?;
        }
        if self.flexible() {
            // The addresses of other leaders (KIP-951); absent without any.
            let endpoints = &response.node_endpoints;
            let known = usize::from(self.version >= 16 && !endpoints.is_empty());
            self.count_of_tags(known + response.unknown_tagged_fields.len())?;
            if known == 1 {
                // A tagged field has its size before it, which is known only once the field is written.
                let mut nested = Chain::new();
                let mut encoder = Encoder { out: &mut nested, version: self.version, batches: [].iter() };
                encoder.count(Some(endpoints.len()))?;
                for endpoint in endpoints {
                    encoder.nested(endpoint)?;
                }
                self.tagged(0, &nested.into_bytes())?;
            }
            self.unknown_tagged(&response.unknown_tagged_fields)?;
        }
        Ok(())
    }

    /// A topic by its name or its id, never by both.
    fn topic(&mut self, topic: &FetchableTopicResponse) -> Result<(), EncodeError> {
        if self.version >= TOPIC_IDS_FROM {
            self.out.buf().put_slice(topic.topic_id.as_bytes());
        } else {
            self.string(&topic.topic)?;
        }
        self.count(Some(topic.partitions.len()))?;
        for partition in &topic.partitions {
            self.partition(partition)?;
        }
        if self.flexible() {
            self.count_of_tags(topic.unknown_tagged_fields.len())?;
            self.unknown_tagged(&topic.unknown_tagged_fields)?;
        }
        Ok(())
    }

    /// A partition with its record data.
    fn partition(&mut self, partition: &PartitionData) -> Result<(), EncodeError> {
        let out = self.out.buf();
        out.put_i32(partition.partition_index);
        out.put_i16(partition.error_code);
        out.put_i64(partition.high_watermark);
        if self.version >= TRANSACTIONS_FROM {
            out.put_i64(partition.last_stable_offset);
            if self.version >= 5 {
                // Deletion of records may have moved it (KIP-107).
                out.put_i64(partition.log_start_offset);
            }
            // Null for a reader of uncommitted records, who has none to skip.
            let aborted = partition.aborted_transactions.as_deref();
            self.count(aborted.map(<[_]>::len))?;
            for transaction in aborted.unwrap_or_default() {
                self.nested(transaction)?;
            }
        }
        // Reading from followers (KIP-392).
        if self.version >= 11 {
            self.out.buf().put_i32(*partition.preferred_read_replica);
        }
        // One list for each partition, in the order of the message; after the last the message has
        // the records.
        match self.batches.next() {
            Some(batches) => self.records(Some(batches))?,
            None => self.records(partition.records.as_ref().map(std::slice::from_ref))?,
        }
        if self.flexible() {
            self.partition_tags(partition)?;
        }
        Ok(())
    }

    /// Record data of this many bytes in all, as one field. `None` is null.
    ///
    /// # Errors
    /// If they are more than 2 GiB together.
    fn records(&mut self, buffers: Option<&[Bytes]>) -> Result<(), EncodeError> {
        self.count(buffers.map(|buffers| buffers.iter().map(Bytes::len).sum()))?;
        for buffer in buffers.unwrap_or_default() {
            // The clone is a reference to the same bytes.
            self.out.push_bytes(buffer.clone());
        }
        Ok(())
    }

    /// The tagged fields of a partition: 0 where logs diverge (KIP-595), 1 the current leader, 2 a snapshot.
    fn partition_tags(&mut self, partition: &PartitionData) -> Result<(), EncodeError> {
        // All are looked at first, as their number comes before them.
        let diverging_epoch = present(&partition.diverging_epoch);
        let current_leader = present(&partition.current_leader);
        let snapshot_id = present(&partition.snapshot_id);
        let known = usize::from(diverging_epoch.is_some())
            + usize::from(current_leader.is_some())
            + usize::from(snapshot_id.is_some());
        self.count_of_tags(known + partition.unknown_tagged_fields.len())?;
        // Tags have to rise (KIP-482).
        self.tagged_struct(0, diverging_epoch)?;
        self.tagged_struct(1, current_leader)?;
        self.tagged_struct(2, snapshot_id)?;
        self.unknown_tagged(&partition.unknown_tagged_fields)
    }

    fn flexible(&self) -> bool {
        self.version >= FLEXIBLE_FROM
    }

    /// The length of an array or of bytes; `None` is null.
    ///
    /// # Errors
    /// Above 2³¹ - 1, in the compact form too: readers in Java count in an `int`.
    fn count(&mut self, count: Option<usize>) -> Result<(), EncodeError> {
        let fits = count.map(|n| i32::try_from(n).map_err(|_| self.error(format!("length {n}"))));
        let count = fits.transpose()?;
        if self.flexible() {
            // Compact lengths are one too high, so that 0 is null (KIP-482).
            put_uvarint(self.out.buf(), count.map_or(0, |n| n.unsigned_abs() + 1));
        } else {
            self.out.buf().put_i32(count.unwrap_or(-1));
        }
        Ok(())
    }

    /// A string that is never null.
    ///
    /// # Errors
    /// If it is longer than 32767 bytes where its length has two.
    fn string(&mut self, string: &str) -> Result<(), EncodeError> {
        if self.flexible() {
            self.count(Some(string.len()))?;
        } else {
            let len = i16::try_from(string.len())
                .map_err(|_| self.error(format!("string of {} bytes", string.len())))?;
            self.out.buf().put_i16(len);
        }
        self.out.buf().put_slice(string.as_bytes());
        Ok(())
    }

    /// A struct small and rare enough to be left to kafka-protocol.
    /// It is written in place, with the layout of the response's version.
    fn nested<T: Encodable>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.encode(self.out.buf(), self.version).map_err(|e| self.error(format!("{e:#}")))
    }

    /// A known tagged field; nothing if it is at its default.
    fn tagged_struct<T: Encodable>(&mut self, tag: u32, value: Option<&T>) -> Result<(), EncodeError> {
        // Its absence is its default (KIP-482).
        let Some(value) = value else { return Ok(()) };
        let mut nested = Chain::new();
        Encoder { out: &mut nested, version: self.version, batches: [].iter() }.nested(value)?;
        self.tagged(tag, &nested.into_bytes())
    }

    /// Fields that a later version defined, from a response that was decoded. A broker's own answers
    /// have none.
    fn unknown_tagged(&mut self, fields: &BTreeMap<i32, Bytes>) -> Result<(), EncodeError> {
        // After the known ones: their numbers are above those, and a map has them in order.
        for (tag, value) in fields {
            self.tagged(tag.cast_unsigned(), value)?;
        }
        Ok(())
    }

    /// One tagged field: number, size, content.
    fn tagged(&mut self, tag: u32, value: &[u8]) -> Result<(), EncodeError> {
        put_uvarint(self.out.buf(), tag);
        self.count_of_tags(value.len())?;
        self.out.buf().put_slice(value);
        Ok(())
    }

    /// A number of tagged fields, or the size of one: never null, so not shifted by one.
    fn count_of_tags(&mut self, count: usize) -> Result<(), EncodeError> {
        let count = u32::try_from(count).map_err(|_| self.error(format!("length {count}")))?;
        put_uvarint(self.out.buf(), count);
        Ok(())
    }

    /// A fault of the caller: no peer has a part in it.
    fn error(&self, reason: String) -> EncodeError {
        EncodeError { message: "FetchResponse", version: self.version, reason }
    }
}

/// A tagged field is only written when it says something.
fn present<T: Default + PartialEq>(value: &T) -> Option<&T> {
    (*value != T::default()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::fetch_response::{
        AbortedTransaction, EpochEndOffset, LeaderIdAndEpoch, NodeEndpoint, SnapshotId,
    };
    use crate::messages::{BrokerId, ProducerId, StrBytes, TopicName};
    use bytes::BytesMut;
    use uuid::Uuid;

    fn partition(records: Option<Bytes>, version: i16) -> PartitionData {
        let mut data = PartitionData::default()
            .with_partition_index(3)
            .with_error_code(1)
            .with_high_watermark(10)
            .with_last_stable_offset(9)
            .with_aborted_transactions(Some(vec![
                AbortedTransaction::default().with_producer_id(ProducerId(5)).with_first_offset(6),
            ]))
            .with_records(records);
        if version >= 5 {
            data.log_start_offset = 1;
        }
        if version >= 11 {
            data.preferred_read_replica = BrokerId(2);
        }
        data
    }

    fn tagged_partition() -> PartitionData {
        partition(None, 12)
            .with_aborted_transactions(None)
            .with_diverging_epoch(EpochEndOffset::default().with_epoch(1).with_end_offset(2))
            .with_current_leader(LeaderIdAndEpoch::default().with_leader_id(BrokerId(1)).with_leader_epoch(7))
            .with_snapshot_id(SnapshotId::default().with_end_offset(4).with_epoch(2))
            .with_unknown_tagged_field(9, Bytes::from_static(b"later"))
    }

    fn response(version: i16) -> messages::FetchResponse {
        let mut topic = FetchableTopicResponse::default().with_partitions(vec![
            partition(Some(Bytes::from(vec![1; 4000])), version),
            partition(Some(Bytes::new()), version),
            partition(None, version),
        ]);
        if version >= FLEXIBLE_FROM {
            topic.partitions.push(tagged_partition());
        }
        if version >= TOPIC_IDS_FROM {
            topic.topic_id = Uuid::from_u128(0x1234);
        } else {
            topic.topic = TopicName(StrBytes::from_static_str("orders"));
        }
        let mut response =
            messages::FetchResponse::default().with_throttle_time_ms(8).with_responses(vec![topic]);
        if version >= 7 {
            response = response.with_error_code(2).with_session_id(99);
        }
        if version >= 16 {
            let endpoint = NodeEndpoint::default()
                .with_node_id(BrokerId(1))
                .with_host(StrBytes::from_static_str("localhost"))
                .with_port(9092);
            response.node_endpoints = vec![endpoint];
        }
        response
    }

    #[test]
    fn writes_the_bytes_that_kafka_protocol_writes() {
        for version in 4..=18 {
            for response in [messages::FetchResponse::default(), response(version)] {
                let mut ours = Chain::new();
                encode(&response.clone().into(), version, &mut ours).unwrap();
                let mut theirs = BytesMut::new();
                response.encode(&mut theirs, version).unwrap();
                assert_eq!(ours.into_bytes(), theirs.freeze(), "version {version}");
            }
        }
    }

    #[test]
    fn shares_record_data() {
        let records = Bytes::from(vec![1; 100_000]);
        let topic =
            FetchableTopicResponse::default().with_partitions(vec![partition(Some(records.clone()), 17)]);
        let mut chain = Chain::new();
        let message = messages::FetchResponse::default().with_responses(vec![topic]);
        encode(&message.into(), 17, &mut chain).unwrap();
        assert!(chain.into_segments().iter().any(|s| s.as_ptr() == records.as_ptr()));
    }

    #[test]
    fn batches_of_a_partition_become_one_field_without_a_copy() {
        for version in 4..=18 {
            let batches: Vec<Bytes> = (1..=3).map(|n| Bytes::from(vec![n; 5000])).collect();
            let mut whole = response(version);
            whole.responses[0].partitions[1].records = Some(batches.concat().into());
            let mut expected = Chain::new();
            encode(&whole.clone().into(), version, &mut expected).unwrap();

            let first = whole.responses[0].partitions[0].records.take().unwrap();
            whole.responses[0].partitions[1].records = None;
            let parts = FetchResponse { message: whole, batches: vec![vec![first], batches.clone()] };
            let mut chain = Chain::new();
            encode(&parts, version, &mut chain).unwrap();
            let segments = chain.into_segments();
            for batch in &batches {
                assert!(segments.iter().any(|s| s.as_ptr() == batch.as_ptr()), "version {version}");
            }
            assert_eq!(segments.concat(), expected.into_bytes(), "version {version}");
        }
    }

    #[test]
    fn fields_that_a_version_lacks_are_left_out() {
        let mut response = response(18);
        response.responses[0].topic = TopicName(StrBytes::from_static_str("orders"));
        response.responses[0].partitions.truncate(3);
        let mut chain = Chain::new();
        let response = response.into();
        encode(&response, 4, &mut chain).unwrap();
        assert!(encode(&response, -1, &mut Chain::new()).is_err());
        assert!(encode(&response, 19, &mut Chain::new()).is_err());
    }
}
