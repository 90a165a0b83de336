//! The use of quotas, as metrics.
//!
//! Guarantees that a scrape holds no account for longer than a copy of a thousand takes, and that clients with ever new names make no
//! metric without bound: where there are more, only their number is shown. `telemetry/` bounds all series together.

use std::borrow::Cow;

use security::quota::{Account, Accounts, Identity, Key};

use super::ClientQuotas;
use crate::telemetry::metrics::{ExtraFamily, ExtraKind};

/// The most accounts of a kind that are shown.
const MAX_SHOWN: usize = 1000;

/// Labels and value of each series.
type Series = Vec<(Vec<(Cow<'static, str>, String)>, f64)>;

impl ClientQuotas {
    /// The accounts as metrics, by the names that the rules of jmx_exporter give to Kafka's.
    pub(crate) fn families(&self) -> Vec<ExtraFamily> {
        let now_ms = self.now_ms();
        let (mut rates, mut times, mut tokens) = (Series::new(), Series::new(), Series::new());
        let (mut throttled, mut throttles, mut counts) = (Series::new(), Series::new(), Series::new());
        for (resource, accounts) in
            [("Produce", &self.produced), ("Fetch", &self.fetched), ("Request", &self.requests)]
        {
            let shown = if resource == "Request" { &mut times } else { &mut rates };
            let mut accounts = accounts.lock();
            accounts.sweep(now_ms);
            counts.push((labels(resource, None), accounts.len() as f64));
            for Account { owner, meter: used, .. } in few(&mut accounts) {
                let labels = labels(resource, Some(owner));
                let (rate, _) = used.rate.measure(now_ms, self.window);
                throttled.push((labels.clone(), used.throttled_ms as f64 / 1000.0));
                throttles.push((labels.clone(), used.throttles as f64));
                shown.push((labels, rate));
            }
        }
        let mut accounts = self.mutations.lock();
        accounts.sweep(now_ms);
        counts.push((labels("ControllerMutation", None), accounts.len() as f64));
        let quotas = self.in_force();
        for Account { owner, meter, .. } in few(&mut accounts) {
            let part = |part: &Option<Box<str>>| part.as_deref().unwrap_or_default().to_owned();
            let (user, client_id) = (part(&owner.user), part(&owner.client_id));
            // Its quota may be gone: then there are no tokens either.
            if let Some(limit) = quotas.of_client(Key::ControllerMutationRate, &user, &client_id) {
                let left = meter.count(limit.quota, now_ms, self.mutation_window);
                tokens.push((labels("ControllerMutation", Some(owner)), left));
            }
        }
        drop(accounts);
        vec![
            family(
                "kafka_server_quota_byte_rate",
                "Bytes per second of clients with a quota.",
                ExtraKind::Gauge,
                rates,
            ),
            family(
                "kafka_server_quota_request_time",
                "Percent of a thread that clients with a quota take.",
                ExtraKind::Gauge,
                times,
            ),
            family(
                "kafka_server_quota_tokens",
                "Partitions that clients with a quota may create or delete now; negative: a debt.",
                ExtraKind::Gauge,
                tokens,
            ),
            family(
                "ottla_quota_throttled_seconds_total",
                "Time for which clients were throttled.",
                ExtraKind::Counter,
                throttled,
            ),
            family(
                "ottla_quota_throttles_total",
                "Requests after which clients were throttled.",
                ExtraKind::Counter,
                throttles,
            ),
            family(
                "ottla_quota_accounts",
                "Clients whose use is counted against a quota.",
                ExtraKind::Gauge,
                counts,
            ),
        ]
    }
}

/// All accounts, or none if there are too many.
fn few<M: Default>(accounts: &mut Accounts<M>) -> impl Iterator<Item = &mut Account<M>> {
    let shown = if accounts.len() > MAX_SHOWN { 0 } else { MAX_SHOWN };
    accounts.iter_mut().take(shown)
}

/// The labels of an account. A part that several clients share is empty.
fn labels(resource: &'static str, owner: Option<&Identity>) -> Vec<(Cow<'static, str>, String)> {
    let text = |part: &Option<Box<str>>| part.as_deref().unwrap_or_default().to_owned();
    let mut labels = vec![("resource".into(), resource.to_owned())];
    if let Some(owner) = owner {
        labels.push(("user".into(), text(&owner.user)));
        labels.push(("clientId".into(), text(&owner.client_id)));
    }
    labels
}

fn family(name: &'static str, help: &'static str, kind: ExtraKind, series: Series) -> ExtraFamily {
    ExtraFamily { name: name.into(), help: help.into(), kind, series }
}
