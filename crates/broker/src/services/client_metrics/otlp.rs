//! The contents of a push: OTLP `MetricsData`, reduced to names, labels and numbers.
//!
//! The wire format is read by prost; of OpenTelemetry's `metrics.proto` and `common.proto` only the fields that are shown
//! are looked at, by their numbers, which never change. Names become Prometheus':
//! `org.apache.kafka.consumer.fetch.manager.fetch.latency.avg` is
//! `kafka_client_consumer_fetch_manager_fetch_latency_avg`. Gauges and sums are read, which is all that clients send.

use bytes::{Buf, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::ClientMetricsError;

/// Labels of one point, and bytes of a name or a value: a client cannot make them longer.
const MAX_LABELS: usize = 16;
const MAX_TEXT: usize = 200;
/// The prefix of every name that Kafka's clients push.
const KAFKA: &str = "org.apache.kafka.";
/// `AggregationTemporality`: what came since the last push.
const DELTA: u64 = 1;

/// Bytes that are not what they should be.
#[derive(Debug, thiserror::Error)]
enum Malformed {
    #[error(transparent)]
    Wire(#[from] prost::DecodeError),
    #[error("the metrics end within a field")]
    Short,
}

/// One number.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) name: String,
    /// Sorted, each name once.
    pub(super) labels: Vec<(String, String)>,
    pub(super) value: f64,
    pub(super) kind: PointKind,
}

/// How numbers of one series follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PointKind {
    /// Each stands for itself.
    Gauge,
    /// Each is the total.
    Total,
    /// Each adds to the total.
    Delta,
}

/// All points of a push.
///
/// # Errors
/// `InvalidRecord` if the bytes are not what they should be.
pub(super) fn points(data: Bytes) -> Result<Vec<Point>, ClientMetricsError> {
    let mut points = Vec::new();
    read_all(data, &mut points).map_err(|error| ClientMetricsError::InvalidRecord(error.to_string()))?;
    Ok(points)
}

/// `MetricsData.resource_metrics`, `ResourceMetrics.scope_metrics`, `ScopeMetrics.metrics`.
fn read_all(data: Bytes, points: &mut Vec<Point>) -> Result<(), Malformed> {
    messages(data, 1, |resource| {
        messages(resource, 2, |scope| messages(scope, 2, |metric| of_metric(metric, points)))
    })
}

/// Calls `each` with every message of this number in a message.
fn messages(
    mut message: Bytes,
    number: u32,
    mut each: impl FnMut(Bytes) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    while let Some(field) = next(&mut message)? {
        match field {
            (found, Value::Bytes(inner)) if found == number => each(inner)?,
            _ => {}
        }
    }
    Ok(())
}

/// A field's value, as far as its wire type tells.
enum Value {
    Varint(u64),
    Fixed64(u64),
    Bytes(Bytes),
    Other,
}

/// The next field of a message and its number.
fn next(message: &mut Bytes) -> Result<Option<(u32, Value)>, Malformed> {
    if message.is_empty() {
        return Ok(None);
    }
    let (number, wire_type) = decode_key(message)?;
    let value = match wire_type {
        WireType::Varint => Value::Varint(decode_varint(message)?),
        WireType::SixtyFourBit => Value::Fixed64(message.try_get_u64_le().map_err(|_| Malformed::Short)?),
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(message)?).map_err(|_| Malformed::Short)?;
            // The length is a claim of the client, and `split_to` panics beyond the end.
            if length > message.len() {
                return Err(Malformed::Short);
            }
            Value::Bytes(message.split_to(length))
        }
        other => {
            // Groups hold fields of their own, to any depth: the context stops at 100.
            skip_field(other, number, message, DecodeContext::default())?;
            Value::Other
        }
    };
    Ok(Some((number, value)))
}

/// `Metric`: 1 name, 5 gauge, 7 sum.
fn of_metric(mut metric: Bytes, points: &mut Vec<Point>) -> Result<(), Malformed> {
    let (mut name, mut data) = (String::new(), None);
    while let Some(field) = next(&mut metric)? {
        match field {
            // As in protobuf, the last one counts of a field that comes twice.
            (1, Value::Bytes(text)) => name = String::from_utf8_lossy(&text).into_owned(),
            (5, Value::Bytes(gauge)) => data = Some((gauge, false)),
            (7, Value::Bytes(sum)) => data = Some((sum, true)),
            _ => {}
        }
    }
    // A kind that clients do not send yet, such as a histogram, is no reason to refuse the rest.
    let Some((data, is_sum)) = data else { return Ok(()) };
    let name = format!("kafka_client_{}", identifier(name.strip_prefix(KAFKA).unwrap_or(&name)));
    let kind = if is_sum { sum_kind(data.clone())? } else { PointKind::Gauge };
    messages(data, 1, |point| {
        let (value, labels) = of_point(point)?;
        points.extend(value.map(|value| Point { name: name.clone(), labels, value, kind }));
        Ok(())
    })
}

/// `Sum`: 2 aggregation temporality, 3 whether it only grows.
fn sum_kind(mut sum: Bytes) -> Result<PointKind, Malformed> {
    let (mut is_delta, mut only_grows) = (false, false);
    while let Some(field) = next(&mut sum)? {
        match field {
            (2, Value::Varint(temporality)) => is_delta = temporality == DELTA,
            (3, Value::Varint(flag)) => only_grows = flag != 0,
            _ => {}
        }
    }
    Ok(match (only_grows, is_delta) {
        (false, _) => PointKind::Gauge,
        (true, false) => PointKind::Total,
        (true, true) => PointKind::Delta,
    })
}

/// Name and value.
type Label = (String, String);

/// `NumberDataPoint`: 4 as double, 6 as integer, 7 attributes.
fn of_point(mut point: Bytes) -> Result<(Option<f64>, Vec<Label>), Malformed> {
    let (mut value, mut labels) = (None, Vec::new());
    while let Some(field) = next(&mut point)? {
        match field {
            (4, Value::Fixed64(bits)) => value = Some(f64::from_bits(bits)),
            (6, Value::Fixed64(bits)) => value = Some(bits.cast_signed() as f64),
            (7, Value::Bytes(attribute)) if labels.len() < MAX_LABELS => labels.extend(label(attribute)?),
            _ => {}
        }
    }
    // `identifier` may turn two attributes into one name, and Prometheus takes each label once.
    labels.sort();
    labels.dedup_by(|(one, _), (other, _)| one == other);
    // Two underscores are Prometheus' own.
    labels.retain(|(name, _)| !OWN_LABELS.contains(&name.as_str()) && !name.starts_with("__"));
    Ok((value, labels))
}

/// `KeyValue`: 1 key, 2 value; `AnyValue`: 1 string, 2 bool, 3 integer, 4 double.
fn label(mut attribute: Bytes) -> Result<Option<Label>, Malformed> {
    let (mut name, mut any) = (String::new(), Bytes::new());
    while let Some(field) = next(&mut attribute)? {
        match field {
            (1, Value::Bytes(text)) => name = identifier(&String::from_utf8_lossy(&text)),
            (2, Value::Bytes(value)) => any = value,
            _ => {}
        }
    }
    let value = match next(&mut any)? {
        Some((1, Value::Bytes(text))) => String::from_utf8_lossy(&text).chars().take(MAX_TEXT).collect(),
        Some((2, Value::Varint(flag))) => (flag != 0).to_string(),
        Some((3, Value::Varint(number))) => number.cast_signed().to_string(),
        Some((4, Value::Fixed64(bits))) => f64::from_bits(bits).to_string(),
        _ => return Ok(None),
    };
    Ok(Some((name, value)))
}

/// Labels that the broker gives, whatever a client says.
const OWN_LABELS: [&str; 2] = ["client_id", "client_instance_id"];

/// The name as Prometheus allows it.
fn identifier(name: &str) -> String {
    let letter =
        |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
    let text: String = name.chars().take(MAX_TEXT).map(letter).collect();
    match text.chars().next() {
        Some(first) if !first.is_ascii_digit() => text,
        _ => format!("_{text}"),
    }
}
