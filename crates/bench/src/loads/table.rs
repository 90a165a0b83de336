//! Every load that has a name.

use std::fmt::Write as _;

use codec::records::Compression;

use super::keys::KEYS;
use super::{Load, LoadKind, ProducerKind, Security};

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
    producer: ProducerKind::Plain,
    commit_ms: 0,
    touched: 1,
    aborted_percent: 0,
    read_committed: false,
    pause_ms: 0,
    beside: 0,
    security: Security::Plain,
    resumed: false,
    login: false,
    acls: 0,
    quotas: 0,
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
/// Batches of 64 KiB in transactions that are committed every 100 ms, as Kafka Streams does.
const TRANSACTIONS_1K: Load =
    Load { kind: LoadKind::Transactions, acks: -1, producer: ProducerKind::V2, commit_ms: 100, ..KIB64 };
/// One producer, one small record a transaction: the cost of a transaction itself.
const TXN_ONE: Load = Load {
    kind: LoadKind::Transactions,
    acks: -1,
    producer: ProducerKind::V2,
    connections: 1,
    in_flight: 5,
    ..ONE
};
/// The same of clients before KIP-890, over four partitions.
const TXN_V1: Load = Load { producer: ProducerKind::V1, touched: 4, ..TXN_ONE };
/// Many partitions in a transaction, and another producer whose latency is measured.
const TXN_WIDE: Load = Load { touched: 100, partitions: 100, pause_ms: 100, beside: 500, ..TXN_ONE };
/// 2 000 records a second in batches of 10, as Java's client makes them of that rate (`linger.ms=5`), and a consumer that
/// waits for the next committed one.
const TXN_TAIL: Load = Load {
    records: 10,
    rate: 200,
    commit_ms: 100,
    consumers: 1,
    partitions: 1,
    read_committed: true,
    ..TXN_ONE
};
/// Connections by four threads.
const HANDSHAKE: Load = Load { kind: LoadKind::Handshake, security: Security::Tls, ..ONE };
/// Reads of 1 GiB that was produced in transactions of 20 ms.
const CATCH_UP_TXN: Load =
    Load { producer: ProducerKind::V2, commit_ms: 20, acks: -1, read_committed: true, ..CATCH_UP };

/// Every load that has a name.
#[rustfmt::skip]
pub(super) const TABLE: &[(&str, Load, &str)] = &[
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
    ("idempotent-1k",   Load { producer: ProducerKind::Idempotent, commit_ms: 0, ..TRANSACTIONS_1K }, "as produce-1k by idempotent producers, acks=all"),
    ("txn-one",         TXN_ONE,                                                  "one producer, one record of 100 bytes a transaction"),
    ("txn-16",          Load { connections: 16, ..TXN_ONE },                      "the same by 16 producers"),
    ("txn-100",         Load { connections: 100, ..TXN_ONE },                     "the same by 100 producers"),
    ("txn-v1-16",       Load { connections: 16, ..TXN_V1 },                       "16 producers as before KIP-890, a record in each of 4 partitions a transaction"),
    ("txn-v1-100",      Load { connections: 100, ..TXN_V1 },                      "the same by 100 producers"),
    ("txn-copy",        Load { kind: LoadKind::Copy, connections: 8, partitions: 8, records: 100, ..TXN_ONE }, "8 copiers: fetch, produce 100 records, commit the offset, end the transaction"),
    ("txn-wide",        TXN_WIDE,                                                 "a record in each of 100 partitions a transaction, and a producer beside it"),
    ("txn-wide-10000",  Load { touched: 10_000, partitions: 10_000, ..TXN_WIDE }, "the same over 10 000 partitions"),
    ("txn-full",        TRANSACTIONS_1K,                                          "as idempotent-1k, a commit every 100 ms"),
    ("txn-tail",        TXN_TAIL,                                                 "2 000 records a second, a commit every 100 ms, to a tailing consumer of committed records"),
    ("catch-up-committed", CATCH_UP_TXN,                                          "catch-up of committed records, produced in transactions"),
    ("catch-up-aborted", Load { aborted_percent: 10, ..CATCH_UP_TXN },            "the same with a tenth of the transactions aborted"),
    ("handshake",       HANDSHAKE,                                                "connect, shake hands by TLS 1.3, ask once, close: 4 threads (TLS: compare only)"),
    ("handshake-client", Load { security: Security::TlsClientCertificate, ..HANDSHAKE }, "the same with a client certificate"),
    ("handshake-resumed", Load { resumed: true, ..HANDSHAKE },                    "the same with sessions that are resumed"),
    ("login",           Load { login: true, ..HANDSHAKE },                        "as handshake, with a login by SCRAM-SHA-512"),
    ("arrivals",        Load { kind: LoadKind::Arrivals, connections: 2000, login: true, ..HANDSHAKE }, "2 000 clients of a broker that just started: TLS, login, Metadata, a record each, all at once (TLS: compare only)"),
    ("produce-one-acls", Load { login: true, acls: 10_000, ..ONE },              "as produce-one with a login, 10 000 ACLs"),
    ("metadata-acls",   Load { kind: LoadKind::Listing, partitions: 10_000, login: true, acls: 10_000, ..ONE }, "Metadata of all of 10 000 topics by a user who sees 100, 10 000 ACLs (compare only)"),
    ("produce-one-quotas", Load { login: true, quotas: 1_000, ..ONE },           "as produce-one with a login, quotas of 1 000 users"),
    ("soak",            SOAK,                                                     "an hour of mixed batches with retention, consumers and commits; a sample a minute; fails if memory or disk grow"),
    ("idle",            Load { kind: LoadKind::Idle, connections: 10_000, ..ONE },    "10 000 connections on which nothing happens: memory"),
    ("restart",         Load { kind: LoadKind::Restart, volume_mib: 20 << 10, partitions: 2000, ..KIB64 }, "20 GiB in 2 000 partitions, kill -9 under load, ready again (compare only)"),
    ("restart-6",       Load { kind: LoadKind::Restart, volume_mib: 20 << 10, ..KIB64 }, "the same in 6 partitions"),
    ("volume",          Load { volume_mib: 20 << 10, ..KIB64 },                   "20 GiB as produce-1k: bytes written to disk"),
    ("sustained",       Load { dirty_limits: 3, ..KIB64 },                        "as produce-1k, three times what the machine lets wait for its disks"),
];

/// The table as text.
pub(crate) fn list() -> String {
    let mut text = String::new();
    for (name, _, about) in TABLE {
        let _ = writeln!(text, "{name:18} {about}");
    }
    let _ = writeln!(
        text,
        "\nEach may be changed, as in produce-1k:acks=all,partitions=100. Keys: {}",
        KEYS.join(" ")
    );
    text
}
