//! The series of clients' pushes, as a scrape shows them.
//!
//! Guarantees a bound on the number of series, over all clients and for each; what is beyond it is counted, and said
//! once in the log. A client's series go when it goes.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::otlp::{Point, PointKind};
use crate::telemetry::metrics::{ExtraFamily, ExtraKind};

/// Series of all clients together.
const MAX_SERIES: usize = 20_000;
/// Series of one client: a Java producer of many topics has some hundreds.
const MAX_SERIES_PER_CLIENT: usize = 2_000;
/// Characters of a client id that are shown.
const MAX_CLIENT_ID: usize = 200;

/// Name, labels of the client's own.
type Key = (String, Vec<(String, String)>);

/// All of them.
#[derive(Default)]
pub(super) struct Series {
    clients: HashMap<Uuid, Client>,
    /// Series of all clients.
    count: usize,
    /// Points that would have made a series too many, since the start.
    dropped: u64,
}

#[derive(Default)]
struct Client {
    client_id: String,
    /// True for a total; and the value.
    values: BTreeMap<Key, (bool, f64)>,
}

impl Series {
    /// Takes the points of one push.
    pub(super) fn take(&mut self, id: Uuid, client_id: &str, points: Vec<Point>) {
        if points.is_empty() {
            return;
        }
        let client = self.clients.entry(id).or_default();
        client.client_id = client_id.chars().take(MAX_CLIENT_ID).collect();
        let dropped_before = self.dropped;
        for Point { name, labels, value, kind } in points {
            let key = (name, labels);
            let is_known = client.values.contains_key(&key);
            // A known series is always updated: else a scrape would show its old value for good.
            if !is_known && (self.count >= MAX_SERIES || client.values.len() >= MAX_SERIES_PER_CLIENT) {
                self.dropped += 1;
                continue;
            }
            self.count += usize::from(!is_known);
            // Deltas are added up here: a scrape shows totals, whatever the clients' pace.
            let entry = client.values.entry(key).or_insert((kind != PointKind::Gauge, 0.0));
            entry.1 = if kind == PointKind::Delta { entry.1 + value } else { value };
        }
        // Once in the life of the process: such clients would repeat it with every push.
        if dropped_before == 0 && self.dropped > 0 {
            tracing::warn!(
                client_id,
                max = MAX_SERIES,
                max_per_client = MAX_SERIES_PER_CLIENT,
                "clients push more metrics than are shown; ottla_client_metrics_dropped_total counts them"
            );
        }
    }

    /// The client is gone.
    pub(super) fn forget(&mut self, id: Uuid) {
        if let Some(client) = self.clients.remove(&id) {
            self.count -= client.values.len();
        }
    }

    /// The series as a scrape shows them, and the number of clients that are known.
    pub(super) fn families(&self, clients: usize) -> Vec<ExtraFamily> {
        let mut families: BTreeMap<(&str, bool), ExtraFamily> = BTreeMap::new();
        for (id, client) in &self.clients {
            let id = id.to_string();
            for ((name, labels), (is_total, value)) in &client.values {
                let family = families.entry((name, *is_total)).or_insert_with(|| ExtraFamily {
                    name: name.clone().into(),
                    help: "Pushed by clients (KIP-714).".into(),
                    kind: if *is_total { ExtraKind::Counter } else { ExtraKind::Gauge },
                    series: Vec::new(),
                });
                let own = [("client_id", &client.client_id), ("client_instance_id", &id)];
                let own = own.map(|(name, value)| (name.into(), value.clone()));
                let labels = labels.iter().map(|(name, value)| (name.clone().into(), value.clone()));
                family.series.push((own.into_iter().chain(labels).collect(), *value));
            }
        }
        let mut shown: Vec<ExtraFamily> = Vec::new();
        for family in families.into_values() {
            // One name has one kind. Where clients do not agree on it, gauges come first and are shown.
            if shown.last().is_none_or(|last| last.name != family.name) {
                shown.push(family);
            }
        }
        let single = |name: &'static str, help: &'static str, kind, value| ExtraFamily {
            name: name.into(),
            help: help.into(),
            kind,
            series: vec![(Vec::new(), value)],
        };
        shown.push(single(
            "ottla_client_metrics_instances",
            "Clients that asked for a metrics subscription or pushed metrics of late.",
            ExtraKind::Gauge,
            clients as f64,
        ));
        shown.push(single(
            "ottla_client_metrics_dropped_total",
            "Points of clients' metrics that would have made a series too many.",
            ExtraKind::Counter,
            self.dropped as f64,
        ));
        shown
    }
}
