//! Histories as lines of JSON, one event a line, written by clients of any language. `tests/README.md`
//! describes them.

use std::collections::HashMap;
use std::io::BufRead;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{
    GroupPartition, History, Name, OffsetRead, Outcome, Partition, Poll, StableEnd, StagedOffset, Time,
    Transaction,
};

impl Name {
    /// The name at the beginning of a record's value: `TRANSACTION.NUMBER`, up to the first space or the end.
    pub fn parse(value: &[u8]) -> Option<Name> {
        let word = value.split(|byte| *byte == b' ').next()?;
        let (transaction, number) = str::from_utf8(word).ok()?.split_once('.')?;
        let name = Name { transaction: transaction.parse().ok()?, number: number.parse().ok()? };
        // One spelling: other bytes are not what was sent.
        (name.to_string().as_bytes() == word).then_some(name)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.transaction, self.number)
    }
}

/// A history in the course of being read from the files of several clients.
#[derive(Debug, Default)]
pub struct Feed {
    history: History,
    partitions: HashMap<String, Partition>,
    group_partitions: HashMap<String, GroupPartition>,
}

impl Feed {
    /// Reads all lines of one client. Empty lines are skipped.
    ///
    /// # Errors
    /// With the number of a line that is not an event.
    pub fn read(&mut self, lines: impl BufRead) -> Result<()> {
        for (number, line) in (1..).zip(lines.lines()) {
            let line = line.with_context(|| format!("line {number}"))?;
            if !line.trim().is_empty() {
                self.event(&line).with_context(|| format!("line {number}"))?;
            }
        }
        Ok(())
    }

    /// The history of all that was read.
    pub fn finish(self) -> History {
        self.history
    }

    fn event(&mut self, line: &str) -> Result<()> {
        let event: Value = serde_json::from_str(line)?;
        match text(&event, "op")? {
            "transaction" => {
                let transaction = self.transaction(&event)?;
                self.history.transactions.push(transaction);
            }
            "poll" => {
                let poll = self.poll(&event)?;
                self.history.polls.push(poll);
            }
            "stable_end" => {
                let end = StableEnd {
                    partition: self.partition(&event)?,
                    asked: number(&event, "asked")?,
                    answered: number(&event, "answered")?,
                    offset: signed(&event, "offset")?,
                };
                self.history.stable_ends.push(end);
            }
            "commit" => {
                let staged = self.staged(&event)?;
                self.history.plain_commits.push(staged);
            }
            "offset_read" => {
                let read = OffsetRead {
                    partition: self.group_partition(&event)?,
                    stable: flag(&event, "stable")?,
                    asked: number(&event, "asked")?,
                    answered: number(&event, "answered")?,
                    offset: signed(&event, "offset")?,
                };
                self.history.offset_reads.push(read);
            }
            "log" => self.log(&event)?,
            other => bail!("`{other}` is no event"),
        }
        Ok(())
    }

    fn transaction(&mut self, event: &Value) -> Result<Transaction> {
        let mut records = Vec::new();
        for partition in list(event, "records")? {
            let name = partition.as_str().context("`records` holds something that is no partition")?;
            records.push(self.intern(name)?);
        }
        let mut offsets = Vec::new();
        for offset in list(event, "offsets")? {
            offsets.push(self.staged(offset)?);
        }
        let outcome = match text(event, "outcome")? {
            "committed" => Outcome::Committed { at: number(event, "at")? },
            "aborted" => Outcome::Aborted,
            "unknown" => Outcome::Unknown,
            other => bail!("`{other}` is no outcome"),
        };
        Ok(Transaction {
            id: number(event, "id")?,
            producer: number(event, "producer")?.try_into().context("`producer`")?,
            records,
            offsets,
            commit_sent: optional(event, "commit_sent")?,
            outcome,
        })
    }

    fn poll(&mut self, event: &Value) -> Result<Poll> {
        let mut records = Vec::new();
        for record in list(event, "records")? {
            let (offset, name) = named(record)?;
            // A name that no transaction has stands for bytes that are no name: the checker calls it a
            // phantom.
            records.push((offset, name.unwrap_or(Name { transaction: u64::MAX, number: u32::MAX })));
        }
        Ok(Poll {
            reader: number(event, "reader")?.try_into().context("`reader`")?,
            partition: self.partition(event)?,
            committed_only: flag(event, "committed_only")?,
            sought: flag(event, "sought")?,
            asked: number(event, "asked")?,
            answered: number(event, "answered")?,
            from: signed(event, "from")?,
            to: signed(event, "to")?,
            records,
        })
    }

    /// A long log may come in several lines, in the order of offsets.
    fn log(&mut self, event: &Value) -> Result<()> {
        let partition = self.partition(event)?;
        self.history.log_read = self.history.log_read.max(number(event, "answered")?);
        let log = self.history.log.entry(partition).or_default();
        for record in list(event, "records")? {
            log.push(named(record)?);
        }
        Ok(())
    }

    fn staged(&mut self, event: &Value) -> Result<StagedOffset> {
        Ok(StagedOffset {
            partition: self.group_partition(event)?,
            offset: signed(event, "offset")?,
            sent: number(event, "sent")?,
            answered: optional(event, "answered")?,
        })
    }

    fn partition(&mut self, event: &Value) -> Result<Partition> {
        self.intern(text(event, "partition")?)
    }

    fn intern(&mut self, name: &str) -> Result<Partition> {
        if let Some(known) = self.partitions.get(name) {
            return Ok(*known);
        }
        let partition = Partition(u32::try_from(self.history.partitions.len())?);
        self.history.partitions.push(name.to_owned());
        self.partitions.insert(name.to_owned(), partition);
        Ok(partition)
    }

    fn group_partition(&mut self, event: &Value) -> Result<GroupPartition> {
        let name = format!("{}/{}", text(event, "group")?, text(event, "partition")?);
        if let Some(known) = self.group_partitions.get(&name) {
            return Ok(*known);
        }
        let partition = GroupPartition(u32::try_from(self.history.group_partitions.len())?);
        self.history.group_partitions.push(name.clone());
        self.group_partitions.insert(name, partition);
        Ok(partition)
    }
}

/// `[offset, "first word of the value"]`.
fn named(record: &Value) -> Result<(i64, Option<Name>)> {
    let offset = record.get(0).and_then(Value::as_i64).context("a record has no offset")?;
    let value = record.get(1).and_then(Value::as_str).context("a record has no value")?;
    Ok((offset, Name::parse(value.as_bytes())))
}

fn text<'a>(event: &'a Value, field: &str) -> Result<&'a str> {
    event.get(field).and_then(Value::as_str).with_context(|| format!("`{field}` is no string"))
}

fn number(event: &Value, field: &str) -> Result<Time> {
    event.get(field).and_then(Value::as_u64).with_context(|| format!("`{field}` is no number"))
}

fn signed(event: &Value, field: &str) -> Result<i64> {
    event.get(field).and_then(Value::as_i64).with_context(|| format!("`{field}` is no number"))
}

fn flag(event: &Value, field: &str) -> Result<bool> {
    event.get(field).and_then(Value::as_bool).with_context(|| format!("`{field}` is neither true nor false"))
}

/// Absent or null: none.
fn optional(event: &Value, field: &str) -> Result<Option<Time>> {
    match event.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => number(event, field).map(Some),
    }
}

/// Absent: empty.
fn list<'a>(event: &'a Value, field: &str) -> Result<&'a [Value]> {
    match event.get(field) {
        None => Ok(&[]),
        Some(value) => Ok(value.as_array().with_context(|| format!("`{field}` is no list"))?),
    }
}

#[cfg(test)]
mod tests;
