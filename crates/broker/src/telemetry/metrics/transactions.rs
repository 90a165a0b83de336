//! Transactions, under our own names and, where Kafka counts the same, under its names.
//!
//! All of them are numbers that are kept where they change: a scrape looks at no transactional id and at no producer.

use super::families::{Families, Family};
use super::{Buckets, Snapshot, TransactionsSnapshot};

/// Adds all of them.
pub(super) fn families(snapshot: &Snapshot, out: &mut Families) {
    let pending = snapshot.groups.iter().map(|group| group.pending_offsets).sum::<usize>() as f64;
    let producers = snapshot.partitions().map(|partition| partition.producers).sum::<usize>() as f64;
    let late = snapshot.partitions().filter(|partition| partition.has_late_transaction).count() as f64;
    let TransactionsSnapshot { known, open, oldest_open_seconds, overdue_seconds, .. } =
        snapshot.transactions;
    let mut gauge = |name: &str, help: &str, value: f64| {
        out.gauge(name, help, |family| family.push(&[], value));
    };
    gauge("ottla_transactional_ids", "Transactional ids that are known.", known as f64);
    let help = "Producers whose sequences are remembered, in each partition.";
    gauge("ottla_producer_ids", help, producers);
    gauge("kafka_server_replicamanager_produceridcount", help, producers);
    let help = "Partitions in which a transaction is open for longer than any timeout and five minutes.";
    gauge("kafka_server_replicamanager_partitionswithlatetransactionscount", help, late);
    let help = "Offsets that groups commit in transactions that are open.";
    gauge("ottla_offsets_pending", help, pending);
    gauge("ottla_transactions_open", "Transactions that are open.", open as f64);
    let help = "Age of the oldest open transaction; 0 if none is open.";
    gauge("ottla_transactions_oldest_open_seconds", help, oldest_open_seconds);
    let help = "Time for which an open transaction has outlived its timeout, at most; 0 if none has.";
    gauge("ottla_transactions_overdue_seconds", help, overdue_seconds);
    ends(&snapshot.transactions, out);
}

/// Ends and refusals since the start.
fn ends(transactions: &TransactionsSnapshot, out: &mut Families) {
    let by = |label: &'static str, counts: &[(&'static str, u64)]| {
        let counts = counts.to_vec();
        move |family: &mut Family| {
            for (value, count) in counts {
                family.push(&[(label, value)], count as f64);
            }
        }
    };
    let help = "Transactions that have ended, by outcome.";
    out.counter("ottla_transactions_ended_total", help, by("outcome", &transactions.ended));
    let help = "Requests of transactional producers that were refused, by reason.";
    out.counter("ottla_transactions_refused_total", help, by("reason", &transactions.refused));
    let help = "Partitions of Produce requests that were not part of the transaction.";
    let unverified = transactions.unverified as f64;
    out.counter("kafka_server_addpartitionstotxnmanager_verificationfailurerate_count", help, |family| {
        family.push(&[], unverified);
    });
    let help = "Time for which transactions were open.";
    let Buckets { buckets, count, sum } = &transactions.durations;
    out.histogram("ottla_transactions_duration_seconds", help, |family| {
        family.push_histogram(&[], buckets, *count, *sum);
    });
}
