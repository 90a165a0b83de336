//! The subscriptions of the members, by name and by regular expression, and changes of the topics that they mean.
//!
//! Regular expressions are resolved by the coordinator (KIP-848), with a matcher whose time is linear in its input,
//! against whole topic names as Kafka's RE2J does. Kafka resolves them a while after the heartbeat; here the heartbeat
//! that brings one already gets its partitions. What they match is not stored: it follows from the topics.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::super::{Env, GroupError, MemberId, Refused};
use super::ConsumerGroup;
use crate::regular_expressions::whole_match;

/// The topics that the regular expressions of a group match.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// The version of the topics that they were matched against; `None` after a restart.
    seen: Option<u64>,
    /// The names of the topics that each expression in use matches.
    topics: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
}

/// Checks that a regular expression can be used.
///
/// # Errors
/// INVALID_REGULAR_EXPRESSION with the reason. Look-around and back-references are not supported, as in
/// RE2J.
pub(super) fn validate_regex(regex: &str) -> Result<(), Refused> {
    whole_match(regex).map(drop).map_err(|error| {
        let message = format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {error}.");
        Refused::new(GroupError::InvalidRegularExpression, message)
    })
}

impl ConsumerGroup {
    /// The names that a member subscribes to, whether such topics exist or not.
    pub(super) fn subscribed_names(&self, id: &MemberId) -> BTreeSet<Arc<str>> {
        let Some(member) = self.members.get(id) else { return BTreeSet::new() };
        let mut names = member.subscription.topic_names.clone();
        let matches =
            member.subscription.topic_regex.as_ref().and_then(|regex| self.resolved.topics.get(regex));
        names.extend(matches.into_iter().flatten().cloned());
        names
    }

    /// All names that members subscribe to.
    /// Matches the expressions anew if topics have changed since.
    pub fn all_subscribed_names(&mut self, env: Env<'_>) -> BTreeSet<Arc<str>> {
        self.resolve(env);
        self.members.keys().flat_map(|id| self.subscribed_names(id)).collect()
    }

    /// Raises the group epoch if it must be (`bump`), or if the topics that are subscribed to are no longer what they
    /// were: come, gone, grown, or others under the same name.
    pub(super) fn refresh(&mut self, env: Env<'_>, bump: bool) {
        // Every heartbeat comes here: without this each would hash all topics of the group.
        if !bump && self.resolved.seen == Some(env.topics.version) {
            return;
        }
        let hash = metadata_hash(env, &self.all_subscribed_names(env));
        if bump || hash != self.metadata_hash {
            self.epoch = self.epoch.saturating_add(1);
            self.metadata_hash = hash;
            self.changes.group();
            tracing::info!(group = %self.id, epoch = self.epoch, members = self.members.len(), "group epoch raised");
        }
    }

    /// Matches the regular expressions against the topics as they are now.
    /// Each expression once, however many members share it.
    fn resolve(&mut self, env: Env<'_>) {
        let used: BTreeSet<Arc<str>> =
            self.members.values().filter_map(|member| member.subscription.topic_regex.clone()).collect();
        if self.resolved.seen != Some(env.topics.version) {
            self.resolved.topics.clear();
            self.resolved.seen = Some(env.topics.version);
        }
        // Members may change their expressions at any time: old ones must not pile up.
        self.resolved.topics.retain(|regex, _| used.contains(regex));
        for regex in used {
            self.resolved.topics.entry(regex).or_insert_with_key(|regex| match whole_match(regex) {
                Ok(compiled) => {
                    env.topics.image.names().filter(|name| compiled.is_match(name)).map(Arc::from).collect()
                }
                // It was accepted once, by a version that knew more. It matches nothing until it is replaced.
                Err(error) => {
                    tracing::warn!(%regex, %error, "a stored regular expression cannot be used");
                    BTreeSet::new()
                }
            });
        }
    }
}

/// FNV-1a over the existing ones among `names`: name, id and number of partitions of each. Stored, so it stays as it is.
pub(in crate::group) fn metadata_hash(env: Env<'_>, names: &BTreeSet<Arc<str>>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for name in names {
        if let Some((id, partitions)) = env.topics.image.topic(name) {
            take(name.as_bytes());
            // Ends the name, which cannot contain it.
            take(&[0]);
            take(id.as_bytes());
            take(&partitions.to_be_bytes());
        }
    }
    hash
}
