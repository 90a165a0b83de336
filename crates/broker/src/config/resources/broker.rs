//! Values that clients give to the broker while it runs (KIP-226): what may be given, and the configuration it makes.
//!
//! Follows Kafka's `DynamicBrokerConfig`: what this broker was given comes before what all brokers were given, and both
//! come before what it was started with. Which keys are dynamic is in the key tables. Keeping what was given, and
//! telling those who act on it, is left to `runtime.rs`.

use super::super::broker_config::{BrokerConfig, DynamicConfigs};
use super::super::broker_keys::BrokerKeys;
use super::super::changes::{Change, ConfigOp, KeyRules, apply};
use super::super::key::{ConfigType, Units};
use super::super::overrides::{ConfigRefusal, Overrides};
use super::super::problem::Origin;
use super::super::reader::SettingsReader;
use super::super::resolve;
use super::super::setting::Setting;
use super::super::tables::broker_key;
use super::super::tls;

/// True if the key can be changed while the broker runs.
pub fn is_dynamic(name: &str) -> bool {
    broker_key(name).is_some_and(|key| key.dynamic)
}

impl BrokerConfig {
    /// The configuration that the broker was started with, with these values given on top of it.
    ///
    /// # Errors
    /// The fault of the values, alone or together.
    pub fn with_dynamic(&self, dynamic: DynamicConfigs) -> Result<Self, ConfigRefusal> {
        let mut settings = self.settings.clone();
        // In this order the values of this broker replace those of all brokers (KIP-226).
        for (name, value) in dynamic.default.iter().chain(&dynamic.own) {
            settings.insert(name.clone(), Setting { value: value.clone(), origin: Origin::Client });
        }
        let (mut problems, mut notes) = (Vec::new(), Vec::new());
        let keys = BrokerKeys::read(&mut SettingsReader::new(&mut settings, &mut problems));
        let started = Some(self.start());
        let made = keys.and_then(|keys| {
            resolve::resolve(keys, settings, &self.files, started, &mut problems, &mut notes)
        });
        match (made, problems.first()) {
            // The settings of the start, without what clients gave: DescribeConfigs tells the sources apart.
            (Some(made), None) => Ok(Self { dynamic, settings: self.settings.clone(), ..made }),
            // INVALID_CONFIG would say more, but Kafka keeps this code for its clients (KAFKA-13609).
            (_, Some(problem)) => Err(ConfigRefusal::InvalidRequest(problem.to_string())),
            (None, None) => {
                Err(ConfigRefusal::InvalidRequest("The values contradict each other.".to_owned()))
            }
        }
    }

    /// Applies changes to `current`, which was given to this broker or to all.
    ///
    /// # Errors
    /// The first thing that is wrong; all keys that cannot be changed are named together, as in Kafka.
    pub fn changed(&self, current: &Overrides, changes: &[Change<'_>]) -> Result<Overrides, ConfigRefusal> {
        // Kafka's way to have files of TLS read again: the caller does it, and nothing is stored.
        let (of_tls, changes): (Vec<Change<'_>>, Vec<Change<'_>>) =
            changes.iter().partition(|(name, _)| tls::is_location(name));
        of_tls.iter().try_for_each(|change| self.names_same_file(change))?;
        let fixed: Vec<&str> =
            changes.iter().map(|(name, _)| *name).filter(|name| !is_dynamic(name)).collect();
        if !fixed.is_empty() {
            return Err(ConfigRefusal::InvalidRequest(format!(
                "Cannot update these configs dynamically: [{}]. Set them in the broker's configuration and restart it.",
                fixed.join(", ")
            )));
        }
        apply(&BrokerRules { broker: self }, current, changes.iter().copied())
    }

    /// No path comes from a client: it may only repeat the one that is configured.
    fn names_same_file(&self, (name, op): &Change<'_>) -> Result<(), ConfigRefusal> {
        let in_force = tls::location_in_force(&self.settings, self.listeners(), name);
        match op {
            ConfigOp::Set(value) if Some(value.trim()) == in_force => Ok(()),
            _ => Err(ConfigRefusal::InvalidRequest(format!(
                "{name} can only be set to the file that it names already, which reads that file again. Set another in the \
                 broker's configuration and restart it."
            ))),
        }
    }
}

/// See [`KeyRules`]. What a broker was given and what all brokers were given is judged together, by
/// [`BrokerConfig::with_dynamic`].
struct BrokerRules<'a> {
    broker: &'a BrokerConfig,
}

impl KeyRules for BrokerRules<'_> {
    fn list(&self, name: &str, set: &Overrides) -> Option<String> {
        let key = broker_key(name).filter(|key| key.kind == ConfigType::List)?;
        let started_with = self.broker.settings.get(name).map(|setting| setting.value.as_str());
        // Null is a list without elements.
        Some(set.get(name).map(String::as_str).or(started_with).or(key.default).unwrap_or("").to_owned())
    }

    fn normalise(&self, name: &str, value: &str) -> Result<String, ConfigRefusal> {
        let unknown = || ConfigRefusal::InvalidRequest(format!("Unknown broker config name: {name}"));
        let key = broker_key(name).ok_or_else(unknown)?;
        key.normalise(value, Units::Refused).map_err(|reason| {
            ConfigRefusal::InvalidRequest(format!("Invalid value {value} for configuration {name}: {reason}"))
        })
    }

    fn check_together(&self, _: &Overrides) -> Result<(), ConfigRefusal> {
        // Left to `with_dynamic`, which runs before a change is stored: here the other half is not known.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigOp;

    fn given(pairs: &[(&str, &str)]) -> Overrides {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn retention_ms(config: &BrokerConfig) -> Option<u64> {
        config.retention_ms().map(crate::config::Millis::as_u64)
    }

    fn base() -> BrokerConfig {
        BrokerConfig::from_pairs(&[("message.max.bytes", "5"), ("log.retention.hours", "1")]).unwrap()
    }

    #[test]
    fn what_this_broker_was_given_counts_first() {
        let (key, base) = ("message.max.bytes", base());
        let own = given(&[(key, "7"), ("log.retention.ms", "9")]);
        let default = given(&[(key, "6"), ("max.connections", "3")]);
        let made = base.with_dynamic(DynamicConfigs { own, default: default.clone() }).unwrap();
        assert_eq!(
            (made.message_max_bytes.as_i32(), made.max_connections, retention_ms(&made)),
            (7, 3, Some(9))
        );
        // A change starts from what the broker was started with, not from the last change.
        let made = made.with_dynamic(DynamicConfigs { default, ..DynamicConfigs::default() }).unwrap();
        assert_eq!((made.message_max_bytes.as_i32(), retention_ms(&made)), (6, Some(3_600_000)));
        assert_eq!(made.with_dynamic(DynamicConfigs::default()).unwrap().message_max_bytes.as_i32(), 5);
    }

    #[test]
    fn values_that_do_not_go_together_are_refused() {
        let own = given(&[("log.retention.ms", "0")]);
        let refused = base().with_dynamic(DynamicConfigs { own, ..DynamicConfigs::default() }).unwrap_err();
        assert!(refused.to_string().contains("0 would keep nothing"), "{refused}");
    }

    #[test]
    fn changes_are_made_key_by_key() {
        let (base, current) = (base(), given(&[("message.max.bytes", "7")]));
        let change = |changes: &[(&'static str, ConfigOp<'static>)]| {
            base.changed(&current, changes).map_err(|error| error.to_string())
        };
        let made = change(&[
            ("message.max.bytes", ConfigOp::Delete),
            ("log.cleanup.policy", ConfigOp::Append("compact")),
            ("max.connections", ConfigOp::Set(" 9 ")),
        ]);
        assert_eq!(made, Ok(given(&[("log.cleanup.policy", "delete,compact"), ("max.connections", "9")])));
        let lists = change(&[("log.cleanup.policy", ConfigOp::Subtract("delete"))]);
        assert_eq!(lists.unwrap().get("log.cleanup.policy").map(String::as_str), Some(""));
        let long = "compact,".repeat(5_000);
        let long = ConfigOp::Set(Box::leak(long.into_boxed_str()));
        for (name, op, text) in [
            (
                "max.connections",
                ConfigOp::Set("x"),
                "Invalid value x for configuration max.connections: Not a",
            ),
            ("max.connections", ConfigOp::Append("1"), "Can't APPEND to key max.connections"),
            ("log.cleanup.policy", long, "exceeds the maximum value size"),
            ("node.id", ConfigOp::Set("3"), "Cannot update these configs dynamically: [node.id]."),
            ("no.such.key", ConfigOp::Delete, "Cannot update these configs dynamically: [no.such.key]."),
            ("log.flush.interval.ms", ConfigOp::Set("3"), "Cannot update these configs dynamically"),
        ] {
            let refused = change(&[(name, op)]).unwrap_err();
            assert!(refused.contains(text), "{refused}");
        }
    }
}
