//! The quotas of the client of one request: what the request takes of them, and for how long the client is throttled after it.
//!
//! Guarantees that without a quota of a kind nothing is measured, allocated or locked for it, and that the longest throttle counts: it is in the answer,
//! and the connection is muted for it. The figures are in `session/quotas.rs`.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use security::quota::Key;

use crate::kafka::mute::Mute;
use crate::services::admin::error::TopicError;
use crate::session::quotas::{Client, ClientQuotas};

/// Milliseconds for which the client of a request is throttled. A clone is that of another handle on the same request, and starts
/// with the same value.
#[derive(Debug, Default)]
pub(crate) struct Throttle(AtomicU32);

impl Clone for Throttle {
    fn clone(&self) -> Self {
        Self(AtomicU32::new(self.ms()))
    }
}

impl Throttle {
    fn ms(&self) -> u32 {
        // Relaxed, here and below: one variable, and a request is handled by one task.
        self.0.load(Ordering::Relaxed)
    }

    fn at_least(&self, ms: u32) {
        self.0.fetch_max(ms, Ordering::Relaxed);
    }
}

/// See the module.
#[derive(Clone, Copy)]
pub(crate) struct RequestQuota<'a> {
    pub(super) quotas: &'a ClientQuotas,
    pub(super) client: Client<'a>,
    /// Of its connection.
    pub(super) mute: &'a Mute,
    pub(super) throttle: &'a Throttle,
    /// Bytes of the request, header included.
    pub(super) request_bytes: usize,
}

/// When a client's changes of topics are refused, and when they are carried out and followed by a throttle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutations {
    /// The client knows THROTTLING_QUOTA_EXCEEDED (KIP-599).
    Refused,
    /// An older client.
    CarriedOut,
}

impl Mutations {
    /// By the version of a request, and the first one at which clients know the code.
    pub(crate) fn of(version: i16, refused_from: i16) -> Self {
        if version >= refused_from { Self::Refused } else { Self::CarriedOut }
    }
}

impl RequestQuota<'_> {
    /// Milliseconds for the answer, 0 for none. At most what its field holds.
    pub(super) fn throttle_ms(self) -> i32 {
        i32::try_from(self.throttle.ms()).unwrap_or(i32::MAX)
    }

    /// Charges the bytes of the request.
    pub(crate) fn charge_produced(self) {
        self.charge(Key::ProducerByteRate, self.request_bytes as f64);
    }

    /// The most bytes that a fetch may have; `None` without a quota.
    pub(crate) fn largest_fetch(self) -> Option<usize> {
        self.quotas.largest_fetch(self.client)
    }

    /// Charges the bytes of an answer to a fetch, and returns true if it may be sent. Otherwise the client is throttled, and nothing is charged:
    /// the answer is to be empty. The bytes are counted only if there is a quota.
    pub(crate) fn admits_fetched(self, bytes: impl FnOnce() -> usize) -> bool {
        let key = Key::ConsumerByteRate;
        if self.quotas.limit(key, self.client).is_none() {
            return true;
        }
        let bytes = bytes() as f64;
        let admitted = self.charge(key, bytes) == 0;
        if !admitted {
            self.quotas.record(key, self.client, -bytes);
        }
        admitted
    }

    /// Returns true if the time that threads spend on the client's requests is bounded.
    pub(super) fn bounds_time(self) -> bool {
        self.quotas.exist(Key::RequestPercentage)
    }

    /// Charges the time that threads have spent on the request. Without an answer there is no throttle, as in Kafka.
    pub(super) fn charge_time(self, spent: Duration, is_answered: bool) {
        let (key, percent) = (Key::RequestPercentage, spent.as_secs_f64() * 100.0);
        if is_answered {
            self.charge(key, percent);
        } else {
            self.quotas.record(key, self.client, percent);
        }
    }

    /// Pays for partitions that are created or deleted.
    ///
    /// # Errors
    /// The client has a debt, and knows the code for that.
    pub(crate) fn pay(self, mutations: Mutations, partitions: u32) -> Result<(), TopicError> {
        let (key, quotas, cost) = (Key::ControllerMutationRate, self.quotas, f64::from(partitions));
        if !quotas.exist(key) {
            return Ok(());
        }
        match mutations {
            Mutations::Refused => quotas.accept_mutations(self.client, cost).map_err(|ms| {
                self.throttle(key, ms);
                TopicError::Throttled
            }),
            Mutations::CarriedOut => {
                self.throttle(key, quotas.take_mutations(self.client, cost));
                Ok(())
            }
        }
    }

    fn charge(self, key: Key, value: f64) -> u32 {
        let ms = self.quotas.charge(key, self.client, value);
        self.throttle(key, ms);
        ms
    }

    fn throttle(self, key: Key, ms: u32) {
        if ms > 0 {
            self.throttle.at_least(ms);
            self.mute.throttle(self.quotas, key, self.client, ms);
        }
    }
}
