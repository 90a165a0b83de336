//! Offsets of a share group: those up to which all records are done (DescribeShareGroupOffsets, API 90).

use codec::messages::DescribeShareGroupOffsetsRequest;
use codec::messages::describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup;

use super::{Committed, Offsets, group_id};
use crate::client::{Coordinators, Partition, refused};
use crate::failure::Failure;
use crate::output::escaped;

/// The start offsets of a share group: their distance to the end of the log counts records that are delivered and not yet acknowledged, too. None where the
/// broker does not tell them (before Kafka 4.1).
///
/// # Errors
/// The coordinator does not answer, or refuses.
pub(crate) fn started(cluster: &mut Coordinators, group: &str) -> Result<Offsets, Failure> {
    if !cluster.serves::<DescribeShareGroupOffsetsRequest>(group, 0)? {
        return Ok(Offsets::new());
    }
    let all =
        DescribeShareGroupOffsetsRequestGroup::default().with_group_id(group_id(group)).with_topics(None);
    let request = DescribeShareGroupOffsetsRequest::default().with_groups(vec![all]);
    let answer = cluster.call(group, 0..=0, &request, |answer| {
        answer.groups.iter().map(|group| group.error_code).collect()
    })?;
    let doing = || format!("read the offsets of group {}", escaped(group));
    let mut offsets = Offsets::new();
    for of in answer.groups {
        if of.error_code != 0 {
            let message = of.error_message.as_deref().filter(|text| !text.is_empty());
            return Err(refused(&doing(), of.error_code, message));
        }
        for topic in of.topics {
            for one in topic.partitions {
                if one.error_code != 0 {
                    return Err(refused(&doing(), one.error_code, one.error_message.as_deref()));
                }
                let key = Partition { topic: topic.topic_name.to_string(), index: one.partition_index };
                // A negative offset is none: the partition was not read yet.
                if one.start_offset >= 0 {
                    offsets.insert(
                        key,
                        Committed { offset: one.start_offset, metadata: String::new(), leader_epoch: None },
                    );
                }
            }
        }
    }
    Ok(offsets)
}
