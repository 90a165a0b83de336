//! The keys of a group, the broker keys that they fall back to, and their bounds.
//!
//! Bounds are the broker's `group.consumer.min.…` and `group.consumer.max.…`, and those of `group.streams.…`. Kafka's other keys of
//! groups are known by name and refused: nothing would act on them.

use super::super::super::broker_config::BrokerConfig;
use super::super::super::key::Check::AtLeast;
use super::super::super::key::Effect::Enforced;
use super::super::super::key::{ConfigType, Key};

/// A group's key and the broker key that it falls back to.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct GroupConfigKey {
    pub(in crate::config) key: Key,
    pub(in crate::config) broker_key: &'static str,
    /// The key's value if the group does not set it.
    pub(in crate::config) fallback: fn(&BrokerConfig) -> i32,
    /// The least and the most that it may be.
    pub(super) bounds: fn(&BrokerConfig) -> [Bound; 2],
}

/// A broker key that bounds a group's, with its value.
type Bound = (&'static str, i32);

pub(super) const SESSION: &str = "consumer.session.timeout.ms";
pub(super) const HEARTBEAT: &str = "consumer.heartbeat.interval.ms";
pub(super) const STREAMS_SESSION: &str = "streams.session.timeout.ms";
pub(super) const STREAMS_HEARTBEAT: &str = "streams.heartbeat.interval.ms";

/// In the order of their names.
pub(in crate::config) const GROUP_KEYS: [GroupConfigKey; 7] = [
    GroupConfigKey {
        key: int(
            HEARTBEAT,
            1,
            "How often the members of the group, if they speak the consumer protocol, are told to send heartbeats, in \
             milliseconds.",
        ),
        broker_key: "group.consumer.heartbeat.interval.ms",
        fallback: |broker| broker.group_consumer_heartbeat_interval_ms.as_i32(),
        bounds: |broker| {
            let least = broker.group_consumer_min_heartbeat_interval_ms.as_i32();
            let most = broker.group_consumer_max_heartbeat_interval_ms.as_i32();
            [
                ("group.consumer.min.heartbeat.interval.ms", least),
                ("group.consumer.max.heartbeat.interval.ms", most),
            ]
        },
    },
    GroupConfigKey {
        key: int(
            SESSION,
            1,
            "When a member of the group, if it speaks the consumer protocol, is removed because it is not heard, in \
             milliseconds.",
        ),
        broker_key: "group.consumer.session.timeout.ms",
        fallback: |broker| broker.group_consumer_session_timeout_ms.as_i32(),
        bounds: |broker| {
            let least = broker.group_consumer_min_session_timeout_ms.as_i32();
            let most = broker.group_consumer_max_session_timeout_ms.as_i32();
            [
                ("group.consumer.min.session.timeout.ms", least),
                ("group.consumer.max.session.timeout.ms", most),
            ]
        },
    },
    GroupConfigKey {
        key: int(
            "streams.assignment.interval.ms",
            0,
            "The least time between two assignments of the tasks of the group, if it is a streams group, in milliseconds.",
        ),
        broker_key: "group.streams.assignment.interval.ms",
        fallback: |broker| broker.group_streams_assignment_interval_ms.as_i32(),
        bounds: |broker| {
            let least = broker.group_streams_min_assignment_interval_ms.as_i32();
            let most = broker.group_streams_max_assignment_interval_ms.as_i32();
            [
                ("group.streams.min.assignment.interval.ms", least),
                ("group.streams.max.assignment.interval.ms", most),
            ]
        },
    },
    GroupConfigKey {
        key: int(
            STREAMS_HEARTBEAT,
            1,
            "How often the members of the group, if it is a streams group, are told to send heartbeats, in milliseconds.",
        ),
        broker_key: "group.streams.heartbeat.interval.ms",
        fallback: |broker| broker.group_streams_heartbeat_interval_ms.as_i32(),
        bounds: |broker| {
            let least = broker.group_streams_min_heartbeat_interval_ms.as_i32();
            let most = broker.group_streams_max_heartbeat_interval_ms.as_i32();
            [
                ("group.streams.min.heartbeat.interval.ms", least),
                ("group.streams.max.heartbeat.interval.ms", most),
            ]
        },
    },
    GroupConfigKey {
        key: int(
            "streams.initial.rebalance.delay.ms",
            0,
            "How long the first member of the group, if it is a streams group, waits for further members, in milliseconds.",
        ),
        broker_key: "group.streams.initial.rebalance.delay.ms",
        fallback: |broker| broker.group_streams_initial_rebalance_delay_ms.as_i32(),
        bounds: |_| NO_BOUNDS,
    },
    GroupConfigKey {
        key: int(
            "streams.num.standby.replicas",
            0,
            "The standby tasks of each task with state, if the group is a streams group.",
        ),
        broker_key: "group.streams.num.standby.replicas",
        fallback: |broker| count(broker.group_streams_num_standby_replicas),
        bounds: |broker| {
            let most = count(broker.group_streams_max_standby_replicas);
            [NO_BOUNDS[0], ("group.streams.max.standby.replicas", most)]
        },
    },
    GroupConfigKey {
        key: int(
            STREAMS_SESSION,
            1,
            "When a member of the group, if it is a streams group, is removed because it is not heard, in milliseconds.",
        ),
        broker_key: "group.streams.session.timeout.ms",
        fallback: |broker| broker.group_streams_session_timeout_ms.as_i32(),
        bounds: |broker| {
            let least = broker.group_streams_min_session_timeout_ms.as_i32();
            let most = broker.group_streams_max_session_timeout_ms.as_i32();
            [("group.streams.min.session.timeout.ms", least), ("group.streams.max.session.timeout.ms", most)]
        },
    },
];

/// Of a key that only its own check bounds.
const NO_BOUNDS: [Bound; 2] = [("0", i32::MIN), ("2147483647", i32::MAX)];

/// The same number: Kafka's keys of this kind are INTs.
fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Kafka's other keys, by their beginnings, and why they are refused.
pub(super) const OTHERS: [(&str, &str); 3] = [
    ("consumer.assignment.interval.ms", "assignments are computed at once here"),
    ("share.", "share groups are not served yet"),
    ("streams.", "no streams group has a configuration of its own for that"),
];

/// A number of at least `least`. Its other bounds are the broker's.
const fn int(name: &'static str, least: i64, doc: &'static str) -> Key {
    Key {
        name,
        kind: ConfigType::Int,
        // Without a value of its own a group goes by the broker's (`fallback`).
        default: None,
        check: AtLeast(least),
        effect: Enforced,
        dynamic: true,
        doc,
    }
}
