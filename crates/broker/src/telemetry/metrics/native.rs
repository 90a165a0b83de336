//! Our own names, `ottla_*`, in Prometheus' base units.
//!
//! Times are in seconds and sizes in bytes, as Prometheus advises; the names of other exporters have the
//! units that those have. Numbers of other parts of the broker come as `ExtraFamily`, so that this file knows
//! none of them.

use super::families::{Families, Family};
use super::{ExtraKind, HANDSHAKE_REASONS, ListenerMetrics, Shared, Snapshot};

/// Adds what is ours: build, requests, connections, and the numbers of other parts.
pub(super) fn families(shared: &Shared, snapshot: &Snapshot, out: &mut Families) {
    let build = [("version", env!("CARGO_PKG_VERSION"))];
    out.gauge("ottla_build_info", "Version of the running broker; always 1.", |family| {
        family.push(&build, 1.0)
    });
    let panics = snapshot.broker.task_panics as f64;
    let help = "Panics caught in background tasks.";
    out.counter("ottla_task_panics_total", help, |family| family.push(&[], panics));
    requests(shared, out);
    audit(shared, out);
    connections(shared, out);
    for extra in &snapshot.extra {
        let fill = |family: &mut Family| {
            for (labels, value) in &extra.series {
                let labels: Vec<_> =
                    labels.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect();
                family.push(&labels, *value);
            }
        };
        // Bounded, as some of them are pushed by clients, which choose the number of series (KIP-714).
        match extra.kind {
            ExtraKind::Counter => out.bounded_counter(&extra.name, &extra.help, extra.series.len(), fill),
            ExtraKind::Gauge => out.bounded_gauge(&extra.name, &extra.help, extra.series.len(), fill),
        }
    }
}

/// Requests by API and error code, and how long they took. Only APIs that were called.
fn requests(shared: &Shared, out: &mut Families) {
    let seen = || shared.requests.iter().filter(|request| request.count() > 0);
    out.counter("ottla_requests_total", "Requests answered, by API and error code.", |family| {
        for request in seen() {
            for (code, count) in request.errors() {
                family.push(&[("api", request.name()), ("error", (shared.error_name)(code))], count as f64);
            }
        }
    });
    let help = "Time from a request's last byte to its answer's last byte, long polls included.";
    out.histogram("ottla_request_duration_seconds", help, |family| {
        for request in seen() {
            let (buckets, sum) = request.histogram();
            // Counted after the buckets, hence never smaller than their sum.
            family.push_histogram(&[("api", request.name())], &buckets, request.count(), sum);
        }
    });
}

/// The audit log.
fn audit(shared: &Shared, out: &mut Families) {
    let help = "Lines that the audit log lost: refused logins and denials that came faster than they could be written.";
    out.counter("ottla_audit_log_dropped_total", help, |family| {
        family.push(&[], shared.audit_dropped.value() as f64);
    });
}

/// Connections by listener, of Kafka clients only.
fn connections(shared: &Shared, out: &mut Families) {
    let listeners = shared.listeners.read();
    let each = |value: fn(&ListenerMetrics) -> f64| {
        let listeners = &listeners;
        move |family: &mut Family| {
            for (name, listener) in listeners.iter() {
                family.push(&[("listener", name)], value(listener));
            }
        }
    };
    out.gauge("ottla_connections", "Connections open now.", each(|listener| listener.open.value() as f64));
    let help = "1 if other machines can reach the listener, and it lacks encryption or logins.";
    out.gauge("ottla_listener_exposed", help, each(|listener| listener.exposed.value() as f64));
    let help = "Connections accepted.";
    out.counter("ottla_connections_accepted_total", help, each(|listener| listener.accepted.value() as f64));
    let help = "Connections closed at once because a limit was reached.";
    out.counter("ottla_connections_refused_total", help, each(|listener| listener.refused.value() as f64));
    let help = "TLS handshakes that failed, by reason.";
    out.counter("ottla_tls_handshakes_failed_total", help, |family| {
        for (name, listener) in listeners.iter() {
            for (reason, count) in HANDSHAKE_REASONS.iter().zip(&listener.handshakes_failed) {
                // A listener without TLS has none.
                if count.value() > 0 {
                    family.push(&[("listener", name), ("reason", reason)], count.value() as f64);
                }
            }
        }
    });
    let help = "Connections closed because of bytes that are not a valid request.";
    out.counter(
        "ottla_connections_malformed_total",
        help,
        each(|listener| listener.malformed.value() as f64),
    );
}
