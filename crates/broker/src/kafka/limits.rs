//! The limits of connections, and the state that all of them share.
//!
//! Guarantees nothing by itself: `frames.rs`, `connection.rs` and `net/` hold to it.

use std::time::Duration;

use crate::config::{BrokerConfig, Bytes, ConnectionLimits, ListenerLimits};
use crate::kafka::budget::Budget;
use crate::kafka::notices::Notices;

/// Requests of one connection that may be running at once. Kafka runs one; Java and librdkafka producers keep 5 on the
/// way by default, so 8 hides the sync of the log from them and still bounds what a single client can occupy.
pub(super) const MAX_IN_FLIGHT: usize = 8;

/// A client that has begun a frame and sends nothing more of it is waited for this long.
const FRAME_DEADLINE: Duration = Duration::from_secs(30);

/// Answers of one connection that wait for their turn or for its socket, in bytes: above it no further request
/// of it is started.
pub(super) const MAX_UNSENT_BYTES: usize = 1 << 20;

/// The limits of all listeners together, in Kafka's terms.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// `socket.request.max.bytes`: longest frame of an API that carries records.
    pub(crate) max_request_bytes: usize,
    /// `queued.max.request.bytes`: bytes of requests received and not yet answered, over all connections; `None` for no bound.
    pub(crate) queued_request_bytes: Option<usize>,
    /// How long a client may pause within a frame.
    pub(crate) frame_deadline: Duration,
    /// `connections.max.idle.ms`
    pub(crate) max_idle: Duration,
    /// `max.connections`
    pub(crate) max_connections: usize,
    /// `max.connections.per.ip`
    pub(crate) max_connections_per_ip: usize,
    /// `max.connection.creation.rate`, per second
    pub(crate) max_connection_creation_rate: u32,
    /// Of single listeners and addresses.
    pub(crate) single: ConnectionLimits,
}

impl Limits {
    /// As configured; -1 and 0 mean what they mean to Kafka.
    pub(crate) fn new(config: &BrokerConfig) -> Self {
        Self {
            max_request_bytes: config.socket_request_max_bytes.as_usize(),
            queued_request_bytes: config.queued_max_request_bytes.map(Bytes::as_usize),
            frame_deadline: FRAME_DEADLINE,
            max_idle: config.connections_max_idle_ms.map_or(FOREVER, Duration::from).min(FOREVER),
            max_connections: config.max_connections,
            max_connections_per_ip: config.max_connections_per_ip,
            max_connection_creation_rate: config.max_connection_creation_rate,
            single: config.connection_limits().clone(),
        }
    }

    /// Those of one listener.
    pub(crate) fn of(&self, listener: &str) -> ListenerLimits {
        self.single.listeners.get(listener).copied().unwrap_or_default()
    }
}

/// Longer than any connection lasts, and short enough for a timer.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// The state that all connections share.
pub(crate) struct Shared {
    /// As of the start; `net/admission.rs` alone follows later changes.
    pub(crate) limits: Limits,
    /// Bytes of requests over all connections.
    pub(super) budget: Budget,
    /// Log lines that clients can cause.
    pub(crate) notices: Notices,
}

impl Shared {
    /// With nothing received and nothing logged yet.
    pub(crate) fn new(limits: Limits) -> Self {
        let budget = Budget::new(limits.queued_request_bytes);
        Self { limits, budget, notices: Notices::new() }
    }
}
