//! Turns the batches of a fetch into message sets for consumers that know no record batches (Fetch 0–3).
//!
//! Guarantees that an answer does not grow beyond what was read for it, except by the first batch of a partition, which is
//! always converted whole so that a consumer gets on; and that one batch at a time is open, between which other tasks
//! get their turn. Newer fetches never come here. Kafka had this until 4.0: `RecordsUtil.downConvert`,
//! `LazyDownConversionRecords`.
//!
//! Markers of transactions and emptied batches become nothing. Where an answer holds nothing else it is empty, and such
//! a consumer gets on when records follow, as in Kafka.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use codec::ErrorCode;
use codec::message_set::{MessageFormat, downgrade};
use codec::records::{self, BatchError};

use super::answer::Fetched;
use super::set::PartitionFetch;
use crate::topics::error::PartitionError;
use crate::topics::names::TopicRef;

/// The formats of consumers that know no batches; `None` from Fetch 4 on.
pub(crate) fn message_format(fetch_version: i16) -> Option<MessageFormat> {
    // Messages with timestamps came with Fetch 2 (KIP-32), batches with Fetch 4 (KIP-98).
    match fetch_version {
        ..=1 => Some(MessageFormat::V0),
        2 | 3 => Some(MessageFormat::V1),
        _ => None,
    }
}

/// The offset at which a fetch began to read in each partition.
#[derive(Debug)]
pub(crate) struct FetchOffsets(HashMap<(TopicRef, i32), i64>);

impl FetchOffsets {
    /// As a request gives them.
    pub(crate) fn of(wanted: &[PartitionFetch]) -> Self {
        let offset = |one: &PartitionFetch| ((one.topic.clone(), one.index), one.fetch_offset);
        Self(wanted.iter().map(offset).collect())
    }
}

/// Converts the batches of every partition.
pub(crate) async fn down_convert(fetched: &mut Fetched, format: MessageFormat, offsets: &FetchOffsets) {
    for answer in &mut fetched.partitions {
        // A refusal has no batches.
        let Ok(served) = &mut answer.outcome else { continue };
        let place = (answer.topic.clone(), answer.index);
        // Every version that is converted for has no sessions, so each partition is one of the request.
        let from =
            offsets.0.get(&place).copied().expect("a fetch without a session answers what it was asked");
        match converted(&served.batches, format, from).await {
            Ok(sets) => {
                served.bytes = sets.iter().map(Bytes::len).sum();
                served.batches = sets;
            }
            Err(error) => {
                tracing::debug!(%error, "a batch cannot be converted for a consumer before Fetch 4");
                answer.outcome = Err(refusal(&error));
            }
        }
    }
}

/// The message sets of batches, as many as take no more room than the batches, but the first in any case. A batch that
/// cannot be converted is an error if nothing comes before it; else the next fetch meets it first.
async fn converted(batches: &[Bytes], format: MessageFormat, from: i64) -> Result<Vec<Bytes>, BatchError> {
    let room: usize = batches.iter().map(Bytes::len).sum();
    let (mut sets, mut taken) = (Vec::new(), 0);
    for batch in batches.iter().flat_map(records::batches) {
        let mut set = BytesMut::new();
        let converted = batch.and_then(|(_, batch)| downgrade(&batch, format, from, &mut set));
        match converted {
            Err(error) if taken == 0 => return Err(error),
            Err(_) => break,
            Ok(()) if taken > 0 && taken + set.len() > room => break,
            Ok(()) => {}
        }
        if !set.is_empty() {
            taken += set.len();
            sets.push(set.freeze());
        }
        // The loop has no other wait: a long answer would keep the thread from its other tasks.
        tokio::task::yield_now().await;
    }
    Ok(sets)
}

fn refusal(error: &BatchError) -> PartitionError {
    match error.error_code() {
        ErrorCode::UnsupportedCompressionType => PartitionError::UnsupportedCompressionType,
        _ => PartitionError::CorruptRecords,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::message_set::MessageSet;
    use codec::records::{BatchBuilder, Compression};

    fn batch(offset: i64, compression: Compression) -> Bytes {
        let value = [7; 1000];
        let builder = BatchBuilder::new().base_offset(offset).compression(compression);
        builder.record(1, None, Some(&value)).record(2, None, Some(&value)).build()
    }

    async fn sets(batches: &[Bytes], from: i64) -> Result<Vec<Bytes>, BatchError> {
        converted(batches, MessageFormat::V1, from).await
    }

    #[test]
    fn formats_follow_kafkas_versions() {
        let formats: Vec<_> = (0..=5).map(message_format).collect();
        let (v0, v1) = (Some(MessageFormat::V0), Some(MessageFormat::V1));
        assert_eq!(formats, [v0, v0, v1, v1, None, None]);
    }

    #[tokio::test]
    async fn each_batch_becomes_a_set() {
        let plain = |offset| batch(offset, Compression::None);
        let all = sets(&[plain(0), plain(2)], 1).await.unwrap();
        let messages: Vec<usize> = all.iter().map(|set| set.len() / 1034).collect();
        assert_eq!(messages, [1, 2], "the first begins with the offset that was asked for");
    }

    #[tokio::test]
    async fn an_answer_does_not_outgrow_what_was_read() {
        // Records without content take five times the room in the old format.
        let mut small = BatchBuilder::new();
        (0..1000).for_each(|_| small.push(1, None, None, &[]));
        let batches = vec![small.build(); 10];
        let read: usize = batches.iter().map(Bytes::len).sum();
        let first = sets(&batches[..1], 0).await.unwrap();
        assert!(first[0].len() > 4 * batches[0].len(), "the first is converted whole");
        let all: usize = sets(&batches, 0).await.unwrap().iter().map(Bytes::len).sum();
        assert!((first[0].len()..=read).contains(&all), "{all} of {read}");
    }

    #[tokio::test]
    async fn what_old_consumers_cannot_read_is_refused_when_it_is_reached() {
        let (zstd, gzip) = (batch(2, Compression::Zstd), batch(0, Compression::Gzip));
        let refused = sets(std::slice::from_ref(&zstd), 2).await.unwrap_err();
        assert_eq!(refusal(&refused), PartitionError::UnsupportedCompressionType);
        let before = sets(&[gzip, zstd], 0).await.unwrap();
        assert_eq!(before.len(), 1);
        assert!(MessageSet::parse(&before[0]).is_ok());
        let mut corrupt = batch(0, Compression::None).to_vec();
        corrupt[70] ^= 1;
        let refused = sets(&[corrupt.into()], 0).await.unwrap_err();
        assert_eq!(refusal(&refused), PartitionError::CorruptRecords);
    }

    #[tokio::test]
    async fn what_becomes_nothing_does_not_hide_what_follows() {
        let emptied = BatchBuilder::new().build();
        let all = sets(&[emptied, batch(1, Compression::None)], 0).await.unwrap();
        assert_eq!(all.len(), 1);
    }
}
