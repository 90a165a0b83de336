//! DescribeLogDirs 5, by hand because kafka-protocol ends with version 4.
//!
//! - 0: laid out as 1, with which kafka-protocol begins.
//! - 5 (KIP-1066): the answer says of a folder if it takes no new partitions (`cordoned.log.dirs`). Ottla has no such
//!   key, so it is always false.

use std::ops::RangeInclusive;

use bytes::BufMut;

use crate::error::{DecodeError, EncodeError};
use crate::extended::{Extended, Layout};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use crate::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};

impl Extended for DescribeLogDirsRequest {
    const NAME: &'static str = "DescribeLogDirsRequest";
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const FLEXIBLE_FROM: i16 = 2;

    fn layout(version: i16) -> Layout {
        // The request is the same at 0 and 1, and at 4 and 5.
        Layout::KafkaProtocol(version.clamp(1, 4))
    }
}

impl Extended for DescribeLogDirsResponse {
    const NAME: &'static str = "DescribeLogDirsResponse";
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const FLEXIBLE_FROM: i16 = 2;

    fn layout(version: i16) -> Layout {
        if version > 4 { Layout::Own } else { Layout::KafkaProtocol(version.max(1)) }
    }

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let response = DescribeLogDirsResponse::default()
            .with_throttle_time_ms(from.i32("ThrottleTimeMs")?)
            .with_error_code(from.i16("ErrorCode")?);
        // Error code, empty name, no topics, two sizes, a flag; the tagged fields would be one more.
        let results = from.array(21, "Results", |from| {
            let result = DescribeLogDirsResult::default()
                .with_error_code(from.i16("ErrorCode")?)
                .with_log_dir(from.string("LogDir")?)
                .with_topics(from.array(3, "Topics", read_topic)?)
                .with_total_bytes(from.i64("TotalBytes")?)
                .with_usable_bytes(from.i64("UsableBytes")?);
            // kafka-protocol's struct has no field for it.
            let _is_cordoned = from.bool("IsCordoned")?;
            from.tags()?;
            Ok(result)
        })?;
        from.tags()?;
        Ok(response.with_results(results))
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        to.out.put_i32(self.throttle_time_ms);
        to.out.put_i16(self.error_code);
        to.array(&self.results, |to, result| {
            to.out.put_i16(result.error_code);
            to.string(&result.log_dir)?;
            to.array(&result.topics, write_topic)?;
            to.out.put_i64(result.total_bytes);
            to.out.put_i64(result.usable_bytes);
            let is_cordoned = false;
            to.bool(is_cordoned);
            to.tags();
            Ok(())
        })?;
        to.tags();
        Ok(())
    }
}

/// A topic of a result, at version 5.
fn read_topic(from: &mut FieldReader<'_>) -> Result<DescribeLogDirsTopic, DecodeError> {
    let topic = DescribeLogDirsTopic::default().with_name(TopicName(from.string("Name")?));
    let partitions = from.array(22, "Partitions", |from| {
        let partition = DescribeLogDirsPartition::default()
            .with_partition_index(from.i32("PartitionIndex")?)
            .with_partition_size(from.i64("PartitionSize")?)
            .with_offset_lag(from.i64("OffsetLag")?)
            .with_is_future_key(from.bool("IsFutureKey")?);
        from.tags()?;
        Ok(partition)
    })?;
    from.tags()?;
    Ok(topic.with_partitions(partitions))
}

/// As [`read_topic`], for writing.
fn write_topic(to: &mut FieldWriter<'_>, topic: &DescribeLogDirsTopic) -> Result<(), EncodeError> {
    to.string(&topic.name)?;
    to.array(&topic.partitions, |to, partition| {
        to.out.put_i32(partition.partition_index);
        to.out.put_i64(partition.partition_size);
        to.out.put_i64(partition.offset_lag);
        to.bool(partition.is_future_key);
        to.tags();
        Ok(())
    })?;
    to.tags();
    Ok(())
}
