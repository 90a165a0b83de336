//! Reads only the needed parts of answers: errors, and the first and last offsets of fetched batches.
//!
//! By hand and without allocating, because at 100 000 answers a second the driver itself would otherwise be
//! measured. Layouts: Produce and Fetch response, version 12, one topic per request.

use anyhow::{Context as _, Result, bail, ensure};
use codec::ErrorCode;
use codec::records::BatchHeader;

/// A cursor over an answer; every read is checked.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("the answer ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>().context("the answer ends too early")?;
        self.0 = rest;
        Ok(*taken)
    }

    fn i16(&mut self) -> Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    fn uvarint(&mut self) -> Result<usize> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        bail!("a varint of more than five bytes")
    }

    /// The length of a compact array, string or bytes; null counts as empty.
    fn count(&mut self) -> Result<usize> {
        Ok(self.uvarint()?.saturating_sub(1))
    }

    fn skip_tags(&mut self) -> Result<()> {
        for _ in 0..self.uvarint()? {
            self.uvarint()?;
            let len = self.uvarint()?;
            self.take(len)?;
        }
        Ok(())
    }

    /// Correlation id and the tags after it.
    fn header(&mut self) -> Result<i32> {
        let correlation = self.i32()?;
        self.skip_tags()?;
        Ok(correlation)
    }

    fn skip_topic_name(&mut self) -> Result<()> {
        let len = self.count()?;
        self.take(len)?;
        Ok(())
    }
}

fn ensure_none(error_code: i16, what: &str) -> Result<()> {
    ensure!(error_code == 0, "{what}: {:?} ({error_code})", ErrorCode::from_code(error_code));
    Ok(())
}

/// A produce answer: its correlation id.
///
/// # Errors
/// If the batch was refused.
pub(crate) fn produced(frame: &[u8]) -> Result<i32> {
    let mut cursor = Cursor(frame);
    let correlation = cursor.header()?;
    ensure!(cursor.count()? == 1, "a produce answer without the topic");
    cursor.skip_topic_name()?;
    ensure!(cursor.count()? == 1, "a produce answer without the partition");
    cursor.i32()?;
    ensure_none(cursor.i16()?, "Produce")?;
    Ok(correlation)
}

/// A fetch answer without its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) correlation: i32,
    /// 0 if the broker keeps no session.
    pub(crate) session_id: i32,
}

/// Walks a fetch answer: `each` gets every partition's index and records.
///
/// # Errors
/// If the request or a partition was refused.
pub(crate) fn fetched(frame: &[u8], mut each: impl FnMut(i32, &[u8]) -> Result<()>) -> Result<Fetched> {
    let mut cursor = Cursor(frame);
    let correlation = cursor.header()?;
    cursor.i32()?; // throttle_time_ms
    ensure_none(cursor.i16()?, "Fetch")?;
    let session_id = cursor.i32()?;
    for _ in 0..cursor.count()? {
        cursor.skip_topic_name()?;
        for _ in 0..cursor.count()? {
            let index = cursor.i32()?;
            let error_code = cursor.i16()?;
            cursor.take(8 + 8 + 8)?; // high_watermark, last_stable_offset, log_start_offset
            for _ in 0..cursor.count()? {
                cursor.take(8 + 8)?; // an aborted transaction
                cursor.skip_tags()?;
            }
            cursor.i32()?; // preferred_read_replica
            let len = cursor.count()?;
            let records = cursor.take(len)?;
            cursor.skip_tags()?;
            ensure_none(error_code, "Fetch of a partition")?;
            each(index, records)?;
        }
        cursor.skip_tags()?;
    }
    Ok(Fetched { correlation, session_id })
}

/// The whole batches in fetched records; a last one that was cut is left out.
pub(crate) fn whole_batches(
    mut records: &[u8],
    mut each: impl FnMut(&BatchHeader) -> Result<()>,
) -> Result<()> {
    while records.len() >= BatchHeader::LEN {
        let header = BatchHeader::parse(records)?;
        let Some(rest) = records.get(header.size_bytes()..) else { break };
        each(&header)?;
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
        let fetched = fetched(&fetch_answer(0), |index, records| {
            whole_batches(records, |header| {
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
        assert!(fetched(&fetch_answer(1), |_, _| Ok(())).is_err());
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
            assert!(fetched(&fetch[..cut], |_, _| Ok(())).is_err(), "cut at {cut}");
        }
    }
}
