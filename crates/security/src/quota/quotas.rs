//! All quotas as of one moment, and which one applies to a client.
//!
//! Guarantees that a look-up costs at most five look-ups in maps and no allocation, and that it is free for a key of which there is no quota.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::{ClientPart, Entity, Filter, Key};

/// The quotas of an entity, by [`Key::index`].
pub type Values = [Option<f64>; Key::ALL.len()];

/// One change: a quota that is set, or removed with `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The owner of the quota.
    pub entity: Entity,
    /// Which.
    pub key: Key,
    /// The new one.
    pub value: Option<f64>,
}

/// The quota of a client.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Its value.
    pub quota: f64,
    /// Those that use it up together.
    pub scope: Scope,
}

/// Those that use up a quota together. A quota of a user is shared by all of the user's clients, one with a part for client
/// ids is used up by each client id alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Each user alone.
    pub user: bool,
    /// Each client id alone.
    pub client_id: bool,
}

/// See the module.
#[derive(Debug, Default, Clone)]
pub struct Quotas {
    /// All of them, ordered, for answers.
    entities: BTreeMap<Entity, Values>,
    /// True for keys of which there is a quota, by [`Key::index`].
    exist: [bool; Key::ALL.len()],
    users: FxHashMap<Box<str>, Clients>,
    default_user: Clients,
    /// Quotas of client ids of any user.
    any_user: Clients,
    addresses: FxHashMap<IpAddr, Values>,
    default_address: Values,
}

/// The quotas of one user, or of a default.
#[derive(Debug, Default, Clone)]
struct Clients {
    /// Of client ids.
    named: FxHashMap<Box<str>, Values>,
    default: Values,
    /// Of the user, without a part for client ids.
    own: Values,
}

impl Quotas {
    /// These quotas. The last one of an entity and a key counts.
    pub fn new(quotas: impl IntoIterator<Item = Change>) -> Self {
        Self::default().changed(quotas)
    }

    /// The quotas after changes.
    #[must_use]
    pub fn changed(&self, changes: impl IntoIterator<Item = Change>) -> Self {
        let mut entities = self.entities.clone();
        for Change { entity, key, value } in changes {
            entities.entry(entity).or_default()[key.index()] = value;
        }
        entities.retain(|_, values| values.iter().any(Option::is_some));
        let mut changed = Self::default();
        for (entity, values) in &entities {
            for (exists, value) in changed.exist.iter_mut().zip(values) {
                *exists |= value.is_some();
            }
            *changed.values(entity) = *values;
        }
        changed.entities = entities;
        changed
    }

    /// The place of an entity's quotas.
    fn values(&mut self, entity: &Entity) -> &mut Values {
        let (user, client_id) = match entity {
            Entity::Address(None) => return &mut self.default_address,
            Entity::Address(Some(address)) => return self.addresses.entry(*address).or_default(),
            Entity::Client { user, client_id } => (user, client_id),
        };
        let clients = match user {
            None => &mut self.any_user,
            Some(ClientPart::Default) => &mut self.default_user,
            Some(ClientPart::Named(user)) => self.users.entry((&**user).into()).or_default(),
        };
        match client_id {
            None => &mut clients.own,
            Some(ClientPart::Default) => &mut clients.default,
            Some(ClientPart::Named(client_id)) => clients.named.entry((&**client_id).into()).or_default(),
        }
    }

    /// Returns true if there is a quota of this key.
    pub fn exist(&self, key: Key) -> bool {
        self.exist[key.index()]
    }

    /// Returns true if there is none at all.
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// The number of entities with quotas.
    pub fn len(&self) -> usize {
        self.entities.len()
    }

    /// The quota that applies to a client id of a user: the first one of Kafka's order (`DefaultQuotaCallback`).
    pub fn of_client(&self, key: Key, user: &str, client_id: &str) -> Option<Limit> {
        if !self.exist(key) {
            return None;
        }
        let of_user = self.users.get(user);
        let both = Scope { user: true, client_id: true };
        let limit = |quota, scope| Limit { quota, scope };
        for clients in [of_user, Some(&self.default_user)].into_iter().flatten() {
            let of_client = clients.of(key, client_id).map(|quota| limit(quota, both));
            let own =
                || clients.own[key.index()].map(|quota| limit(quota, Scope { client_id: false, ..both }));
            if let Some(limit) = of_client.or_else(own) {
                return Some(limit);
            }
        }
        self.any_user.of(key, client_id).map(|quota| limit(quota, Scope { user: false, ..both }))
    }

    /// The quota of an address.
    pub fn of_address(&self, key: Key, address: IpAddr) -> Option<f64> {
        let own = self.addresses.get(&address).and_then(|values| values[key.index()]);
        own.or(self.default_address[key.index()])
    }

    /// The entities that a search finds, with their quotas.
    pub fn find<'a>(&'a self, filter: &'a Filter) -> impl Iterator<Item = (&'a Entity, &'a Values)> {
        self.entities.iter().filter(|(entity, _)| filter.fits(entity))
    }

    /// All quotas of an entity.
    pub fn of_entity(&self, entity: &Entity) -> Values {
        self.entities.get(entity).copied().unwrap_or_default()
    }
}

impl Clients {
    /// The quota of a client id, or the default one.
    fn of(&self, key: Key, client_id: &str) -> Option<f64> {
        let named = if self.named.is_empty() { None } else { self.named.get(client_id) };
        named.and_then(|values| values[key.index()]).or(self.default[key.index()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key::ProducerByteRate;

    fn change(parts: &[(&'static str, Option<&'static str>)], value: f64) -> Change {
        Change { entity: Entity::of(parts.iter().copied()).unwrap(), key: KEY, value: Some(value) }
    }

    /// One quota for each of the eight kinds, in the order in which they apply.
    fn all() -> Vec<Change> {
        let (u, c) = (("user", Some("u")), ("client-id", Some("c")));
        let (any_u, any_c) = (("user", None), ("client-id", None));
        let kinds: [&[_]; 8] =
            [&[u, c], &[u, any_c], &[u], &[any_u, c], &[any_u, any_c], &[any_u], &[c], &[any_c]];
        (1_u8..).zip(kinds).map(|(value, parts)| change(parts, f64::from(value))).collect()
    }

    #[test]
    fn the_most_exact_quota_applies() {
        let scopes = [(true, true), (true, true), (true, false)].repeat(2);
        let scopes = scopes.into_iter().chain([(false, true); 2]);
        for (removed, (user, client_id)) in scopes.enumerate() {
            let quotas = Quotas::new(all().split_off(removed));
            let limit = quotas.of_client(KEY, "u", "c").unwrap();
            assert_eq!(limit.quota, removed as f64 + 1.0);
            assert_eq!(limit.scope, Scope { user, client_id }, "{removed}");
        }
        assert_eq!(Quotas::new(all().split_off(8)).of_client(KEY, "u", "c"), None);
    }

    #[test]
    fn a_quota_of_another_key_hides_none() {
        let entity = Entity::of([("user", Some("u")), ("client-id", Some("c"))]).unwrap();
        let other = Change { entity, key: Key::ConsumerByteRate, value: Some(7.0) };
        let quotas = Quotas::new(all().split_off(1)).changed([other]);
        assert_eq!(quotas.of_client(KEY, "u", "c").unwrap().quota, 2.0);
        assert_eq!(quotas.of_client(Key::ConsumerByteRate, "u", "c").unwrap().quota, 7.0);
        assert_eq!(quotas.of_client(Key::ConsumerByteRate, "u", "d"), None);
        assert_eq!(quotas.of_client(Key::RequestPercentage, "u", "c"), None);
    }

    #[test]
    fn an_entity_without_quotas_is_gone() {
        let quotas = Quotas::new(all());
        assert_eq!((quotas.len(), quotas.exist(KEY)), (8, true));
        let removals = all().into_iter().map(|one| Change { value: None, ..one });
        let none = quotas.changed(removals);
        assert!(none.is_empty() && !none.exist(KEY));
        assert_eq!(quotas.len(), 8, "a snapshot never changes");
    }

    #[test]
    fn an_address_has_its_own_quota_or_the_default() {
        let key = Key::ConnectionCreationRate;
        let of =
            |name, value| Change { entity: Entity::of([("ip", name)]).unwrap(), key, value: Some(value) };
        let quotas = Quotas::new([of(Some("10.0.0.1"), 5.0), of(None, 1.0)]);
        assert_eq!(quotas.of_address(key, "10.0.0.1".parse().unwrap()), Some(5.0));
        assert_eq!(quotas.of_address(key, "10.0.0.2".parse().unwrap()), Some(1.0));
        assert_eq!(Quotas::default().of_address(key, "10.0.0.2".parse().unwrap()), None);
    }
}
