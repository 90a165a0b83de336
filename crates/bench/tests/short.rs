//! Every load, short, against the real broker: it works, and its report is true. No figure is judged.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use codec::messages::MetadataRequest;
use ottla_tests::broker::{Options, TestBroker};
use ottla_tests::client::Client;
use ottla_tests::{admin, process};

/// Small enough for a busy machine, and still every load of `ottla-bench list` except the one that drops the page cache.
const LOADS: &[&str] = &[
    "produce-1k",
    "produce-100b:partitions=100",
    "produce-one",
    "sync-1k",
    "sync-one",
    "paced-1k:rate=100",
    "end-to-end",
    "tail-1k",
    "tail-1k:partitions=2,connections=2,consumers=4",
    "catch-up:volume-mib=8",
    "catch-up:volume-mib=8,connections=2,fetch-bytes=100000",
    "connections:connections=100",
    "partitions:partitions=100",
    "offset-commit:connections=4",
    "heartbeat:connections=4,in-flight=2",
    "idle:connections=100",
    "volume:volume-mib=8",
    "mixed",
    "soak:length-s=4,retention-mib=1",
    "mixed:consumers=2,partitions=4",
    "catch-up:volume-mib=8,mixed=true",
    "one-of-many:volume-mib=8,partitions=50",
    "produce-lz4",
    "produce-zstd",
    "idempotent-1k",
    "txn-one",
    "txn-16:connections=3",
    "txn-v1-16:connections=3",
    "txn-copy:connections=2,partitions=2",
    "txn-wide:touched=20,partitions=20,pause-ms=10",
    "txn-full:commit-ms=20",
    "txn-full:commit-ms=20,producer=v1,aborted-percent=30",
    "txn-tail:rate=100,commit-ms=20",
    "catch-up-committed:volume-mib=8",
    "catch-up-aborted:volume-mib=8,commit-ms=2",
    "catch-up-aborted:volume-mib=8,commit-ms=2,read-committed=false",
];

struct Run {
    output: Output,
    /// Of each load, in order: its metrics by name.
    reports: Vec<HashMap<String, f64>>,
}

fn bench(address: SocketAddr, arguments: &[&str], loads: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("json");
    let output = Command::new(env!("CARGO_BIN_EXE_ottla-bench"))
        .args(["run", "--broker", &address.to_string(), "--json", json.to_str().unwrap()])
        .args(arguments)
        .args(loads)
        .output()
        .unwrap();
    let text = fs::read_to_string(json).unwrap_or_default();
    Run { output, reports: text.lines().map(metrics).collect() }
}

/// The numbers of a flat JSON object.
fn metrics(line: &str) -> HashMap<String, f64> {
    let inside = line.strip_prefix('{').and_then(|line| line.strip_suffix('}')).unwrap();
    let numbers = inside.split(",\"").filter_map(|field| {
        let (name, value) = field.split_once("\":")?;
        Some((name.trim_matches('"').to_owned(), value.parse().ok()?))
    });
    numbers.collect()
}

/// Records in all topics, as a client sees them.
fn stored(broker: &TestBroker) -> i64 {
    let mut client = Client::connect(broker.address()).unwrap();
    let topics = client.call(12, &MetadataRequest::default().with_topics(None)).unwrap().topics;
    let mut sum = 0;
    for topic in topics {
        let name = topic.name.as_ref().unwrap().to_string();
        for partition in &topic.partitions {
            sum += admin::list_offset(&mut client, &name, partition.partition_index, -1).unwrap();
        }
    }
    sum
}

#[test]
fn every_load_runs_and_reports_what_the_broker_holds() {
    let broker = Options::default().set("log.retention.check.interval.ms", 200).start().unwrap();
    let pid = broker.pid().unwrap().to_string();
    let run = bench(broker.address(), &["--pid", &pid, "--warmup", "0.05", "--seconds", "0.2"], LOADS);
    assert!(run.output.status.success(), "{}", String::from_utf8_lossy(&run.output.stderr));
    assert_eq!(run.reports.len(), LOADS.len());
    let mut acked = 0.0;
    for (load, report) in LOADS.iter().zip(&run.reports) {
        let value =
            |name: &str| report.get(name).copied().unwrap_or_else(|| panic!("{load}: no {name}: {report:?}"));
        assert!(value("rss_mib") > 1.0 && value("peak_mib") >= value("rss_mib"), "{load}: {report:?}");
        acked += report.get("markers").copied().unwrap_or_default();
        match load.split(':').next().unwrap() {
            "catch-up-committed" | "catch-up-aborted" => {
                acked += value("filled_records");
                assert!(value("mb_per_s") > 0.0 && value("markers") > 0.0, "{load}: {report:?}");
                continue;
            }
            name if name.starts_with("txn-") => transactional(name, load, report),
            "idle" => continue,
            "offset-commit" | "heartbeat" => {
                assert!(value("requests_per_s") > 0.0 && value("ack_p50_us") > 0.0, "{load}: {report:?}");
                continue;
            }
            "one-of-many" => {
                acked += value("filled_records");
                assert!(value("mb_per_s") > 0.0 && value("disk_read_mb") >= 0.0, "{load}: {report:?}");
                continue;
            }
            "catch-up" if load.contains("mixed") => {
                acked += value("filled_records");
                continue;
            }
            "catch-up" => {
                // Filled before: whole batches of 64 records until 8 MiB are reached.
                let batch_bytes = value("mb_per_s") * 1e6 / value("records_per_s") * 64.0;
                acked += value("filled_records");
                assert!(
                    value("filled_records") * batch_bytes / 64.0 >= 8.0 * 1048576.0 * 0.99,
                    "{load}: {report:?}"
                );
                assert!(
                    value("delivery_p50_us") > 0.0 && value("requests_per_s") > 0.0,
                    "{load}: {report:?}"
                );
                continue;
            }
            "end-to-end" | "tail-1k" => {
                assert!(
                    value("fetched_records_per_s") > 0.0 && value("delivery_p50_us") > 0.0,
                    "{load}: {report:?}"
                );
            }
            _ => {}
        }
        acked += value("acked_records");
        assert!(value("mb_per_s") > 0.0 && value("disk_per_byte") > 0.5, "{load}: {report:?}");
        assert!(
            value("ack_p50_us") <= value("ack_p99_us") && value("ack_p99_us") <= value("ack_max_us"),
            "{load}"
        );
    }
    assert_eq!(stored(&broker) as f64, acked, "what was acknowledged is there, and nothing else");
    let text = String::from_utf8_lossy(&run.output.stdout);
    // Lines that are indented are samples of a soak.
    let (samples, lines): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with(' '));
    assert_eq!(lines.len(), LOADS.len(), "a line for people each: {text}");
    assert!(samples.len() > 3 && samples[0].contains("descriptors"), "{text}");
}

/// The figures that only transactions have.
fn transactional(name: &str, load: &str, report: &HashMap<String, f64>) {
    let at_least_one = |names: &[&str]| {
        for name in names {
            assert!(report.get(*name).is_some_and(|value| *value > 0.0), "{load}: {name}: {report:?}");
        }
    };
    at_least_one(&[
        "transactions_per_s",
        "markers",
        "cpu_us_per_transaction",
        "transaction_p50_us",
        "end_p50_us",
    ]);
    match name {
        "txn-tail" => at_least_one(&["delivery_p50_us", "visible_p50_us", "fetched_records_per_s"]),
        "txn-wide" => at_least_one(&["visible_p50_us", "beside_end_p99_us"]),
        _ => {}
    }
    let [begun, ended] = ["transaction_p50_us", "end_p50_us"].map(|name| report[name]);
    assert!(ended <= begun, "{load}: an end is a part of its transaction: {report:?}");
}

/// Without this, a broker that stalls looks as if it had received no requests meanwhile.
#[test]
fn latency_counts_from_when_a_request_was_due() {
    let broker = TestBroker::start_new().unwrap();
    let pid = broker.pid().unwrap();
    #[allow(clippy::disallowed_methods, reason = "a test's own thread")]
    let stall = thread::spawn(move || {
        thread::sleep(Duration::from_millis(500));
        process::signal(pid, "STOP").unwrap();
        thread::sleep(Duration::from_millis(400));
        process::signal(pid, "CONT").unwrap();
    });
    let run = bench(
        broker.address(),
        &["--warmup", "0", "--seconds", "1.5"],
        &["produce-one:rate=400,in-flight=1,connections=1"],
    );
    stall.join().unwrap();
    assert!(run.output.status.success(), "{}", String::from_utf8_lossy(&run.output.stderr));
    let report = &run.reports[0];
    // 160 of 600 requests were due while it stood still, half of them more than 200 ms before it went on.
    assert!(report["ack_max_us"] > 350_000.0, "{report:?}");
    assert!(report["ack_p99_us"] > 300_000.0, "{report:?}");
    assert_eq!(report["acked_records"], 600.0, "the rate was kept: {report:?}");
}

/// Only `compare` starts a broker with such listeners. Here Ottla alone: Kafka's part is that of any other load.
#[test]
fn loads_over_tls_and_with_logins_run() {
    let folder = tempfile::tempdir().unwrap();
    let (json, nothing) = (folder.path().join("json"), folder.path().to_str().unwrap());
    let loads = [
        "handshake",
        "handshake-client",
        "handshake-resumed",
        "login",
        "produce-1k:security=tls",
        "catch-up:security=tls-client-certificate,login=true,volume-mib=8",
        "idle:security=tls,login=true,connections=20",
        "produce-one-acls:acls=1200",
        "produce-one-quotas:security=tls,quotas=600",
    ];
    let output = Command::new(env!("CARGO_BIN_EXE_ottla-bench"))
        .args(["compare", "--brokers", "ottla", "--pairs", "1", "--warmup", "0", "--seconds", "0.3"])
        .args(["--kafka", nothing, "--kafka-libs", nothing, "--folder", nothing])
        .arg("--ottla")
        .arg(ottla_tests::broker::binary().unwrap())
        .arg("--json")
        .arg(&json)
        .args(loads)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(json).unwrap();
    let of = |load: &str| {
        let line = text.lines().find(|line| line.contains(&format!("\"load\":\"{load}\""))).unwrap();
        metrics(line)
    };
    for load in loads.iter().filter(|load| !load.starts_with("idle") && !load.starts_with("catch-up")) {
        assert!(of(load)["requests_per_s"] > 0.0, "{load}: {text}");
    }
    assert!(of(loads[5])["mb_per_s"] > 0.0, "{text}");
}

/// As an hour with the default of ten minutes.
#[test]
fn a_soak_is_longer_than_connections_may_be_idle() {
    let options = Options::default().set("log.retention.check.interval.ms", 200);
    let broker = options.set("connections.max.idle.ms", 2000).start().unwrap();
    let pid = broker.pid().unwrap().to_string();
    let run = bench(broker.address(), &["--pid", &pid], &["soak:length-s=5,retention-mib=1"]);
    assert!(run.output.status.success(), "{}", String::from_utf8_lossy(&run.output.stderr));
}

#[test]
fn a_load_that_is_refused_fails() {
    let broker = Options::default().set("max.connections.per.ip", 5).start().unwrap();
    let run =
        bench(broker.address(), &["--warmup", "0", "--seconds", "0.2"], &["connections:connections=10"]);
    assert!(!run.output.status.success());
    assert!(String::from_utf8_lossy(&run.output.stderr).contains("connection"), "{:?}", run.output);
    assert!(run.reports.is_empty());
}
