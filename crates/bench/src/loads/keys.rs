//! The keys of a load, each as it is written on the command line, and the rules that their values keep.

use anyhow::{Context as _, Result, bail, ensure};
use codec::records::Compression;

use super::{Load, LoadKind, ProducerKind, Security};

impl Load {
    /// Sets one key as it is written on the command line.
    ///
    /// # Errors
    /// There is no such key, or it cannot have that value.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Result<()> {
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
            "producer" => {
                let named = ProducerKind::ALL.into_iter().find(|(name, _)| *name == value);
                (_, self.producer) = named.with_context(|| format!("no kind of producer `{value}`"))?;
            }
            "commit-ms" => self.commit_ms = number()?,
            "touched" => self.touched = number()?,
            "aborted-percent" => self.aborted_percent = number()?,
            "read-committed" => self.read_committed = truth()?,
            "pause-ms" => self.pause_ms = number()?,
            "beside" => self.beside = number()?,
            "security" => {
                let named = Security::ALL.into_iter().find(|(name, _)| *name == value);
                (_, self.security) = named.with_context(|| format!("no security `{value}`"))?;
            }
            "resumed" => self.resumed = truth()?,
            "login" => self.login = truth()?,
            "acls" => self.acls = number()?,
            "quotas" => self.quotas = number()?,
            _ => bail!("no such key: {}", KEYS.join(" ")),
        }
        Ok(())
    }

    /// Refuses combinations that cannot be run or not be accounted for.
    ///
    /// # Errors
    /// The first rule that is broken, in words for the user.
    pub(super) fn check(&self) -> Result<()> {
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
        self.check_transactions()?;
        ensure!(
            self.security != Security::Plain || !self.resumed,
            "resumed is of TLS: security=tls or tls-client-certificate"
        );
        ensure!(self.kind == LoadKind::Handshake || !self.resumed, "resumed is for handshakes");
        ensure!(
            self.login || (self.acls == 0 && self.quotas == 0),
            "acls and quotas are of users: login=true"
        );
        ensure!(self.acls == 0 || self.acls >= 4, "the loads' user needs four acls");
        // Length, attributes, deltas and the lengths of key, value and headers take less than 32 bytes of a
        // record.
        let batch = u64::from(self.records) * (u64::from(self.record_bytes) + 32);
        ensure!(batch < 1 << 30, "a batch of {batch} bytes");
        Ok(())
    }

    /// The rules of producers with an id.
    fn check_transactions(&self) -> Result<()> {
        let transactional = self.producer.is_transactional();
        ensure!(
            !matches!(self.kind, LoadKind::Transactions | LoadKind::Copy)
                || self.producer != ProducerKind::Plain,
            "this load needs a producer with an id"
        );
        ensure!(
            self.kind != LoadKind::Copy || self.producer == ProducerKind::V2,
            "copies are made in transactions of KIP-890: producer=v2"
        );
        ensure!(
            self.kind != LoadKind::Transactions || self.commit_ms == 0 || transactional,
            "commit-ms is for transactions: producer=v1 or v2"
        );
        ensure!(
            (1..=self.partitions).contains(&self.touched),
            "touched partitions are at least 1, at most partitions"
        );
        ensure!(
            self.touched == 1 || self.commit_ms == 0,
            "commit-ms is for transactions of one partition at a time"
        );
        ensure!(self.aborted_percent <= 50, "at most half of the transactions are aborted");
        ensure!(
            // Records of these never arrive, and a tailing consumer waits for all.
            self.consumers == 0 || self.aborted_percent == 0,
            "tailing consumers wait for all records: without aborted-percent"
        );
        ensure!(
            self.producer == ProducerKind::Plain || !self.mixed,
            "batches of producers with an id have one size"
        );
        ensure!(
            // Each copier reads a partition of its own.
            self.kind != LoadKind::Copy || self.connections == self.partitions,
            "copies need as many partitions as connections"
        );
        Ok(())
    }
}

/// The keys of [`Load::set`], for messages.
pub(super) const KEYS: &[&str] = &[
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
    "producer",
    "commit-ms",
    "touched",
    "aborted-percent",
    "read-committed",
    "pause-ms",
    "beside",
    "security",
    "resumed",
    "login",
    "acls",
    "quotas",
];
