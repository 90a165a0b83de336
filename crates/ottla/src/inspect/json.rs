//! The reports as JSON for programs. Numbers are exact, times are Unix ms, and a value that is not known is null.

use serde_json::{Value, json};
use storage::inspect::{
    BatchCounts, BatchPlace, BatchReport, Damage, FamilyReport, JournalReport, JournalRole, NextStart,
    PartitionReport, Position, RecordReport, ReplayReport, Report, SettledFileReport,
};

/// The whole folder. `counts`: of the partitions, if they were counted.
pub(super) fn report(report: &Report, counts: &[BatchCounts]) -> Value {
    let cluster = report.cluster.as_ref().map(|cluster| {
        json!({
            "cluster_id": cluster.cluster_id,
            "node_epoch": cluster.node_epoch,
            "next_partition": cluster.next_partition,
            "next_producer_id": cluster.next_producer_id,
            "open_ms": cluster.open_ms,
        })
    });
    json!({
        "path": report.path.to_string_lossy(),
        "now_ms": report.now_ms,
        "format": report.format,
        "in_use": report.in_use,
        "cluster": cluster,
        "next_start": next_start(&report.next_start),
        "families": report.families.iter().map(family).collect::<Vec<_>>(),
        "journals": report.journals.iter().map(journal).collect::<Vec<_>>(),
        "settled_files": report.settled_files.iter().map(settled_file).collect::<Vec<_>>(),
        "partitions": partitions(&report.partitions, counts),
        "damage": damage(&report.damage),
    })
}

/// Some partitions of a topic.
pub(super) fn topic(found: &[PartitionReport], counts: &[BatchCounts], damaged: &[Damage]) -> Value {
    json!({ "partitions": partitions(found, counts), "damage": damage(damaged) })
}

fn position(position: &Position) -> Value {
    json!({ "file": position.file, "offset": position.offset })
}

fn groups(groups: Option<(u64, u64)>) -> Value {
    groups.map_or(Value::Null, |(first, last)| json!([first, last]))
}

fn next_start(start: &NextStart) -> Value {
    json!({
        "refused": start.refused,
        "new": start.new,
        "unclean": start.unclean,
        "replay": start.replay.as_ref().map(replay),
        "deleted": start.deleted,
    })
}

fn replay(replay: &ReplayReport) -> Value {
    let deleted = replay.deleted.iter().map(|(file, bytes)| json!({ "file": file, "bytes": bytes }));
    json!({
        "from": position(&replay.from),
        "records": replay.records,
        "groups": groups(replay.groups),
        "operations_bytes": replay.operations_bytes,
        "body_bytes": replay.body_bytes,
        "end": position(&replay.end),
        "why": replay.why,
        "mark": replay.mark.as_ref().map(position),
        "cut_bytes": replay.cut_bytes,
        "deleted": deleted.collect::<Vec<_>>(),
    })
}

fn family(family: &FamilyReport) -> Value {
    json!({
        "name": family.name,
        "generation": family.generation,
        "current": family.current,
        "named": family.named,
        "created_ms": family.created_ms,
        "sealed_ms": family.sealed_ms,
        "files": family.files,
        "file_bytes": family.file_bytes,
        "journal_bytes": family.journal_bytes,
        "extents": family.extents,
        "live_bytes": family.live_bytes,
    })
}

fn journal(journal: &JournalReport) -> Value {
    let role = match journal.role {
        JournalRole::Current => "current",
        JournalRole::Living => "living",
        JournalRole::Replay => "replay",
        JournalRole::Deleted => "deleted",
        JournalRole::Unknown => "unknown",
    };
    let records = journal.records.as_ref().map(|records| {
        json!({
            "from": records.from,
            "records": records.records,
            "groups": groups(records.groups),
            "bodies": records.bodies,
            "body_bytes": records.body_bytes,
            "operations_bytes": records.operations_bytes,
            "durable": records.durable.as_ref().map(position),
            "end": records.end,
        })
    });
    json!({
        "name": journal.name,
        "generation": journal.generation,
        "bytes": journal.bytes,
        "header": journal.header,
        "role": role,
        "records": records,
    })
}

fn settled_file(file: &SettledFileReport) -> Value {
    json!({
        "name": file.name,
        "number": file.number,
        "bytes": file.bytes,
        "named": file.named,
        "live_bytes": file.live_bytes,
    })
}

fn partitions(partitions: &[PartitionReport], counts: &[BatchCounts]) -> Vec<Value> {
    let each = |(index, partition): (usize, &PartitionReport)| {
        let extents = partition.extents.iter().map(|extent| {
            json!({
                "base_offset": extent.base_offset,
                "end_offset": extent.end_offset,
                "family": extent.family,
                "live_bytes": extent.live_bytes,
            })
        });
        let batches = counts.get(index).map(|counts| {
            json!({
                "inline": counts.inline,
                "inline_bytes": counts.inline_bytes,
                "in_journal": counts.in_journal,
                "in_journal_bytes": counts.in_journal_bytes,
                "in_settled_files": counts.in_settled_files,
                "in_settled_files_bytes": counts.in_settled_files_bytes,
                "damaged": counts.damaged,
            })
        });
        let open = partition.open_transactions.iter().map(|open| {
            json!({
                "producer_id": open.producer_id,
                "producer_epoch": open.producer_epoch,
                "first_offset": open.first_offset,
            })
        });
        json!({
            "topic": partition.topic,
            "topic_id": partition.topic_id.to_string(),
            "partition": partition.partition,
            "number": partition.number,
            "log_start_offset": partition.log_start_offset,
            "log_end_offset": partition.log_end_offset,
            "leader_epoch": partition.leader_epoch,
            "size_bytes": partition.size_bytes,
            "last_stable_offset": partition.last_stable_offset,
            "producers": partition.producers,
            "open_transactions": open.collect::<Vec<_>>(),
            "aborted_transactions": partition.aborted_transactions,
            "extents": extents.collect::<Vec<_>>(),
            "batches": batches,
        })
    };
    partitions.iter().enumerate().map(each).collect()
}

fn damage(damage: &[Damage]) -> Vec<Value> {
    let each = |Damage { place, detail, effect }: &Damage| json!({ "place": place, "detail": detail, "effect": effect });
    damage.iter().map(each).collect()
}

/// One batch, or null.
pub(super) fn batch(batch: Option<&BatchReport>) -> Value {
    let Some(batch) = batch else { return json!({ "batch": null }) };
    let place = match &batch.place {
        BatchPlace::Inline { family } => json!({ "family": family }),
        BatchPlace::Journal(place) | BatchPlace::Settled(place) => position(place),
    };
    let header = batch.header.as_ref().map(|header| {
        json!({
            "base_offset": header.base_offset,
            "last_offset": header.next_offset() - 1,
            "records": header.records_count,
            "bytes": header.size_bytes(),
            "leader_epoch": header.partition_leader_epoch,
            "attributes": header.attributes.0,
            "base_timestamp": header.base_timestamp,
            "max_timestamp": header.max_timestamp,
            "producer_id": header.producer_id,
            "producer_epoch": header.producer_epoch,
            "base_sequence": header.base_sequence,
            "crc": header.crc,
        })
    });
    json!({
        "batch": {
            "base_offset": batch.base_offset,
            "place": place,
            "header": header,
            "fault": batch.fault,
        }
    })
}

/// One record of a journal file.
pub(super) fn record(record: &RecordReport) -> Value {
    json!({
        "offset": record.offset,
        "bytes": record.bytes,
        "group": record.group,
        "bodies": record.bodies,
        "body_bytes": record.body_bytes,
        "operations_bytes": record.operations_bytes,
        "durable": record.durable.as_ref().map(position),
        "fault": record.fault,
    })
}
