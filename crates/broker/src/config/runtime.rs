//! Configurations given to resources other than topics while the broker runs: kept on the disk, and in effect at once.
//!
//! Guarantees that a change is on the disk before it is in effect and before its client hears of it, that changes do not
//! overtake each other, and that a caller always gets a broker's configuration of one moment, never half a change. Which
//! keys may change is in `config/resources/`, which clients may change them is left to the APIs.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use storage::{ResourceConfigs, StorageError, StoredConfigs, TooLarge};
use tokio::sync::watch;

use crate::config::resources::resource_type::BROKER;
use crate::config::{BrokerConfig, ConfigRefusal, DynamicConfigs, Overrides};
use crate::io::ClusterIo;

/// A kind of resource and a name.
type Resource = (i8, String);

/// See the module. One per broker.
pub(crate) struct RuntimeConfigs {
    /// A resource without values has no entry.
    given: RwLock<BTreeMap<Resource, Overrides>>,
    /// The broker's configuration as of now.
    current: watch::Sender<Arc<BrokerConfig>>,
    /// Held from the first look at what is given until the change is in effect.
    changing: tokio::sync::Mutex<()>,
}

/// Why a change did not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// The values do not go together.
    #[error(transparent)]
    Refused(#[from] ConfigRefusal),
    /// They are too large to be stored.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl RuntimeConfigs {
    /// Nothing is given yet.
    pub(crate) fn new(started_with: Arc<BrokerConfig>) -> Self {
        Self {
            given: RwLock::default(),
            current: watch::Sender::new(started_with),
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// Takes what was given before this start. A resource whose configuration cannot be read has none, and values that do
    /// not go with what the broker was started with now are left aside, each with a line in the log.
    pub(crate) fn load(&self, kept: StoredConfigs) {
        for unreadable in kept.unreadable {
            let (resource_type, name, error) = (unreadable.resource_type, unreadable.name, unreadable.error);
            tracing::error!(
                resource_type, name, %error,
                "the configuration of a resource cannot be read; it has its defaults until it is set anew"
            );
        }
        let kept = kept.readable.into_iter().filter_map(|kept| {
            // Kafka's kinds are positive numbers of a byte: this record is of another program, or damaged.
            let Ok(kind) = i8::try_from(kept.resource_type) else {
                let (resource_type, name) = (kept.resource_type, kept.name);
                tracing::error!(
                    resource_type,
                    name,
                    "the configuration of an unknown kind of resource is left alone"
                );
                return None;
            };
            Some(((kind, kept.name), kept.configs))
        });
        let given: BTreeMap<Resource, Overrides> = kept.collect();
        match self.broker().with_dynamic(dynamic(&given, self.broker().node_id)) {
            // `send` would keep the old value while nothing watches yet.
            Ok(made) => drop(self.current.send_replace(Arc::new(made))),
            Err(error) => tracing::error!(%error, "values given to the broker at run time are left aside"),
        }
        // Even what is left aside is kept: the next change of a resource must not delete what an operator gave it before.
        *self.given.write() = given;
    }

    /// The broker's configuration as of now.
    pub(crate) fn broker(&self) -> Arc<BrokerConfig> {
        Arc::clone(&self.current.borrow())
    }

    /// The broker's configuration as it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<BrokerConfig>> {
        self.current.subscribe()
    }

    /// The values that a resource was given; empty if there is no such resource.
    pub(crate) fn given(&self, kind: i8, name: &str) -> Overrides {
        self.given.read().get(&(kind, name.to_owned())).cloned().unwrap_or_default()
    }

    /// The resources of a kind that were given something, by name. Walks all that was given.
    pub(crate) fn names(&self, kind: i8) -> Vec<String> {
        let given = self.given.read();
        given.keys().filter(|(known, _)| *known == kind).map(|(_, name)| name.clone()).collect()
    }

    /// Checks that `name` may be given something, if no more than `most` of its kind may have a configuration.
    pub(crate) fn has_room_for(&self, kind: i8, name: &str, most: usize) -> Result<(), ConfigRefusal> {
        let names = self.names(kind);
        if names.len() < most || names.iter().any(|known| known == name) {
            return Ok(());
        }
        let text = format!("{most} of them have a configuration already, which is the most; delete some");
        Err(ConfigRefusal::InvalidRequest(text))
    }

    /// No change happens for as long as the answer lives. Waits for the change under way, with its write.
    pub(crate) async fn lock(&self) -> Changing<'_> {
        Changing { configs: self, _lock: self.changing.lock().await }
    }
}

/// The right to change what is given.
pub(crate) struct Changing<'a> {
    configs: &'a RuntimeConfigs,
    _lock: tokio::sync::MutexGuard<'a, ()>,
}

impl Changing<'_> {
    /// Checks that the resource could have these values.
    pub(crate) fn check(&self, kind: i8, name: &str, to: &Overrides) -> Result<(), ConfigRefusal> {
        self.with(kind, name, to).map(|_| ())
    }

    /// Gives the resource these values, all of them. They are durable and in effect when the future ends.
    ///
    /// # Errors
    /// The values do not go together, or could not be written: then nothing has changed.
    pub(crate) async fn change(
        &self,
        cluster: &ClusterIo,
        kind: i8,
        name: &str,
        to: Overrides,
    ) -> Result<(), ChangeError> {
        let (given, made) = self.with(kind, name, &to)?;
        let resource_type = u8::try_from(kind).expect("the code of a kind is positive");
        // Before it is visible: a crash must not take back a value that the broker has acted on.
        cluster
            .write_configs(ResourceConfigs { resource_type, name: name.to_owned(), configs: to })
            .await??;
        // Both under the lock that `self` holds: no other change can come between the two.
        *self.configs.given.write() = given;
        if let Some(made) = made {
            self.configs.current.send_replace(Arc::new(made));
        }
        Ok(())
    }

    /// Everything given, and the broker's configuration if it changes.
    fn with(
        &self,
        kind: i8,
        name: &str,
        to: &Overrides,
    ) -> Result<(BTreeMap<Resource, Overrides>, Option<BrokerConfig>), ConfigRefusal> {
        let mut given = self.configs.given.read().clone();
        let resource = (kind, name.to_owned());
        // A resource without values has no record (ADR 7).
        match to.is_empty() {
            true => given.remove(&resource),
            false => given.insert(resource, to.clone()),
        };
        if kind != BROKER {
            return Ok((given, None));
        }
        let before = self.configs.broker();
        let made = before.with_dynamic(dynamic(&given, before.node_id))?;
        Ok((given, Some(made)))
    }
}

fn dynamic(given: &BTreeMap<Resource, Overrides>, node_id: i32) -> DynamicConfigs {
    let of = |name: String| given.get(&(BROKER, name)).cloned().unwrap_or_default();
    // On the wire and on the disk the empty name stands for all brokers.
    DynamicConfigs { own: of(node_id.to_string()), default: of(String::new()) }
}
