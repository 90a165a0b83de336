//! Reads only the needed parts of answers: errors, and the first and last offsets of fetched batches.
//!
//! By hand and without allocating, because at 100 000 answers a second the driver itself would otherwise be
//! measured. Layouts: Produce and Fetch response, version 12, one topic per request.

use anyhow::{Result, ensure};
use codec::ErrorCode;
use codec::cursor::{Cursor, Prefix};
use codec::records::BatchHeader;

/// The number of elements of an array; a null array has none.
fn count(from: &mut Cursor<'_>, expected: &'static str) -> Result<usize> {
    Ok(from.nullable_count(Prefix::Compact, 1, expected)?.unwrap_or(0))
}

/// Correlation id and the tagged fields after it.
fn header(from: &mut Cursor<'_>) -> Result<i32> {
    let correlation = from.i32("correlation id")?;
    from.skip_tagged_fields()?;
    Ok(correlation)
}

/// # Errors
/// There is an error code: the load fails with its name.
fn ensure_none(error_code: i16, what: &str) -> Result<()> {
    ensure!(error_code == 0, "{what}: {:?} ({error_code})", ErrorCode::from_code(error_code));
    Ok(())
}

/// A produce answer: its correlation id.
///
/// # Errors
/// If the batch was refused.
pub(crate) fn produced(frame: &[u8]) -> Result<i32> {
    let mut from = Cursor::new(frame);
    let correlation = header(&mut from)?;
    ensure!(count(&mut from, "topics")? == 1, "a produce answer without the topic");
    from.bytes(Prefix::Compact, "topic")?;
    ensure!(count(&mut from, "partitions")? == 1, "a produce answer without the partition");
    from.i32("partition")?;
    ensure_none(from.i16("error code")?, "Produce")?;
    Ok(correlation)
}

/// A produce answer of one topic: its correlation id, and the first error code that is not 0.
///
/// # Errors
/// It does not have that many partitions.
pub(crate) fn produced_all(frame: &[u8], partitions: usize) -> Result<(i32, i16)> {
    let mut from = Cursor::new(frame);
    let correlation = header(&mut from)?;
    ensure!(count(&mut from, "topics")? == 1, "a produce answer without the topic");
    from.bytes(Prefix::Compact, "topic")?;
    ensure!(count(&mut from, "partitions")? == partitions, "a produce answer without all partitions");
    let mut error = 0;
    for _ in 0..partitions {
        from.i32("partition")?;
        let code = from.i16("error code")?;
        error = if error == 0 { code } else { error };
        from.take(8 + 8 + 8, "base offset, log append time, log start offset")?;
        for _ in 0..count(&mut from, "record errors")? {
            from.i32("record")?;
            from.nullable_bytes(Prefix::Compact, "message of a record")?;
            from.skip_tagged_fields()?;
        }
        from.nullable_bytes(Prefix::Compact, "message")?;
        from.skip_tagged_fields()?;
    }
    Ok((correlation, error))
}

/// A fetch answer without its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) correlation: i32,
    /// 0 if the broker keeps no session.
    pub(crate) session_id: i32,
}

/// An aborted transaction of a fetch answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
}

/// Walks a fetch answer: `each` gets every partition's index, aborted transactions and records.
///
/// # Errors
/// If the request or a partition was refused.
pub(crate) fn fetched(
    frame: &[u8],
    mut each: impl FnMut(i32, Vec<Aborted>, &[u8]) -> Result<()>,
) -> Result<Fetched> {
    let mut from = Cursor::new(frame);
    let correlation = header(&mut from)?;
    from.i32("throttle time")?;
    ensure_none(from.i16("error code")?, "Fetch")?;
    let session_id = from.i32("session id")?;
    for _ in 0..count(&mut from, "topics")? {
        from.bytes(Prefix::Compact, "topic")?;
        for _ in 0..count(&mut from, "partitions")? {
            let index = from.i32("partition")?;
            let error_code = from.i16("error code")?;
            from.take(8 + 8 + 8, "high watermark, last stable offset, log start offset")?;
            // Allocates nothing where none was aborted.
            let mut aborted = Vec::new();
            for _ in 0..count(&mut from, "aborted transactions")? {
                let producer_id = from.i64("producer id")?;
                aborted.push(Aborted { producer_id, first_offset: from.i64("first offset")? });
                from.skip_tagged_fields()?;
            }
            from.i32("preferred read replica")?;
            let records = from.nullable_bytes(Prefix::Compact, "records")?;
            from.skip_tagged_fields()?;
            ensure_none(error_code, "Fetch of a partition")?;
            // A partition without records may say so by null.
            each(index, aborted, records.unwrap_or_default())?;
        }
        from.skip_tagged_fields()?;
    }
    Ok(Fetched { correlation, session_id })
}

/// The whole batches in fetched records; a last one that was cut is left out.
pub(crate) fn whole_batches(
    mut records: &[u8],
    mut each: impl FnMut(&BatchHeader, &[u8]) -> Result<()>,
) -> Result<()> {
    while records.len() >= BatchHeader::LEN {
        let header = BatchHeader::parse(records)?;
        // A broker may cut the last batch where the limit of bytes is reached.
        let Some((batch, rest)) = records.split_at_checked(header.size_bytes()) else { break };
        each(&header, batch)?;
        records = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use codec::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData};
    use codec::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
    use codec::messages::{self, ProduceResponse};
    use codec::records::BatchBuilder;
    use codec::{Chain, FetchResponse, Response, frame};

    use super::*;
    use crate::control::topic_name;
    use crate::frames::{FETCH_VERSION, PRODUCE_VERSION};

    fn answer<R: Response>(key: i16, version: i16, response: &R) -> Bytes {
        let mut chain = Chain::new();
        frame::response_header(77, key, version, &mut chain);
        response.encode(version, &mut chain).unwrap();
        chain.into_bytes()
    }

    fn produce_answer(error_code: i16) -> Bytes {
        let partition = PartitionProduceResponse::default()
            .with_index(5)
            .with_error_code(error_code)
            .with_base_offset(1 << 40);
        let topic = TopicProduceResponse::default()
            .with_name(topic_name("topic"))
            .with_partition_responses(vec![partition]);
        answer(0, PRODUCE_VERSION, &ProduceResponse::default().with_responses(vec![topic]))
    }

    fn fetch_answer(error_code: i16) -> Bytes {
        let batch = |offset| BatchBuilder::new().base_offset(offset).record(1, None, Some(b"value")).build();
        let records = [&batch(3)[..], &batch(4), &batch(5)[..70]].concat();
        let partition = |index| {
            PartitionData::default()
                .with_partition_index(index)
                .with_aborted_transactions(Some(vec![AbortedTransaction::default()]))
                .with_records(Some(records.clone().into()))
        };
        let empty = PartitionData::default().with_partition_index(9).with_error_code(error_code);
        let topic = FetchableTopicResponse::default().with_topic(topic_name("topic")).with_partitions(vec![
            partition(7),
            partition(8),
            empty,
        ]);
        let message = messages::FetchResponse::default().with_session_id(99).with_responses(vec![topic]);
        answer(1, FETCH_VERSION, &FetchResponse::from(message))
    }

    #[test]
    fn reads_what_the_codec_writes() {
        assert_eq!(produced(&produce_answer(0)).unwrap(), 77);
        let mut seen = Vec::new();
        let fetched = fetched(&fetch_answer(0), |index, _, records| {
            whole_batches(records, |header, _| {
                seen.push((index, header.base_offset, header.records_count));
                Ok(())
            })
        });
        assert_eq!(fetched.unwrap(), Fetched { correlation: 77, session_id: 99 });
        assert_eq!(seen, [(7, 3, 1), (7, 4, 1), (8, 3, 1), (8, 4, 1)], "a batch that was cut is none");
    }

    #[test]
    fn a_refusal_is_an_error() {
        assert!(produced(&produce_answer(3)).is_err());
        assert!(fetched(&fetch_answer(1), |_, _, _| Ok(())).is_err());
    }

    #[test]
    fn any_truncation_is_an_error() {
        let (produce, fetch) = (produce_answer(0), fetch_answer(0));
        // The error code ends at 19.
        for cut in 0..19 {
            assert!(produced(&produce[..cut]).is_err(), "cut at {cut}");
        }
        // The last byte is the count of tags, which is not read.
        for cut in 0..fetch.len() - 1 {
            assert!(fetched(&fetch[..cut], |_, _, _| Ok(())).is_err(), "cut at {cut}");
        }
    }
}
