#!/usr/bin/env python3
"""Breaks the storage, the coordinators, logins and the broker around them on purpose, one fault at a time, and sees that their tests notice.

    tools/mutants.py [NAME...]     those whose name contains one of the words, or whose crate is one; without words all
    tools/mutants.py --check       only sees that the sources still have what each mutant replaces: no build
    tools/mutants.py --write       also rewrites the table in docs/mutants.md

Each mutant replaces a piece of text that the sources of its crate hold exactly once. Its own tests are run first, then random walks of
the storage's model (OTTLA_SEEDS, 150 unless it says otherwise) or random histories of a transactional id. Files are restored at the end, also after an interrupt.
CARGO names another cargo, PROFILE=--release the profile.
"""

import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs/mutants.md"
CARGO = [*shlex.split(os.environ.get("CARGO", "cargo")), "test", "-q", "--locked", *shlex.split(os.environ.get("PROFILE", ""))]
# Longer than any test takes: what hangs is noticed too.
SECONDS = int(os.environ.get("OTTLA_MUTANT_SECONDS", "180"))


class Part(typing.NamedTuple):
    """A crate: its sources, what makes Cargo test it, and the tests that each of its mutants must not pass."""
    sources: pathlib.Path
    package: list
    model: list


STORAGE = Part(ROOT / "crates/storage/src", ["-p", "ottla-storage", "--features", "fault"], ["--test", "model", "random_walks"])
BROKER = Part(ROOT / "crates/broker/src", ["-p", "ottla-broker"], ["--lib", "services::coordinator"])
LOGINS = Part(ROOT / "crates/broker/src", ["-p", "ottla-broker"], ["--lib", "kafka::login"])
TLS = Part(ROOT / "crates/broker/src", ["-p", "ottla-broker"], ["--lib", "net::tls"])
ISSUERS = Part(ROOT / "crates/broker/src", ["-p", "ottla-broker"], ["--lib", "services::issuer_keys"])
FURTHER_LOGINS = Part(ROOT / "crates/broker/src", ["-p", "ottla-broker"], ["--lib", "kafka::login::bearer_tests"])
STORES = Part(ROOT / "crates/security/src", ["-p", "ottla-security"], ["--lib", "stores"])
SECURITY = Part(ROOT / "crates/security/src", ["-p", "ottla-security"], ["--lib", "sasl"])
ACLS = Part(ROOT / "crates/security/src", ["-p", "ottla-security"], ["--test", "oracle", "acls", "--", "--ignored"])
QUOTAS = Part(ROOT / "crates/security/src", ["-p", "ottla-security"], ["--lib", "quota"])
WITHOUT_A_LOGIN = Part(ROOT / "crates/broker/src", ["-p", "ottla-broker"], ["--lib", "net::"])
THROTTLES = Part(ROOT / "crates/broker/src", ["-p", "ottla-broker"], ["--lib", "alter_client_quotas"])
TOOLS = Part(ROOT / "crates/cli/src", ["-p", "ottla-cli"], ["--lib"])
COORDINATOR = Part(ROOT / "crates/coordinator/src", ["-p", "ottla-coordinator"], ["--lib", "transaction::history_tests"])

SLOW = ["--test", "slow_flush"]


def unit(name):
    return ["--lib", name]


def faulty(name):
    return ["--test", "model", name]


def whole(name):
    return ["--test", "storage", name]


# Name, what it breaks, edits (text, replacement), tests that must notice.
STORAGE_MUTANTS = [
    ("no durable mark", "records do not tell what was on the disk when they were written",
     [("durable: self.progress.lock().durable,", "durable: JournalPosition::START,")],
     [unit("engine::journal::replay::tests")]),
    ("mark ahead of the sync", "records call durable what is only written",
     [("durable: self.progress.lock().durable,", "durable: self.progress.lock().written,")],
     [unit("engine::journal::replay::tests")]),
    ("mark of the fence ignored", "a loss at the end of the journal is not noticed",
     [("Scan { records: Vec::new(), end: from, mark: fence }", "Scan { records: Vec::new(), end: from, mark: { let _ = fence; JournalPosition::START } }")],
     [whole("folder")]),
    ("fence not moved", "a loss at the end of the journal is not noticed",
     [("if position != self.position {", "if false {")],
     [unit("fence::tests")]),
    ("flush without a sync", "RocksDB may have on the disk what the journal lost",
     [("if self.journal.unsynced_bytes() > 0 {\n            self.sync()?;", "if false {\n            self.sync()?;")],
     []),
    ("body checksum unchecked in a replay", "a torn batch counts as written",
     [("found.end() > mark && !found.has_its_bodies(&files)?", "false && !found.has_its_bodies(&files)?")],
     []),
    ("body checksum unchecked in a read", "a damaged batch is sent to a client",
     [("Ok(found) if found == *header => return Ok(()),", "_ if header.records_count > i32::MIN => return Ok(()),")],
     [whole("damage")]),
    ("checksum of operations unchecked", "a damaged record is applied",
     [("let intact = whole && checksum(&[], trailer) == self.trailer_crc;", "let intact = whole;")],
     [unit("engine::journal::record::tests")]),
    ("header checksum unsalted", "bytes of a client pass for a record",
     [("let crc = checksum(&salt, &out[..HEADER_CRC_AT]);", "let _ = salt;\n        let crc = checksum(&[], &out[..HEADER_CRC_AT]);"),
      ("(checksum(&salt, covered) == u32", "(checksum(&[], covered) == u32")],
     [unit("engine::journal::record::tests")]),
    ("replay one record short", "the newest record is lost",
     [("in entry_log::entries(&found) {\n            // Into", "in entry_log::entries(&found).take(found.records.len().saturating_sub(1)) {\n            // Into")],
     [unit("rocks::tests")]),
    ("replay begins one record late", "operations that RocksDB did not flush are missing",
     [("in entry_log::entries(&found) {\n            // Into", "in entry_log::entries(&found).skip(1) {\n            // Into")],
     [unit("rocks::tests")]),
    ("operations applied twice", "a delete that follows a put is undone",
     [("            self.apply(entry?)?;\n        }\n",
       "            self.apply(entry?)?;\n        }\n"
       "        for entry in entry_log::entries(&found).take(1) {\n            self.apply(entry?)?;\n        }\n")],
     [unit("rocks::tests")]),
    ("group number unchecked", "a record follows a gap",
     [("last.header.group + 1 != found.header.group", "false")],
     [unit("engine::journal::replay::tests")]),
    ("end of the journal not cut off", "old records follow new ones",
     [("file.set_len(end.offset)?;", "")],
     [unit("rocks::tests")]),
    ("later files kept", "old records follow new ones, though an earlier file ended short",
     [("if generation > end.generation {", "if false {")],
     [unit("rocks::tests")]),
    ("kept records not written again", "what a failed sync left in memory counts as synced",
     [("file.write_again(from)?;", "")],
     [faulty("failure")]),
    ("old file not synced after a roll", "records are acknowledged that a power failure takes",
     [("if !progress.unsynced.last().is_some_and(|last| Arc::ptr_eq(last, &end.file)) {", "progress.unsynced.clear();\n        {")],
     [faulty("failure")]),
    ("a sync that failed is forgotten", "records are acknowledged that never reach the disk",
     [("self.progress.lock().failed = Some(error.clone());\n                return Err(error);", "return Err(error);"),
      ("if self.shared.failure.get().is_some() {\n            refuse(first);\n            return None;\n        }\n", "")],
     [faulty("failure")]),
    ("sequences of an ended transaction acknowledged", "records of the next transaction are acknowledged and not written",
     [("header.attributes.is_transactional() && state.is_ended(&batch)", "header.attributes.is_transactional() && state.is_ended(&batch) && false")],
     [unit("log::producer_state::tests")]),
    ("failure noted after its answers", "the cleaner goes on after a failed write, and names a partition that it could read",
     [("            self.shared.failure.set(&error);\n            // No log end", "            // No log end")],
     [faulty("failure")]),
    ("folder not synced after a creation", "a whole journal is missing after a power failure",
     [("sync_folder(folder, faults)?;\n        Ok(Self", "Ok(Self")],
     []),
    ("file unlinked before RocksDB flushed", "a replay lacks its first record",
     [("let flushed = self.unflushed.lock().flushed;", "let flushed = self.unflushed.lock().last_record;")],
     [unit("rocks::tests")]),
    ("flushed position of the end of the flush", "a replay begins after records that RocksDB did not flush",
     [("            self.flushed = upto;", "            self.flushed = self.last_record;")],
     [unit("rocks::tests")]),
    ("flushed position of the next record", "a journal is deleted with the record at which a replay begins",
     [("self.unflushed.lock().begin();\n        Ok(())", "let next = self.journal.next_record()?;\n        let mut unflushed = self.unflushed.lock();\n"
       "        unflushed.last_record = next;\n        unflushed.begin();\n        Ok(())")],
     [unit("rocks::tests")]),
    ("flush not begun", "a replay grows without a bound",
     [("if self.since.reaches(self.limits, AT_ONCE) {", "if false {"),
      ("(self.since.reaches(self.limits, 1) || retired)", "retired")],
     [unit("unflushed::tests"), SLOW]),
    ("slow flush not waited for", "a replay grows while the disk is slower than what is written",
     [("self.under_way.is_some() && self.is_full()", "false")],
     [SLOW]),
    ("long replay not flushed at a start", "a replay grows with each crash",
     [("if self.unflushed.lock().is_full() {", "if false {")],
     [SLOW]),
    ("end of an earlier flush taken for this one", "a journal is deleted before RocksDB flushed",
     [("if self.under_way == Some(upto) {", "if let Some(upto) = self.under_way.or(Some(upto)) {")],
     [unit("unflushed::tests")]),
    ("families flushed one by one", "one has a later position than another has batches",
     [("database.set_atomic_flush(true);", "database.set_atomic_flush(false);")],
     [SLOW]),
    ("resumed flush counts", "RocksDB went on by itself after a full disk",
     [("        // Also now: after a full disk RocksDB resumes by itself, and nothing is left to flush.\n        self.check_background()?;\n", "")],
     [unit("rocks::tests")]),
    ("position of the record not in the WriteBatch", "a replay begins anywhere",
     [("operations.put_cf(&self.state()?, keys::node(NodeKey::Journal), position.encode());", "let _ = (&mut operations, NodeKey::Journal);")],
     [unit("rocks::tests")]),
    ("number of a retired generation reused", "its journal is deleted while it takes records",
     [("self.retired.lock().remove(&generation);\n        let header", "let header")],
     []),
    ("generation reused", "a batch of a later generation is found under the number of an earlier one",
     [("self.highest = GenerationNumber(self.highest.0 + 1);", "self.highest = GenerationNumber(1 + self.highest.0 % 2);")],
     [unit("write::generations::tests")]),
    ("pointer off by a batch", "a reader gets another batch",
     [("self.body_bytes += bytes.len() as u64;", "self.body_bytes += 0;")],
     [whole("log")]),
    ("inline threshold ignored at a read", "large batches are not found in the journal",
     [("IN_JOURNAL => Some(", "IN_JOURNAL if rest.is_empty() => Some(")],
     [unit("engine::pointer::tests")]),
    ("settled copy not synced", "a generation is dropped before its copies are on the disk",
     [("group.after_sync.push(Box::new(drop_it));", "group.after_write.push(Box::new(drop_it));")],
     []),
    ("settled body not synced", "a pointer is ahead of its body",
     [("let written = current.file.write(&mut pieces, start).and_then(|()| current.file.sync());",
       "let written = current.file.write(&mut pieces, start);")],
     [faulty("settled")]),
    ("settled pointer off by a batch", "a reader gets another batch",
     [("current.offset += body.len() as u64;", "current.offset += 0;")],
     [whole("settled")]),
    ("settled file unlinked before the sync", "its pointers come back after a power failure, and it does not",
     [("answer: Answer::Synced,\n            ends_group: false,\n            apply: Box::new(forget),",
       "answer: Answer::Written,\n            ends_group: false,\n            apply: Box::new(forget),")],
     [faulty("settled")]),
    ("deleted batch settled again", "it stays in the settled family for ever",
     [("|| next_offset <= partition.append.lock().log_start.offset", "|| next_offset < 0")],
     [unit("space::edits::tests")]),
    ("copies of a settling that stopped forgotten", "they stay in the settled family for ever",
     [("            partition.note_settled();\n", "")],
     [faulty("settled")]),
    ("settled file not named", "the next start deletes it",
     [("self.put_state(keys::settled_file(file), [1]);", "")],
     [whole("settled")]),
    ("moved batch not looked up again", "a late reader is told that a file is lost",
     [("missing == Some(pointer.place)", "missing.is_none()")],
     [unit("engine::cursor::tests")]),
    ("compaction does not wait for the sync", "RocksDB may have on the disk what the journal lost",
     [("let begun = written.and_then(|()| {\n                engine.sync()?;", "let begun = written.and_then(|()| {")],
     []),
    ("take-over before its sync", "an epoch that clients saw is given again after a power failure",
     [("group.after_sync.push(Box::new(move |durable| done(shard.finish(", "group.after_write.push(Box::new(move |durable| done(shard.finish(")],
     []),
    ("bad sector costs its neighbours", "a client does not get batches that can be read",
     [("// One by one: a bad sector", "if let Some(header) = self.headers.first() { return Err((self.start, unreadable_body(StorageError::Stopped, header, &self.file, 0))); }\n        // One by one: a bad sector")],
     [faulty("bad_sector")]),
    ("batch copied without its bytes", "a batch that could be read later is lost",
     [("let bytes = bytes.map_err(|error| unreadable_body(error, &header, file, place.offset()))?;", "let bytes = bytes.unwrap_or_else(|_| vec![0; header.size_bytes()].into());")],
     [faulty("bad_sector")]),
    ("batches before a bad sector copied with each sweep", "a disk that fails is written to for ever",
     [("if !self.can_be_read(number, catalog) {", "if false {")],
     [faulty("bad_sector")]),
    ("last stable offset is the high watermark", "read_committed shows transactions that are open",
     [("progress.unstable.stable(visible);", "{ let _ = &mut progress.unstable; visible };")],
     [unit("partition::watermarks::tests"), whole("transactions")]),
    ("last stable offset passes an unsynced marker", "read_committed shows what a power failure takes back",
     [("pop_front_if(|(marker, _)| *marker < high_watermark)", "pop_front_if(|_| true)")],
     [unit("partition::unstable::tests"), unit("partition::watermarks::tests")]),
    ("aborted list empty", "read_committed shows aborted records",
     [("if entry.first_offset < self.until {", "if false {")],
     [whole("transactions")]),
    ("aborted list unsorted", "a client takes up an aborted transaction too late",
     [("self.found.sort_unstable_by_key(|entry| entry.first_offset);", "let _ = &mut self.found;")],
     [unit("log::aborted::tests"), whole("transactions")]),
    ("scan of the aborted index ends too early", "read_committed shows aborted records of long transactions",
     [("self.markers_end.min(class.markers_end(self.until))", "self.markers_end.min(self.until)")],
     [unit("aborted::tests")]),
    ("aborted list missing from the tail", "read_committed shows aborted records to consumers that keep up",
     [("tail.push_aborted(entry);", "let _ = entry;")],
     [whole("transactions")]),
    ("aborted index written after the last stable offset moved", "after a crash read_committed shows aborted records",
     [("group.put_state(keys::aborted_by_span(partition.number(), class, offset), entry.encode());",
       "LATE.with_borrow_mut(|late| late.push((keys::aborted_by_span(partition.number(), class, offset), entry.encode())));"),
      ("fn moment(group: &WriteGroup<'_>) -> Moment {",
       "thread_local! { pub(super) static LATE: std::cell::RefCell<Vec<([u8; 18], [u8; 25])>> = const { std::cell::RefCell::new(Vec::new()) }; }\n"
       "fn moment(group: &WriteGroup<'_>) -> Moment {"),
      ("let partitions = self.publish(written);",
       "let partitions = self.publish(written);\n"
       "        let late = crate::write::append::LATE.take();\n"
       "        if !late.is_empty() {\n"
       "            let mut batch = rocksdb::WriteBatch::default();\n"
       "            for (key, value) in late { batch.put_cf(&engine.state()?, key, value); }\n"
       "            engine.write(batch, &[])?;\n"
       "        }")],
     []),
    ("aborted records in the offset map", "an aborted value removes the committed one before it",
     [("header.filter(|header| transactions.meets(header))", "header.filter(|header| transactions.meets(header) && false)")],
     [whole("aborted")]),
    ("commit marker cleaned before its data", "its transaction counts as never ended",
     [("return !aborted && !committed;", "let _ = committed; return !aborted;")],
     [unit("compaction::transactions::tests")]),
    ("abort marker cleaned before its data", "its transaction counts as never ended",
     [("return !aborted && !committed;", "return !committed;")],
     [unit("compaction::transactions::tests")]),
    ("greatest timestamp of a log falls at a start", "what is appended after it is never cleaned",
     [("found.cleaned.max_timestamp.max(-1)", "-1_i64")],
     [whole("aborted::a_log_is_cleaned")]),
    ("one marker in a group of its own", "a crash leaves a transaction that is half ended",
     [("        let results: Vec<_> =\n            markers.iter().map(|marker| append::append_marker(group, marker, awaits)).collect();",
       "        let mut markers = markers;\n"
       "        let apart = if markers.len() > 1 { markers.pop() } else { None };\n"
       "        let mut results: Vec<_> = markers.iter().map(|marker| append::append_marker(group, marker, awaits)).collect();\n"
       "        if let Some(marker) = apart {\n"
       "            results.push(Ok(marker.partition.append.lock().next_offset()));\n"
       "            let coordinator = CoordinatorWrite { epoch, records: Vec::new() };\n"
       "            let end = TransactionEnd { coordinator, markers: vec![marker] };\n"
       "            self.shared.commands.send(ShardCommand::EndTransaction(end, Box::new(|_| {})));\n"
       "        }")],
     [faulty("endings")]),
    ("coordinators' records apart from markers", "a crash leaves a transaction that has ended in its partitions and not in its coordinator",
     [("        put_records(group, records);\n        let awaits = (self", 
       "        self.shared.commands.send(ShardCommand::Coordinator { epoch, records, done: Box::new(|_| {}) });\n        let awaits = (self")],
     [faulty("endings")]),
    ("producer with an open transaction expired", "its marker ends nothing, and read_committed stands still",
     [("self.last_open_ms < before_open_ms && self.current_txn_start_offset.is_none()", "self.last_open_ms < before_open_ms")],
     [whole("log::producers_are_forgotten")]),
    ("batch appended in any term", "a batch is appended that no end reaches",
     [("if let Err(error) = self.led_in(epoch) {\n                // Of the request as a whole",
       "if let Err(error) = if records.is_empty() { Ok(()) } else { self.led_in(epoch) } {\n                // Of the request as a whole")],
     [whole("transactions::records_of_coordinators")]),
    ("expired producers queued at once", "appends wait until all are forgotten",
     [("if !self.wait_for(&written) {", "if false {")],
     [whole("log::appends_take_turns")]),
    ("clock not stored while a transaction is open", "a killed broker gives an abandoned transaction its whole timeout again",
     [("            commands.send(WriteCommand::KeepTime);\n", "            let _ = commands;\n")],
     [whole("transactions::the_folders_clock")]),
]


TABLES = [unit("transaction::table_tests")]
COORDINATOR_MUTANTS = [
    ("end without a higher epoch", "what was sent before an end counts after it",
     [("let next = identity.raised(request.fresh)?;", "let next = identity;")], []),
    ("EndTxn executed again", "an end that is sent again ends the next transaction",
     [("if identity.is_last(request.sender.producer) {", "if false {"),
      ("identity.check(request.sender.producer)?;", "identity.check(request.sender.producer).or(if identity.is_last(request.sender.producer) { Ok(()) } else { Err(TransactionError::ProducerFenced) })?;")], []),
    ("repeated EndTxn refused", "a producer whose answer was lost is fenced",
     [("if identity.is_last(request.sender.producer) {", "if false {")], []),
    ("commit of nothing accepted", "a commit after the timeout is told that it succeeded",
     [("if state != TransactionState::Ongoing && request.commit {", "if false {")], []),
    ("timeout not set at start", "a transaction stays open for ever after a restart",
     [("        self.resume(env, out);\n        self.wake(env, out);", "        self.resume(env, out);")], []),
    ("timeout without a higher epoch", "the producer of an aborted transaction goes on as if it were open",
     [("let next = transaction.identity.fenced();", "let next = transaction.identity;")], []),
    ("fence by the old epoch", "batches of the fenced producer are accepted after its marker",
     [("let marker_epoch = transaction.identity.marker_epoch();", "let marker_epoch = transaction.identity.current.epoch;")], []),
    ("open transaction expired", "a transaction that is open is forgotten",
     [("if is_over(transaction) && transaction.is_ongoing() =>", "if is_over(transaction) && !transaction.is_ongoing() =>")], []),
    ("begin keeps an old time", "a transaction is aborted when it has just begun",
     [("transaction.since_open_ms = env.now.open_ms.max(transaction.since_open_ms);", "")], []),
    ("announcement not checked", "a late batch follows the marker of its transaction",
     [("if takes_part { Ok(()) }", "if takes_part || partition.partition >= 0 { Ok(()) }")], TABLES),
    ("offsets not announced", "offsets are staged that no end takes",
     [("Protocol::V1 if !transaction.participants.has_group(&group.group) => {", "Protocol::V1 if false => {")], TABLES),
    ("partition joins without a record", "a restart forgets where markers belong",
     [("out.write(records::value(&key, records::encode_partition(partition)));", "let _ = key;")], []),
    ("end leaves one partition out", "readers of that partition stand still",
     [("partitions: self.participants.partitions_in(shard)", "partitions: self.participants.partitions_in(shard).skip(1)")], []),
    ("end leaves the groups out", "offsets stay pending, apart from their records",
     [("groups: self.participants.groups_in(shard)", "groups: self.participants.groups_in(shard).skip(1)")], []),
    ("InitProducerId leaves open what is open", "a producer that died holds readers up",
     [("self.abort_open(env, EndCause::Fenced, out);", "")], []),
    ("old epoch in InitProducerId accepted", "an earlier owner takes the id back",
     [("Some(_) => Err(TransactionError::ProducerFenced),", "Some(_) => now.raised(fresh),")], []),
    ("repeated InitProducerId refused", "a producer whose answer was lost is fenced",
     [("Some(expected) if now.is_last(expected) => Ok(now),", "")], []),
    ("new owner remembers the one before", "an earlier owner is told the id and epoch of the new one",
     [("None => Ok(ProducerIdentity { last: None, ..now.raised(fresh)? }),", "None => now.raised(fresh),")], []),
    ("last epoch not stored", "a producer whose answer was lost is fenced after a restart",
     [("out.flag(transaction.identity.last.is_some());\n    if let Some(last) = transaction.identity.last {", "out.flag(false);\n    if let Some(last) = None {")], []),
    ("epoch beyond the last one", "a producer has an epoch that cannot be fenced",
     [("if self.current.epoch < LAST_EPOCH {", "if self.current.epoch < i16::MAX {")], []),
    ("stale partition refused alone", "a member stores a part of a commit that Kafka refuses",
     [("rule.judge(&commit.topic, commit.topic_id, commit.partition).map_err(&told)?;",
       "return Ok(rule.judge(&commit.topic, commit.topic_id, commit.partition).map_err(&told));")],
     [unit("group::consumer::tests::offsets")]),
    ("stale connection accepted", "an end that waited in an abandoned connection ends the next transaction",
     [("if sender.connection < *newest {", "if false {")], []),
    ("prepared transaction not resumed after a restart", "an end that is decided never reaches the other shards",
     [("        self.resume(env, out);\n", ""), ("transaction.is_prepared() && self.again_at_ms <= env.now.monotonic_ms", "transaction.is_prepared() && false")], []),
    ("completed before the last shard has applied the end", "a shard is left with an open transaction",
     [("if !transaction.is_prepared() || !transaction.participants.is_empty() {", "if !transaction.is_prepared() {")], []),
    ("repeated end applied again", "a late copy of an end ends the next transaction",
     [("if ending.number <= last.number {", "if false {")], []),
    ("answer to an earlier end counts", "a transaction is complete before its end has reached a shard",
     [("&& transaction.since_open_ms == number", "&& number > 0")], []),
    ("joined while the end is under way", "the end that is under way ends what has just begun",
     [("        if transaction.is_prepared() {\n            return Err(TransactionError::ConcurrentTransactions);\n        }\n        Ok(transaction)", "        Ok(transaction)")], []),
    ("end of another shard written at once", "a crash takes back the decision and leaves its effects",
     [("self.end_in(env.shard, out);", "for shard in self.transaction.as_ref().map(|open| open.participants.shards()).unwrap_or_default() { self.end_in(shard, out); }")], []),
]

UNREADABLE = [unit("transaction::wire_tests::unreadable")]
RESTING = [unit("coordinator::resting::tests")]
COORDINATOR_MUTANTS += [
    ("expression finds hidden topics", "a member is told of topics that it may not describe",
     [("matches.iter().filter(sees).cloned().collect()", "matches.iter().filter(|name| sees(name) || true).cloned().collect()")],
     [unit("group::consumer::tests::topics")]),
    ("changed permission not noticed", "a member keeps a topic that it may no longer describe",
     [("env.topics.are_restricted && before.iter().any(differs)", "false && before.iter().any(differs)")],
     [unit("group::consumer::tests::topics")]),
    ("another look hides a change of topics", "a member is not told of a new topic",
     [("self.resolved.hashed == Some(env.topics.version)", "self.resolved.seen == Some(env.topics.version)")],
     [unit("group::consumer::tests::topics")]),
]

BROKER_MUTANTS = [
    ("machine taken from an old look at the disk", "a request meets an older state of a transactional id",
     [("if machines.removals != removals || machines.by_id.contains_key(id) {", "let _ = removals;\n            if machines.by_id.contains_key(id) {")], RESTING),
    ("machine rests before its records are durable", "a request meets an older state of a transactional id",
     [("(slot.idle_ms >= after_ms || is_crowded()) && hosted.is_settled(&slot)", "slot.idle_ms >= after_ms || is_crowded()")], RESTING),
    ("machine forgotten before its removal is durable", "a transactional id that has expired comes back",
     [("let is_gone = || !K::Machine::RESTS || hosted.is_settled(slot);", "let is_gone = || hosted.is_settled(slot) || slot.removed == slot.removed;")], RESTING),
    ("batch of an open transaction without the term", "a batch is appended that no end reaches",
     [("let write = Some(CoordinatorWrite { epoch: step.term, records: stored_form(step.records) });",
       "let write = Some(CoordinatorWrite { epoch: step.term, records: stored_form(step.records) }).filter(|write| !write.records.is_empty());")],
     [unit("transaction::wire_tests::restarts")]),
    ("commit with a group that cannot be read", "records are committed and the offsets with them are lost",
     [("machine.groups().find(|part| self.groups.is_unreadable(&part.group));", "machine.groups().find(|_| false);")], UNREADABLE),
    ("commit with a topic that cannot be read", "one part of a transaction is committed and another is not",
     [("machine.partitions().find(|part| is_unreadable(catalog.unreadable(), part.topic_id));", "machine.partitions().find(|_| false);")], UNREADABLE),
    ("abort leaves offsets in a group that cannot be read", "readers of stable offsets wait for ever",
     [("records.extend(unreached);", "drop(unreached);")], UNREADABLE),
    ("offsets of ended transactions kept at a start", "readers of stable offsets wait for ever",
     [("groups.drop_pending(&pending);", "")], UNREADABLE),
    ("unreadable id leaves open what is open", "readers of committed records stand still for ever",
     [("let effects = self.open_of(id, &parts(&own), &parts(&others));", "let effects = self.open_of(id, &parts(&[]), &parts(&others));")], UNREADABLE),
    ("unreadable id ends what others have open", "a producer's transaction is aborted under it",
     [("open.into_iter().filter(|(producer_id, _)| !owned.contains(producer_id)).map(ending).collect()",
       "drop(owned);\n        open.into_iter().map(ending).collect()")], UNREADABLE),
    ("refused InitProducerId deletes an unreadable id", "a request with a wrong timeout aborts a transaction",
     [("if !self.accepts_timeout(timeout_ms) {", "if false {")], UNREADABLE),
    ("empty transactional id looked up", "its producer gets another code than from Kafka",
     [("if id.as_str().is_empty() {\n        all.into_iter()", "if false {\n        all.into_iter()")], [unit("transaction::wire_tests::fencing")]),
    ("TRANSACTION_ABORTABLE from version 5 on", "a broker that asks by version 4 gets another code than from Kafka",
     [("abortable: version >= SEVERAL_FROM", "abortable: version > SEVERAL_FROM")], [unit("transaction::wire_tests::ends")]),
    ("owner of an open transaction not found", "a marker by hand tears a transaction",
     [("all.owners.insert(producer_id.0, machine.id().clone());", "")], [unit("transaction::wire_tests::tools")]),
    ("marker by hand need not raise the epoch", "a late marker aborts the next transaction",
     [("let raises_epoch = self.raises_epoch && !self.commit;", "let raises_epoch = false;")], [unit("transaction::wire_tests::tools")]),
    ("epoch of the partition not looked at", "a batch that the partition refuses begins a transaction",
     [("is_some_and(|newest| newest > producer.epoch)", "is_some_and(|_| false)")], [unit("transaction::wire_tests::fencing")]),
    ("timeout that is too long explained each time", "a job that begins again and again floods the log",
     [("if !is_too_long || !self.too_long.note(id.as_str()) {", "if !is_too_long {")], [unit("transaction::wire_tests::timeouts")]),
    ("earlier alarm does not wake", "a session ends only when a longer one would",
     [("if is_earliest {\n            // Not lost", "if false && is_earliest {\n            // Not lost")], [unit("group::tests")]),
    ("groups keep the interval of the start", "a key that was changed has no effect",
     [("resources.groups.reconfigure(&resources.configs.broker(), group::all(&resources.configs));", "")], [unit("streams_group_heartbeat::tests")]),
]
BEARER = [unit("bearer")]
SCRAM = [unit("sasl::scram::tests")]
SECURITY_MUTANTS = [
    ("end of the nonce compared", "a client replaces its own part of the nonce (CVE-2024-56128)",
     [("proved != nonce ||", "!nonce.ends_with(proved.as_str()) ||")], SCRAM),
    ("proof compared by its beginning", "a password is guessed byte by byte",
     [("hash.digest(&client_key).ct_eq(credential.stored_key.expose()).into();",
       "hash.digest(&client_key)[..1].ct_eq(&credential.stored_key.expose()[..1]).into();")], SCRAM),
    ("unknown user fails early", "a stranger learns who has a login",
     [("let (credential, is_known) = find(&named);", "let (credential, is_known) = find(&named);\n    if !is_known {\n        return None;\n    }")], SCRAM),
    ("token taken for a user", "the id of a delegation token logs in as the user of that name",
     [("part.strip_prefix(\"tokenauth=\")", "part.strip_prefix(\"tokenauth =\")")], SCRAM),
    ("unsigned bearer token counts", "anyone logs in as anyone",
     [("let algorithm = named.ok_or(Refused::Algorithm)?;", "let algorithm = named.unwrap_or(Algorithm::Rs256);"),
      ("if !candidates.any(|key|", "if !signature.is_empty() && !candidates.any(|key|")], BEARER),
    ("audience of a bearer token ignored", "a token for another service logs in",
     [("if self.audience.is_none() || audiences.iter().any(is_expected)", "if !audiences.iter().any(is_expected) || self.audience.is_none() || true")], BEARER),
    ("issuer of a bearer token compared by its beginning", "a token of another issuer logs in",
     [("Some(expected) if issuer != Some(expected) => Err", "Some(expected) if !issuer.is_some_and(|issuer| issuer.starts_with(expected.as_str())) => Err")], BEARER),
    ("expiry of a bearer token ignored", "a token logs in for ever",
     [("if now_ms >= last_ms {", "if now_ms >= last_ms && last_ms == 0 {")], BEARER),
    ("key of another kind", "a token is checked by a key that is not for its algorithm",
     [("key.key.kind() == algorithm.kind()\n", "(key.key.kind() == algorithm.kind() || true)\n")], BEARER),
    ("claim of a wrong type is none", "a token without a time that counts logs in",
     [("        Some(_) => Err(Refused::Claim(name)),", "        Some(_) => Ok(None),")], BEARER),
    ("salt of unknown users is one", "a stranger learns who has a login",
     [("let text = format!(\"{purpose}\\0{}\\0{user}\", hash.length());", "let text = format!(\"{purpose}\\0{}\\0\", hash.length() + user.len() * 0);")], SCRAM),
    ("credential of the first message counts", "a user that was deleted meanwhile logs in",
     [("(is_right && is_known && is_current)", "(is_right && is_known && (is_current || true))")], SCRAM),
    ("mandatory extension ignored", "what a client demands is not done",
     [("is_name && name != \"m\" && !value.is_empty()", "is_name && !value.is_empty()")], SCRAM),
    ("channel binding not compared", "a login is passed on to another connection",
     [("if !is_bound || proved", "if is_bound && false || proved")], SCRAM),
    ("message after the end counts", "one exchange tries several passwords",
     [("std::mem::replace(&mut self.state, State::Over)", "std::mem::replace(&mut self.state, State::Begun { nonce: [0; NONCE_BYTES] })")],
     [unit("sasl::tests")]),
]
USERS = [unit("alter_user_scram_credentials::tests")]
STRANGERS = [unit("net::strangers::tests")]
TOKENS = [unit("delegation_token")]
LOGIN_MUTANTS = [
    ("expired token logs in", "a delegation token is good for ever",
     [("now_ms >= self.expires_ms.min(self.max_ms)", "now_ms >= self.expires_ms.min(self.max_ms) && self.max_ms == 0")], TOKENS),
    ("HMAC compared by its beginning", "a part of a token renews and ends it",
     [("for byte in hmac.iter()", "for byte in hmac.iter().take(8)"), ("token.hmac.equals(hmac).then(", "token.hmac.expose().starts_with(hmac).then(")], TOKENS),
    ("end of a token leaves its sessions", "who had the token goes on",
     [("            token.session.end();\n", "")], TOKENS),
    ("token makes tokens", "a token is exchanged for ever",
     [("cx.peer().is_identified() && !cx.peer().is_by_token()", "cx.peer().is_identified()")], TOKENS),
    ("another renews a token", "any user keeps and ends the tokens of others",
     [("self.owner == *principal || self.renewers.contains(principal)", "self.owner == *principal || !self.renewers.is_empty()")], TOKENS),
    ("end of a session ignored", "a deleted user goes on",
     [("|| self.login.get().is_some_and(is_over)", "|| self.login.get().is_some_and(|login| is_over(login) && false)")], USERS),
    ("new password ends sessions", "clients are closed while their password is changed",
     [("let session = of.take(user).map(|known| known.session).unwrap_or_default();",
       "let session = of.take(user).map(|known| known.session.end()).map(|()| CredentialSession::default()).unwrap_or_default();")], USERS),
    ("cap before login missing", "strangers take every connection",
     [("if own >= (most / 2).max(1) {", "if false {"), ("if !self.is_full(waiting) {", "if true {")],
     STRANGERS),
    ("newest address makes room", "strangers who hold all places keep users out",
     [(".max_by_key(|(_, slots)| (slots.len(), std::cmp::Reverse(oldest(slots))));", ".min_by_key(|(_, slots)| (slots.len(), std::cmp::Reverse(oldest(slots))));")],
     STRANGERS),
    ("user that is named at a start is overwritten", "a start brings back an old password",
     [("        if exists {\n", "        if false && exists {\n")], [unit("start::credentials::tests")]),
    ("secret of the folder not kept", "a stranger learns who has a login by a restart",
     [("written(cluster.write_secret(DECOYS, &secret).await)?;", "let _ = cluster.write_secret(DECOYS, &[0; 32]);")], USERS),
    ("re-authentication changes the user", "a connection has two principals",
     [("Ok(Step::LoggedIn { identity, .. }) if identity.user != peer.principal().name() => {", "Ok(Step::LoggedIn { identity, .. }) if identity.user.is_empty() => {")], []),
]
TLS_MUTANTS = [
    ("missing client certificate taken", "a stranger is let in where a certificate is required",
     [("ClientAuth::Requested => builder.allow_unauthenticated(),", "ClientAuth::Requested | ClientAuth::Required => builder.allow_unauthenticated(),")], []),
    ("client certificate not checked", "strangers are let in, and no client has a name",
     [("Some(verifier) => with_versions.with_client_cert_verifier(Arc::clone(verifier)),", "Some(_) => with_versions.with_no_client_auth(),")], []),
    ("certificate names no principal", "every client is anonymous",
     [("self.connected.peer.identify(principal);", "let _ = principal;")], []),
    ("certificate in place of a login", "a client with a certificate needs no password",
     [("let Some(login) = login else { return true };", "let Some(login) = login.filter(|_| stranger.is_none()) else { return true };")], []),
    ("handshake in the accept loop", "a client that says nothing keeps the others out",
     [("if let Err(error) = self.open(",
       "if entrance.tls.is_some() {\n            let _ = tokio::time::timeout(Duration::from_secs(10), stream.peek(&mut [0])).await;\n        }\n"
       "        if let Err(error) = self.open(")], []),
    ("handshakes are not counted", "half-open handshakes take every connection",
     [("if entrance.tls.is_some() || entrance.login.is_some() {", "if entrance.login.is_some() {")], []),
    ("answer sent before it is flushed", "answers count as sent that no socket has",
     [("let flushed = self.flushed;", "let flushed = self.written();")], [unit("kafka::outgoing")]),
    ("end not announced", "a client cannot tell the end of a connection from a cut",
     [("reader.unsplit(writer).close().await;", "drop(reader.unsplit(writer));")], []),
    ("alert to a client without TLS", "a Kafka client takes an alert for a length of 352 MB (KAFKA-4090)",
     [("other => return Err(NoTls::foreign(other)),", "other => drop(NoTls::foreign(other)),")], []),
    ("plaintext not flushed", "answers stay in the buffers of TLS",
     [("        self.0.is_write_vectored()\n    }\n\n    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {\n        Pin::new(&mut self.0).poll_flush(cx)",
       "        self.0.is_write_vectored()\n    }\n\n    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {\n        Poll::Ready(Ok(()))")],
     [unit("net::tls"), unit("kafka::outgoing")]),
    ("old CA resumes", "a client whose authority was removed resumes its session",
     [("let sessions = Arc::new(Sessions::new());",
       "static KEPT: std::sync::OnceLock<Arc<Sessions>> = std::sync::OnceLock::new();\n        let sessions = Arc::clone(KEPT.get_or_init(|| Arc::new(Sessions::new())));"),
      ("session.handshake_kind() == Some(HandshakeKind::Resumed)", "session.handshake_kind().is_none()")], []),
    ("expired certificate resumes", "a client stays as long as it resumes in time",
     [("session.handshake_kind() == Some(HandshakeKind::Resumed)", "session.handshake_kind().is_none()")], []),
    ("resumption of refused clients goes on", "a client that cannot resume is never told why",
     [("            began.sessions.end_all();\n            settings.sessions.end_all();\n", "")], []),
    ("expired file taken", "clients refuse the new certificate",
     [("                    outcome = Err(reason);\n", "                    let _ = reason;\n")], [unit("config::tls")]),
    ("half written files taken", "clients of an authority that is not written yet are refused",
     [("        if !files.are_same(&self.seen) {\n            self.seen = files;\n            return None;", "        if !files.are_same(&self.seen) {\n            self.seen = files;")],
     [unit("config::tls")]),
    ("reason of bad files stays", "an alert goes on after files that can be used",
     [("self.problems.send_modify(|problems| drop(problems.remove(&listener)));", "")], []),
    ("revoked lists ignored", "a client whose key was stolen is let in",
     [("false => builder.with_crls(lists).enforce_revocation_expiration(),", "false => builder,")], []),
    ("revoked list out of date", "a client is let in without a check",
     [("builder.with_crls(lists).enforce_revocation_expiration(),", "builder.with_crls(lists),")], []),
    ("stores opened for each change", "a client that changes the broker holds a thread that serves others",
     [("let started = Some(self.start());", "let started = None;")], [unit("config::tls")]),
    ("no deadline for handshakes", "half a handshake holds its connection",
     [("timeout_at(deadline, handshake).await.map_err(|_| NoTls::TooLate)?", "{\n        let _ = deadline;\n        handshake.await\n    }")], []),
    ("failed handshakes not counted", "no alert fires",
     [("self.metrics.handshakes_failed.get(at)) {\n            count.inc();", "self.metrics.handshakes_failed.get(at)) {\n            let _ = count;")], []),
]
ISSUER_MUTANTS = [
    ("addresses one after another", "an issuer of which one address is silent has no keys",
     [("Duration = Duration::from_millis(500);\n/// Addresses of a host", "Duration = Duration::from_secs(500);\n/// Addresses of a host")], []),
    ("failing source not told", "no operator learns that tokens will be refused tomorrow",
     [("failing.insert(self.listener.clone(), reason.clone()).as_ref() != Some(&reason)", "failing.contains_key(&reason)")], []),
]
FURTHER_LOGIN_MUTANTS = [
    ("refused token counted twice", "a client with one bad token is delayed as one with two",
     [("let was_told = exchange.refused().is_some();", "let was_told = false;")], []),
    ("refused token answered at once", "a client guesses tokens at full speed",
     [("    tokio::time::sleep(delay).await;\n}", "    let _ = delay;\n}")], []),
    ("reason of a refused token lost", "the operator does not learn why a client was closed",
     [("Some(reason) => Closed::LoginRefused(reason),", "Some(reason) if reason.is_empty() => Closed::LoginRefused(reason),\n        Some(_) => closed,")], []),
]
STORE_MUTANTS = [
    ("keys of a store do not share their rounds", "a store of many keys holds up the start",
     [("decrypt_key_within(&Secret::new(value.rest()), password, &mut self.rounds)?", "decrypt_key_within(&Secret::new(value.rest()), password, &mut Rounds::new())?")], []),
    ("one key takes any number of rounds", "a store holds up the start for hours",
     [("self.left.checked_sub(all)", "Some(self.left.saturating_sub(all))")], []),
    ("escaped signs are ends of words", "a rule fits other subjects than in Kafka",
     [("                Some(sign @ ('<' | '>')) => text.push(sign),\n", "")], [unit("mapping")]),
]
TOOL_MUTANTS = [
    ("name of a server not compared", "another server of the same authority is taken for the broker",
     [(")) if !self.checks_name =>", ")) =>")], [unit("doctor")]),
    ("check of names off unless asked for", "another server of the same authority is taken for the broker",
     [("None => !properties.has(ALGORITHM),", "None => false,")], [unit("client::settings")]),
    ("server's proof not compared", "a server that knows no password gets commands",
     [("if !proved.is_from_server(&answer.auth_bytes) {", "if !proved.is_from_server(&answer.auth_bytes) && false {")], [unit("client::login")]),
    ("keys are open to all", "other users of the machine read private keys",
     [("const PRIVATE: u32 = 0o600;", "const PRIVATE: u32 = 0o644;")], [unit("tls_dev")]),
    ("certificate that lacks a name is kept", "clients refuse the broker after the machine got another address",
     [("left >= RENEWED_WITHIN_SECONDS && names.iter().all(|name| has.contains(name))", "left >= RENEWED_WITHIN_SECONDS")], [unit("tls_dev")]),
    ("nothing is renewed", "development stops a year later",
     [("left >= RENEWED_WITHIN_SECONDS && names", "left >= -RENEWED_WITHIN_SECONDS && names")], [unit("tls_dev")]),
    ("names of --host forgotten", "clients refuse the broker after its certificate was renewed",
     [("        folder.write(FILE, text.as_bytes())?;\n", "        let _ = text;\n")], [unit("tls_dev")]),
    ("terminal stays hidden", "after a password the shell shows nothing of what is typed",
     [("        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);\n", "")], [unit("password")]),
    ("Ctrl-C is a signal", "Ctrl-C at the question for a password leaves a terminal that shows nothing",
     [("for code in [Of::VINTR, Of::VQUIT, Of::VSUSP] {", "for code in [Of::VSUSP] {")], [unit("password")]),
    ("control characters printed", "the name of a topic moves the cursor of a terminal",
     [("if letter.is_control() {", "if false {")], [unit("output")]),
    ("prefix of the cluster", "the entry that --idempotent added is not removed",
     [("let pattern = if is_cluster {", "let pattern = if is_cluster && false {")], [unit("acl")]),
]
# Without tests of their own: Kafka's authorizer must notice them (make acls). That needs its jars.
ACL_MUTANTS = [
    ("DENY ignored", "a client may do what an entry denies",
     [("if about.denied & naming(operation) != 0 {", "if false {")], []),
    ("denial of Read denies Describe", "a client may not describe what it may",
     [("if about.denied & naming(operation) != 0 {", "if about.denied & (naming(operation) | implying(operation)) != 0 {")], []),
    ("removal drops a neighbour", "an entry goes with another of its resource (CVE-2024-27309)",
     [("filter(|entry| !removed(entry))", "filter(|entry| !removed(entry) && changes.iter().all(|(_, one)| *one != Change::Removed))")], []),
    ("prefix without type", "a prefix of topics fits groups",
     [("in self.of_type(resource_type).fitting(name) {",
       "in self.of_type(resource_type).fitting(name).chain(self.types.iter().flat_map(|all| all.prefixes(name).map(AsRef::as_ref))) {")], []),
    ("length of a new prefix not counted", "a prefix of a new length fits nothing",
     [("Err(place) => self.prefix_lengths.insert(place, (length, 1)),", "Err(_) => {}")], []),
    ("length gone with one of its prefixes", "a prefix fits nothing once another of its length was removed",
     [("if *count == 0 {", "if change < 0 {")], [unit("acl")]),
    ("last row of many forgotten", "an entry of a resource with many users has no effect",
     [("(Arc::clone(&rows[0].principal), start..end)", "(Arc::clone(&rows[0].principal), start..end.max(start + 2) - 1)")], [unit("acl")]),
    ("Alter without Describe", "a client may not describe what it may alter",
     [("bit(Operation::Delete) | bit(Operation::Alter)", "bit(Operation::Delete)")], []),
    ("every principal forgotten by type", "an entry of User:* lets no idempotent producer in",
     [("[asker.principal, EVERY_PRINCIPAL].into_iter().filter_map(|one| rules", "[asker.principal].into_iter().filter_map(|one| rules")], []),
    ("denied prefix ignored by type", "an idempotent producer is let in that may write nowhere",
     [("allowed && !rules.prefix_denies(name, asker, operation)", "allowed")], []),
    ("default in place of a refusal", "allow.everyone.if.no.acl.found opens resources that have entries",
     [("Decision::Denied | Decision::NotMentioned => false,", "Decision::Denied => false,\n                Decision::NotMentioned => self.allows_without_entry,")], []),
]
QUOTA_MUTANTS = [
    ("quota never decays", "a client waits for what it sent long ago",
     [("if now_ms - sample.last_ms >= oldest_ms {", "if now_ms < sample.last_ms {")], [unit("quota::rate::tests")]),
    ("throttle overflows", "a client far above its quota is not throttled at all (Kafka's fault)",
     [("(exact.round() as u32).min(LONGEST)", "(exact.round() as i64 as i32).max(0).cast_unsigned().min(LONGEST)")], [unit("quota::rate::tests")]),
    ("wrong precedence", "the quota of a user hides that of one of its client ids",
     [("of_client.or_else(own)", "own().or(of_client)")], [unit("quota::quotas::tests")]),
    ("default hides the named", "a client id gets the default in place of its own quota",
     [("named.and_then(|values| values[key.index()]).or(self.default[key.index()])", "self.default[key.index()].or(named.and_then(|values| values[key.index()]))")],
     [unit("quota::quotas::tests")]),
    ("all client ids share one account", "a client is throttled for another",
     [("[user, client_id].into_iter().flatten()", "[user, None].into_iter().flatten()")],
     [unit("quota::accounts::tests")]),
    ("accounts never leave", "ever new client ids take all memory",
     [("if self.by_owner.len() < self.most {", "if self.by_owner.len() < usize::MAX {")], [unit("quota::accounts::tests")]),
    ("change refused that is paid for", "one large change is refused though there is no debt",
     [("if tokens < 0.0 {\n            return Err", "if tokens < cost {\n            return Err")], [unit("quota::tokens::tests")]),
    ("quota that is no number", "a quota of NaN throttles no client (Kafka's fault)",
     [("if !value.is_finite() {", "if value.is_infinite() {")], [unit("quota::key::tests")]),
]
THROTTLED = [unit("alter_client_quotas")]
THROTTLE_MUTANTS = [
    ("mute forgotten", "a client that ignores the throttle time takes what it wants",
     [("self.mute.throttle(self.quotas, key, self.client, ms);", "let _ = key;")], THROTTLED),
    ("mute outlives its quota", "a client waits for hours though its quota was removed",
     [("is_some_and(|limit| throttled.limit == Some(limit))", "is_some_and(|_| true) || true")], THROTTLED),
    ("departure of a muted client unnoticed", "connections of clients that left take the places of others",
     [(" > SOON && has_left() == Some(true) {", " > SOON && has_left() == None {")], THROTTLED),
    ("muted connection is idle", "a throttled client is closed",
     [("self.in_flight.is_empty() && !(self.connected.mute.is_set() && self.sees_departures)", "self.in_flight.is_empty()")], THROTTLED),
    ("requests behind a throttled one are read", "a client that does not wait for answers passes by its quota",
     [("if !muted && connected.mute.is_set() && !midway", "if false && connected.mute.is_set() && !midway")], THROTTLED),
    ("quota not kept", "a quota is gone after a restart",
     [("cluster.change_quotas(&put, &removed).await??;", "let _ = (&cluster, &put, &removed);")], THROTTLED),
    ("throttled fetch is sent", "a consumer reads faster than its quota",
     [("if !admit(&|| round.answer_bytes()) {", "if !admit(&|| round.answer_bytes()) && false {")], THROTTLED),
    ("address above its quota is let in", "a client connects as often as it wants",
     [("                self.hold(stream, (admitted, stranger), hold);", "                let _ = (hold, stranger);")], THROTTLED),
]
BROKER_MUTANTS += [
    ("value of a provider shown", "a secret that was kept out of the file is in the log",
     [("if given.is_part_of(reason) => {", "if given.is_part_of(reason) && false => {")], [unit("config::problem"), unit("config::config_providers")]),
    ("authorizer always allows", "every client may do everything",
     [("questions.is_none_or(decide).then_some(Self { _made_here: () })", "questions.is_none_or(|ask| decide(ask) || true).then_some(Self { _made_here: () })")],
     [unit("describe_acls::tests")]),
    ("check skipped in one handler", "a client deletes records of a topic that it may not change",
     [("let permit = cx.authorize_topic(Operation::Delete, &topic)?;", "let permit = Permit::internal(crate::session::authorizer::Internal::Names);")],
     [unit("kafka::access::tests")]),
    ("remembered decision outlives its rules", "a permission that was taken away holds on connections that used it",
     [("if granted.generation == generation { granted.names", "if granted.generation > 0 { granted.names")], [unit("describe_acls::tests")]),
    ("waiting fetch keeps its decision", "a fetch that waited through a revocation gets records",
     [("grant == Grant { connection: self.connection, generation: self.authorizer.generation() }", "grant.connection == self.connection")],
     [unit("describe_acls::tests")]),
    ("session lends its decisions", "a client reads by the permission of another that began the session",
     [("grant == Grant { connection: self.connection, generation: self.authorizer.generation() }", "grant.generation == self.authorizer.generation()")],
     [unit("describe_acls::tests")]),
    ("late request remembers by old rules", "a permission that was taken away comes back",
     [("if granted.generation > generation || name.len() > MAX_NAME_BYTES {", "if name.len() > MAX_NAME_BYTES {")], [unit("session::grants")]),
]
STRANGER_MUTANTS = [
    ("own number of an address ignored", "an address has as many connections as any other, whatever its override",
     [("addresses.overrides.get(&address).copied().unwrap_or(addresses.most)",
       "addresses.most")], [unit("net::")]),
    ("listener waits with a place of all", "clients that wait for one listener take the places of another's",
     [("        let own = self.listeners.get(listener)?.take().await?;\n        Some([own, self.all.take().await?])",
       "        let all = self.all.take().await?;\n        Some([self.listeners.get(listener)?.take().await?, all])")], [unit("net::")]),
    ("rate of a listener ignored", "a listener takes new connections as fast as all together may",
     [("self.listeners.get(listener).unwrap_or(&self.all)",
       "&self.all")], [unit("net::")]),
    ("no turns", "a flood of handshakes delays clients of other addresses",
     [("state.given < self.at_once",
       "(state.given < self.at_once || true)")], [unit("session::turns")]),
    ("turn kept by a client that left", "no other client shakes hands after it",
     [("    fn drop(&mut self) {\n        self.end();",
       "    fn drop(&mut self) {\n        if self.turns.at_once > 0 { return; }\n        self.end();")], [unit("session::turns")]),
    ("turn kept while waiting", "a client that sends nothing keeps others from shaking hands",
     [("                let done = work(cx);\n                self.end();",
       "                let done = work(cx);\n                if done.is_pending() { return done; }\n                self.end();")], [unit("session::turns")]),
    ("waiting in order of arrival", "a flood from one address delays all others",
     [("let (address, number) = (network(address), self.next);",
       "let (address, number) = (IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), self.next); let _ = address;")], [unit("session::by_address")]),
    ("IPv6 by single addresses", "a client has as many addresses as it wants",
     [("Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))",
       "address")], [unit("net::")]),
    ("quotas without a bound", "entities of quotas fill the memory",
     [("check_number(&quotas.in_force(), &changes, MAX_ENTITIES)?",
       "check_number(&quotas.in_force(), &changes, usize::MAX)?")], [unit("alter_client_quotas")]),
    ("held connection is no stranger", "connections held for a quota take all places",
     [("                self.hold(stream, (admitted, stranger), hold);\n            }",
       "                self.hold(stream, (admitted, stranger), hold);\n            } else {\n                std::mem::forget((stream, admitted));\n            }")], [unit("net::")]),
    ("refusal by the rate not counted", "the metric lacks connections that came too fast",
     [("                if !services.shutdown.reading.is_cancelled() {\n                    metrics.refused.inc();",
       "                if false {\n                    metrics.refused.inc();")], [unit("net::")]),
    ("refused request keeps its connection", "requests without a login keep administrators out of HTTP",
     [("get_mut(&self.id).filter(|one| one.has_asked) {",
       "get_mut(&self.id) {\n            connection.has_asked = true;")], [unit("http::")]),
    ("missing certificate answered at once", "one client fills the audit log",
     [("                tokio::time::sleep(DELAY).await;\n                return Err(text(",
       "                return Err(text(")], [unit("http::")]),
    ("wrong password answered at once", "passwords can be guessed fast over HTTP",
     [("\"wrong credentials\");\n        tokio::time::sleep(DELAY).await;",
       "\"wrong credentials\");")], [unit("http::")]),
    ("open probe shows details", "strangers read what `/readyz?verbose` says",
     [("request.extensions_mut().insert(Detail(false));",
       "request.extensions_mut().insert(Detail(true));")], [unit("http::")]),
    ("equal refusals not counted together", "a flood of refusals fills the audit log",
     [("        if line.repeats {",
       "        if line.repeats && false {")], [unit("telemetry::audit")]),
    ("text of a client not cut", "a client writes long lines into the audit log",
     [("text.chars().take(MAX_TEXT).collect()",
       "text.to_owned()")], [unit("telemetry::audit")]),
    ("change answered before its line", "a change is in force that the audit log lacks",
     [("last = Some(on.send(event, Some(api), change).await);",
       "last = Some(on.send(event, Some(api), change).await).filter(|_| false);")], [unit("telemetry::audit")]),
    ("dropped line not counted", "no metric tells that the audit log lacks refusals",
     [("else { return on.dropped.inc() };",
       "else { return };")], [unit("telemetry::audit")]),
    ("stop loses lines about changes", "the log lacks the changes that a full disk kept out of the audit",
     [("give_up(&text, changes, &error);",
       "let _ = (text.len(), changes, &error);")], [unit("telemetry::audit")]),
    ("handshake by the old files", "a revoked client comes in by a handshake that it began before",
     [("if !is_resumed && Arc::ptr_eq(began, settings) {",
       "if !is_resumed || Arc::ptr_eq(began, settings) {")], [unit("net::tls::revocation_tests")]),
    ("list out of date replaces a good one", "a broker refuses all clients because of a wrong file",
     [("is_worse.then(",
       "(is_worse && false).then(")], [unit("net::tls::revocation_tests")]),
    ("files taken while they are written", "half of a new set of certificates is in force",
     [("if !files.are_same(&self.seen) {",
       "if false && !files.are_same(&self.seen) {")], [unit("tls")]),
    ("unknown provider is plain text", "a misspelled reference becomes the password",
     [("Ok(None) if may_be_secret(key) && looks_like_reference(&setting.value) => {",
       "Ok(None) if false && may_be_secret(key) && looks_like_reference(&setting.value) => {")], [unit("config")]),
    ("file outside of the allowed paths", "a reference reads any file",
     [("is_allowed.then_some(real)",
       "Some(real).filter(|_| is_allowed || true)")], [unit("config")]),
    ("link out of the allowed paths", "a link leads a reference to any file",
     [("let real = path.canonicalize().map_err(|error| error.to_string())?;",
       "let real = std::path::absolute(path).map_err(|error| error.to_string())?;")], [unit("config")]),
    ("variable outside of the pattern", "a reference reads any variable",
     [("pattern.as_ref().is_some_and(|pattern| !pattern.is_match(key))",
       "pattern.as_ref().is_some_and(|pattern| !pattern.is_match(key)) && false")], [unit("config")]),
    ("part of a variable's name matches", "a pattern allows longer names",
     [("Regex::new(&format!(\"^(?:{pattern})$\"))",
       "Regex::new(pattern)")], [unit("config")]),
]
PARTS = [(STORAGE, STORAGE_MUTANTS), (COORDINATOR, COORDINATOR_MUTANTS), (BROKER, BROKER_MUTANTS), (SECURITY, SECURITY_MUTANTS), (LOGINS, LOGIN_MUTANTS),
         (ACLS, ACL_MUTANTS), (QUOTAS, QUOTA_MUTANTS), (THROTTLES, THROTTLE_MUTANTS)]
PARTS += [(TLS, TLS_MUTANTS), (ISSUERS, ISSUER_MUTANTS), (FURTHER_LOGINS, FURTHER_LOGIN_MUTANTS), (STORES, STORE_MUTANTS), (TOOLS, TOOL_MUTANTS), (WITHOUT_A_LOGIN, STRANGER_MUTANTS)]


def find(part, text):
    """The only file that holds the text once."""
    found = [path for path in sorted(part.sources.rglob("*.rs")) if text in path.read_text()]
    if len(found) != 1 or found[0].read_text().count(text) != 1:
        sys.exit(f"error: not exactly once in {part.sources}: {text!r} ({', '.join(path.name for path in found) or 'nowhere'})")
    return found[0]


def cargo(arguments, seconds=None):
    """Exit code and output of `cargo test`; no code if it has to be ended after that many seconds."""
    env = {"OTTLA_SEEDS": "150", **os.environ}
    with subprocess.Popen([*CARGO, *arguments], cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except BaseException as ended:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if isinstance(ended, subprocess.TimeoutExpired):
                return None, ""
            raise
    return process.returncode, output


def run(part, tests):
    """The outcome of some tests: green, or how they failed."""
    # Apart: a slow build is no test that hangs.
    code, output = cargo([*part.package, "--no-run", *tests])
    if code != 0:
        sys.exit(f"error: it does not compile:\n{output[-3000:]}")
    code, output = cargo([*part.package, *tests], SECONDS)
    if code is None:
        return "red: hangs"
    if code == 0:
        if not re.search(r"ok\. [1-9]\d* passed", output):
            sys.exit(f"error: no test is called {tests[-1]}")
        return "green"
    # Cargo says so of every test program that failed, also of one that was aborted.
    if "error: test failed" not in output:
        sys.exit(f"error: cargo failed before any test:\n{output[-3000:]}")
    seeds = re.search(r"seeds? (\[[^]]*\]|\d+)(?: failed|:)", output)
    return f"red: seeds {seeds[1]}" if seeds else "red"


def judge(part, edits, tests):
    """Applies the edits, runs the tests until one fails, and restores the files."""
    before = {}
    try:
        for text, replacement in edits:
            path = find(part, text)
            before.setdefault(path, path.read_text())
            path.write_text(path.read_text().replace(text, replacement))
        for test in tests:
            outcome = run(part, test)
            if outcome != "green":
                return f"`{shlex.join(test)}`", outcome
        return "", "GREEN"
    finally:
        for path, text in before.items():
            path.write_text(text)


def main():
    # A misspelt option would build and run all of them for more than an hour.
    if unknown := [word for word in sys.argv[1:] if word.startswith("-") and word not in ("--check", "--write")]:
        sys.exit(f"error: no option {' '.join(unknown)}\n{__doc__.split('Each mutant')[0].strip()}")
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    names = [name for _, all_of_it in PARTS for name, *_ in all_of_it]
    crates = {part.sources.parent.name for part, _ in PARTS}
    if missing := [word for word in words if word not in crates and not any(word in name for name in names)]:
        sys.exit(f"error: no mutant has {missing[0]!r} in its name")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # All of them first: the sources may have moved on.
    mutants = [(part, *mutant) for part, all_of_it in PARTS for mutant in all_of_it]
    for part, _, _, edits, _ in mutants:
        for text, _ in edits:
            find(part, text)
    if "--check" in sys.argv:
        return
    rows, missed = [], []
    for part, name, why, edits, tests in mutants:
        if words and not any(word in name or word == part.sources.parent.name for word in words):
            continue
        started = time.monotonic()
        noticed_by, outcome = judge(part, edits, [*tests, part.model])
        print(f"{name}: {outcome} {noticed_by} ({time.monotonic() - started:.0f} s)", flush=True)
        rows.append(f"| {name} | {why} | {noticed_by} |")
        if outcome == "GREEN":
            missed.append(name)
    if "--write" in sys.argv and not words and not missed:
        head, _, _ = DOCS.read_text().partition("| fault |")
        DOCS.write_text(head + "\n".join(["| fault | so that | noticed first by |", "| --- | --- | --- |", *rows]) + "\n")
    if missed:
        sys.exit(f"error: not noticed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
