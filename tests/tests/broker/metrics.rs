//! `/metrics` of a broker at work: every name that the documentation lists is there, and every family has counted.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use codec::messages::fetch_request::{FetchPartition, FetchTopic};
use codec::messages::{FetchRequest, ProduceRequest};
use ottla_tests::admin::{self, commit, create_topic, create_topic_with};
use ottla_tests::broker::{Options, STOP, TestBroker};
use ottla_tests::client::Client;
use ottla_tests::consumer::read_all;
use ottla_tests::producer::{PRODUCE_VERSION, only_partition, produce, request};
use ottla_tests::records::{Content, batch};
use ottla_tests::transactions::producer::Producer;

const TOPIC: &str = "measured";

/// Families that stay 0 in a run without trouble, each with its reason.
const ZERO: &[(&str, &str)] = &[
    ("ottla_task_panics_total", "nothing panics"),
    ("ottla_metrics_series_dropped", "there are few series"),
    ("ottla_client_metrics_", "no client pushes its own metrics"),
    ("ottla_fetch_session", "every session is in use, none had to give way"),
    ("ottla_fetch_buffered_bytes", "no answer is on its way at the moment of the scrape"),
    ("process_cpu_seconds_total", "whole seconds, and the run is short"),
    ("ottla_disk_full", "there is space"),
    ("kafka_server_brokertopicmetrics_failedfetchrequests", "nothing is damaged: tested in damage.rs"),
    ("ottla_storage_damaged_batches", "the disk is sound"),
    ("ottla_storage_stall", "the disk keeps up"),
    ("ottla_storage_queue_depth", "nothing waits at the moment of the scrape"),
    ("ottla_storage_settled_bytes", "no generation is old"),
    ("ottla_storage_oldest_generation_seconds", "the folder is new"),
    ("ottla_storage_generation_bytes", "nothing has left the write buffers"),
    ("kafka_controller_kafkacontroller_offlinepartitionscount", "no partition is offline"),
    ("kafka_controller_kafkacontroller_preferredreplicaimbalancecount", "there is one replica"),
    ("kafka_server_replicamanager_", "what concerns followers, which there are none of"),
    ("kafka_topic_partition_under_replicated_partition", "there is one replica"),
    ("kafka_topic_partition_oldest_offset", "nothing was deleted"),
    ("kafka_log_log_logstartoffset", "nothing was deleted"),
    ("ottla_listener_exposed", "the listener is on loopback: tested in start/exposure.rs"),
    ("ottla_quota_accounts", "no client has a quota: tested in session/quotas/tests.rs"),
    ("ottla_transactions_overdue_seconds", "the broker keeps the timeouts"),
    ("kafka_consumergroup_members", "the offsets were committed without a member"),
    (
        "kafka_server_socket_server_metrics_successful_",
        "no listener asks for logins: tests/clients/test_logins.py counts them",
    ),
    (
        "kafka_server_socket_server_metrics_failed_",
        "no listener asks for logins: tests/clients/test_logins.py counts them",
    ),
    ("kafka_server_socket_server_metrics_expired_", "no login has an end: tested in crates/broker"),
];

/// Names in the documentation that such a run does not have.
const ELSEWHERE: &[(&str, &str)] = &[
    ("kafka_client_", "clients push them: tested in crates/broker"),
    ("ottla_quota_throttled_seconds_total", "no client is throttled: tested in session/quotas"),
    ("ottla_tls_certificate_", "no listener speaks TLS: tested in net/tls"),
    ("ottla_tls_crl_expiry_seconds", "no listener has revocation lists: tested in net/tls"),
];

fn scrape(broker: &TestBroker) -> Result<String> {
    let mut stream = TcpStream::connect(broker.http_address())?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    Ok(body.to_owned())
}

/// The largest value of each family.
fn families(text: &str) -> BTreeMap<String, f64> {
    let mut families = BTreeMap::<String, f64>::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(described) = line.strip_prefix("# TYPE ") {
            family = described.split(' ').next().unwrap_or_default().to_owned();
            families.insert(family.clone(), 0.0);
        } else if let Some(value) = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()) {
            let most = families.entry(family.clone()).or_insert(0.0);
            *most = most.max(value.abs());
        }
    }
    families
}

/// Beginnings of the names in the table of docs/operations.md.
fn documented() -> Result<Vec<String>> {
    // Cargo runs tests in the folder of their crate.
    let text = std::fs::read_to_string("../docs/operations.md")?;
    let section = text.split("\n## Metrics\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let rows = section.context("a section on metrics")?.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let begin = |name: &str| name.split(['*', '{']).next().map(str::to_owned);
    Ok(names.filter_map(begin).collect())
}

/// One that is committed, one that stays open, and a batch of the older protocol that was not announced.
fn transactions(client: &mut Client) -> Result<()> {
    let (name, topics, group) = ("copier", &[TOPIC][..], "group");
    let mut producer = Producer { name, v2: true, topics, group, id: -1, epoch: -1, sequence: 0 };
    producer.begin_anew(client)?;
    producer.transact(client, 1, true)?;
    producer.write(client, 2)?;
    let mut older = Producer { name: "older", v2: false, ..producer };
    older.begin_anew(client)?;
    ensure!(older.produce(client, TOPIC, 1).is_err(), "no transaction has the partition");
    Ok(())
}

/// Names in the expressions of the alerts that are made for this broker.
fn in_alerts() -> Result<Vec<String>> {
    let text = std::fs::read_to_string("../docker/alerts.yml")?;
    let expressions: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    ensure!(!expressions.is_empty(), "alerts");
    let words = expressions.iter().flat_map(|one| one.split(|c: char| !c.is_alphanumeric() && c != '_'));
    let is_ours = |word: &&str| word.starts_with("ottla_") || word.starts_with("kafka_");
    Ok(words.filter(is_ours).map(str::to_owned).collect())
}

/// Everything that is counted happens at least once.
fn work(broker: &TestBroker) -> Result<()> {
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, TOPIC, 2)?;
    create_topic_with(&mut client, "small", 1, &[("max.message.bytes", "100")])?;
    create_topic_with(&mut client, "compacted", 1, &[("cleanup.policy", "compact")])?;
    let records = |count| -> Vec<Content> {
        (0..count).map(|sequence| Content::of(ottla_tests::history::Id { producer: 0, sequence })).collect()
    };
    // So large that only the journal has it.
    produce(&mut client, TOPIC, 0, -1, batch(&records(400), None).freeze())?;
    let batch = batch(&records(20), None).freeze();
    for partition in 0..2 {
        produce(&mut client, TOPIC, partition, -1, batch.clone())?;
    }
    ensure!(produce(&mut client, "small", 0, -1, batch.clone())?.error_code != 0, "it is too large");
    // A batch that is too large is no failure for Kafka's counter; a record that breaks a rule of its topic is.
    ensure!(produce(&mut client, "compacted", 0, -1, batch.clone())?.error_code != 0, "it has no key");
    read_all(&mut client, TOPIC, 0)?;
    for (topic, partition, offset) in [("small", 0, 99), (TOPIC, 1, 99)] {
        let partition = FetchPartition::default().with_partition(partition).with_fetch_offset(offset);
        let topic =
            FetchTopic::default().with_topic(admin::topic_name(topic)).with_partitions(vec![partition]);
        client.call(11, &FetchRequest::default().with_max_wait_ms(10).with_topics(vec![topic]))?;
    }
    // A refusal is ready before the answer that leaves first: that one waits for its sync.
    for _ in 0..20 {
        client.send(PRODUCE_VERSION, &request(TOPIC, 1, -1, batch.clone()))?;
        client.send(PRODUCE_VERSION, &request("nowhere", 0, -1, batch.clone()))?;
        ensure!(only_partition(client.receive::<ProduceRequest>()?)?.error_code == 0, "it is written");
        ensure!(only_partition(client.receive::<ProduceRequest>()?)?.error_code != 0, "it is refused");
    }
    commit(&mut client, "group", TOPIC, 0, 5, "")?;
    transactions(&mut client)?;
    Client::connect(broker.address())?.send_raw(b"GET / HTTP/1.1\r\n\r\n")?;
    Ok(())
}

#[test]
fn every_documented_metric_counts() -> Result<()> {
    let broker = Options::default().set("max.connections.per.ip", 20).start()?;
    work(&broker)?;
    // Beyond the limit of the address.
    let held: Vec<_> = (0..30).map(|_| TcpStream::connect(broker.address())).collect();
    let since = Instant::now();
    let text = loop {
        let text = scrape(&broker)?;
        let ready = ["ottla_connections_refused_total", "ottla_connections_malformed_total"];
        if ready.iter().all(|name| families(&text).get(*name).is_some_and(|value| *value > 0.0))
            || since.elapsed() > STOP
        {
            break text;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    drop(held);
    let families = families(&text);
    let listed = |list: &[(&str, &str)], name: &str| list.iter().any(|(begin, _)| name.starts_with(begin));
    for name in in_alerts()? {
        ensure!(families.contains_key(&name) || listed(ELSEWHERE, &name), "an alert asks for {name}");
    }
    let missing: Vec<String> = documented()?
        .into_iter()
        .filter(|begin| {
            !listed(ELSEWHERE, begin) && !families.keys().any(|name| name.starts_with(begin.as_str()))
        })
        .collect();
    ensure!(missing.is_empty(), "documented and missing: {missing:?}\n{text}");
    let zero: Vec<&String> = families
        .iter()
        .filter(|(name, value)| **value == 0.0 && !listed(ZERO, name))
        .map(|(name, _)| name)
        .collect();
    ensure!(zero.is_empty(), "always 0: {zero:?}\n{text}");
    Ok(())
}
