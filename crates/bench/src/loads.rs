//! The loads: what one is, and how it is written on the command line.
//!
//! `NAME` or `NAME:key=value,key=value`, for instance `produce-1k:acks=all,partitions=100`. A load in the
//! table is a set of values of these keys; every key may be set on every load.

mod keys;
mod table;

use std::str::FromStr;

use anyhow::{Context as _, Result};
use codec::records::Compression;

use self::table::TABLE;
pub(crate) use self::table::list;

/// The kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadKind {
    /// Producers, with tailing consumers if `consumers` is not 0.
    Stream,
    /// Consumers that read records from before the load, from the beginning.
    CatchUp,
    /// Producers with a producer id, in transactions unless `producer` says otherwise; tailing consumers if `consumers`
    /// is not 0.
    Transactions,
    /// Each connection copies from one topic to another, a transaction for each request, with the offsets in it.
    Copy,
    /// Members of groups that commit one offset again and again.
    Commit,
    /// Members of groups that send heartbeats.
    Heartbeat,
    /// Mixed producers beside consumers and commits, for `length_s`, on a topic with retention.
    Soak,
    /// Connections that are made, used once and closed, by `connections` threads.
    Handshake,
    /// `connections` clients that connect at the same time, and produce a record each. Once, without a warm-up.
    Arrivals,
    /// Requests for all topics by a client that may see a hundredth of them; `partitions` topics of one partition.
    Listing,
    /// Connections on which nothing happens.
    Idle,
    /// A broker that is killed when it holds `volume_mib`, and started again. Only in `compare`, only Ottla.
    Restart,
}

/// Kinds of producers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProducerKind {
    /// Nothing.
    Plain,
    /// To store each batch once: a producer id, and sequence numbers.
    Idempotent,
    /// Transactions as clients before KIP-890: partitions are announced, the epoch stays.
    V1,
    /// Transactions of KIP-890: a batch announces its partition, and each end raises the epoch.
    V2,
}

impl ProducerKind {
    /// As on the command line.
    pub(crate) const ALL: [(&str, ProducerKind); 4] = [
        ("plain", ProducerKind::Plain),
        ("idempotent", ProducerKind::Idempotent),
        ("v1", ProducerKind::V1),
        ("v2", ProducerKind::V2),
    ];

    /// True for transactions of either kind.
    pub(crate) fn is_transactional(self) -> bool {
        matches!(self, ProducerKind::V1 | ProducerKind::V2)
    }
}

/// How the connections of a load are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// In the clear.
    Plain,
    /// TLS 1.3.
    Tls,
    /// The same, with a client certificate.
    TlsClientCertificate,
}

impl Security {
    /// As on the command line.
    pub(crate) const ALL: [(&str, Security); 3] = [
        ("plain", Security::Plain),
        ("tls", Security::Tls),
        ("tls-client-certificate", Security::TlsClientCertificate),
    ];
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
    /// The kind of the producers. All except plain ones ask for acks=all, whatever `acks` says.
    pub(crate) producer: ProducerKind,
    /// Milliseconds from the first batch of a transaction to its end; 0: a transaction has one batch for each of its
    /// partitions.
    pub(crate) commit_ms: u32,
    /// Partitions of each transaction that is not ended by `commit_ms`, with a batch for each.
    pub(crate) touched: u32,
    /// Of a hundred transactions.
    pub(crate) aborted_percent: u32,
    /// Consumers read committed records only.
    pub(crate) read_committed: bool,
    /// Milliseconds from the time at which a transaction is complete to the begin of the next one. After the answer to its end it is
    /// described until its state says so. 0: neither the pause nor the question.
    pub(crate) pause_ms: u32,
    /// Requests per second of a plain producer with acks=all beside the transactions, one record each, to a topic of its own.
    pub(crate) beside: u32,
    /// Other protection than none only in `compare`, which starts the brokers with such a listener.
    pub(crate) security: Security,
    /// Handshakes go on with the session of the one before.
    pub(crate) resumed: bool,
    /// Connections log in by SCRAM-SHA-512.
    pub(crate) login: bool,
    /// The broker has an authorizer, and this number of ACLs; 0: no authorizer.
    pub(crate) acls: u32,
    /// The broker has quotas for this number of users.
    pub(crate) quotas: u32,
}

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
    /// True if it needs a listener that the broker has only when it is asked for.
    pub(crate) fn needs_listener(&self) -> bool {
        self.security != Security::Plain || self.login
    }

    /// The number of partitions that consumers read.
    pub(crate) fn partitions_to_read(&self) -> u32 {
        if self.read_partitions == 0 { self.partitions } else { self.read_partitions }
    }
}

#[cfg(test)]
mod tests {
    use super::keys::KEYS;
    use super::*;

    /// The base of the table, as a name.
    const BASE: &str = "produce-1k";

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
                "cold" | "kafka-syncs" | "mixed" | "read-committed" => "true",
                "producer" => "v1",
                "security" => "tls",
                // Not without a login or TLS.
                "resumed" | "acls" | "quotas" => continue,
                "login" => "true",
                _ => "3",
            };
            let spec = Spec::from_str(&format!("{BASE}:{key}={value}")).unwrap();
            assert_ne!(spec.load, Spec::from_str(BASE).unwrap().load, "{key}");
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
            "txn-one:producer=v3",
            "txn-one:producer=plain",
            "txn-one:touched=0",
            "txn-one:touched=7",
            "txn-full:touched=2",
            "txn-full:mixed=true",
            "txn-tail:aborted-percent=1",
            "txn-copy:producer=idempotent",
            "txn-copy:connections=4",
            "produce-1k:security=ssl",
            "produce-1k:acks=1,acls=10",
            "produce-1k:quotas=10",
            "produce-1k:login=true,acls=3",
            "handshake:security=plain,resumed=true",
        ];
        for text in wrong {
            assert!(Spec::from_str(text).is_err(), "{text}");
        }
    }
}
