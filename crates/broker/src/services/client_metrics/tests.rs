//! Subscriptions and pushes, with the time as an argument.

use bytes::{BufMut, BytesMut};
use codec::records::compress;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::*;
use crate::config::{ConfigRefusal, Overrides};

const NOW: i64 = 1_700_000_000_000;
const MAX: usize = 1 << 20;

fn subscription(pairs: &[(&str, &str)]) -> Result<ClientMetricsConfig, ConfigRefusal> {
    let configs: Overrides =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ClientMetricsConfig::read(&configs)
}

fn client(client_id: &str) -> ClientFacts {
    ClientFacts {
        client_id: client_id.to_owned(),
        software_name: "apache-kafka-java".to_owned(),
        software_version: "4.3.0".to_owned(),
        address: "10.0.0.7".to_owned(),
        port: "4711".to_owned(),
    }
}

fn subscribed_to(subscriptions: &[&[(&str, &str)]]) -> ClientMetrics {
    let metrics = ClientMetrics::default();
    metrics.subscribe(subscriptions.iter().map(|pairs| subscription(pairs).unwrap()).collect());
    metrics
}

/// A field that is a message, a text, or bytes.
fn nested(number: u32, parts: &[&[u8]]) -> Vec<u8> {
    let inner = parts.concat();
    let mut out = BytesMut::new();
    encode_key(number, WireType::LengthDelimited, &mut out);
    encode_varint(inner.len() as u64, &mut out);
    out.extend_from_slice(&inner);
    out.to_vec()
}

fn varint(number: u32, value: u64) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode_key(number, WireType::Varint, &mut out);
    encode_varint(value, &mut out);
    out.to_vec()
}

fn double(number: u32, value: f64) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode_key(number, WireType::SixtyFourBit, &mut out);
    out.put_f64_le(value);
    out.to_vec()
}

fn attribute(name: &str, value: &str) -> Vec<u8> {
    nested(7, &[&nested(1, &[name.as_bytes()]), &nested(2, &[&nested(1, &[value.as_bytes()])])])
}

/// A gauge with a label, and a sum of what came since the last push.
fn data(gauge: f64, sum: f64) -> Bytes {
    let name = |name: &str| nested(1, &[format!("org.apache.kafka.producer.{name}").as_bytes()]);
    let labels = [attribute("node.id", "1"), attribute("client_id", "forged")].concat();
    let gauge = nested(5, &[&nested(1, &[&double(4, gauge), &labels])]);
    let sum = nested(7, &[&nested(1, &[&double(4, sum)]), &varint(2, 1), &varint(3, 1)]);
    let metrics = [
        nested(2, &[&name("node.request.latency.avg"), &gauge]),
        nested(2, &[&name("connection.creation.total"), &sum]),
    ];
    nested(1, &[&nested(1, &[b"\x0a\x00"]), &nested(2, &metrics.each_ref().map(Vec::as_slice))]).into()
}

fn push(to: &Subscribed, metrics: Bytes) -> Push {
    Push {
        client_instance_id: to.client_instance_id,
        subscription_id: to.subscription_id,
        terminating: false,
        compression_type: 0,
        metrics,
    }
}

/// Name, labels and value of what clients pushed.
fn shown(metrics: &ClientMetrics, now_ms: i64) -> Vec<(String, Vec<String>, f64)> {
    let families = metrics.families(now_ms).into_iter().filter(|one| one.name.starts_with("kafka_client_"));
    let series = families.flat_map(|family| {
        let name = family.name.to_string();
        family.series.into_iter().map(move |(labels, value)| {
            let hidden = |name: &str| name == "client_instance_id";
            let labels = labels.iter().filter(|(name, _)| !hidden(name));
            (name.clone(), labels.map(|(name, value)| format!("{name}={value}")).collect(), value)
        })
    });
    series.collect()
}

#[test]
fn nothing_is_asked_where_nothing_is_configured() {
    let metrics = ClientMetrics::default();
    let asked = metrics.subscribed(Uuid::nil(), &client("c"), NOW).unwrap();
    assert!(!asked.client_instance_id.is_nil());
    assert_eq!((asked.metrics.len(), asked.interval_ms), (0, 300_000));
    assert_eq!(asked.compression_types, [4, 3, 1, 2]);
}

#[test]
fn subscriptions_that_concern_a_client_add_up() {
    let metrics = subscribed_to(&[
        &[("metrics", "org.apache.kafka.consumer.,x"), ("interval.ms", "20000")],
        &[
            ("metrics", "y"),
            ("interval.ms", "1000"),
            ("match", "client_id=a.*,client_source_address=10[.].*"),
        ],
        &[("metrics", "*"), ("match", "client_software_name=librdkafka")],
    ]);
    let of = |name| metrics.subscribed(Uuid::nil(), &client(name), NOW).unwrap();
    assert_eq!(
        (of("abc").metrics.join(" "), of("abc").interval_ms),
        ("org.apache.kafka.consumer. x y".to_owned(), 1000)
    );
    // A pattern is for the whole text.
    assert_eq!(
        (of("ba").metrics.join(" "), of("ba").interval_ms),
        ("org.apache.kafka.consumer. x".to_owned(), 20_000)
    );
    let rd = ClientFacts { software_name: "librdkafka".to_owned(), ..client("b") };
    assert_eq!(metrics.subscribed(Uuid::nil(), &rd, NOW).unwrap().metrics, ["*"]);
}

#[test]
fn subscriptions_that_cannot_be_are_refused() {
    for (key, value) in [
        ("interval.ms", "99"),
        ("interval.ms", "3600001"),
        ("interval.ms", "x"),
        ("no.such.key", "1"),
        ("match", "client_id"),
        ("match", "colour=red"),
        ("match", "client_id=("),
        ("match", "client_id=a=b"),
        ("match", "client_id=="),
        ("match", "=a"),
        ("match", "client_id=(a{1000}){1000}"),
    ] {
        assert!(subscription(&[(key, value)]).is_err(), "{key}={value}");
    }
}

/// As Kafka's map of patterns, where the last of a property stays.
#[test]
fn of_two_patterns_of_one_property_the_last_counts() {
    let metrics = subscribed_to(&[&[("metrics", "x"), ("match", "client_id=a,client_id=b")]]);
    let asked = |id: &str| metrics.subscribed(Uuid::nil(), &client(id), NOW).unwrap().metrics;
    assert!(asked("a").is_empty());
    assert_eq!(asked("b"), ["x"]);
}

/// Java's `split("=")` drops empty parts at the end, and a space is no empty part.
#[test]
fn equals_signs_at_the_end_of_a_pattern_are_passed_over() {
    let asked = |pattern: &str, id: &str| {
        let metrics = subscribed_to(&[&[("metrics", "x"), ("match", pattern)]]);
        !metrics.subscribed(Uuid::nil(), &client(id), NOW).unwrap().metrics.is_empty()
    };
    assert!(asked("client_id=a==", "a") && !asked("client_id=a==", "a=="));
    assert!(asked(" client_id = a ", "a"));
}

/// A subscription with an interval of an hour had its clients push once an hour; Kafka has them push every five
/// minutes.
#[test]
fn no_client_is_asked_to_push_less_often_than_every_five_minutes() {
    let hourly: &[_] = &[("metrics", "x"), ("interval.ms", "3600000"), ("match", "client_id=a.*")];
    let interval = |subscriptions: &[&[(&str, &str)]], id: &str| {
        subscribed_to(subscriptions).subscribed(Uuid::nil(), &client(id), NOW).unwrap().interval_ms
    };
    assert_eq!(interval(&[hourly], "a"), 300_000);
    assert_eq!(interval(&[hourly, &[("metrics", "y"), ("interval.ms", "299999")]], "a"), 299_999);
    assert_eq!(interval(&[hourly], "b"), 300_000, "no subscription concerns it");
}

#[test]
fn what_expands_beyond_the_limit_is_too_large() {
    let metrics = subscribed_to(&[&[("metrics", "*"), ("interval.ms", "1000")]]);
    let asked = metrics.subscribed(Uuid::nil(), &client("c"), NOW).unwrap();
    let zeros = compress(Compression::Gzip, &vec![0; 2 * MAX]).unwrap();
    assert!(zeros.len() < MAX);
    let bomb = Push { compression_type: 1, ..push(&asked, zeros.into()) };
    let refused = metrics.push(&bomb, &client("c"), MAX, NOW).unwrap_err();
    assert!(matches!(refused, ClientMetricsError::TooLarge { .. }), "{refused:?}");
}

#[test]
fn pushes_are_shown_until_their_client_is_gone() {
    let metrics = subscribed_to(&[&[("metrics", "*"), ("interval.ms", "1000")]]);
    let asked = metrics.subscribed(Uuid::nil(), &client("c"), NOW).unwrap();
    let take = |gauge, sum, now_ms| metrics.push(&push(&asked, data(gauge, sum)), &client("c"), MAX, now_ms);
    take(1.5, 2.0, NOW).unwrap();
    take(2.5, 3.0, NOW + 1000).unwrap();
    let own = "client_id=c".to_owned();
    let expected = vec![
        ("kafka_client_producer_connection_creation_total".to_owned(), vec![own.clone()], 5.0),
        ("kafka_client_producer_node_request_latency_avg".to_owned(), vec![own, "node_id=1".to_owned()], 2.5),
    ];
    assert_eq!(shown(&metrics, NOW + 1000), expected);
    // Three intervals, but no less than a minute, as in Kafka.
    assert_eq!(shown(&metrics, NOW + 61_000), expected);
    assert_eq!(shown(&metrics, NOW + 61_001), []);
}

#[test]
fn a_last_push_ends_the_client() {
    let metrics = subscribed_to(&[&[("metrics", "*"), ("interval.ms", "1000")]]);
    let asked = metrics.subscribed(Uuid::nil(), &client("c"), NOW).unwrap();
    metrics.push(&push(&asked, data(1.0, 1.0)), &client("c"), MAX, NOW).unwrap();
    let last = Push { terminating: true, ..push(&asked, data(1.0, 1.0)) };
    metrics.push(&last, &client("c"), MAX, NOW + 1).unwrap();
    assert_eq!(shown(&metrics, NOW + 1), []);
    let refused = metrics.push(&last, &client("c"), MAX, NOW + 2).unwrap_err();
    assert!(matches!(refused, ClientMetricsError::InvalidRequest(_)));
    // Whatever became of it.
    let other = metrics.subscribed(Uuid::nil(), &client("c"), NOW).unwrap();
    let stale = Push { subscription_id: 0, terminating: true, ..push(&other, data(1.0, 1.0)) };
    let refused = |push| metrics.push(push, &client("c"), MAX, NOW + 2).unwrap_err();
    assert_eq!(refused(&stale), ClientMetricsError::UnknownSubscriptionId);
    assert!(matches!(refused(&stale), ClientMetricsError::InvalidRequest(_)));
}

#[test]
fn who_comes_too_early_is_sent_away() {
    let metrics = subscribed_to(&[&[("metrics", "*"), ("interval.ms", "1000")]]);
    let c = client("c");
    let asked = metrics.subscribed(Uuid::nil(), &c, NOW).unwrap();
    let again = |now_ms| metrics.subscribed(asked.client_instance_id, &c, now_ms).map(|_| ());
    let take = |now_ms| metrics.push(&push(&asked, data(1.0, 1.0)), &c, MAX, now_ms);
    assert_eq!(again(NOW + 999), Err(ClientMetricsError::Throttled));
    assert_eq!(take(NOW + 1), Ok(()));
    assert_eq!(take(NOW + 1000), Err(ClientMetricsError::Throttled));
    assert_eq!(take(NOW + 1001), Ok(()));
    assert_eq!(again(NOW + 1500), Err(ClientMetricsError::Throttled));
    assert_eq!(again(NOW + 2001), Ok(()));
}

#[test]
fn wrong_pushes_have_their_errors() {
    let metrics = subscribed_to(&[&[("metrics", "*"), ("interval.ms", "1000")]]);
    let c = client("c");
    let fresh = || metrics.subscribed(Uuid::nil(), &c, NOW).unwrap();
    let refused = |push: Push, max| metrics.push(&push, &c, max, NOW).unwrap_err();
    let sound = |to: &Subscribed| push(to, data(1.0, 1.0));
    let nil = Push { client_instance_id: Uuid::nil(), ..sound(&fresh()) };
    assert!(matches!(refused(nil, MAX), ClientMetricsError::InvalidRequest(_)));
    let to = fresh();
    let other = || Push { subscription_id: to.subscription_id.wrapping_add(1), ..sound(&to) };
    assert_eq!(refused(other(), MAX), ClientMetricsError::UnknownSubscriptionId);
    // Told so, it may ask anew at once, and then push; a push without asking is throttled.
    assert_eq!(refused(other(), MAX), ClientMetricsError::Throttled);
    assert!(metrics.subscribed(to.client_instance_id, &c, NOW + 1).is_ok());
    assert_eq!(metrics.push(&sound(&to), &c, MAX, NOW + 1), Ok(()));
    metrics.push(&Push { terminating: true, ..sound(&to) }, &c, MAX, NOW + 1).unwrap();
    let codec = Push { compression_type: 9, ..sound(&fresh()) };
    assert_eq!(refused(codec, MAX), ClientMetricsError::UnsupportedCompression(9));
    assert!(matches!(refused(sound(&fresh()), 10), ClientMetricsError::TooLarge { .. }));
    let garbage = push(&fresh(), Bytes::from_static(b"\xff\xff\xff"));
    assert!(matches!(refused(garbage, MAX), ClientMetricsError::InvalidRecord(_)));
    let not_zipped = Push { compression_type: 1, ..sound(&fresh()) };
    assert!(matches!(refused(not_zipped, MAX), ClientMetricsError::InvalidRecord(_)));
    assert_eq!(shown(&metrics, NOW), []);
}

#[test]
fn a_change_of_subscriptions_makes_clients_ask_anew() {
    let metrics = subscribed_to(&[&[("metrics", "*"), ("interval.ms", "1000")]]);
    let asked = metrics.subscribed(Uuid::nil(), &client("c"), NOW).unwrap();
    metrics.subscribe(vec![subscription(&[("metrics", "x"), ("interval.ms", "1000")]).unwrap()]);
    let refused = metrics.push(&push(&asked, data(1.0, 1.0)), &client("c"), MAX, NOW).unwrap_err();
    assert_eq!(refused, ClientMetricsError::UnknownSubscriptionId);
    let anew = metrics.subscribed(asked.client_instance_id, &client("c"), NOW).unwrap();
    assert_eq!(anew.metrics, ["x"]);
    assert_ne!(anew.subscription_id, asked.subscription_id);
}

#[test]
fn whatever_is_cut_off_or_flipped_is_read_or_refused() {
    let whole = data(1.0, 1.0);
    assert_eq!(otlp::points(whole.clone()).unwrap().len(), 2);
    for length in 1..whole.len() {
        assert!(otlp::points(whole.slice(..length)).is_err(), "{length} bytes");
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 1 << bit;
            drop(otlp::points(flipped.into()));
        }
    }
}

#[test]
fn series_are_bounded() {
    let mut series = Series::default();
    let points = (0..3_000).map(|at| otlp::Point {
        name: "kafka_client_x".to_owned(),
        labels: vec![("topic".to_owned(), at.to_string())],
        value: 1.0,
        kind: otlp::PointKind::Gauge,
    });
    let points: Vec<_> = points.collect();
    for _ in 0..20 {
        series.take(crate::random::id(), "c", points.clone());
    }
    let families = series.families(20);
    let value = |name: &str| families.iter().find(|family| family.name == name).unwrap().series[0].1;
    assert_eq!(families[0].series.len(), 20_000);
    assert_eq!(value("ottla_client_metrics_dropped_total"), 40_000.0);
    assert_eq!(value("ottla_client_metrics_instances"), 20.0);
}

/// Users saw: with many clients the series of those that are gone stayed, until new clients' metrics were dropped.
#[test]
fn the_series_of_a_client_that_is_pushed_out_go_with_it() {
    let metrics = subscribed_to(&[&[("metrics", "*"), ("interval.ms", "1000")]]);
    let quiet = metrics.subscribed(Uuid::nil(), &client("quiet"), NOW).unwrap();
    metrics.push(&push(&quiet, data(1.0, 2.0)), &client("quiet"), MAX, NOW).unwrap();
    assert!(!shown(&metrics, NOW + 1).is_empty());
    for _ in 0..instances::MAX_INSTANCES {
        metrics.subscribed(Uuid::nil(), &client("new"), NOW + 2).unwrap();
    }
    assert_eq!(shown(&metrics, NOW + 3), []);
}
