//! Metrics that clients push (KIP-714), so that users see their stock clients' own figures without touching an application.
//!
//! ```text
//! instances      clients, their subscriptions and their pace       pure
//! otlp           the contents of a push: names, labels, values           pure
//! series         what a scrape shows, bounded and expiring         pure
//! ```
//! Follows Kafka's `ClientMetricsManager`. Nothing is asked of a client that no subscription names; metrics that no
//! subscription asks for are kept no longer than their client.

pub(crate) mod instances;
mod otlp;
mod series;

use bytes::Bytes;
use codec::records::{BatchError, Compression, decompress_within};
use parking_lot::Mutex;
use thiserror::Error;
use uuid::Uuid;

use self::instances::{ClientFacts, Instances, Subscribed};
use self::series::Series;
use crate::config::resources::client_metrics::ClientMetricsConfig;
use crate::telemetry::metrics::ExtraFamily;

/// Why a request of a client is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ClientMetricsError {
    /// It contradicts itself, or what the client said before.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// It comes too early.
    #[error("the request arrived before the next push interval")]
    Throttled,
    /// The client has to ask for its subscription anew.
    #[error("the subscription id is not the client's present one")]
    UnknownSubscriptionId,
    /// No codec has this number.
    #[error("compression type {0} is not supported")]
    UnsupportedCompression(i8),
    /// More than `telemetry.max.bytes`.
    #[error(
        "metrics of {size} bytes are larger than telemetry.max.bytes allows, as they came or decompressed"
    )]
    TooLarge {
        /// As they came.
        size: usize,
    },
    /// The metrics cannot be read.
    #[error("{0}")]
    InvalidRecord(String),
}

/// A client's push.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    /// The client that pushes.
    pub(crate) client_instance_id: Uuid,
    /// The subscriptions, as one number, that the client collected its metrics for.
    pub(crate) subscription_id: i32,
    /// It pushes for the last time.
    pub(crate) terminating: bool,
    /// The number of a codec.
    pub(crate) compression_type: i8,
    /// OTLP `MetricsData`, compressed.
    pub(crate) metrics: Bytes,
}

/// See the module. One per broker.
#[derive(Default)]
pub(crate) struct ClientMetrics {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    instances: Instances,
    series: Series,
}

impl ClientMetrics {
    /// Asks for these metrics from now on.
    pub(crate) fn subscribe(&self, subscriptions: Vec<ClientMetricsConfig>) {
        self.state.lock().instances.subscribe(subscriptions);
    }

    /// Returns true if there is a subscription at all.
    pub(crate) fn has_subscriptions(&self) -> bool {
        self.state.lock().instances.has_subscriptions()
    }

    /// The metrics that a client is asked for. A client without an id (nil) gets one.
    ///
    /// # Errors
    /// `Throttled` if it asked or pushed just before.
    pub(crate) fn subscribed(
        &self,
        client_instance_id: Uuid,
        client: &ClientFacts,
        now_ms: i64,
    ) -> Result<Subscribed, ClientMetricsError> {
        let mut state = self.state.lock();
        state.expire(now_ms);
        state.instances.subscribed(client_instance_id, client, now_ms)
    }

    /// Takes what a client pushes, at most `max_bytes` of it.
    ///
    /// # Errors
    /// See [`ClientMetricsError`].
    pub(crate) fn push(
        &self,
        push: &Push,
        client: &ClientFacts,
        max_bytes: usize,
        now_ms: i64,
    ) -> Result<(), ClientMetricsError> {
        let mut state = self.state.lock();
        state.expire(now_ms);
        state.instances.admit(push, client, max_bytes, now_ms)?;
        drop(state);
        // Without the lock: it takes its time.
        let read = read(push, max_bytes);
        let mut state = self.state.lock();
        let result = match read {
            Ok(points) => {
                state.series.take(push.client_instance_id, &client.client_id, points);
                Ok(())
            }
            Err(error) => Err(error),
        };
        state.instances.pushed(push, result.as_ref().err());
        // A client that ends has nothing more to show; Prometheus keeps what it scraped. One that was forgotten while its push was
        // read would show it for ever.
        if push.terminating || !state.instances.knows(push.client_instance_id) {
            state.series.forget(push.client_instance_id);
        }
        result
    }

    /// The clients' metrics as a scrape shows them.
    pub(crate) fn families(&self, now_ms: i64) -> Vec<ExtraFamily> {
        let mut state = self.state.lock();
        // Here too: when no client sends requests any more, nothing else forgets them.
        state.expire(now_ms);
        state.series.families(state.instances.len())
    }
}

impl State {
    fn expire(&mut self, now_ms: i64) {
        for gone in self.instances.expire(now_ms) {
            self.series.forget(gone);
        }
    }
}

fn read(push: &Push, max_bytes: usize) -> Result<Vec<otlp::Point>, ClientMetricsError> {
    if push.metrics.is_empty() {
        return Ok(Vec::new());
    }
    let codec = u8::try_from(push.compression_type).ok().and_then(Compression::from_id);
    let codec = codec.ok_or(ClientMetricsError::UnsupportedCompression(push.compression_type))?;
    // `telemetry.max.bytes` bounds what came and what it becomes, as in Kafka's `ClientTelemetryExporterPlugin`.
    let data = match codec {
        Compression::None => push.metrics.clone(),
        codec => decompress_within(codec, &push.metrics, max_bytes).map_err(|error| match error {
            // A client may push less next time; after INVALID_RECORD it would push nothing any more.
            BatchError::TooExpansive { .. } => ClientMetricsError::TooLarge { size: push.metrics.len() },
            error => ClientMetricsError::InvalidRecord(error.to_string()),
        })?,
    };
    otlp::points(data)
}

#[cfg(test)]
mod tests;
