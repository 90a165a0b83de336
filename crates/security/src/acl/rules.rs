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
    /// Lengths in bytes of the names in `prefixed`, each once.
    prefix_lengths: Vec<usize>,
    /// The names of the patterns in which a principal has entries.
    by_principal: Map<Arc<str>, Arc<Names>>,
}

/// See [`TypeRules::by_principal`].
#[derive(Debug, Clone, Default)]
struct Names {
    literal: Set<Arc<str>>,
    prefixed: Set<Arc<str>>,
}

impl Rules {
    /// The rules with these entries.
    pub fn new(acls: impl IntoIterator<Item = Acl>) -> Self {
        Self::default().changed(acls, [])
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
        let mut by_pattern: HashMap<Pattern, BTreeSet<Entry>> = HashMap::new();
        let mut len = self.len;
        let entries_of = |pattern: &Pattern| {
            let known = self.of_type(pattern.resource_type).pattern(pattern);
            known.map(|rules| rules.entries().iter().cloned().collect()).unwrap_or_default()
        };
        for Acl { pattern, entry } in added {
            let entries = by_pattern.entry(pattern).or_insert_with_key(entries_of);
            len += usize::from(entries.insert(entry));
        }
        for Acl { pattern, entry } in removed {
            let entries = by_pattern.entry(pattern).or_insert_with_key(entries_of);
            len -= usize::from(entries.remove(&entry));
        }
        let mut types = self.types.clone();
        let mut touched = BTreeSet::new();
        for (pattern, entries) in by_pattern {
            touched.insert(pattern.resource_type);
            // Copies the type's maps at the first of its patterns, as the present rules share them.
            Arc::make_mut(&mut types[index(pattern.resource_type)]).replace(&pattern, entries);
        }
        for resource_type in touched {
            Arc::make_mut(&mut types[index(resource_type)]).measure_prefixes();
        }
        Self { types, len }
    }

    /// Returns true if this very entry is among them.
    pub fn contains(&self, acl: &Acl) -> bool {
        let rules = self.of_type(acl.pattern.resource_type).pattern(&acl.pattern);
        rules.is_some_and(|rules| rules.entries().binary_search(&acl.entry).is_ok())
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
                        let entries = rules.entries().iter().filter(|entry| filter.finds_entry(entry));
                        found.extend(
                            entries.map(|entry| Acl { pattern: pattern.clone(), entry: entry.clone() }),
                        );
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
        let prefix = |length: &usize| self.prefixed.get(name.get(..*length)?);
        self.prefix_lengths.iter().take_while(|length| **length <= name.len()).filter_map(prefix)
    }

    fn prefix_denies(&self, name: &str, asker: Asker<'_>, operation: Operation) -> bool {
        self.prefixes(name).any(|rules| rules.denies(asker, operation))
    }

    /// Replaces the entries of a pattern by these; without any the pattern is forgotten.
    fn replace(&mut self, pattern: &Pattern, entries: BTreeSet<Entry>) {
        let map = match pattern.pattern_type {
            PatternType::Literal => &mut self.literal,
            PatternType::Prefixed => &mut self.prefixed,
        };
        let before = if entries.is_empty() {
            map.remove(&pattern.name)
        } else {
            map.insert(Arc::clone(&pattern.name), Arc::new(PatternRules::new(&entries)))
        };
        let after: BTreeSet<&Arc<str>> = entries.iter().map(|entry| &entry.principal).collect();
        let before: BTreeSet<&Arc<str>> =
            before.iter().flat_map(|rules| rules.entries()).map(|entry| &entry.principal).collect();
        for principal in after.difference(&before) {
            let names = self.by_principal.entry(Arc::clone(principal)).or_default();
            Arc::make_mut(names).of(pattern.pattern_type).insert(Arc::clone(&pattern.name));
        }
        for principal in before.difference(&after) {
            let Some(names) = self.by_principal.get_mut(*principal) else { continue };
            let left = Arc::make_mut(names);
            left.of(pattern.pattern_type).remove(&pattern.name);
            if left.literal.is_empty() && left.prefixed.is_empty() {
                self.by_principal.remove(*principal);
            }
        }
    }

    /// Finds the lengths of prefixes anew.
    fn measure_prefixes(&mut self) {
        let lengths: BTreeSet<usize> = self.prefixed.keys().map(|name| name.len()).collect();
        self.prefix_lengths = lengths.into_iter().collect();
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
