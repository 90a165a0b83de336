//! The quotas that are in force, and what each client has used of its own.
//!
//! Guarantees that a change which was answered governs every later request, that a broker without a quota of some kind pays one look at an atomic
//! variable for it, and that what is kept of clients is bounded and leaves after an hour. The figures are the security crate's; how a
//! client is throttled is left to `kafka/` and `net/`, how quotas are kept to `services/quotas.rs`.

mod metrics;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use security::quota::{Accounts, Change, Key, Limit, Quotas, Rate, Scope, Tokens, Window};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::StartConfig;

/// The most accounts of one kind of quota. Those that were idle longest leave first.
const MAX_ACCOUNTS: usize = 100_000;

/// Connections of an address: each address has an account of its own.
const BY_ADDRESS: Scope = Scope { user: true, client_id: false };

/// See the module.
pub(crate) struct ClientQuotas {
    in_force: ArcSwap<Quotas>,
    /// A bit for each kind of which there is a quota, by [`Key::index`].
    exist: AtomicU8,
    clock: Clock,
    window: Window,
    mutation_window: Window,
    produced: Mutex<Accounts<Used>>,
    fetched: Mutex<Accounts<Used>>,
    requests: Mutex<Accounts<Used>>,
    mutations: Mutex<Accounts<Tokens>>,
    connections: Mutex<Accounts<Rate>>,
    changing: tokio::sync::Mutex<()>,
    /// Told of each change.
    changed: watch::Sender<()>,
}

/// The use of one client.
#[derive(Debug, Default)]
pub(crate) struct Used {
    rate: Rate,
    throttled_ms: u64,
    throttles: u64,
}

/// The client of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client<'a> {
    /// The name of its principal, without the type.
    pub(crate) user: &'a str,
    /// The client id of the request, empty if it has none.
    pub(crate) client_id: &'a str,
}

impl ClientQuotas {
    /// The quotas that the data folder holds, and nothing used.
    pub(crate) fn new(quotas: Quotas, config: &StartConfig, clock: Clock) -> Self {
        let window = |samples: u32, seconds: u32| Window { samples, length_ms: i64::from(seconds) * 1000 };
        Self {
            exist: AtomicU8::new(bits(&quotas)),
            in_force: ArcSwap::from_pointee(quotas),
            clock,
            window: window(config.quota_window_num, config.quota_window_size_seconds),
            mutation_window: window(
                config.controller_quota_window_num,
                config.controller_quota_window_size_seconds,
            ),
            produced: Mutex::new(Accounts::new(MAX_ACCOUNTS)),
            fetched: Mutex::new(Accounts::new(MAX_ACCOUNTS)),
            requests: Mutex::new(Accounts::new(MAX_ACCOUNTS)),
            mutations: Mutex::new(Accounts::new(MAX_ACCOUNTS)),
            connections: Mutex::new(Accounts::new(MAX_ACCOUNTS)),
            changing: tokio::sync::Mutex::default(),
            changed: watch::Sender::default(),
        }
    }

    /// The quotas as of now.
    pub(crate) fn in_force(&self) -> Arc<Quotas> {
        self.in_force.load_full()
    }

    /// The right to change quotas, from the first look at them until the change is in force.
    pub(crate) async fn changing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Changes quotas: in force when this returns. Only for the holder of [`Self::changing`].
    pub(crate) fn change(&self, changes: Vec<Change>) {
        let quotas = self.in_force.load().changed(changes);
        let exist = bits(&quotas);
        self.in_force.store(Arc::new(quotas));
        // After them: a request that sees the bit finds the quota. Acquire and release: one that is sent after the answer sees both.
        self.exist.store(exist, Ordering::Release);
        self.changed.send_replace(());
    }

    /// Told of every change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Returns true if there is a quota of this kind.
    pub(crate) fn exist(&self, key: Key) -> bool {
        self.exist.load(Ordering::Acquire) & bit(key) != 0
    }

    /// The quota of a client; `None` if none applies.
    pub(crate) fn limit(&self, key: Key, client: Client<'_>) -> Option<Limit> {
        if !self.exist(key) {
            return None;
        }
        self.in_force.load().of_client(key, client.user, client.client_id)
    }

    /// Adds to the bytes or the time that a client used; the milliseconds for which it is throttled, 0 if it is within its quota.
    pub(crate) fn charge(&self, key: Key, client: Client<'_>, value: f64) -> u32 {
        let Some(limit) = self.limit(key, client) else { return 0 };
        let (now_ms, window) = (self.now_ms(), self.window);
        let mut accounts = self.accounts(key).lock();
        let used = accounts.of(limit.scope, client.user, client.client_id, now_ms);
        let mut throttle_ms = used.rate.charge(value, limit.quota, now_ms, window);
        if key == Key::RequestPercentage {
            throttle_ms = throttle_ms.min(one_window_ms(window));
        }
        used.throttled_ms += u64::from(throttle_ms);
        used.throttles += u64::from(throttle_ms > 0);
        throttle_ms
    }

    /// Adds to what a client used, or takes off it with a negative value, without throttling it.
    pub(crate) fn record(&self, key: Key, client: Client<'_>, value: f64) {
        if let Some(limit) = self.limit(key, client) {
            let now_ms = self.now_ms();
            let mut accounts = self.accounts(key).lock();
            let used = accounts.of(limit.scope, client.user, client.client_id, now_ms);
            used.rate.record(value, now_ms, self.window);
        }
    }

    /// The most bytes that a fetch of a client may have: more is never let through (KAFKA-9677). The first batch of a fetch comes whole, so
    /// one that is longer is not delivered under this quota. `None` without a quota.
    pub(crate) fn largest_fetch(&self, client: Client<'_>) -> Option<usize> {
        let limit = self.limit(Key::ConsumerByteRate, client)?;
        // Saturates.
        Some(self.window.most_at_once(limit.quota) as usize)
    }

    /// Pays for partitions that a client creates or deletes, unless it has a debt.
    ///
    /// # Errors
    /// It has one: milliseconds until it is paid.
    pub(crate) fn accept_mutations(&self, client: Client<'_>, partitions: f64) -> Result<(), u32> {
        let Some(limit) = self.limit(Key::ControllerMutationRate, client) else { return Ok(()) };
        let now_ms = self.now_ms();
        let mut accounts = self.mutations.lock();
        let tokens = accounts.of(limit.scope, client.user, client.client_id, now_ms);
        tokens.accept(partitions, limit.quota, now_ms, self.mutation_window)
    }

    /// Pays for partitions that an older client creates or deletes; the milliseconds for which it is throttled.
    pub(crate) fn take_mutations(&self, client: Client<'_>, partitions: f64) -> u32 {
        let Some(limit) = self.limit(Key::ControllerMutationRate, client) else { return 0 };
        let now_ms = self.now_ms();
        let mut accounts = self.mutations.lock();
        let tokens = accounts.of(limit.scope, client.user, client.client_id, now_ms);
        tokens.take(partitions, limit.quota, now_ms, self.mutation_window)
    }

    /// Counts a connection from an address, unless that makes too many.
    ///
    /// # Errors
    /// It does: for how long the connection is held before it is closed, at most one window.
    pub(crate) fn connect(&self, address: IpAddr) -> Result<(), Duration> {
        let key = Key::ConnectionCreationRate;
        if !self.exist(key) {
            return Ok(());
        }
        let Some(quota) = self.in_force.load().of_address(key, address) else { return Ok(()) };
        let (now_ms, window) = (self.now_ms(), self.window);
        let mut accounts = self.connections.lock();
        let rate = accounts.of(BY_ADDRESS, &address.to_string(), "", now_ms);
        match rate.charge(1.0, quota, now_ms, window) {
            0 => Ok(()),
            throttle_ms => {
                // It is not accepted, so it does not count.
                rate.record(-1.0, now_ms, window);
                Err(Duration::from_millis(throttle_ms.min(one_window_ms(window)).into()))
            }
        }
    }

    fn accounts(&self, key: Key) -> &Mutex<Accounts<Used>> {
        match key {
            Key::ProducerByteRate => &self.produced,
            Key::ConsumerByteRate => &self.fetched,
            // The others have accounts of another type, and methods of their own.
            Key::RequestPercentage | Key::ControllerMutationRate | Key::ConnectionCreationRate => {
                &self.requests
            }
        }
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.clock.monotonic().as_millis()).unwrap_or(i64::MAX)
    }
}

fn one_window_ms(window: Window) -> u32 {
    u32::try_from(window.length_ms).unwrap_or(u32::MAX)
}

const fn bit(key: Key) -> u8 {
    1 << key.index()
}

fn bits(quotas: &Quotas) -> u8 {
    Key::ALL.into_iter().filter(|key| quotas.exist(*key)).fold(0, |bits, key| bits | bit(key))
}

#[cfg(test)]
mod tests;
