//! Names of Kafka's own metrics as jmx_exporter spells them with its `kafka-2_0_0.yml`.
//!
//! Served: what dashboards query and what exists here. Left out: JVM, request handler pools and network threads, which
//! this broker does not have; they are not faked.
//!
//! A broker of one node has values that never change (one controller, no partition under-replicated or
//! offline); they are shown all the same, as dashboards and alerts query them. Names and labels are an
//! interface: a dashboard breaks when one changes.

use super::families::{Families, Family};
use super::requests::{Phase, QUANTILES, RequestMetrics};
use super::{Counter, ListenerMetrics, PartitionSnapshot, Shared, Snapshot, TopicMetrics};

/// Adds broker, controller, request and per-topic families.
pub(super) fn families(shared: &Shared, snapshot: &Snapshot, out: &mut Families) {
    state(snapshot, out);
    requests(shared, out);
    sockets(shared, out);
    topics(shared, out);
}

/// Adds `kafka_log_log_*`, per partition: the most detail, hence the first to go when the limit is reached.
pub(super) fn log_families(snapshot: &Snapshot, out: &mut Families) {
    let all = snapshot.partition_count();
    // Prometheus has no other numbers than f64: an offset above 2^53 would lose its last digits.
    let each = |value: fn(&PartitionSnapshot) -> f64| {
        move |family: &mut Family| {
            for topic in &snapshot.topics {
                for partition in &topic.partitions {
                    let index = partition.partition.to_string();
                    family.push(&[("topic", &topic.name), ("partition", &index)], value(partition));
                }
            }
        }
    };
    let help = "First offset of the partition.";
    out.bounded_gauge(
        "kafka_log_log_logstartoffset",
        help,
        all,
        each(|partition| partition.log_start_offset as f64),
    );
    let help = "End of the partition's log.";
    out.bounded_gauge(
        "kafka_log_log_logendoffset",
        help,
        all,
        each(|partition| partition.log_end_offset as f64),
    );
    let help = "Visible records that readers of committed records do not get yet.";
    out.bounded_gauge(
        "kafka_cluster_partition_laststableoffsetlag",
        help,
        all,
        // Never below 0, though the two are read one after the other.
        each(|partition| partition.high_watermark.saturating_sub(partition.last_stable_offset).max(0) as f64),
    );
    let sized = snapshot.partitions().filter(|partition| partition.size_bytes.is_some()).count();
    out.bounded_gauge("kafka_log_log_size", "Bytes of the partition's batches.", sized, |family| {
        for topic in &snapshot.topics {
            for partition in &topic.partitions {
                let Some(size) = partition.size_bytes else { continue };
                let index = partition.partition.to_string();
                family.push(&[("topic", &topic.name), ("partition", &index)], size as f64);
            }
        }
    });
}

/// The state of the broker, and counts of partitions; no labels.
fn state(snapshot: &Snapshot, out: &mut Families) {
    let broker = &snapshot.broker;
    let partitions =
        |wanted: fn(&PartitionSnapshot) -> bool| snapshot.partitions().filter(|each| wanted(each)).count();
    let all = snapshot.partition_count();
    let led = snapshot.partitions().filter(|each| each.leader == Some(broker.node_id)).count();
    let under_replicated = partitions(PartitionSnapshot::is_under_replicated);
    let offline = partitions(|each| each.leader.is_none());
    let imbalanced = partitions(|each| each.leader.is_some() && !each.leader_is_preferred());
    let mut one =
        |name: &str, help: &str, value: usize| out.gauge(name, help, |family| family.push(&[], value as f64));
    one("kafka_server_kafkaserver_brokerstate", "State of the broker; 3 is running.", broker.state as usize);
    one("kafka_server_replicamanager_partitioncount", "Partitions on this broker.", all);
    one("kafka_server_replicamanager_leadercount", "Partitions this broker leads.", led);
    let help = "Partitions with fewer replicas in sync than they have.";
    one("kafka_server_replicamanager_underreplicatedpartitions", help, under_replicated);
    let help = "Whether this node is the active controller.";
    one(
        "kafka_controller_kafkacontroller_activecontrollercount",
        help,
        usize::from(broker.active_controller),
    );
    one("kafka_controller_kafkacontroller_offlinepartitionscount", "Partitions without a leader.", offline);
    let help = "Partitions led by another than their first replica.";
    one("kafka_controller_kafkacontroller_preferredreplicaimbalancecount", help, imbalanced);
    one("kafka_controller_kafkacontroller_globaltopiccount", "Topics of the cluster.", snapshot.topics.len());
    one("kafka_controller_kafkacontroller_globalpartitioncount", "Partitions of the cluster.", all);
}

/// The names a request is shown under: Fetch also as FetchConsumer, as Kafka does; there are no followers to fetch.
fn labels(request: &RequestMetrics) -> impl Iterator<Item = &'static str> {
    let twin = (request.name() == "Fetch").then_some("FetchConsumer");
    std::iter::once(request.name()).chain(twin)
}

/// Counters and quantiles by API. An API that was never called has no series.
fn requests(shared: &Shared, out: &mut Families) {
    let seen: Vec<_> = shared.requests.iter().filter(|request| request.count() > 0).collect();
    let help = "Requests answered, by version.";
    out.counter("kafka_network_requestmetrics_requests_total", help, |family| {
        for (request, label) in
            seen.iter().flat_map(|request| labels(request).map(move |label| (request, label)))
        {
            for (version, count) in request.versions() {
                family.push(&[("request", label), ("version", &version.to_string())], count as f64);
            }
        }
    });
    let help = "Requests answered, by error code; NONE is success.";
    out.counter("kafka_network_requestmetrics_errors_total", help, |family| {
        for request in &seen {
            for (code, count) in request.errors() {
                family
                    .push(&[("request", request.name()), ("error", (shared.error_name)(code))], count as f64);
            }
        }
    });
    // Once for all six phases, as each call copies the windows under a lock.
    let quantiles: Vec<_> =
        seen.iter().filter_map(|request| Some((request, request.quantiles()?, request.count()))).collect();
    for (at, phase) in Phase::ALL.iter().enumerate() {
        let name = format!("kafka_network_requestmetrics_{}", phase.name);
        out.gauge(&name, &format!("{}, in milliseconds, over the recent past.", phase.help), |family| {
            for (request, phases, _) in &quantiles {
                let Some(values) = phases.get(at) else { continue };
                for label in labels(request) {
                    for ((quantile, _), value) in QUANTILES.iter().zip(values) {
                        family.push(&[("request", label), ("quantile", quantile)], *value);
                    }
                }
            }
        });
        // Since the start, unlike the quantiles.
        out.counter(&format!("{name}_count"), "Requests measured.", |family| {
            for (request, _, count) in &quantiles {
                labels(request).for_each(|label| family.push(&[("request", label)], *count as f64));
            }
        });
    }
}

/// Connections and logins by listener; Kafka has them by network thread as well, of which there are none.
fn sockets(shared: &Shared, out: &mut Families) {
    // Held while it is written: only the first connection of a listener takes the lock for writing.
    let listeners = shared.listeners.read();
    out.gauge("kafka_server_socket_server_metrics_connection_count", "Connections open now.", |family| {
        for (name, listener) in listeners.iter() {
            family.push(&[("listener", name)], listener.open.value() as f64);
        }
    });
    type Row = (&'static str, &'static str, fn(&ListenerMetrics) -> &Counter);
    let rows: [Row; 5] = [
        ("successful_authentication_total", "Clients that logged in.", |one| &one.logged_in),
        ("failed_authentication_total", "Logins that failed.", |one| &one.logins_failed),
        (
            "successful_reauthentication_total",
            "Clients that logged in again on the same connection.",
            |one| &one.logged_in_again,
        ),
        ("failed_reauthentication_total", "Further logins on a connection that failed.", |one| {
            &one.further_logins_failed
        }),
        ("expired_connections_killed_count", "Connections closed because their login was over.", |one| {
            &one.sessions_over
        }),
    ];
    for (name, help, counter) in rows {
        out.counter(&format!("kafka_server_socket_server_metrics_{name}"), help, |family| {
            for (name, listener) in listeners.iter() {
                family.push(&[("listener", name)], counter(listener).value() as f64);
            }
        });
    }
}

/// Traffic by topic since the start of the broker. Kafka also has a sum without `topic`, which would double
/// sums over topics.
fn topics(shared: &Shared, out: &mut Families) {
    type Row = (&'static str, &'static str, fn(&TopicMetrics) -> &Counter);
    let rows: [Row; 8] = [
        ("messagesin", "Records appended.", |topic| &topic.messages_in),
        ("bytesin", "Bytes of batches appended.", |topic| &topic.bytes_in),
        ("bytesout", "Bytes of batches sent to consumers.", |topic| &topic.bytes_out),
        ("bytesrejected", "Bytes of batches refused.", |topic| &topic.bytes_rejected),
        ("totalproducerequests", "Produce requests, per partition in them.", |topic| {
            &topic.total_produce_requests
        }),
        ("totalfetchrequests", "Fetch requests, per partition in them.", |topic| &topic.total_fetch_requests),
        (
            "failedproducerequests",
            "Produce requests that failed for no reason that explains itself, per partition in them.",
            |topic| &topic.failed_produce_requests,
        ),
        (
            "failedfetchrequests",
            "Fetch requests that failed for no reason that explains itself, per partition in them.",
            |topic| &topic.failed_fetch_requests,
        ),
    ];
    // Copied, so that a scrape never holds up a topic's creation.
    let topics: Vec<_> =
        shared.topics.read().iter().map(|(name, topic)| (name.clone(), topic.clone())).collect();
    for (name, help, counter) in rows {
        let name = format!("kafka_server_brokertopicmetrics_{name}_total");
        out.bounded_counter(&name, help, topics.len(), |family| {
            for (topic, metrics) in &topics {
                family.push(&[("topic", topic)], counter(metrics).value() as f64);
            }
        });
    }
}
