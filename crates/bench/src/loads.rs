//! The loads: one table, and how a load is written on the command line.
//!
//! `NAME` or `NAME:key=value,key=value`, for instance `produce-1k:acks=all,partitions=100`. A load in the
//! table is a set of values of these keys; every key may be set on every load.

use std::fmt::Write as _;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail, ensure};
use codec::records::Compression;

/// The kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadKind {
    /// Producers, with tailing consumers if `consumers` is not 0.
    Stream,
    /// Consumers that read records from before the load, from the beginning.
    CatchUp,
    /// Members of groups that commit one offset again and again.
    Commit,
    /// Members of groups that send heartbeats.
    Heartbeat,
    /// Mixed producers beside consumers and commits, for `length_s`, on a topic with retention.
    Soak,
    /// Connections on which nothing happens.
    Idle,
    /// A broker that is killed when it holds `volume_mib`, and started again. Only in `compare`, only Ottla.
    Restart,
}

/// A load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    /// The kind of load.
    pub(crate) kind: LoadKind,
    /// Records per batch; a request carries one batch.
    pub(crate) records: u32,
    /// Bytes of a record's value.
    pub(crate) record_bytes: u32,
    /// The codec of produced batches. Without one the values are random bytes, with one they are words.
    pub(crate) compression: Compression,
    /// 1, or -1 for all.
    pub(crate) acks: i16,
    /// Of the one topic.
    pub(crate) partitions: u32,
    /// Of producers (of consumers when catching up).
    pub(crate) connections: u32,
    /// Requests that a producing connection may have unanswered.
    pub(crate) in_flight: u32,
    /// Requests per second over all connections; 0: as fast as answers come.
    pub(crate) rate: u32,
    /// Tailing consumers, each on a connection of its own.
    pub(crate) consumers: u32,
    /// Limit of one fetch, in bytes.
    pub(crate) fetch_bytes: u32,
    /// To be produced: in all instead of for a time (if not 0), or before catching up.
    pub(crate) volume_mib: u32,
    /// As `volume_mib`, but that many times the bytes that the machine lets wait for its disks; 0: not.
    pub(crate) dirty_limits: u32,
    /// Sizes of batches and records are drawn instead: records of 100 bytes to 100 KiB, batches up to 100 KiB or a
    /// single record.
    pub(crate) mixed: bool,
    /// Catch up on that many partitions only, from the first on; 0: on all.
    pub(crate) read_partitions: u32,
    /// Of each partition of the topic (`retention.bytes`); 0: as the broker is set.
    pub(crate) retention_mib: u32,
    /// Seconds of a soak, which `--seconds` does not set.
    pub(crate) length_s: u32,
    /// Catch up once, after the page cache was dropped.
    pub(crate) cold: bool,
    /// `compare` starts Kafka with `log.flush.interval.messages=1`.
    pub(crate) kafka_syncs: bool,
}

/// The load on which the others are based: batches of 64 KiB over 6 partitions on 4 connections.
const KIB64: Load = Load {
    kind: LoadKind::Stream,
    records: 64,
    record_bytes: 1024,
    compression: Compression::None,
    acks: 1,
    partitions: 6,
    connections: 4,
    // As Java's `max.in.flight.requests.per.connection`.
    in_flight: 5,
    rate: 0,
    consumers: 0,
    // As Java's `max.partition.fetch.bytes`.
    fetch_bytes: 1 << 20,
    volume_mib: 0,
    dirty_limits: 0,
    mixed: false,
    read_partitions: 0,
    retention_mib: 0,
    length_s: 3600,
    cold: false,
    kafka_syncs: false,
};
/// Batches of 100 small records, 10 KB in all.
const SMALL: Load = Load { records: 100, record_bytes: 100, ..KIB64 };
/// One small record per request: the cost of a request itself.
const ONE: Load = Load { records: 1, record_bytes: 100, ..KIB64 };
/// 2 000 requests a second to one partition, and a consumer at its end.
const END_TO_END: Load = Load { rate: 2000, consumers: 1, partitions: 1, connections: 1, ..ONE };
/// 200 batches of mixed sizes a second, about 5 MB/s, of which 32 MiB a partition are kept.
const SOAK: Load =
    Load { kind: LoadKind::Soak, mixed: true, rate: 200, consumers: 2, retention_mib: 32, ..KIB64 };
/// Reads of 1 GiB, which is produced before.
const CATCH_UP: Load =
    Load { kind: LoadKind::CatchUp, connections: 1, in_flight: 1, volume_mib: 1024, ..KIB64 };

/// Every load that has a name.
#[rustfmt::skip]
pub(crate) const TABLE: &[(&str, Load, &str)] = &[
    ("produce-1k",      KIB64,                                                    "64 records of 1 KiB per request"),
    ("produce-100b",    SMALL,                                                    "100 records of 100 bytes per request"),
    ("produce-gzip",    Load { compression: Compression::Gzip, ..KIB64 },         "as produce-1k, words in gzip batches: the broker looks into them"),
    ("produce-snappy",  Load { compression: Compression::Snappy, ..KIB64 },       "the same in snappy"),
    ("produce-lz4",     Load { compression: Compression::Lz4, ..KIB64 },          "the same in lz4"),
    ("produce-zstd",    Load { compression: Compression::Zstd, ..KIB64 },         "the same in zstd"),
    ("produce-one",     ONE,                                                      "one record of 100 bytes per request"),
    ("sync-1k",         Load { acks: -1, kafka_syncs: true, ..KIB64 },            "as produce-1k, synced before each acknowledgement, by Kafka too"),
    ("sync-one",        Load { acks: -1, kafka_syncs: true, connections: 16, ..ONE }, "as produce-one on 16 connections, synced, by Kafka too"),
    ("paced-1k",        Load { rate: 500, ..KIB64 },                              "64 records of 1 KiB, 500 requests a second: latency below saturation"),
    ("end-to-end",      END_TO_END,                                               "2 000 records a second, one per request, to a tailing consumer"),
    ("tail-1k",         Load { consumers: 2, ..KIB64 },                           "as produce-1k with two tailing consumers beside it"),
    ("catch-up",        CATCH_UP,                                                 "1 MiB fetches from the beginning of 1 GiB, which the page cache holds"),
    ("catch-up-memory", Load { volume_mib: 24, ..CATCH_UP },                      "the same of 24 MiB, which Ottla holds in memory"),
    ("catch-up-cold",   Load { cold: true, volume_mib: 4096, ..CATCH_UP },        "the same of 4 GiB, once, after the page cache was dropped (root)"),
    ("one-of-many",     Load { partitions: 2000, read_partitions: 1, volume_mib: 4096, ..CATCH_UP }, "catch-up on one of 2 000 partitions that were written in turn, 2 MiB of 4 GiB"),
    ("connections",     Load { connections: 1000, in_flight: 1, ..ONE },          "one record per request on 1 000 connections"),
    ("partitions",      Load { partitions: 2000, ..KIB64 },                       "as produce-1k over 2 000 partitions"),
    ("mixed",           Load { mixed: true, ..KIB64 },                            "records and batches of 100 bytes to 100 KiB, drawn from a seed"),
    ("offset-commit",   Load { kind: LoadKind::Commit, connections: 16, in_flight: 1, ..ONE },    "16 members of groups of their own commit one offset per request"),
    ("heartbeat",       Load { kind: LoadKind::Heartbeat, connections: 16, in_flight: 1, ..ONE }, "16 members of groups of their own send heartbeats"),
    ("soak",            SOAK,                                                     "an hour of mixed batches with retention, consumers and commits; a sample a minute; fails if memory or disk grow"),
    ("idle",            Load { kind: LoadKind::Idle, connections: 10_000, ..ONE },    "10 000 connections on which nothing happens: memory"),
    ("restart",         Load { kind: LoadKind::Restart, volume_mib: 20 << 10, partitions: 2000, ..KIB64 }, "20 GiB in 2 000 partitions, kill -9 under load, ready again (compare only)"),
    ("restart-6",       Load { kind: LoadKind::Restart, volume_mib: 20 << 10, ..KIB64 }, "the same in 6 partitions"),
    ("volume",          Load { volume_mib: 20 << 10, ..KIB64 },                   "20 GiB as produce-1k: bytes written to disk"),
    ("sustained",       Load { dirty_limits: 3, ..KIB64 },                        "as produce-1k, three times what the machine lets wait for its disks"),
];

/// A load and its text on the command line.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// As on the command line.
    pub(crate) text: String,
    /// The load.
    pub(crate) load: Load,
}

impl FromStr for Spec {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Spec> {
        let (name, changes) = text.split_once(':').unwrap_or((text, ""));
        let found = TABLE.iter().find(|(known, ..)| *known == name);
        let (_, mut load, _) =
            *found.with_context(|| format!("no load `{name}`; `ottla-bench list` names all"))?;
        for change in changes.split(',').filter(|change| !change.is_empty()) {
            let (key, value) =
                change.split_once('=').with_context(|| format!("`{change}` is not key=value"))?;
            load.set(key, value).with_context(|| format!("in `{change}`"))?;
        }
        load.check()?;
        Ok(Spec { text: text.to_owned(), load })
    }
}

impl Load {
    /// Sets one key as it is written on the command line.
    ///
    /// # Errors
    /// There is no such key, or it cannot have that value.
    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let number = || value.parse::<u32>().with_context(|| format!("`{value}` is no number"));
        let truth = || value.parse::<bool>().with_context(|| format!("`{value}` is neither true nor false"));
        match key {
            "records" => self.records = number()?,
            "record-bytes" => self.record_bytes = number()?,
            "compression" => {
                let named = Compression::ALL.into_iter().find(|codec| codec.name() == value);
                self.compression = named.with_context(|| format!("no codec `{value}`"))?;
            }
            "acks" => {
                self.acks = match value {
                    "all" | "-1" => -1,
                    "1" => 1,
                    _ => bail!("acks is 1 or all"),
                }
            }
            "partitions" => self.partitions = number()?,
            "connections" => self.connections = number()?,
            "in-flight" => self.in_flight = number()?,
            "rate" => self.rate = number()?,
            "consumers" => self.consumers = number()?,
            "fetch-bytes" => self.fetch_bytes = number()?,
            "volume-mib" => self.volume_mib = number()?,
            "dirty-limits" => self.dirty_limits = number()?,
            "mixed" => self.mixed = truth()?,
            "read-partitions" => self.read_partitions = number()?,
            "retention-mib" => self.retention_mib = number()?,
            "length-s" => self.length_s = number()?,
            "cold" => self.cold = truth()?,
            "kafka-syncs" => self.kafka_syncs = truth()?,
            _ => bail!("no such key: {}", KEYS.join(" ")),
        }
        Ok(())
    }

    /// Refuses combinations that cannot be run or not be accounted for.
    ///
    /// # Errors
    /// The first rule that is broken, in words for the user.
    fn check(&self) -> Result<()> {
        let all = [self.records, self.partitions, self.connections, self.in_flight, self.fetch_bytes];
        ensure!(
            all.iter().all(|value| *value > 0),
            "records, partitions, connections, in-flight and fetch-bytes are at least 1"
        );
        ensure!(
            self.partitions <= 100_000 && self.connections <= 100_000,
            "at most 100 000 partitions or connections"
        );
        ensure!(
            // A consumer finds the due time of a batch by its number in the partition, which several
            // producers would mix up.
            self.consumers == 0 || self.connections <= self.partitions,
            "beside consumers every partition has one producing connection: connections ≤ partitions"
        );
        ensure!(
            // Otherwise partitions would be read a different number of times, and the records to be fetched
            // could not be counted.
            self.consumers <= self.partitions || self.consumers.is_multiple_of(self.partitions),
            "consumers that share partitions are a multiple of them"
        );
        let needs_volume = matches!(self.kind, LoadKind::CatchUp | LoadKind::Restart);
        ensure!(!needs_volume || self.volume_mib > 0, "this load needs volume-mib");
        ensure!(
            self.dirty_limits == 0 || (self.kind == LoadKind::Stream && self.volume_mib == 0),
            "dirty-limits is a volume for producers: without volume-mib"
        );
        ensure!(self.length_s > 0, "length-s is at least 1");
        ensure!(self.read_partitions <= self.partitions, "read-partitions is at most partitions");
        // Length, attributes, deltas and the lengths of key, value and headers take less than 32 bytes of a
        // record.
        let batch = u64::from(self.records) * (u64::from(self.record_bytes) + 32);
        ensure!(batch < 1 << 30, "a batch of {batch} bytes");
        Ok(())
    }
}

impl Load {
    /// The number of partitions that consumers read.
    pub(crate) fn partitions_to_read(&self) -> u32 {
        if self.read_partitions == 0 { self.partitions } else { self.read_partitions }
    }
}

/// The keys of [`Load::set`], for messages.
const KEYS: &[&str] = &[
    "records",
    "record-bytes",
    "compression",
    "acks",
    "partitions",
    "connections",
    "in-flight",
    "rate",
    "consumers",
    "fetch-bytes",
    "volume-mib",
    "dirty-limits",
    "mixed",
    "read-partitions",
    "retention-mib",
    "length-s",
    "cold",
    "kafka-syncs",
];

/// The table as text.
pub(crate) fn list() -> String {
    let mut text = String::new();
    for (name, _, about) in TABLE {
        let _ = writeln!(text, "{name:14} {about}");
    }
    let _ = writeln!(
        text,
        "\nEach may be changed, as in produce-1k:acks=all,partitions=100. Keys: {}",
        KEYS.join(" ")
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_load_of_the_table_can_be_asked_for() {
        for (name, load, _) in TABLE {
            assert_eq!(Spec::from_str(name).unwrap().load, *load, "{name}");
        }
    }

    #[test]
    fn every_key_changes_something() {
        for key in KEYS {
            let value = match *key {
                "acks" => "all",
                "compression" => "zstd",
                "cold" | "kafka-syncs" | "mixed" => "true",
                _ => "3",
            };
            let spec = Spec::from_str(&format!("produce-1k:{key}={value}")).unwrap();
            assert_ne!(spec.load, KIB64, "{key}");
        }
    }

    #[test]
    fn bad_loads_are_refused() {
        let wrong = [
            "nothing",
            "produce-1k:acks=2",
            "produce-1k:colour=3",
            "produce-1k:compression=brotli",
            "produce-1k:records=0",
            "produce-1k:records",
            "produce-1k:records=4000000000",
            "end-to-end:connections=2",
            "catch-up:volume-mib=0",
            "one-of-many:read-partitions=2001",
            "soak:length-s=0",
            "soak:partitions=2,connections=4",
            "sustained:volume-mib=1",
            "mixed:mixed=perhaps",
        ];
        for text in wrong {
            assert!(Spec::from_str(text).is_err(), "{text}");
        }
    }
}
