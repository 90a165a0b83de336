//! The keys of a group: what one consumer group may be given instead of the broker's own (Kafka's `GroupConfig`,
//! KIP-848).
//!
//! [`GroupTimeouts`] is what a group's own settings and the broker's make together. Bounds are the broker's
//! `group.consumer.min.…` and `group.consumer.max.…`. Kafka's other keys of groups are known by name and refused:
//! nothing would act on them.

use super::BrokerConfig;
use super::key::Check::AtLeast;
use super::key::Effect::Enforced;
use super::key::{Key, Kind, Units};
use super::topic_keys::{ConfigOp, Overrides};

/// A group's key and the broker key behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupKey {
    pub(super) key: Key,
    pub(super) broker_key: &'static str,
    /// What the key is worth where the group does not set it.
    pub(super) fallback: fn(&BrokerConfig) -> i32,
    /// The broker keys of the least and the most that it may be, with their values.
    bounds: fn(&BrokerConfig) -> [(&'static str, i32); 2],
}

const SESSION: &str = "consumer.session.timeout.ms";
const HEARTBEAT: &str = "consumer.heartbeat.interval.ms";

/// In the order of their names.
pub(super) const GROUP_KEYS: [GroupKey; 2] = [
    GroupKey {
        key: milliseconds(
            HEARTBEAT,
            "How often the members of the group, if they speak the consumer protocol, are told to send heartbeats, in \
             milliseconds.",
        ),
        broker_key: "group.consumer.heartbeat.interval.ms",
        fallback: |broker| broker.group_consumer_heartbeat_interval_ms,
        bounds: |broker| {
            [
                ("group.consumer.min.heartbeat.interval.ms", broker.group_consumer_min_heartbeat_interval_ms),
                ("group.consumer.max.heartbeat.interval.ms", broker.group_consumer_max_heartbeat_interval_ms),
            ]
        },
    },
    GroupKey {
        key: milliseconds(
            SESSION,
            "When a member of the group, if it speaks the consumer protocol, is removed because it is not heard, in \
             milliseconds.",
        ),
        broker_key: "group.consumer.session.timeout.ms",
        fallback: |broker| broker.group_consumer_session_timeout_ms,
        bounds: |broker| {
            [
                ("group.consumer.min.session.timeout.ms", broker.group_consumer_min_session_timeout_ms),
                ("group.consumer.max.session.timeout.ms", broker.group_consumer_max_session_timeout_ms),
            ]
        },
    },
];

/// Kafka's other keys, by their beginnings, and why they are refused.
const OTHERS: [(&str, &str); 3] = [
    ("consumer.assignment.interval.ms", "assignments are computed at once here"),
    ("share.", "share groups are not served yet"),
    ("streams.", "Streams groups are not served yet"),
];

const fn milliseconds(name: &'static str, doc: &'static str) -> Key {
    Key { name, kind: Kind::Int, default: None, check: AtLeast(1), effect: Enforced, dynamic: true, doc }
}

/// Why a group cannot have a configuration: Kafka's INVALID_CONFIG, with Kafka's words where it has some.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidGroupConfig(String);

/// How the members of one group of the consumer protocol keep in touch, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTimeouts {
    /// How often they are told to send heartbeats.
    pub heartbeat_interval_ms: i32,
    /// When one that is not heard is removed. More than the interval.
    pub session_timeout_ms: i32,
}

impl GroupTimeouts {
    /// What a group's own settings and the broker's make together.
    ///
    /// # Errors
    /// The first thing that is wrong (`GroupConfig.validate`).
    pub fn effective(set: &Overrides, broker: &BrokerConfig) -> Result<Self, InvalidGroupConfig> {
        if let Some(name) = set.keys().find(|name| group_key(name).is_none()) {
            return Err(unknown(name));
        }
        let [heartbeat, session] = &GROUP_KEYS;
        let (heartbeat_interval_ms, session_timeout_ms) =
            (heartbeat.value(set, broker)?, session.value(set, broker)?);
        if session_timeout_ms <= heartbeat_interval_ms {
            return Err(InvalidGroupConfig(format!("{SESSION} must be greater than {HEARTBEAT}")));
        }
        Ok(Self { heartbeat_interval_ms, session_timeout_ms })
    }

    /// What a group's own settings become by these changes.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn changed(
        current: &Overrides,
        changes: &[(&str, ConfigOp<'_>)],
        broker: &BrokerConfig,
    ) -> Result<Overrides, InvalidGroupConfig> {
        let mut set = current.clone();
        for (name, change) in changes {
            let operation = match change {
                ConfigOp::Set(value) => {
                    let key = group_key(name).ok_or_else(|| unknown(name))?;
                    set.insert((*name).to_owned(), key.read(value, broker)?.to_string());
                    continue;
                }
                ConfigOp::Delete => {
                    set.remove(*name);
                    continue;
                }
                ConfigOp::Append(_) => "APPEND",
                ConfigOp::Subtract(_) => "SUBTRACT",
            };
            let text = format!("Can't {operation} to key {name} because its type is not LIST.");
            return Err(InvalidGroupConfig(text));
        }
        Self::effective(&set, broker)?;
        Ok(set)
    }
}

impl GroupKey {
    fn value(&self, set: &Overrides, broker: &BrokerConfig) -> Result<i32, InvalidGroupConfig> {
        match set.get(self.key.name) {
            Some(text) => self.read(text, broker),
            None => Ok((self.fallback)(broker)),
        }
    }

    fn read(&self, text: &str, broker: &BrokerConfig) -> Result<i32, InvalidGroupConfig> {
        let name = self.key.name;
        let wrong =
            |reason| InvalidGroupConfig(format!("Invalid value {text} for configuration {name}: {reason}"));
        let value = self.key.normalise(text, Units::Refused).map_err(wrong)?;
        let value: i32 = value.parse().map_err(|_| wrong("Not a number of type INT".to_owned()))?;
        let [(least, at_least), (most, at_most)] = (self.bounds)(broker);
        if value < at_least {
            return Err(InvalidGroupConfig(format!("{name} must be greater than or equal to {least}")));
        }
        if value > at_most {
            return Err(InvalidGroupConfig(format!("{name} must be less than or equal to {most}")));
        }
        Ok(value)
    }
}

fn group_key(name: &str) -> Option<&'static GroupKey> {
    GROUP_KEYS.iter().find(|group| group.key.name == name)
}

fn unknown(name: &str) -> InvalidGroupConfig {
    let other = OTHERS.iter().find(|(beginning, _)| name.starts_with(beginning));
    InvalidGroupConfig(match other {
        Some((_, reason)) => format!("{name} cannot be set: {reason}."),
        None => format!("Unknown group config name: {name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(changes: &[(&str, ConfigOp<'_>)]) -> Result<Overrides, String> {
        let broker = BrokerConfig::from_pairs(&[]).unwrap();
        GroupTimeouts::changed(&Overrides::new(), changes, &broker).map_err(|error| error.to_string())
    }

    #[test]
    fn a_group_overrides_the_broker() {
        let broker = BrokerConfig::from_pairs(&[]).unwrap();
        let set = changed(&[(SESSION, ConfigOp::Set(" 050000 "))]).unwrap();
        assert_eq!(set, Overrides::from([(SESSION.to_owned(), "50000".to_owned())]));
        let both = GroupTimeouts { heartbeat_interval_ms: 5_000, session_timeout_ms: 50_000 };
        assert_eq!(GroupTimeouts::effective(&set, &broker), Ok(both));
        let none = GroupTimeouts::changed(&set, &[(SESSION, ConfigOp::Delete)], &broker);
        assert_eq!(none, Ok(Overrides::new()));
    }

    #[test]
    fn refusals_are_in_the_words_of_kafka() {
        for (name, value, words) in [
            (SESSION, "44999", "must be greater than or equal to group.consumer.min.session.timeout.ms"),
            (SESSION, "60001", "must be less than or equal to group.consumer.max.session.timeout.ms"),
            (HEARTBEAT, "4999", "must be greater than or equal to group.consumer.min.heartbeat.interval.ms"),
            (HEARTBEAT, "15001", "must be less than or equal to group.consumer.max.heartbeat.interval.ms"),
        ] {
            assert_eq!(changed(&[(name, ConfigOp::Set(value))]), Err(format!("{name} {words}")));
        }
        let error = |name, change| changed(&[(name, change)]).unwrap_err();
        assert_eq!(
            error(SESSION, ConfigOp::Set("soon")),
            format!("Invalid value soon for configuration {SESSION}: Not a number of type INT")
        );
        assert_eq!(
            error(SESSION, ConfigOp::Append("1")),
            format!("Can't APPEND to key {SESSION} because its type is not LIST.")
        );
        assert_eq!(error("no.such.key", ConfigOp::Set("1")), "Unknown group config name: no.such.key");
        assert_eq!(
            error("share.session.timeout.ms", ConfigOp::Set("50000")),
            "share.session.timeout.ms cannot be set: share groups are not served yet."
        );
    }

    #[test]
    fn a_session_outlasts_a_heartbeat() {
        let pairs = [
            ("group.consumer.min.session.timeout.ms", "1000"),
            ("group.consumer.max.heartbeat.interval.ms", "50000"),
        ];
        let broker = BrokerConfig::from_pairs(&pairs).unwrap();
        let error = GroupTimeouts::changed(&Overrides::new(), &[(SESSION, ConfigOp::Set("5000"))], &broker);
        assert_eq!(error.unwrap_err().to_string(), format!("{SESSION} must be greater than {HEARTBEAT}"));
    }
}
