//! The reports as text for people.

use std::fmt::Write as _;

use storage::inspect::{
    BatchCounts, BatchPlace, BatchReport, Damage, FamilyReport, JournalReport, JournalRole, NextStart,
    PartitionReport, Position, RecordReport, ReplayReport, Report, SettledFileReport,
};

use super::table::{Table, moment, name, size, span};

/// The whole folder. `counts`: of the partitions, if they were counted.
pub(super) fn report(report: &Report, counts: &[BatchCounts], checked: bool) -> String {
    let mut text = String::new();
    folder(&mut text, report);
    next_start(&mut text, &report.next_start, report.in_use);
    section(&mut text, "generations", &families(&report.families, report.now_ms));
    section(&mut text, "journal", &journals(&report.journals));
    if !report.settled_files.is_empty() {
        section(&mut text, "settled files", &settled_files(&report.settled_files));
    }
    section(&mut text, "partitions", &partitions(&report.partitions, counts));
    transactions(&mut text, &report.partitions);
    damage(&mut text, &report.damage, checked);
    text
}

/// Some partitions of a topic, each with its extents.
pub(super) fn topic(found: &[PartitionReport], counts: &[BatchCounts], damaged: &[Damage]) -> String {
    let mut text = String::new();
    section(&mut text, "partitions", &partitions(found, counts));
    transactions(&mut text, found);
    let mut table = Table::new(&["PARTITION", "FROM", "TO", "IN", "LIVE"], &[0, 1, 2, 4]);
    for partition in found {
        for extent in &partition.extents {
            table.row([
                partition.partition.to_string(),
                extent.base_offset.to_string(),
                extent.end_offset.to_string(),
                extent.family.clone(),
                size(extent.live_bytes),
            ]);
        }
    }
    section(&mut text, "extents", &table);
    if !damaged.is_empty() {
        damage(&mut text, damaged, true);
    }
    text
}

fn line(text: &mut String, what: &str, how: &str) {
    let _ = writeln!(text, "  {what:<14} {how}");
}

fn section(text: &mut String, title: &str, table: &Table) {
    let _ = match table.len() {
        0 => writeln!(text, "\n{title}: none"),
        _ => write!(text, "\n{title}\n{}", table.text()),
    };
}

fn position(position: &Position) -> String {
    format!("byte {} of {}", position.offset, position.file)
}

fn folder(text: &mut String, report: &Report) {
    let _ = writeln!(text, "data folder {}", report.path.display());
    let format = report.format.map_or("unknown: its file is missing".into(), |format| format.to_string());
    line(text, "format", &format);
    let in_use = match report.in_use {
        true => {
            "yes: a broker holds ottla.lock; this is its state of a moment ago, and the journal's end moves"
        }
        false => "no",
    };
    line(text, "in use", in_use);
    let Some(cluster) = &report.cluster else { return };
    line(text, "cluster id", &name(&cluster.cluster_id));
    line(text, "node epoch", &cluster.node_epoch.to_string());
    line(text, "open for", &span(i64::try_from(cluster.open_ms).unwrap_or(i64::MAX)));
    line(
        text,
        "next ids",
        &format!("partition {}, producer {}", cluster.next_partition, cluster.next_producer_id),
    );
}

fn next_start(text: &mut String, start: &NextStart, in_use: bool) {
    let title = if in_use { "next start, if the broker were killed now" } else { "next start" };
    let _ = writeln!(text, "\n{title}");
    match &start.refused {
        Some(why) => line(text, "refused", &name(why)),
        None if start.new => line(text, "outcome", "a new folder"),
        None => line(text, "outcome", "starts"),
    }
    match start.unclean {
        Some(true) => line(text, "last stop", "unclean: leader epochs rise by one"),
        Some(false) if !start.new => line(text, "last stop", "clean"),
        _ => {}
    }
    if let Some(found) = &start.replay {
        replay(text, found);
    }
    for deleted in &start.deleted {
        line(text, "deletes", &format!("{deleted}: nothing refers to it"));
    }
}

fn replay(text: &mut String, found: &ReplayReport) {
    let ReplayReport { records, operations_bytes, body_bytes, .. } = found;
    let groups =
        found.groups.map_or(String::new(), |(first, last)| format!(", write groups {first} to {last}"));
    let bytes = format!("{} of operations, {} of batches", size(*operations_bytes), size(*body_bytes));
    line(text, "replays", &format!("{records} records{groups}: {bytes}"));
    line(text, "from", &position(&found.from));
    line(text, "journal ends", &format!("{}: {}", position(&found.end), found.why));
    line(text, "durable mark", &found.mark.as_ref().map_or("none".into(), position));
    if found.cut_bytes > 0 {
        line(text, "cuts off", &format!("{} bytes of {}", found.cut_bytes, found.end.file));
    }
    for (file, bytes) in &found.deleted {
        line(text, "deletes", &format!("{file}, {bytes} bytes: it lies after the end"));
    }
}

fn families(families: &[FamilyReport], now: i64) -> Table {
    let columns = ["FAMILY", "CREATED", "AGE", "SEALED", "FILES", "BYTES", "JOURNAL", "EXTENTS", "LIVE", ""];
    let mut table = Table::new(&columns, &[2, 4, 5, 6, 7, 8]);
    for family in families {
        let time = |time: Option<i64>| time.map_or("-".into(), moment);
        let note = match (family.current, family.named) {
            (true, _) => "takes appends",
            (_, false) => "not named: dropped at the next start",
            _ => "",
        };
        table.row([
            family.name.clone(),
            time(family.created_ms),
            family.created_ms.map_or("-".into(), |created| span(now.saturating_sub(created))),
            time(family.sealed_ms),
            family.files.to_string(),
            size(family.file_bytes),
            size(family.journal_bytes),
            family.extents.to_string(),
            size(family.live_bytes),
            note.into(),
        ]);
    }
    table
}

fn journals(journals: &[JournalReport]) -> Table {
    let columns = ["FILE", "BYTES", "HEADER", "RECORDS", "GROUPS", "FROM", "END", "BATCHES", "MARK", ""];
    let mut table = Table::new(&columns, &[1, 3, 5, 6, 7]);
    for journal in journals {
        let records = journal.records.as_ref();
        let number = |value: Option<u64>| value.map_or("-".into(), |value| value.to_string());
        let groups = records.and_then(|records| records.groups);
        table.row([
            journal.name.clone(),
            journal.bytes.to_string(),
            if journal.header { "good" } else { "damaged" }.into(),
            number(records.map(|records| records.records)),
            groups.map_or("-".into(), |(first, last)| format!("{first}..{last}")),
            number(records.map(|records| records.from)),
            number(records.map(|records| records.end)),
            number(records.map(|records| records.bodies)),
            mark(records.and_then(|records| records.durable.as_ref())),
            role(journal.role).into(),
        ]);
    }
    table
}

fn settled_files(files: &[SettledFileReport]) -> Table {
    let mut table = Table::new(&["FILE", "BYTES", "LIVE", ""], &[1, 2]);
    for file in files {
        let note = if file.named == Some(false) { "deleted at the next start" } else { "" };
        let live = file.live_bytes.map_or("-".into(), |bytes| bytes.to_string());
        table.row([file.name.clone(), file.bytes.to_string(), live, note.into()]);
    }
    table
}

fn role(role: JournalRole) -> &'static str {
    match role {
        JournalRole::Current => "takes appends",
        JournalRole::Living => "batches may live in it",
        JournalRole::Replay => "read by a replay only",
        JournalRole::Deleted => "deleted at the next start",
        JournalRole::Unknown => "",
    }
}

fn mark(position: Option<&Position>) -> String {
    position.map_or("-".into(), |position| format!("{}:{}", position.file, position.offset))
}

fn partitions(partitions: &[PartitionReport], counts: &[BatchCounts]) -> Table {
    const COLUMNS: [&str; 12] = [
        "TOPIC",
        "PARTITION",
        "NUMBER",
        "START",
        "END",
        "EPOCH",
        "BYTES",
        "PRODUCERS",
        "EXTENTS",
        "INLINE",
        "IN JOURNAL",
        "IN SETTLED FILES",
    ];
    let counted = !counts.is_empty();
    let columns = COLUMNS.iter().take(if counted { 12 } else { 9 }).copied().chain(["TOPIC ID"]);
    let numbers = if counted { &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11][..] } else { &[1, 2, 3, 4, 5, 6, 7, 8] };
    let mut table = Table::new(&columns.collect::<Vec<_>>(), numbers);
    for (index, partition) in partitions.iter().enumerate() {
        let mut cells = vec![
            name(&partition.topic),
            partition.partition.to_string(),
            partition.number.to_string(),
            partition.log_start_offset.to_string(),
            partition.log_end_offset.to_string(),
            partition.leader_epoch.to_string(),
            size(partition.size_bytes),
            partition.producers.to_string(),
            partition.extents.len().to_string(),
        ];
        if let Some(counts) = counts.get(index) {
            cells.push(format!("{} ({})", counts.inline, size(counts.inline_bytes)));
            cells.push(format!("{} ({})", counts.in_journal, size(counts.in_journal_bytes)));
            cells.push(format!("{} ({})", counts.in_settled_files, size(counts.in_settled_files_bytes)));
        }
        cells.push(partition.topic_id.to_string());
        table.row(cells);
    }
    table
}

/// The transactions that are open, and how many aborted ones readers are told of; nothing where there are neither.
fn transactions(text: &mut String, partitions: &[PartitionReport]) {
    let mut open = Table::new(&["TOPIC", "PARTITION", "PRODUCER", "EPOCH", "FIRST OFFSET"], &[1, 2, 3, 4]);
    let mut aborted = Table::new(&["TOPIC", "PARTITION", "ABORTED"], &[1, 2]);
    for partition in partitions {
        for transaction in &partition.open_transactions {
            open.row([
                name(&partition.topic),
                partition.partition.to_string(),
                transaction.producer_id.to_string(),
                transaction.producer_epoch.to_string(),
                transaction.first_offset.to_string(),
            ]);
        }
        if partition.aborted_transactions > 0 {
            aborted.row([
                name(&partition.topic),
                partition.partition.to_string(),
                partition.aborted_transactions.to_string(),
            ]);
        }
    }
    for (title, table) in [("open transactions", open), ("aborted transactions", aborted)] {
        if table.len() > 0 {
            section(text, title, &table);
        }
    }
}

fn damage(text: &mut String, damage: &[Damage], checked: bool) {
    match (damage, checked) {
        ([], true) => text.push_str("\ndamage: none\n"),
        ([], false) => text.push_str("\ndamage: none seen; --check reads every batch\n"),
        _ => {
            let _ = writeln!(text, "\ndamage");
            for Damage { place, detail, effect } in damage {
                let _ = writeln!(text, "  {}: {}; {}", name(place), name(detail), effect);
            }
        }
    }
}

/// One batch, field by field.
pub(super) fn batch(batch: &BatchReport) -> String {
    let mut text = format!("batch at offset {}\n", batch.base_offset);
    let place = match &batch.place {
        BatchPlace::Inline { family } => format!("column family {family} of RocksDB"),
        BatchPlace::Journal(place) | BatchPlace::Settled(place) => position(place),
    };
    line(&mut text, "lies in", &place);
    let state = batch.fault.as_deref().map_or("good".into(), |fault| format!("damaged: {}", name(fault)));
    line(&mut text, "checksum", &state);
    let Some(header) = &batch.header else { return text };
    let mut row = |what: &str, value: String| line(&mut text, what, &value);
    row("offsets", format!("{} to {}", header.base_offset, header.next_offset() - 1));
    row("records", header.records_count.to_string());
    row("bytes", header.size_bytes().to_string());
    row("leader epoch", header.partition_leader_epoch.to_string());
    row(
        "timestamps",
        format!("from {} up to {}", moment(header.base_timestamp), moment(header.max_timestamp)),
    );
    let compression = header.attributes.compression();
    row("compression", compression.map_or_else(|error| error.to_string(), |one| format!("{one:?}")));
    row("attributes", format!("{:#06x}, {:?}", header.attributes.0, header.attributes.timestamp_type()));
    row("producer", format!("id {}, epoch {}", header.producer_id, header.producer_epoch));
    row("sequence", header.base_sequence.to_string());
    row("CRC-32C", format!("{:08x}", header.crc));
    text
}

/// Some records of one journal file.
pub(super) fn records(records: &[RecordReport]) -> String {
    let columns = ["OFFSET", "BYTES", "GROUP", "BATCHES", "THEIR BYTES", "OPERATIONS", "MARK", "CHECKSUMS"];
    let mut table = Table::new(&columns, &[0, 1, 2, 3, 4, 5]);
    for record in records {
        table.row([
            record.offset.to_string(),
            record.bytes.to_string(),
            record.group.map_or("-".into(), |group| group.to_string()),
            record.bodies.to_string(),
            record.body_bytes.to_string(),
            record.operations_bytes.to_string(),
            mark(record.durable.as_ref()),
            record.fault.as_deref().map_or("good".into(), name),
        ]);
    }
    table.text()
}
