//! Clients that ask for subscriptions or push: what each is asked for, and when it may come again.
//!
//! Guarantees a bound on how many are remembered; a client that is silent for three intervals, at least a minute, is forgotten. The rules of pace
//! are those of Kafka's `ClientMetricsManager` and `ClientMetricsInstance`.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use uuid::Uuid;

use super::{ClientMetricsError, Push};
use crate::config::resources::client_metrics::{ClientMetricsConfig, ClientProperty, DEFAULT_INTERVAL_MS};
use crate::random;

/// Clients that are remembered, as Kafka's `ClientMetricsManager.CACHE_MAX_SIZE`.
pub(super) const MAX_INSTANCES: usize = 16_384;
/// Codecs in the order of preference: zstd, lz4, gzip, snappy.
const ACCEPTED_COMPRESSION: [i8; 4] = [4, 3, 1, 2];
/// All metrics, in a subscription and in an answer.
const ALL: &str = "*";
/// Intervals without a word after which a client is forgotten.
const SILENT_INTERVALS: i64 = 3;
/// No client is forgotten sooner, in milliseconds (Kafka's `DEFAULT_CACHE_EXPIRY_MS`): a pause of a client that pushes
/// often must not end its series.
const MIN_SILENCE_MS: i64 = 60_000;

/// The facts about a client that its connection knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClientFacts {
    pub(crate) client_id: String,
    pub(crate) software_name: String,
    pub(crate) software_version: String,
    pub(crate) address: String,
    pub(crate) port: String,
}

impl ClientFacts {
    /// The value that a subscription's pattern is compared with.
    fn property<'a>(&'a self, property: ClientProperty, client_instance_id: &'a str) -> &'a str {
        match property {
            ClientProperty::ClientInstanceId => client_instance_id,
            ClientProperty::ClientId => &self.client_id,
            ClientProperty::SoftwareName => &self.software_name,
            ClientProperty::SoftwareVersion => &self.software_version,
            ClientProperty::SourceAddress => &self.address,
            ClientProperty::SourcePort => &self.port,
        }
    }
}

/// The metrics that a client is asked for, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscribed {
    pub(crate) client_instance_id: Uuid,
    /// Follows from the metrics, the interval and the client. A push with another one is refused.
    pub(crate) subscription_id: i32,
    /// Milliseconds from one push to the next.
    pub(crate) interval_ms: i32,
    /// Beginnings of names; `*` is all, none is nothing.
    pub(crate) metrics: Vec<String>,
    /// Codecs that a push may use besides none, the best first.
    pub(crate) compression_types: &'static [i8],
}

/// All of them.
#[derive(Default)]
pub(super) struct Instances {
    subscriptions: Vec<ClientMetricsConfig>,
    /// Counts the changes of the subscriptions.
    version: u64,
    known: HashMap<Uuid, Instance>,
    /// Clients that others pushed out since the last call of [`Self::expire`].
    pushed_out: Vec<Uuid>,
}

struct Instance {
    subscribed: Subscribed,
    /// Of the subscriptions that it was worked out from.
    version: u64,
    /// When it last asked for its subscription, by the broker's clock.
    asked_ms: Option<i64>,
    /// When it last pushed, be it in vain.
    pushed_ms: Option<i64>,
    /// It may ask anew at once to put right what was wrong.
    excused: bool,
    /// It has pushed for the last time: no further push is taken.
    terminated: bool,
}

impl Instances {
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// From now on these hold. A client learns of it when its next push has the old subscription id.
    pub(super) fn subscribe(&mut self, subscriptions: Vec<ClientMetricsConfig>) {
        self.subscriptions = subscriptions;
        self.version += 1;
    }

    pub(super) fn has_subscriptions(&self) -> bool {
        !self.subscriptions.is_empty()
    }

    /// See [`ClientMetrics::subscribed`](super::ClientMetrics::subscribed).
    pub(super) fn subscribed(
        &mut self,
        id: Uuid,
        client: &ClientFacts,
        now_ms: i64,
    ) -> Result<Subscribed, ClientMetricsError> {
        let id = if id.is_nil() { random::id() } else { id };
        let instance = self.instance(id, client, now_ms);
        let last = instance.asked_ms.max(instance.pushed_ms);
        let interval_ms = i64::from(instance.subscribed.interval_ms);
        let is_due = last.is_none_or(|last| now_ms.saturating_sub(last) >= interval_ms);
        if !is_due && !instance.excused {
            return Err(ClientMetricsError::Throttled);
        }
        instance.asked_ms = Some(now_ms);
        instance.excused = false;
        Ok(instance.subscribed.clone())
    }

    /// Checks a push before its metrics are read.
    pub(super) fn admit(
        &mut self,
        push: &Push,
        client: &ClientFacts,
        max_bytes: usize,
        now_ms: i64,
    ) -> Result<(), ClientMetricsError> {
        if push.client_instance_id.is_nil() {
            return Err(ClientMetricsError::InvalidRequest("a push needs a client instance id"));
        }
        let instance = self.instance(push.client_instance_id, client, now_ms);
        if instance.terminated {
            return Err(ClientMetricsError::InvalidRequest("the client has pushed for the last time before"));
        }
        // A last push is the last one whatever becomes of it (`ClientMetricsManager.processPushTelemetryRequest`).
        instance.terminated = push.terminating;
        let interval_ms = i64::from(instance.subscribed.interval_ms);
        // A first push may follow its subscription at once, a last one whatever came before it.
        let is_due = instance.pushed_ms.is_none_or(|last| now_ms.saturating_sub(last) >= interval_ms);
        // KIP-714: the first push after a subscription comes after a random part of the interval.
        let follows = instance.asked_ms > instance.pushed_ms;
        if !is_due && !follows && !push.terminating {
            return Err(ClientMetricsError::Throttled);
        }
        // Also if it is refused below, as in Kafka: a wrong push that is repeated is held to the pace.
        instance.pushed_ms = Some(now_ms);
        let refused = if push.subscription_id != instance.subscribed.subscription_id {
            ClientMetricsError::UnknownSubscriptionId
        } else if push.compression_type != 0 && !ACCEPTED_COMPRESSION.contains(&push.compression_type) {
            ClientMetricsError::UnsupportedCompression(push.compression_type)
        } else if push.metrics.len() > max_bytes {
            ClientMetricsError::TooLarge { size: push.metrics.len() }
        } else {
            instance.excused = false;
            return Ok(());
        };
        instance.excused = excuses(&refused);
        Err(refused)
    }

    /// A push was read, or could not be.
    pub(super) fn pushed(&mut self, push: &Push, error: Option<&ClientMetricsError>) {
        if let Some(instance) = self.known.get_mut(&push.client_instance_id) {
            instance.excused = error.is_some_and(excuses);
        }
    }

    pub(super) fn knows(&self, id: Uuid) -> bool {
        self.known.contains_key(&id)
    }

    /// Forgets the clients that have been silent for long; returns their ids and those of clients that were pushed out.
    pub(super) fn expire(&mut self, now_ms: i64) -> Vec<Uuid> {
        let is_gone = |_: &Uuid, instance: &mut Instance| {
            let last = instance.asked_ms.max(instance.pushed_ms).unwrap_or(now_ms);
            let patience = i64::from(instance.subscribed.interval_ms)
                .saturating_mul(SILENT_INTERVALS)
                .max(MIN_SILENCE_MS);
            now_ms.saturating_sub(last) > patience
        };
        let silent: Vec<Uuid> = self.known.extract_if(is_gone).map(|(id, _)| id).collect();
        // One that was pushed out may have come back.
        let pushed_out =
            std::mem::take(&mut self.pushed_out).into_iter().filter(|id| !self.known.contains_key(id));
        pushed_out.chain(silent).collect()
    }

    /// The client, added if it is unknown, with the subscriptions of now. May push another one out.
    fn instance(&mut self, id: Uuid, client: &ClientFacts, now_ms: i64) -> &mut Instance {
        if self.known.len() >= MAX_INSTANCES && !self.known.contains_key(&id) {
            // A client that is pushed out is asked anew with its next push; new ids cannot fill the memory.
            // All are walked, but only at the bound.
            let quietest = self.known.iter().min_by_key(|(_, one)| one.asked_ms.max(one.pushed_ms));
            if let Some(quietest) = quietest.map(|(id, _)| *id) {
                self.known.remove(&quietest);
                self.pushed_out.push(quietest);
            }
        }
        let (subscriptions, version) = (&self.subscriptions, self.version);
        let new = || Instance {
            subscribed: work_out(subscriptions, id, client),
            version,
            asked_ms: None,
            pushed_ms: None,
            excused: false,
            terminated: false,
        };
        let instance = self.known.entry(id).or_insert_with(new);
        if instance.version != version {
            instance.subscribed = work_out(subscriptions, id, client);
            instance.version = version;
        }
        // A clock that was set back must not silence a client.
        let asked = |last: Option<i64>| last.map(|last| last.min(now_ms));
        (instance.asked_ms, instance.pushed_ms) = (asked(instance.asked_ms), asked(instance.pushed_ms));
        instance
    }
}

/// After these a client may come back at once.
fn excuses(error: &ClientMetricsError) -> bool {
    matches!(error, ClientMetricsError::UnknownSubscriptionId | ClientMetricsError::UnsupportedCompression(_))
}

/// Combines the subscriptions that concern a client; the shortest of their intervals counts.
fn work_out(subscriptions: &[ClientMetricsConfig], id: Uuid, client: &ClientFacts) -> Subscribed {
    let shown = id.to_string();
    let concerned: Vec<&ClientMetricsConfig> = subscriptions
        .iter()
        .filter(|one| one.concerns(|property| client.property(property, &shown)))
        .collect();
    let names: BTreeSet<&str> = concerned.iter().flat_map(|one| &one.metrics).map(String::as_str).collect();
    let metrics: Vec<String> = match names.contains(ALL) {
        true => vec![ALL.to_owned()],
        false => names.into_iter().map(str::to_owned).collect(),
    };
    // KIP-714: as often as the most eager of the subscriptions asks. Kafka begins its search with the default
    // (`ClientMetricsManager.createClientInstance`), so a subscription cannot ask for a longer interval.
    let asked = concerned.iter().map(|one| one.interval_ms);
    let interval_ms = asked.fold(DEFAULT_INTERVAL_MS, i32::min);
    // From the contents, as Kafka's `computeSubscriptionId`: after a restart it is the same, so that clients
    // need not ask again.
    let mut hasher = DefaultHasher::new();
    (&metrics, interval_ms, id).hash(&mut hasher);
    let [.., a, b, c, d] = hasher.finish().to_be_bytes();
    let subscription_id = i32::from_be_bytes([a, b, c, d]);
    let compression_types = &ACCEPTED_COMPRESSION;
    Subscribed { client_instance_id: id, subscription_id, interval_ms, metrics, compression_types }
}
