//! The entries of all resources, indexed: a decision costs hash look-ups and one more for each distinct length of a prefix, never a
//! walk of the entries.
//!
//! [`Rules`] never change; a change makes others, which share everything that it does not concern. So those who decide hold a
//! snapshot, and need no lock.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::FxHasher;

use super::entry::{Acl, Entry, Filter, Pattern};
use super::kinds::{ANY, Operation, PatternType, ResourceType};
use super::pattern_rules::PatternRules;

/// A map by texts. Its keys come from entries, which administrators alone add: no client can choose them to collide.
type Map<K, V> = HashMap<K, V, BuildHasherDefault<FxHasher>>;
type Set<K> = HashSet<K, BuildHasherDefault<FxHasher>>;

/// The principal of entries that are about every principal.
pub(super) const EVERY_PRINCIPAL: &str = "User:*";

/// All entries as of one moment.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    types: [Arc<TypeRules>; ResourceType::ALL.len()],
    len: usize,
}

/// A question: may this principal, at this address, do this operation?
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Such as `User:alice`.
    pub principal: &'a str,
    /// Of the client, in the form of [`IpAddr::to_canonical`].
    pub address: IpAddr,
}

/// The answer of the entries alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// An entry denies it.
    Denied,
    /// An entry allows it, and none denies it.
    Allowed,
    /// Entries fit the resource; none of them is about this client and operation.
    NotMentioned,
    /// No entry fits the resource.
    NoEntry,
}

/// The entries of one type of resources.
#[derive(Debug, Clone, Default)]
struct TypeRules {
    literal: Map<Arc<str>, Arc<PatternRules>>,
    prefixed: Map<Arc<str>, Arc<PatternRules>>,
    /// Lengths in bytes of the names in `prefixed`, each once, with the number of names that have it; ordered.
    prefix_lengths: Vec<(usize, usize)>,
    /// The names of the patterns in which a principal has entries.
    by_principal: Map<Arc<str>, Arc<Names>>,
}

/// See [`TypeRules::by_principal`].
#[derive(Debug, Clone, Default)]
struct Names {
    literal: Set<Arc<str>>,
    prefixed: Set<Arc<str>>,
}

/// The change of one entry. Of one that is both added and removed, the removal counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Added,
    Removed,
}

/// Rules in the making, for entries that come one by one. Holds few of them besides the rules.
#[derive(Debug, Default)]
pub struct RulesBuilder {
    rules: Rules,
    waiting: Vec<Acl>,
}

/// Entries that are put into the rules together: enough that they are sorted at little cost.
const BUILT_TOGETHER: usize = 4096;

impl RulesBuilder {
    /// Adds an entry.
    pub fn add(&mut self, acl: Acl) {
        self.waiting.push(acl);
        if self.waiting.len() == BUILT_TOGETHER {
            self.rules.change(self.waiting.drain(..), []);
        }
    }

    /// The rules with all entries that were added.
    pub fn build(mut self) -> Rules {
        self.rules.change(self.waiting, []);
        self.rules
    }
}

impl Rules {
    /// The rules with these entries.
    pub fn new(acls: impl IntoIterator<Item = Acl>) -> Self {
        let mut builder = RulesBuilder::default();
        acls.into_iter().for_each(|acl| builder.add(acl));
        builder.build()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns true if there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The rules after `added` were added and then `removed` removed. An entry that is there already, or not, changes nothing.
    #[must_use]
    pub fn changed(
        &self,
        added: impl IntoIterator<Item = Acl>,
        removed: impl IntoIterator<Item = Acl>,
    ) -> Self {
        let mut rules = self.clone();
        rules.change(added, removed);
        rules
    }

    fn change(&mut self, added: impl IntoIterator<Item = Acl>, removed: impl IntoIterator<Item = Acl>) {
        let added = added.into_iter().map(|acl| (acl, Change::Added));
        let removed = removed.into_iter().map(|acl| (acl, Change::Removed));
        let mut changes: Vec<_> = added.chain(removed).collect();
        // A removal comes after the addition of the same entry.
        changes.sort_unstable();
        for of_pattern in changes.chunk_by(|(one, _), (next, _)| one.pattern == next.pattern) {
            let pattern = &of_pattern[0].0.pattern;
            // Copies the type's maps at the first of its patterns, where other rules share them.
            let rules = Arc::make_mut(&mut self.types[index(pattern.resource_type)]);
            let (before, after) = rules.change(pattern, of_pattern);
            self.len = self.len - before + after;
        }
    }

    /// Returns true if this very entry is among them.
    pub fn contains(&self, acl: &Acl) -> bool {
        let rules = self.of_type(acl.pattern.resource_type).pattern(&acl.pattern);
        rules.is_some_and(|rules| rules.contains(&acl.entry))
    }

    /// Every entry that the filter finds, with its pattern, ordered. Walks all patterns of the types in question.
    pub fn find(&self, filter: &Filter) -> Vec<Acl> {
        let wanted = |kind: &ResourceType| filter.resource_type.is_none_or(|wanted| wanted == *kind);
        let mut found = Vec::new();
        for resource_type in ResourceType::ALL.into_iter().filter(wanted) {
            let rules = self.of_type(resource_type);
            for (pattern_type, map) in
                [(PatternType::Literal, &rules.literal), (PatternType::Prefixed, &rules.prefixed)]
            {
                for (name, rules) in map {
                    let pattern = Pattern { resource_type, name: Arc::clone(name), pattern_type };
                    if filter.finds_pattern(&pattern) {
                        let entries = rules.entries().filter(|entry| filter.finds_entry(entry));
                        found.extend(entries.map(|entry| Acl { pattern: pattern.clone(), entry }));
                    }
                }
            }
        }
        found.sort_unstable();
        found
    }

    /// Decides about one resource (`StandardAuthorizerData.authorize`, without super users and defaults).
    pub fn decide(
        &self,
        asker: Asker<'_>,
        operation: Operation,
        resource_type: ResourceType,
        name: &str,
    ) -> Decision {
        let mut found = Decision::NoEntry;
        for rules in self.of_type(resource_type).fitting(name) {
            match rules.decide(asker, operation) {
                // Wins over whatever others say, so the rest need not be looked at.
                Decision::Denied => return Decision::Denied,
                Decision::Allowed => found = Decision::Allowed,
                Decision::NotMentioned | Decision::NoEntry if found == Decision::NoEntry => {
                    found = Decision::NotMentioned;
                }
                Decision::NotMentioned | Decision::NoEntry => {}
            }
        }
        found
    }

    /// Decides whether there can be a resource of the type to which the operation may be done, from entries that name the operation
    /// or all (`Authorizer.authorizeByResourceType`). Stops at the first entry that proves it.
    pub fn decide_by_type(
        &self,
        asker: Asker<'_>,
        operation: Operation,
        resource_type: ResourceType,
    ) -> bool {
        let rules = self.of_type(resource_type);
        if let Some(any) = rules.literal.get(ANY) {
            if any.denies(asker, operation) {
                return false;
            }
            if any.names_allowed(asker, operation) {
                return true;
            }
        }
        let names =
            [asker.principal, EVERY_PRINCIPAL].into_iter().filter_map(|one| rules.by_principal.get(one));
        names.into_iter().any(|names| {
            let literal = names.literal.iter().any(|name| {
                let rules_of_name = rules.literal.get(name).filter(|_| &**name != ANY);
                rules_of_name.is_some_and(|found| {
                    found.names_allowed(asker, operation)
                        && !found.denies(asker, operation)
                        && !rules.prefix_denies(name, asker, operation)
                })
            });
            literal
                || names.prefixed.iter().any(|name| {
                    let allowed =
                        rules.prefixed.get(name).is_some_and(|found| found.names_allowed(asker, operation));
                    allowed && !rules.prefix_denies(name, asker, operation)
                })
        })
    }

    fn of_type(&self, resource_type: ResourceType) -> &TypeRules {
        &self.types[index(resource_type)]
    }
}

/// The position of a type in [`ResourceType::ALL`].
const fn index(resource_type: ResourceType) -> usize {
    resource_type as usize
}

impl TypeRules {
    /// The entries of exactly this pattern.
    fn pattern(&self, pattern: &Pattern) -> Option<&PatternRules> {
        let map = match pattern.pattern_type {
            PatternType::Literal => &self.literal,
            PatternType::Prefixed => &self.prefixed,
        };
        map.get(&pattern.name).map(AsRef::as_ref)
    }

    /// The entries of each pattern that fits a resource of this name.
    fn fitting(&self, name: &str) -> impl Iterator<Item = &PatternRules> {
        let same = (name != ANY).then(|| self.literal.get(name)).flatten();
        let fixed = [self.literal.get(ANY), same];
        fixed.into_iter().flatten().chain(self.prefixes(name)).map(AsRef::as_ref)
    }

    /// The entries of each prefix with which `name` begins.
    fn prefixes(&self, name: &str) -> impl Iterator<Item = &Arc<PatternRules>> {
        // `None` for a length within a character: no text that begins the name has it.
        let prefix = |(length, _): &(usize, usize)| self.prefixed.get(name.get(..*length)?);
        self.prefix_lengths.iter().take_while(|(length, _)| *length <= name.len()).filter_map(prefix)
    }

    fn prefix_denies(&self, name: &str, asker: Asker<'_>, operation: Operation) -> bool {
        self.prefixes(name).any(|rules| rules.denies(asker, operation))
    }

    /// Changes the entries of a pattern; without any it is forgotten. Returns the number of its entries before and after.
    fn change(&mut self, pattern: &Pattern, changes: &[(Acl, Change)]) -> (usize, usize) {
        // Texts that are known already are kept once: the name here, principals below.
        let (name, before) = match self.of(pattern.pattern_type).remove_entry(&pattern.name) {
            Some((name, before)) => (name, Some(before)),
            None => (Arc::clone(&pattern.name), None),
        };
        let added = changes.iter().map(|(acl, _)| {
            let known = self.by_principal.get_key_value(&acl.entry.principal);
            let principal = known.map_or(&acl.entry.principal, |(known, _)| known);
            Entry { principal: Arc::clone(principal), ..acl.entry.clone() }
        });
        let removed = |entry: &Entry| {
            let after = changes.partition_point(|(acl, _)| acl.entry <= *entry);
            let last = after.checked_sub(1).map(|last| &changes[last]);
            last.is_some_and(|(acl, change)| acl.entry == *entry && *change == Change::Removed)
        };
        let kept = before.iter().flat_map(|rules| rules.entries());
        let after = PatternRules::new(kept.chain(added).filter(|entry| !removed(entry)));
        let counts = (before.as_ref().map_or(0, |rules| rules.len()), after.len());
        self.name_principals(pattern.pattern_type, &name, before.as_deref(), &after);
        match (counts.0 > 0, counts.1 > 0) {
            (false, true) => self.count_prefix(pattern, 1),
            (true, false) => self.count_prefix(pattern, -1),
            _ => {}
        }
        if counts.1 > 0 {
            self.of(pattern.pattern_type).insert(name, Arc::new(after));
        }
        counts
    }

    fn of(&mut self, pattern_type: PatternType) -> &mut Map<Arc<str>, Arc<PatternRules>> {
        match pattern_type {
            PatternType::Literal => &mut self.literal,
            PatternType::Prefixed => &mut self.prefixed,
        }
    }

    /// The principals of a pattern are others now.
    fn name_principals(
        &mut self,
        pattern_type: PatternType,
        name: &Arc<str>,
        before: Option<&PatternRules>,
        after: &PatternRules,
    ) {
        let were: BTreeSet<&Arc<str>> = before.iter().flat_map(|rules| rules.principals()).collect();
        let are: BTreeSet<&Arc<str>> = after.principals().collect();
        for principal in are.difference(&were) {
            let names = self.by_principal.entry(Arc::clone(principal)).or_default();
            Arc::make_mut(names).of(pattern_type).insert(Arc::clone(name));
        }
        for principal in were.difference(&are) {
            let Some(names) = self.by_principal.get_mut(*principal) else { continue };
            let names = Arc::make_mut(names);
            names.of(pattern_type).remove(name);
            if names.literal.is_empty() && names.prefixed.is_empty() {
                self.by_principal.remove(*principal);
            }
        }
    }

    /// A prefix came or went.
    fn count_prefix(&mut self, pattern: &Pattern, change: isize) {
        if pattern.pattern_type != PatternType::Prefixed {
            return;
        }
        let length = pattern.name.len();
        match self.prefix_lengths.binary_search_by_key(&length, |(length, _)| *length) {
            Ok(found) => {
                let count = &mut self.prefix_lengths[found].1;
                *count = count.saturating_add_signed(change);
                if *count == 0 {
                    self.prefix_lengths.remove(found);
                }
            }
            Err(place) => self.prefix_lengths.insert(place, (length, 1)),
        }
    }
}

impl Names {
    fn of(&mut self, pattern_type: PatternType) -> &mut Set<Arc<str>> {
        match pattern_type {
            PatternType::Literal => &mut self.literal,
            PatternType::Prefixed => &mut self.prefixed,
        }
    }
}
