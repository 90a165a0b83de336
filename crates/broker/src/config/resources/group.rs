//! The settings of a group: what one consumer or streams group may be given instead of the broker's own (Kafka's
//! `GroupConfig`, KIP-848, KIP-1071). Its keys are in `group/keys.rs`.
//!
//! [`GroupTimeouts`] is what a group's own settings and the broker's make together.

mod keys;

use super::super::broker_config::BrokerConfig;
use super::super::changes::{Change, KeyRules, apply};
use super::super::key::Units;
use super::super::overrides::{ConfigRefusal, Overrides};

pub(in crate::config) use self::keys::{GROUP_KEYS, GroupConfigKey};
use self::keys::{HEARTBEAT, OTHERS, SESSION, STREAMS_HEARTBEAT, STREAMS_SESSION};

/// How the members of one group keep in touch, by the protocol that the group speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTimeouts {
    /// Milliseconds, of the consumer protocol: how often they are told to send heartbeats.
    pub heartbeat_interval_ms: u32,
    /// When one that is not heard is removed. More than the interval.
    pub session_timeout_ms: u32,
    /// The same of the streams protocol, and what belongs to it.
    pub streams: StreamsTimeouts,
}

/// The settings of one streams group, in milliseconds and tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamsTimeouts {
    /// How often the members are told to send heartbeats.
    pub heartbeat_interval_ms: u32,
    /// When one that is not heard is removed. More than the interval.
    pub session_timeout_ms: u32,
    /// The least time between two targets; 0: none.
    pub assignment_interval_ms: u32,
    /// How long the first member waits for others.
    pub initial_rebalance_delay_ms: u32,
    /// The standby tasks of each task with state.
    pub num_standby_replicas: u32,
}

impl GroupTimeouts {
    /// The timeouts of a group's own settings and the broker's together.
    ///
    /// # Errors
    /// The first thing that is wrong (`GroupConfig.validate`).
    pub fn effective(set: &Overrides, broker: &BrokerConfig) -> Result<Self, ConfigRefusal> {
        if let Some(name) = set.keys().find(|name| group_key(name).is_none()) {
            return Err(unknown(name));
        }
        let [heartbeat, session, interval, streams_heartbeat, delay, replicas, streams_session] = &GROUP_KEYS;
        let value = |key: &GroupConfigKey| Ok(key.value(set, broker)?.unsigned_abs());
        let streams = StreamsTimeouts {
            heartbeat_interval_ms: value(streams_heartbeat)?,
            session_timeout_ms: value(streams_session)?,
            assignment_interval_ms: value(interval)?,
            initial_rebalance_delay_ms: value(delay)?,
            num_standby_replicas: value(replicas)?,
        };
        let all =
            Self { heartbeat_interval_ms: value(heartbeat)?, session_timeout_ms: value(session)?, streams };
        // A member would be removed before its next heartbeat came.
        if all.session_timeout_ms <= all.heartbeat_interval_ms {
            return Err(ConfigRefusal::InvalidConfig(format!("{SESSION} must be greater than {HEARTBEAT}")));
        }
        if streams.session_timeout_ms <= streams.heartbeat_interval_ms {
            return Err(ConfigRefusal::InvalidConfig(format!(
                "{STREAMS_SESSION} must be greater than {STREAMS_HEARTBEAT}"
            )));
        }
        Ok(all)
    }

    /// Applies changes to a group's own settings.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn changed<'a>(
        current: &Overrides,
        changes: impl IntoIterator<Item = Change<'a>>,
        broker: &BrokerConfig,
    ) -> Result<Overrides, ConfigRefusal> {
        apply(&GroupRules { broker }, current, changes)
    }
}

/// See [`KeyRules`].
struct GroupRules<'a> {
    broker: &'a BrokerConfig,
}

impl KeyRules for GroupRules<'_> {
    /// No key of a group is a list.
    fn list(&self, _: &str, _: &Overrides) -> Option<String> {
        None
    }

    fn normalise(&self, name: &str, value: &str) -> Result<String, ConfigRefusal> {
        let key = group_key(name).ok_or_else(|| unknown(name))?;
        Ok(key.read(value, self.broker)?.to_string())
    }

    fn check_together(&self, set: &Overrides) -> Result<(), ConfigRefusal> {
        GroupTimeouts::effective(set, self.broker).map(|_| ())
    }
}

impl GroupConfigKey {
    /// The group's own value, or the broker's. A value of its own is checked again.
    fn value(&self, set: &Overrides, broker: &BrokerConfig) -> Result<i32, ConfigRefusal> {
        match set.get(self.key.name) {
            Some(text) => self.read(text, broker),
            None => Ok((self.fallback)(broker)),
        }
    }

    /// Reads a value and checks it against the broker's bounds of now.
    fn read(&self, text: &str, broker: &BrokerConfig) -> Result<i32, ConfigRefusal> {
        let name = self.key.name;
        let wrong = |reason| {
            ConfigRefusal::InvalidConfig(format!("Invalid value {text} for configuration {name}: {reason}"))
        };
        let value = self.key.normalise(text, Units::Refused).map_err(wrong)?;
        let value: i32 = value.parse().map_err(|_| wrong("Not a number of type INT".to_owned()))?;
        // Also for a stored value: the broker may have been started with narrower bounds since.
        let [(least, at_least), (most, at_most)] = (self.bounds)(broker);
        if value < at_least {
            return Err(ConfigRefusal::InvalidConfig(format!(
                "{name} must be greater than or equal to {least}"
            )));
        }
        if value > at_most {
            return Err(ConfigRefusal::InvalidConfig(format!("{name} must be less than or equal to {most}")));
        }
        Ok(value)
    }
}

pub(in crate::config) fn group_key(name: &str) -> Option<&'static GroupConfigKey> {
    GROUP_KEYS.iter().find(|group| group.key.name == name)
}

fn unknown(name: &str) -> ConfigRefusal {
    let other = OTHERS.iter().find(|(beginning, _)| name.starts_with(beginning));
    ConfigRefusal::InvalidConfig(match other {
        Some((_, reason)) => format!("{name} cannot be set: {reason}."),
        None => format!("Unknown group config name: {name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigOp;

    fn changed(changes: &[(&str, ConfigOp<'_>)]) -> Result<Overrides, String> {
        let broker = BrokerConfig::from_pairs(&[]).unwrap();
        GroupTimeouts::changed(&Overrides::new(), changes.iter().copied(), &broker)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_group_overrides_the_broker() {
        let broker = BrokerConfig::from_pairs(&[]).unwrap();
        let set = changed(&[(SESSION, ConfigOp::Set(" 050000 "))]).unwrap();
        assert_eq!(set, Overrides::from([(SESSION.to_owned(), "50000".to_owned())]));
        let streams = StreamsTimeouts {
            heartbeat_interval_ms: 5_000,
            session_timeout_ms: 45_000,
            assignment_interval_ms: 1_000,
            initial_rebalance_delay_ms: 3_000,
            num_standby_replicas: 0,
        };
        let all = GroupTimeouts { heartbeat_interval_ms: 5_000, session_timeout_ms: 50_000, streams };
        assert_eq!(GroupTimeouts::effective(&set, &broker), Ok(all));
        let replicas = "streams.num.standby.replicas";
        let more = changed(&[(replicas, ConfigOp::Set("2"))]).unwrap();
        assert_eq!(GroupTimeouts::effective(&more, &broker).unwrap().streams.num_standby_replicas, 2);
        let interval = "streams.assignment.interval.ms";
        let slower = changed(&[(interval, ConfigOp::Set("15000"))]).unwrap();
        assert_eq!(
            GroupTimeouts::effective(&slower, &broker).unwrap().streams.assignment_interval_ms,
            15_000
        );
        let none = GroupTimeouts::changed(&set, [(SESSION, ConfigOp::Delete)], &broker);
        assert_eq!(none, Ok(Overrides::new()));
    }

    #[test]
    fn refusals_are_in_the_words_of_kafka() {
        for (name, value, words) in [
            (SESSION, "44999", "must be greater than or equal to group.consumer.min.session.timeout.ms"),
            (SESSION, "60001", "must be less than or equal to group.consumer.max.session.timeout.ms"),
            (HEARTBEAT, "4999", "must be greater than or equal to group.consumer.min.heartbeat.interval.ms"),
            (HEARTBEAT, "15001", "must be less than or equal to group.consumer.max.heartbeat.interval.ms"),
            (
                STREAMS_SESSION,
                "44999",
                "must be greater than or equal to group.streams.min.session.timeout.ms",
            ),
            (
                "streams.assignment.interval.ms",
                "15001",
                "must be less than or equal to group.streams.max.assignment.interval.ms",
            ),
            (
                "streams.num.standby.replicas",
                "3",
                "must be less than or equal to group.streams.max.standby.replicas",
            ),
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
        let error = GroupTimeouts::changed(&Overrides::new(), [(SESSION, ConfigOp::Set("5000"))], &broker);
        assert_eq!(error.unwrap_err().to_string(), format!("{SESSION} must be greater than {HEARTBEAT}"));
    }
}
