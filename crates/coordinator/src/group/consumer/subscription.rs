//! The subscriptions of the members, by name and by regular expression, and changes of the topics that they mean.
//!
//! Regular expressions are resolved by the coordinator (KIP-848), with a matcher whose time is linear in its input,
//! against whole topic names as Kafka's RE2J does. Kafka resolves them a while after the heartbeat; here the heartbeat
//! that brings one already gets its partitions. What they match is not stored: it follows from the topics.
//!
//! With an authorizer an expression finds the topics that the client of its member may describe. Kafka resolves all
//! expressions of a group by the permissions of the client whose heartbeat comes first, and does not look at changes of ACLs
//! for up to ten minutes (`GroupMetadataManager.filterTopicDescribeAuthorizedTopics`); here each member has its own, and a
//! change of the rules governs the next heartbeat.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use uuid::Uuid;

use super::super::{Env, GroupError, MemberId, Refused, topics::Viewer};
use super::{ConsumerGroup, ConsumerMember};
use crate::regular_expressions::whole_match;

/// The topics that the regular expressions of a group match.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// The version of the topics that the expressions were matched against; `None` after a restart.
    seen: Option<u64>,
    /// The version of the topics from which the group's hash was computed. Others than heartbeats match the expressions, too,
    /// and must not hide a change from the next heartbeat.
    hashed: Option<u64>,
    /// A member finds other topics than those from which the target was computed, though all members together may find the same.
    has_moved: bool,
    /// The names of the topics that each expression in use matches, for each client.
    topics: BTreeMap<Expression, Names>,
}

/// A regular expression, and the topics that it may find.
type Expression = (Arc<str>, Sight);
/// Names of topics, shared.
type Names = Arc<BTreeSet<Arc<str>>>;

/// The topics that a member may find. Ordered: those that are not heard come last, as they follow from the others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sight {
    /// There is no authorizer.
    All,
    /// Those that the client of this name may describe.
    Of(Arc<str>),
    /// After a restart, until the member's next heartbeat: what the group had, and what others with the same expression find. So a
    /// restart moves no partition where all members may describe the same.
    NotHeard,
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

impl ConsumerMember {
    /// The key in [`Resolved::topics`]; `None` without a regular expression.
    fn sight(&self, are_restricted: bool) -> Option<Expression> {
        let regex = self.subscription.topic_regex.clone()?;
        let sight = match &self.viewer {
            _ if !are_restricted => Sight::All,
            Some(viewer) => Sight::Of(Arc::clone(viewer.name())),
            None => Sight::NotHeard,
        };
        Some((regex, sight))
    }
}

impl ConsumerGroup {
    /// The names that a member subscribes to, whether such topics exist or not.
    pub(super) fn subscribed_names(&self, env: Env<'_>, id: &MemberId) -> BTreeSet<Arc<str>> {
        let Some(member) = self.members.get(id) else { return BTreeSet::new() };
        let mut names = member.subscription.topic_names.clone();
        names.extend(self.matches(env, id).into_iter().flat_map(|matches| matches.iter().cloned()));
        names
    }

    /// The names that the regular expression of a member matched last.
    fn matches(&self, env: Env<'_>, id: &MemberId) -> Option<&Names> {
        self.resolved.topics.get(&self.members.get(id)?.sight(env.topics.are_restricted)?)
    }

    /// All names that members subscribe to.
    /// Matches the expressions anew if topics have changed since.
    pub fn all_subscribed_names(&mut self, env: Env<'_>) -> BTreeSet<Arc<str>> {
        self.resolve(env);
        self.members.keys().flat_map(|id| self.subscribed_names(env, id)).collect()
    }

    /// Raises the group epoch if it must be (`bump`), or if the topics that are subscribed to are no longer what they
    /// were: come, gone, grown, or others under the same name, or others that a member may describe.
    pub(super) fn refresh(&mut self, env: Env<'_>, bump: bool) {
        // Every heartbeat comes here: without this each would hash all topics of the group.
        if !bump && !self.resolved.has_moved && self.resolved.hashed == Some(env.topics.version) {
            return;
        }
        let hash = metadata_hash(env, &self.all_subscribed_names(env));
        self.resolved.hashed = Some(env.topics.version);
        // Read after the names, which may have set it.
        let has_moved = std::mem::take(&mut self.resolved.has_moved);
        if bump || has_moved || hash != self.metadata_hash {
            self.epoch = self.epoch.saturating_add(1);
            self.metadata_hash = hash;
            self.changes.group();
            tracing::info!(group = %self.id, epoch = self.epoch, members = self.members.len(), "group epoch raised");
        }
    }

    /// The client by whose permissions the expression of a member is resolved from now on. True: it finds other topics.
    pub(super) fn take_viewer(
        &mut self,
        env: Env<'_>,
        id: &MemberId,
        viewer: Option<&Arc<dyn Viewer>>,
    ) -> bool {
        let Some(member) = self.members.get(id) else { return false };
        let is_known =
            member.viewer.as_ref().map(|viewer| viewer.name()) == viewer.map(|viewer| viewer.name());
        if is_known {
            return false;
        }
        self.resolve(env);
        let before = self.matches(env, id).cloned();
        if let Some(member) = self.members.get_mut(id) {
            member.viewer = viewer.cloned();
        }
        self.resolve(env);
        self.matches(env, id) != before.as_ref()
    }

    /// Matches the regular expressions against the topics as they are now.
    /// Each expression once for each client, however many members share it.
    fn resolve(&mut self, env: Env<'_>) {
        let mut used: BTreeMap<Expression, Option<Arc<dyn Viewer>>> = BTreeMap::new();
        for member in self.members.values() {
            if let Some(key) = member.sight(env.topics.are_restricted) {
                used.entry(key).or_insert_with(|| member.viewer.clone());
            }
        }
        let mut before = BTreeMap::new();
        if self.resolved.seen != Some(env.topics.version) {
            before = std::mem::take(&mut self.resolved.topics);
            self.resolved.seen = Some(env.topics.version);
        }
        // Members may change their expressions at any time: old ones must not pile up.
        self.resolved.topics.retain(|key, _| used.contains_key(key) && key.1 != Sight::NotHeard);
        let mut found = Matches::default();
        for ((regex, sight), viewer) in used {
            if self.resolved.topics.contains_key(&(regex.clone(), sight.clone())) {
                continue;
            }
            let matches = found.of(&regex, env);
            let names: BTreeSet<Arc<str>> = match (&sight, viewer) {
                (Sight::All, _) => matches.iter().cloned().collect(),
                (Sight::Of(_), viewer) => {
                    let viewer = viewer.as_ref();
                    let sees = |name: &&Arc<str>| viewer.is_some_and(|viewer| viewer.may_describe(name));
                    matches.iter().filter(sees).cloned().collect()
                }
                (Sight::NotHeard, _) => self.had(env, &regex, matches),
            };
            self.resolved.topics.insert((regex, sight), Arc::new(names));
        }
        // Without an authorizer the hash of all names shows every change.
        let differs = |(key, names): (&Expression, &Names)| {
            self.resolved.topics.get(key).is_some_and(|now| now != names)
        };
        self.resolved.has_moved |= env.topics.are_restricted && before.iter().any(differs);
    }

    /// Of these matches those that the group was given before a restart, and those that others with the expression find.
    fn had(&self, env: Env<'_>, regex: &Arc<str>, matches: &[Arc<str>]) -> BTreeSet<Arc<str>> {
        let given: HashSet<Uuid> = self.target.values().flat_map(|topics| topics.keys().copied()).collect();
        let was_given =
            |name: &&Arc<str>| env.topics.image.topic(name).is_some_and(|(id, _)| given.contains(&id));
        let others = self.resolved.topics.iter().filter(|((other, _), _)| other == regex);
        let of_others = others.flat_map(|(_, names)| names.iter().cloned());
        matches.iter().filter(was_given).cloned().chain(of_others).collect()
    }
}

/// The names of the topics that match, for each expression of one step.
#[derive(Default)]
struct Matches(BTreeMap<Arc<str>, Vec<Arc<str>>>);

impl Matches {
    fn of(&mut self, regex: &Arc<str>, env: Env<'_>) -> &[Arc<str>] {
        self.0.entry(Arc::clone(regex)).or_insert_with(|| match whole_match(regex) {
            Ok(compiled) => {
                env.topics.image.names().filter(|name| compiled.is_match(name)).map(Arc::from).collect()
            }
            // It was accepted once, by a version that knew more. It matches nothing until it is replaced.
            Err(error) => {
                tracing::warn!(%regex, %error, "a stored regular expression cannot be used");
                Vec::new()
            }
        })
    }
}

/// The hash of no topics: FNV's offset basis.
pub(super) const HASH_OF_NONE: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a over the existing ones among `names`: name, id and number of partitions of each. Stored, so it stays as it is.
pub(in crate::group) fn metadata_hash(env: Env<'_>, names: &BTreeSet<Arc<str>>) -> u64 {
    let mut hash = HASH_OF_NONE;
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
