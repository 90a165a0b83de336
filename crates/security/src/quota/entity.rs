//! Those that can have a quota: a user, a client id, a client id of a user, an address; each exactly or by default.

use std::net::IpAddr;
use std::sync::Arc;

use thiserror::Error;

/// A part of an entity, such as its user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientPart {
    /// All that have no quota of their own.
    Default,
    /// The one with this name; not empty.
    Named(Arc<str>),
}

/// One that can have quotas.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// Clients by user, by client id, or by both; at least one of them.
    Client {
        /// The name of the principal, without its type.
        user: Option<ClientPart>,
        /// The client id in the header of requests.
        client_id: Option<ClientPart>,
    },
    /// Connections from an address; `None`: from all that have no quota of their own.
    Address(Option<IpAddr>),
}

/// The type of a part, by its name in requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityType {
    /// `user`
    User,
    /// `client-id`
    ClientId,
    /// `ip`
    Ip,
}

/// Why parts are no entity. The texts are Kafka's (`ClientQuotaControlManager`), except for addresses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidEntity {
    /// No part.
    #[error("Invalid empty client quota entity")]
    Empty,
    /// A type twice.
    #[error("Invalid client quota entity, duplicate entity entry {0}")]
    Duplicate(&'static str),
    /// Not a type.
    #[error("Unhandled client quota entity type: {0}")]
    Type(String),
    /// An empty name.
    #[error("Empty {0} not supported")]
    EmptyName(&'static str),
    /// An address beside a user or a client id.
    #[error("Invalid quota entity combination, IP entity should not be combined with User or ClientId")]
    Mixed,
    /// Not an address. Kafka looks names up, and keeps what they mean to the broker that applies the quota.
    #[error("{0} is not a valid IP address; names are not resolved here")]
    Address(String),
    /// More bytes than a record holds.
    #[error("a name may have at most {MAX_NAME_BYTES} bytes")]
    TooLong,
}

/// The most bytes of a name, as in a request's header.
pub(super) const MAX_NAME_BYTES: usize = i16::MAX as usize;

impl EntityType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::User, Self::ClientId, Self::Ip];

    /// Its name in requests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ClientId => "client-id",
            Self::Ip => "ip",
        }
    }

    /// The type with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

impl Entity {
    /// The entity with these parts: each a type and a name, `None` for the default.
    ///
    /// # Errors
    /// They are none.
    pub fn of<'a>(
        parts: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Self, InvalidEntity> {
        let mut found: [Option<Option<&str>>; 3] = [None; 3];
        for (type_name, name) in parts {
            let entity_type =
                EntityType::named(type_name).ok_or_else(|| InvalidEntity::Type(type_name.to_owned()))?;
            if found[entity_type as usize].is_some() {
                return Err(InvalidEntity::Duplicate(entity_type.name()));
            }
            match name {
                Some("") => return Err(InvalidEntity::EmptyName(entity_type.name())),
                Some(name) if name.len() > MAX_NAME_BYTES => return Err(InvalidEntity::TooLong),
                _ => found[entity_type as usize] = Some(name),
            }
        }
        let [user, client_id, ip] = found;
        match ip {
            None if user.is_none() && client_id.is_none() => Err(InvalidEntity::Empty),
            None => Ok(Self::Client { user: user.map(part), client_id: client_id.map(part) }),
            Some(_) if user.is_some() || client_id.is_some() => Err(InvalidEntity::Mixed),
            Some(ip) => ip.map(address).transpose().map(Self::Address),
        }
    }

    /// Its parts, each a type and a name, `None` for the default.
    pub fn parts(&self) -> Vec<(EntityType, Option<String>)> {
        let part = |entity_type, part: &Option<ClientPart>| {
            part.as_ref().map(|part| (entity_type, part.name().map(str::to_owned)))
        };
        match self {
            Self::Client { user, client_id } => {
                let parts = [part(EntityType::User, user), part(EntityType::ClientId, client_id)];
                parts.into_iter().flatten().collect()
            }
            Self::Address(ip) => vec![(EntityType::Ip, ip.map(|ip| ip.to_string()))],
        }
    }

    /// Returns true if it is an address, false if it is a user or a client id.
    pub fn is_address(&self) -> bool {
        matches!(self, Self::Address(_))
    }
}

impl ClientPart {
    /// The name; `None` for the default.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Default => None,
            Self::Named(name) => Some(name),
        }
    }
}

fn part(name: Option<&str>) -> ClientPart {
    name.map_or(ClientPart::Default, |name| ClientPart::Named(name.into()))
}

/// An address in any notation; mapped IPv4 is IPv4.
fn address(text: &str) -> Result<IpAddr, InvalidEntity> {
    let address: Result<IpAddr, _> = text.parse();
    address.map(|address| address.to_canonical()).map_err(|_| InvalidEntity::Address(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(parts: &[(&'static str, Option<&'static str>)]) -> String {
        Entity::of(parts.iter().copied()).unwrap_err().to_string()
    }

    #[test]
    fn parts_that_are_no_entity_are_refused_as_by_kafka() {
        assert_eq!(refused(&[]), "Invalid empty client quota entity");
        assert_eq!(refused(&[("user", Some(""))]), "Empty user not supported");
        assert_eq!(refused(&[("topic", Some("a"))]), "Unhandled client quota entity type: topic");
        assert_eq!(
            refused(&[("user", None), ("user", Some("a"))]),
            "Invalid client quota entity, duplicate entity entry user"
        );
        assert!(
            refused(&[("ip", None), ("client-id", None)]).starts_with("Invalid quota entity combination")
        );
        assert!(refused(&[("ip", Some("localhost"))]).starts_with("localhost is not a valid IP"));
        let long = "a".repeat(MAX_NAME_BYTES + 1);
        assert_eq!(Entity::of([("user", Some(&*long))]), Err(InvalidEntity::TooLong));
    }

    #[test]
    fn an_address_has_one_form() {
        let of = |text| Entity::of([("ip", Some(text))]).unwrap();
        assert_eq!(of("::1"), of("0:0:0:0:0:0:0:1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_eq!(of("10.0.0.1").parts(), [(EntityType::Ip, Some("10.0.0.1".to_owned()))]);
    }

    #[test]
    fn an_entity_is_made_of_its_parts_again() {
        let names = [None, Some(None), Some(Some("a"))];
        for (user, client_id) in names.into_iter().flat_map(|user| names.map(|client_id| (user, client_id))) {
            let parts = [("user", user), ("client-id", client_id)];
            let parts: Vec<_> = parts.into_iter().filter_map(|(kind, part)| Some((kind, part?))).collect();
            if let Ok(entity) = Entity::of(parts.iter().copied()) {
                let again = entity.parts();
                assert_eq!(
                    Entity::of(again.iter().map(|(kind, name)| (kind.name(), name.as_deref()))),
                    Ok(entity)
                );
            }
        }
    }
}
