//! The scrape as dashboards see it: names, labels, values, limits.

use std::time::Duration;

use super::*;
use crate::clock;

fn error_name(code: i16) -> &'static str {
    if code == 0 { "NONE" } else { "SOME_ERROR" }
}

fn metrics(max_series: usize) -> Metrics {
    let api_names = vec!["Produce", "Fetch", "Metadata"];
    Metrics::new(MetricsOptions { api_names, error_name, max_series })
}

fn partition(partition: i32, log_start_offset: i64, high_watermark: i64) -> PartitionSnapshot {
    PartitionSnapshot {
        partition,
        log_start_offset,
        high_watermark,
        last_stable_offset: high_watermark,
        log_end_offset: high_watermark + 1,
        size_bytes: Some(77),
        leader: Some(1),
        replicas: vec![1],
        in_sync_replicas: vec![1],
        producers: 4,
        has_late_transaction: partition == 0,
    }
}

fn offset(topic: &str, partition: i32, committed_offset: i64) -> GroupOffset {
    GroupOffset { topic: topic.to_owned(), partition, committed_offset }
}

fn storage_metrics() -> ::storage::StorageMetrics {
    let durations = |count, sum_seconds| ::storage::DurationHistogram {
        buckets: vec![(0.001, count - 1), (0.01, 1)],
        count,
        sum_seconds,
    };
    let stalls = |count, sum_seconds| ::storage::Stalls { count, sum_seconds };
    ::storage::StorageMetrics {
        write_groups: 3,
        records: 40,
        bytes: vec![(::storage::Purpose::Produce, 500), (::storage::Purpose::Configs, 6)],
        writes: durations(3, 0.25),
        syncs: durations(2, 0.5),
        write_stalls: stalls(1, 0.125),
        queue_stalls: stalls(2, 0.75),
        queue_depth: 7,
        generations: 8,
        generation_bytes: Some(900),
        settled_bytes: None,
        oldest_generation_seconds: 1.5,
        tail_bytes: 11,
        replay_operations_bytes: 12,
        replay_body_bytes: 13,
        damaged_batches: 2,
    }
}

fn snapshot() -> Snapshot {
    let broker = BrokerSnapshot {
        node_id: 1,
        cluster_id: "c".to_owned(),
        address: "localhost:9092".to_owned(),
        state: BrokerState::Running,
        active_controller: true,
        task_panics: 2,
    };
    let offline = PartitionSnapshot { leader: None, in_sync_replicas: Vec::new(), ..partition(1, 0, 5) };
    let offsets = vec![offset("a", 0, 40), offset("a", 1, 9), offset("gone", 0, 7)];
    Snapshot {
        broker,
        storage: Some(storage_metrics()),
        topics: vec![TopicSnapshot {
            name: "a".to_owned(),
            partitions: vec![partition(0, 10, 100), offline],
        }],
        groups: vec![
            GroupSnapshot { group_id: "g\"\n\\".to_owned(), members: 0, offsets, pending_offsets: 2 },
            GroupSnapshot {
                group_id: "idle".to_owned(),
                members: 3,
                offsets: Vec::new(),
                pending_offsets: 5,
            },
        ],
        extra: vec![ExtraFamily {
            name: "ottla_storage_syncs_total".into(),
            help: "Syncs.".into(),
            kind: ExtraKind::Counter,
            series: vec![(vec![("kind".into(), "wal".to_owned())], 12.0)],
        }],
        transactions: TransactionsSnapshot {
            known: 9,
            open: 2,
            oldest_open_seconds: 3.5,
            overdue_seconds: 0.25,
            ended: vec![("commit", 6), ("abort", 1)],
            refused: vec![("producer_fenced", 8)],
            unverified: 5,
            durations: Buckets { buckets: vec![(0.5, 4), (1.0, 2)], count: 7, sum: 12.5 },
        },
    }
}

fn with_snapshot(max_series: usize) -> Metrics {
    let metrics = metrics(max_series);
    metrics.set_source(Arc::new(snapshot));
    metrics
}

/// The value of the series written as `name{labels}`.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[track_caller]
fn assert_value(text: &str, series: &str, wanted: f64) {
    assert_eq!(value(text, series), Some(wanted), "{series} in\n{text}");
}

#[test]
fn shows_the_storage() {
    let text = with_snapshot(1000).scrape().unwrap();
    assert_value(&text, "ottla_storage_write_groups_total", 3.0);
    assert_value(&text, "ottla_storage_records_total", 40.0);
    assert_value(&text, "ottla_storage_written_bytes_total{purpose=\"produce\"}", 500.0);
    assert_value(&text, "ottla_storage_written_bytes_total{purpose=\"configs\"}", 6.0);
    assert_value(&text, "ottla_storage_write_duration_seconds_bucket{le=\"0.01\"}", 3.0);
    assert_value(&text, "ottla_storage_write_duration_seconds_sum", 0.25);
    assert_value(&text, "ottla_storage_sync_duration_seconds_count", 2.0);
    assert_value(&text, "ottla_storage_stalls_total{cause=\"queue\"}", 2.0);
    assert_value(&text, "ottla_storage_stall_seconds_total{cause=\"write\"}", 0.125);
    assert_value(&text, "ottla_storage_queue_depth", 7.0);
    assert_value(&text, "ottla_storage_damaged_batches_total", 2.0);
    assert_value(&text, "ottla_storage_generations", 8.0);
    assert_value(&text, "ottla_storage_generation_bytes", 900.0);
    assert_value(&text, "ottla_storage_oldest_generation_seconds", 1.5);
    assert_value(&text, "ottla_storage_tail_bytes", 11.0);
    assert_value(&text, "ottla_storage_replay_operations_bytes", 12.0);
    assert_value(&text, "ottla_storage_replay_body_bytes", 13.0);
    assert!(!text.contains("ottla_storage_settled_bytes"), "what is not known is left out");
}

#[test]
fn shows_partitions_and_lag_under_kafka_exporters_names() {
    let text = with_snapshot(DEFAULT_MAX_SERIES).scrape().unwrap();
    assert_value(&text, "kafka_brokers", 1.0);
    assert_value(&text, r#"kafka_broker_info{address="localhost:9092",id="1"}"#, 1.0);
    assert_value(&text, r#"kafka_topic_partitions{topic="a"}"#, 2.0);
    assert_value(&text, r#"kafka_topic_partition_current_offset{topic="a",partition="0"}"#, 100.0);
    assert_value(&text, r#"kafka_topic_partition_oldest_offset{topic="a",partition="0"}"#, 10.0);
    assert_value(&text, r#"kafka_topic_partition_leader{topic="a",partition="1"}"#, -1.0);
    assert_value(&text, r#"kafka_topic_partition_leader_is_preferred{topic="a",partition="0"}"#, 1.0);
    assert_value(&text, r#"kafka_topic_partition_under_replicated_partition{topic="a",partition="1"}"#, 1.0);
    assert_value(&text, r#"kafka_consumergroup_members{consumergroup="idle"}"#, 3.0);
    let group = r#"consumergroup="g\"\n\\""#;
    assert_value(&text, &format!(r#"kafka_consumergroup_lag{{{group},topic="a",partition="0"}}"#), 60.0);
    assert_value(&text, &format!(r#"kafka_consumergroup_lag{{{group},topic="a",partition="1"}}"#), 0.0);
    assert_value(&text, &format!(r#"kafka_consumergroup_lag_sum{{{group},topic="a"}}"#), 60.0);
    assert_value(
        &text,
        &format!(r#"kafka_consumergroup_current_offset{{{group},topic="gone",partition="0"}}"#),
        7.0,
    );
    assert_value(&text, &format!(r#"kafka_consumergroup_current_offset_sum{{{group},topic="a"}}"#), 49.0);
    assert!(!text.contains(&format!(r#"lag{{{group},topic="gone""#)), "a topic that is gone has no lag");
}

#[test]
fn shows_broker_and_controller_under_jmx_exporters_names() {
    let text = with_snapshot(DEFAULT_MAX_SERIES).scrape().unwrap();
    assert_value(&text, "kafka_server_kafkaserver_brokerstate", 3.0);
    assert_value(&text, "kafka_controller_kafkacontroller_activecontrollercount", 1.0);
    assert_value(&text, "kafka_controller_kafkacontroller_offlinepartitionscount", 1.0);
    assert_value(&text, "kafka_controller_kafkacontroller_preferredreplicaimbalancecount", 0.0);
    assert_value(&text, "kafka_server_replicamanager_partitioncount", 2.0);
    assert_value(&text, "kafka_server_replicamanager_leadercount", 1.0);
    assert_value(&text, "kafka_server_replicamanager_underreplicatedpartitions", 1.0);
    assert_value(&text, r#"kafka_log_log_logendoffset{topic="a",partition="0"}"#, 101.0);
    assert_value(&text, r#"kafka_log_log_size{topic="a",partition="0"}"#, 77.0);
    assert_value(&text, r#"ottla_storage_syncs_total{kind="wal"}"#, 12.0);
    assert_value(&text, "ottla_task_panics_total", 2.0);
    assert_value(&text, "ottla_offsets_pending", 7.0);
    assert!(value(&text, "process_resident_memory_bytes").is_some_and(|bytes| bytes > 0.0), "{text}");
}

#[test]
fn topic_traffic_has_no_series_without_a_topic() {
    let metrics = metrics(DEFAULT_MAX_SERIES);
    let topic = metrics.topic("orders");
    metrics.topic("orders").messages_in.add(3);
    topic.messages_in.add(4);
    topic.bytes_out.add(9);
    let text = metrics.scrape().unwrap();
    assert_value(&text, r#"kafka_server_brokertopicmetrics_messagesin_total{topic="orders"}"#, 7.0);
    assert_value(&text, r#"kafka_server_brokertopicmetrics_bytesout_total{topic="orders"}"#, 9.0);
    assert_value(&text, r#"kafka_server_brokertopicmetrics_failedfetchrequests_total{topic="orders"}"#, 0.0);
    let bare =
        |line: &&str| line.starts_with("kafka_server_brokertopicmetrics") && !line.contains("topic=\"");
    assert_eq!(text.lines().find(bare), None);
    metrics.forget_topic("orders");
    assert!(!metrics.scrape().unwrap().contains("orders"));
}

#[test]
fn request_times_have_jmx_exporters_labels_and_a_native_histogram() {
    let metrics = metrics(DEFAULT_MAX_SERIES);
    let local = Duration::from_millis(2);
    let times = RequestTimes { local, remote: 4 * local, ..RequestTimes::default() };
    metrics.request(1).unwrap().observe(13, 0, &times, clock::now());
    metrics.request(1).unwrap().observe(13, 6, &times, clock::now());
    assert!(metrics.request(3).is_none());
    let text = metrics.scrape().unwrap();
    for request in ["Fetch", "FetchConsumer"] {
        let labels = format!(r#"request="{request}",quantile="0.999""#);
        let total = value(&text, &format!("kafka_network_requestmetrics_totaltimems{{{labels}}}")).unwrap();
        assert!((9.9..10.1).contains(&total), "{total}");
        let counted = format!(r#"kafka_network_requestmetrics_totaltimems_count{{request="{request}"}}"#);
        assert_value(&text, &counted, 2.0);
        let versions =
            format!(r#"kafka_network_requestmetrics_requests_total{{request="{request}",version="13"}}"#);
        assert_value(&text, &versions, 2.0);
    }
    assert_value(&text, r#"ottla_requests_total{api="Fetch",error="NONE"}"#, 1.0);
    assert_value(
        &text,
        r#"kafka_network_requestmetrics_errors_total{request="Fetch",error="SOME_ERROR"}"#,
        1.0,
    );
    assert_value(&text, r#"ottla_request_duration_seconds_bucket{api="Fetch",le="0.005"}"#, 0.0);
    assert_value(&text, r#"ottla_request_duration_seconds_bucket{api="Fetch",le="0.025"}"#, 2.0);
    assert_value(&text, r#"ottla_request_duration_seconds_bucket{api="Fetch",le="+Inf"}"#, 2.0);
    assert!(!text.contains("\"Produce\""), "an API nobody called has no series");
}

#[test]
fn connections_are_shown_per_listener() {
    let metrics = metrics(DEFAULT_MAX_SERIES);
    let listener = metrics.listener("PLAINTEXT");
    listener.accepted.inc();
    listener.open.add(5);
    listener.open.add(-2);
    listener.malformed.inc();
    listener.logged_in.add(4);
    listener.sessions_over.inc();
    let text = metrics.scrape().unwrap();
    assert_value(&text, r#"ottla_connections{listener="PLAINTEXT"}"#, 3.0);
    assert_value(&text, r#"kafka_server_socket_server_metrics_connection_count{listener="PLAINTEXT"}"#, 3.0);
    assert_value(&text, r#"ottla_connections_malformed_total{listener="PLAINTEXT"}"#, 1.0);
    let logins = |name: &str| format!(r#"kafka_server_socket_server_metrics_{name}{{listener="PLAINTEXT"}}"#);
    assert_value(&text, &logins("successful_authentication_total"), 4.0);
    assert_value(&text, &logins("failed_authentication_total"), 0.0);
    assert_value(&text, &logins("expired_connections_killed_count"), 1.0);
}

#[test]
fn families_beyond_the_limit_are_left_out_whole() {
    let partitions = (0..500).map(|index| partition(index, 0, 1)).collect::<Vec<_>>();
    let topics = vec![TopicSnapshot { name: "wide".to_owned(), partitions }];
    let metrics = metrics(1_100);
    metrics.set_source(Arc::new(move || Snapshot { topics: topics.clone(), ..snapshot() }));
    let text = metrics.scrape().unwrap();
    let count = |name: &str| text.lines().filter(|line| line.starts_with(&format!("{name}{{"))).count();
    assert_eq!(count("kafka_topic_partition_current_offset"), 500);
    assert_eq!(count("kafka_topic_partition_oldest_offset"), 500);
    assert_eq!(count("kafka_topic_partition_leader"), 0);
    assert_eq!(count("kafka_topic_partitions"), 1);
    assert_value(&text, "ottla_metrics_series_dropped", 9.0 * 500.0);
}

#[test]
fn limit_of_zero_switches_detail_off() {
    let metrics = with_snapshot(0);
    metrics.topic("a").bytes_in.inc();
    let text = metrics.scrape().unwrap();
    assert!(!text.contains("topic=") && !text.contains("consumergroup="), "{text}");
    assert_value(&text, "kafka_server_kafkaserver_brokerstate", 3.0);
}

#[test]
fn every_family_has_one_type_and_no_series_twice() {
    let metrics = with_snapshot(DEFAULT_MAX_SERIES);
    metrics.topic("a").bytes_in.inc();
    metrics.request(0).unwrap().observe(9, 0, &RequestTimes::default(), clock::now());
    let text = metrics.scrape().unwrap();
    let mut seen = std::collections::HashSet::new();
    for line in text.lines().filter(|line| !line.starts_with("# HELP")) {
        let series = if line.starts_with('#') { line } else { line.rsplit_once(' ').unwrap().0 };
        assert!(seen.insert(series), "twice: {series}");
    }
}

#[test]
fn transactions_are_shown_without_a_look_at_any_of_them() {
    let text = with_snapshot(DEFAULT_MAX_SERIES).scrape().unwrap();
    for (series, wanted) in [
        ("ottla_transactional_ids", 9.0),
        ("ottla_producer_ids", 8.0),
        ("kafka_server_replicamanager_produceridcount", 8.0),
        ("kafka_server_replicamanager_partitionswithlatetransactionscount", 1.0),
        ("ottla_offsets_pending", 7.0),
        ("ottla_transactions_open", 2.0),
        ("ottla_transactions_oldest_open_seconds", 3.5),
        ("ottla_transactions_overdue_seconds", 0.25),
        ("ottla_transactions_ended_total{outcome=\"commit\"}", 6.0),
        ("ottla_transactions_refused_total{reason=\"producer_fenced\"}", 8.0),
        ("kafka_server_addpartitionstotxnmanager_verificationfailurerate_count", 5.0),
        ("ottla_transactions_duration_seconds_bucket{le=\"1\"}", 6.0),
        ("ottla_transactions_duration_seconds_count", 7.0),
    ] {
        assert_value(&text, series, wanted);
    }
}
