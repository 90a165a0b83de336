//! The records of a streams group (KIP-1071). Encoding of numbers, strings and lists as in
//! `group/records.rs`.
//!
//! | record | key | value |
//! | --- | --- | --- |
//! | streams group | `11 ‖ string(group)` | see below |
//! | streams group member | `12 ‖ string(group) ‖ string(member)` | see below |
//! | streams topology | `13 ‖ string(group)` | see below |
//! | streams target assignment | `14 ‖ string(group) ‖ string(member)` | see below |
//! | streams current assignment | `15 ‖ string(group) ‖ string(member)` | see below |
//!
//! *Streams group*: `version: u8 = 0 ‖ group_epoch: i32 ‖ assignment_epoch: i32 ‖ assigned_at_ms: i64 (0:
//! never) ‖ metadata_hash: u64 ‖ validated_topology_epoch: i32 (−1: none) ‖ option(standby_replicas: u32) ‖
//! empty_since_ms: i64`. The hash is that of consumer groups, over the topics that the topology needs.
//!
//! *Streams group member*, what it said of itself: `version: u8 = 0 ‖ option(string) rack_id ‖ string
//! client_id ‖ string client_host ‖ rebalance_timeout_ms: u32 ‖ topology_epoch: i32 ‖ string process_id ‖
//! option(string host ‖ port: u32) user_endpoint ‖ list(string key ‖ string value) client_tags`.
//!
//! *Streams topology*: `version: u8 = 0 ‖ epoch: i32 ‖ list(subtopology)`, where a *subtopology* is `string
//! id ‖ list(string) source_topics ‖ list(internal topic) repartition_source_topics ‖ list(string)
//! repartition_sink_topics ‖ list(internal topic) state_changelog_topics ‖ list(list(i32) source_topics ‖
//! list(i32) repartition_source_topics) copartition_groups`, and an *internal topic* `string name ‖
//! partitions: i32 ‖ replication_factor: i32 ‖ list(string key ‖ string value) configs`. Numbers in a
//! copartition group are indexes into the lists of the subtopology.
//!
//! *Streams target assignment*: `version: u8 = 0 ‖ tasks active ‖ tasks standby`, where *tasks* is
//! `list(string subtopology ‖ list(partition: i32))`.
//!
//! *Streams current assignment*: `version: u8 = 0 ‖ state: u8 ‖ member_epoch: i32 ‖ previous_epoch: i32 ‖
//! held assigned ‖ held revoking`, where *held* is `list(string subtopology ‖ list(partition: i32 ‖
//! assignment_epoch: i32)) active ‖ tasks standby`. The *state* is 0 if the member has all tasks of its
//! epoch's target, 1 while it has to give tasks up, 2 while it waits for tasks that other members still have.

use std::sync::Arc;

use super::member::{Current, Endpoint, Metadata};
use super::tasks::{EpochTasks, HeldTasks, TaskLists, Tasks};
use super::topology::{Configs, CopartitionGroup, InternalTopic, Subtopology, Topology};
use crate::group::records::{Key, Reader, Writer};
use crate::group::{GroupId, MemberId};
use crate::state_machine::{Record, RecordError, TooLong};

/// The persistent part of a streams group as a whole, without its topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamsGroupEpochs {
    pub epoch: i32,
    pub assignment_epoch: i32,
    /// Wall clock, milliseconds, as the other.
    pub assigned_at_ms: i64,
    pub metadata_hash: u64,
    pub validated_topology_epoch: i32,
    pub standby_replicas: Option<u32>,
    pub empty_since_ms: i64,
}

impl Record {
    /// The record of a group's epochs.
    pub(super) fn streams_group(group: &GroupId, epochs: &StreamsGroupEpochs) -> Result<Record, TooLong> {
        let mut out = Writer::value();
        out.i32(epochs.epoch);
        out.i32(epochs.assignment_epoch);
        out.i64(epochs.assigned_at_ms);
        out.u64(epochs.metadata_hash);
        out.i32(epochs.validated_topology_epoch);
        out.flag(epochs.standby_replicas.is_some());
        if let Some(replicas) = epochs.standby_replicas {
            out.u32(replicas);
        }
        out.i64(epochs.empty_since_ms);
        Record::value(&Key::StreamsGroup { group: group.clone() }, out)
    }

    /// The record of what a member said of itself.
    pub(super) fn streams_member(
        group: &GroupId,
        member: &MemberId,
        said: &Metadata,
    ) -> Result<Record, TooLong> {
        let mut out = Writer::value();
        out.option_string(said.rack_id.as_deref());
        out.string(&said.client_id);
        out.string(&said.client_host);
        out.u32(said.rebalance_timeout_ms);
        out.i32(said.topology_epoch);
        out.string(&said.process_id);
        out.flag(said.user_endpoint.is_some());
        if let Some(endpoint) = &said.user_endpoint {
            out.string(&endpoint.host);
            out.u32(endpoint.port.into());
        }
        put_pairs(&mut out, said.client_tags.iter());
        Record::value(&Key::StreamsMember { group: group.clone(), member: member.clone() }, out)
    }

    /// The record of the topology.
    pub(super) fn streams_topology(group: &GroupId, topology: &Topology) -> Result<Record, TooLong> {
        let mut out = Writer::value();
        out.i32(topology.epoch);
        out.list(topology.subtopologies.iter(), |out, (id, parts)| {
            out.string(id);
            out.list(parts.source_topics.iter(), |out, name| out.string(name));
            put_internal_topics(out, &parts.repartition_source_topics);
            out.list(parts.repartition_sink_topics.iter(), |out, name| out.string(name));
            put_internal_topics(out, &parts.state_changelog_topics);
            out.list(parts.copartition_groups.iter(), |out, group| {
                for places in [&group.source_topics, &group.repartition_source_topics] {
                    out.list(places.iter(), |out, place| out.i32(i32::from(*place)));
                }
            });
        });
        Record::value(&Key::StreamsTopology { group: group.clone() }, out)
    }

    /// The record of a member's target assignment.
    pub(super) fn streams_target(
        group: &GroupId,
        member: &MemberId,
        target: &TaskLists,
    ) -> Result<Record, TooLong> {
        let mut out = Writer::value();
        put_tasks(&mut out, &target.active);
        put_tasks(&mut out, &target.standby);
        Record::value(&Key::StreamsTarget { group: group.clone(), member: member.clone() }, out)
    }

    /// The record of a member's current assignment.
    pub(super) fn streams_current(
        group: &GroupId,
        member: &MemberId,
        current: &Current,
    ) -> Result<Record, TooLong> {
        let key = Key::StreamsCurrent { group: group.clone(), member: member.clone() };
        Record::value(&key, current.encode(put_held))
    }
}

/// Reads the value of a streams group's record.
///
/// # Errors
/// If it is of a newer version, or does not parse to its last byte; as the functions below.
pub fn decode_epochs(value: &[u8]) -> Result<StreamsGroupEpochs, RecordError> {
    let mut from = Reader::new(value);
    from.version()?;
    let epochs = StreamsGroupEpochs {
        epoch: from.i32()?,
        assignment_epoch: from.i32()?,
        assigned_at_ms: from.i64()?,
        metadata_hash: from.u64()?,
        validated_topology_epoch: from.i32()?,
        standby_replicas: from.option(Reader::u32)?,
        empty_since_ms: from.i64()?,
    };
    from.end()?;
    Ok(epochs)
}

/// Reads the value of a member's record.
///
/// # Errors
/// As [`decode_epochs`].
pub fn decode_metadata(value: &[u8]) -> Result<Metadata, RecordError> {
    let mut from = Reader::new(value);
    from.version()?;
    let said = Metadata {
        rack_id: from.option(Reader::str)?.map(Arc::from),
        client_id: from.str()?.into(),
        client_host: from.str()?.into(),
        rebalance_timeout_ms: from.u32()?,
        topology_epoch: from.i32()?,
        process_id: from.str()?.into(),
        user_endpoint: from.option(|from| {
            let host = from.str()?.into();
            let port = from.u32()?.try_into().map_err(|_| RecordError::Damaged("has a port above 65535"))?;
            Ok(Endpoint { host, port })
        })?,
        client_tags: pairs(&mut from)?.into_iter().collect(),
    };
    from.end()?;
    Ok(said)
}

/// Reads the value of a topology's record.
///
/// # Errors
/// As [`decode_epochs`]; also if a copartition group names a topic that its subtopology does not read.
pub fn decode_topology(value: &[u8]) -> Result<Topology, RecordError> {
    let mut from = Reader::new(value);
    from.version()?;
    let mut topology = Topology { epoch: from.i32()?, ..Topology::default() };
    for _ in 0..from.count()? {
        let id = Arc::from(from.str()?);
        let parts = Subtopology {
            source_topics: strings(&mut from)?,
            repartition_source_topics: internal_topics(&mut from)?,
            repartition_sink_topics: strings(&mut from)?,
            state_changelog_topics: internal_topics(&mut from)?,
            copartition_groups: list(&mut from, |from| {
                let (source_topics, repartition_source_topics) = (list(from, place)?, list(from, place)?);
                Ok(CopartitionGroup { source_topics, repartition_source_topics })
            })?,
        };
        if parts.copartition_groups.iter().any(|group| parts.copartitioned(group).is_none()) {
            return Err(RecordError::Damaged("has a copartition group with a missing topic"));
        }
        topology.subtopologies.insert(id, parts);
    }
    from.end()?;
    Ok(topology)
}

/// Reads the value of a target assignment.
///
/// # Errors
/// As [`decode_epochs`].
pub fn decode_target(value: &[u8]) -> Result<TaskLists, RecordError> {
    let mut from = Reader::new(value);
    from.version()?;
    let target = TaskLists { active: tasks(&mut from)?, standby: tasks(&mut from)? };
    from.end()?;
    Ok(target)
}

/// Reads the value of a current assignment.
///
/// # Errors
/// As [`decode_epochs`].
pub fn decode_current(value: &[u8]) -> Result<Current, RecordError> {
    Current::decode(value, held)
}

fn put_tasks(out: &mut Writer, tasks: &Tasks) {
    out.list(tasks.iter(), |out, (subtopology, partitions)| {
        out.string(subtopology);
        out.list(partitions.iter(), |out, partition| out.i32(*partition));
    });
}

fn put_held(out: &mut Writer, held: &HeldTasks) {
    out.list(held.active.iter(), |out, (subtopology, tasks)| {
        out.string(subtopology);
        out.list(tasks.iter(), |out, (partition, epoch)| {
            out.i32(*partition);
            out.i32(*epoch);
        });
    });
    put_tasks(out, &held.standby);
}

fn put_pairs<'a>(out: &mut Writer, pairs: impl ExactSizeIterator<Item = (&'a Arc<str>, &'a Arc<str>)>) {
    out.list(pairs, |out, (key, value)| {
        out.string(key);
        out.string(value);
    });
}

fn put_internal_topics(out: &mut Writer, topics: &[InternalTopic]) {
    out.list(topics.iter(), |out, topic| {
        out.string(&topic.name);
        out.i32(topic.partitions);
        out.i32(topic.replication_factor.into());
        put_pairs(out, topic.configs.iter().map(|(key, value)| (key, value)));
    });
}

/// A list, each entry by `each`.
fn list<T>(
    from: &mut Reader<'_>,
    mut each: impl FnMut(&mut Reader<'_>) -> Result<T, RecordError>,
) -> Result<Vec<T>, RecordError> {
    (0..from.count()?).map(|_| each(from)).collect()
}

fn strings(from: &mut Reader<'_>) -> Result<Vec<Arc<str>>, RecordError> {
    list(from, |from| Ok(from.str()?.into()))
}

fn pairs(from: &mut Reader<'_>) -> Result<Configs, RecordError> {
    list(from, |from| Ok((from.str()?.into(), from.str()?.into())))
}

/// A number of 16 bits, which is stored in 32.
fn place(from: &mut Reader<'_>) -> Result<i16, RecordError> {
    from.i32()?.try_into().map_err(|_| RecordError::Damaged("has a number above 32767"))
}

fn internal_topics(from: &mut Reader<'_>) -> Result<Vec<InternalTopic>, RecordError> {
    list(from, |from| {
        let name = from.str()?.into();
        let (partitions, replication_factor) = (from.i32()?, place(from)?);
        Ok(InternalTopic { name, partitions, replication_factor, configs: pairs(from)? })
    })
}

fn tasks(from: &mut Reader<'_>) -> Result<Tasks, RecordError> {
    let mut tasks = Tasks::new();
    for _ in 0..from.count()? {
        let subtopology = Arc::from(from.str()?);
        tasks.insert(subtopology, list(from, |from| from.i32())?.into_iter().collect());
    }
    Ok(tasks)
}

fn held(from: &mut Reader<'_>) -> Result<HeldTasks, RecordError> {
    let mut active = EpochTasks::new();
    for _ in 0..from.count()? {
        let subtopology = Arc::from(from.str()?);
        let tasks = list(from, |from| Ok((from.i32()?, from.i32()?)))?;
        active.insert(subtopology, tasks.into_iter().collect());
    }
    Ok(HeldTasks { active, standby: tasks(from)? })
}

#[cfg(test)]
mod tests;
