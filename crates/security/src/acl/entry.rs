//! Access control entries: who may, or may not, do an operation to the resources that fit a pattern; and the filters that find them.

use std::net::IpAddr;
use std::sync::Arc;

use thiserror::Error;

use super::kinds::{ANY, CLUSTER_NAME, Operation, PatternType, Permission, ResourceType};

/// The resources that an entry is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    /// The type of the resources.
    pub resource_type: ResourceType,
    /// Their name, the beginning of it, or [`ANY`].
    pub name: Arc<str>,
    /// The way in which names are compared.
    pub pattern_type: PatternType,
}

/// One entry of the access control list of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// Such as `User:alice`; `User:*` is every principal.
    pub principal: Arc<str>,
    /// An address, or [`ANY`]. Kept as it was written: a text that is no address fits no client.
    pub host: Arc<str>,
    /// The operation, or all.
    pub operation: Operation,
    /// The effect.
    pub permission: Permission,
}

/// A pattern and an entry: Kafka's `AclBinding`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acl {
    /// The resources.
    pub pattern: Pattern,
    /// The principal and its operation.
    pub entry: Entry,
}

/// The hosts from which an entry fits a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hosts {
    /// All.
    Any,
    /// One address; an IPv4 address that is mapped to IPv6 counts as the IPv4 address.
    One(IpAddr),
    /// None: the text is no address.
    None,
}

impl Hosts {
    /// The meaning of an entry's host. Addresses are compared as addresses: Kafka compares texts, so that `::1` never fits there.
    pub(super) fn of(host: &str) -> Self {
        if host == ANY {
            return Self::Any;
        }
        host.parse().map_or(Self::None, |address: IpAddr| Self::One(address.to_canonical()))
    }
}

impl Entry {
    /// The hosts that the entry's text means.
    pub fn hosts(&self) -> Hosts {
        Hosts::of(&self.host)
    }
}

/// The reason why an entry is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidAcl {
    /// It would fit nothing, or be taken for the name of all.
    #[error("The name of the resource is empty.")]
    EmptyName,
    /// There is one cluster.
    #[error("The only valid name for the CLUSTER resource is {CLUSTER_NAME}.")]
    ClusterName,
    /// `Type:name`.
    #[error("The principal is not of the form Type:name, such as User:alice.")]
    Principal,
    /// An entry that denies and can never fit would be taken for protection.
    #[error("The host of a DENY entry is an IP address or *; names and networks fit no client.")]
    DenyHost,
    /// Records of the data folder have 16 bits for a length.
    #[error("A name, principal or host is longer than {MAX_TEXT_BYTES} bytes.")]
    TooLong,
}

/// The longest name, principal and host, in bytes: the longest string of Kafka's protocol.
pub const MAX_TEXT_BYTES: usize = i16::MAX as usize;

impl Acl {
    /// Checks an entry that a client wants to add (`AclControlManager.validateNewAcl`).
    ///
    /// # Errors
    /// The entry's name, principal or host cannot be meant.
    pub fn check(&self) -> Result<(), InvalidAcl> {
        let (pattern, entry) = (&self.pattern, &self.entry);
        if pattern.name.is_empty() {
            return Err(InvalidAcl::EmptyName);
        }
        if pattern.resource_type == ResourceType::Cluster && &*pattern.name != CLUSTER_NAME {
            return Err(InvalidAcl::ClusterName);
        }
        match entry.principal.split_once(':') {
            Some((kind, _)) if !kind.is_empty() => {}
            _ => return Err(InvalidAcl::Principal),
        }
        if entry.permission == Permission::Deny && entry.hosts() == Hosts::None {
            return Err(InvalidAcl::DenyHost);
        }
        if [&pattern.name, &entry.principal, &entry.host].iter().any(|text| text.len() > MAX_TEXT_BYTES) {
            return Err(InvalidAcl::TooLong);
        }
        Ok(())
    }
}

/// The pattern types that a filter finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternFilter {
    /// Any, whose name is the filter's.
    Any,
    /// Any that would fit a resource of the filter's name.
    Match,
    /// This type.
    Only(PatternType),
}

/// A filter of entries; `None` finds all (`AclBindingFilter`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The type of the resources.
    pub resource_type: Option<ResourceType>,
    /// See [`PatternFilter`].
    pub pattern: PatternFilter,
    /// The name of the pattern, or of a resource that it would fit.
    pub name: Option<String>,
    /// Compared as texts.
    pub principal: Option<String>,
    /// Compared as texts.
    pub host: Option<String>,
    /// The operation; an entry of [`Operation::All`] is found by that alone.
    pub operation: Option<Operation>,
    /// The effect.
    pub permission: Option<Permission>,
}

impl Filter {
    /// Returns true if the filter finds entries of this pattern (`ResourcePatternFilter.matches`).
    pub fn finds_pattern(&self, pattern: &Pattern) -> bool {
        let types = self.resource_type.is_none_or(|wanted| wanted == pattern.resource_type);
        let names = |same: &dyn Fn(&str) -> bool| self.name.as_deref().is_none_or(same);
        types
            && match (self.pattern, pattern.pattern_type) {
                (PatternFilter::Only(wanted), found) if wanted != found => false,
                (PatternFilter::Match, PatternType::Literal) => {
                    names(&|name| *name == *pattern.name || &*pattern.name == ANY)
                }
                (PatternFilter::Match, PatternType::Prefixed) => {
                    names(&|name| name.starts_with(&*pattern.name))
                }
                (PatternFilter::Any | PatternFilter::Only(_), _) => names(&|name| *name == *pattern.name),
            }
    }

    /// Returns true if the filter finds this entry of a pattern that it finds (`AccessControlEntryFilter.matches`).
    pub fn finds_entry(&self, entry: &Entry) -> bool {
        self.principal.as_deref().is_none_or(|wanted| *wanted == *entry.principal)
            && self.host.as_deref().is_none_or(|wanted| *wanted == *entry.host)
            && self.operation.is_none_or(|wanted| wanted == entry.operation)
            && self.permission.is_none_or(|wanted| wanted == entry.permission)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(name: &str, principal: &str, host: &str, permission: Permission) -> Acl {
        let pattern = Pattern {
            resource_type: ResourceType::Topic,
            name: name.into(),
            pattern_type: PatternType::Literal,
        };
        let entry =
            Entry { principal: principal.into(), host: host.into(), operation: Operation::Read, permission };
        Acl { pattern, entry }
    }

    #[test]
    fn entries_that_cannot_be_meant_are_refused() {
        use Permission::{Allow, Deny};
        let long = "x".repeat(MAX_TEXT_BYTES + 1);
        for (acl, expected) in [
            (acl("t", "User:a", "*", Deny), Ok(())),
            (acl("t", "User:", "10.0.0.0/8", Allow), Ok(())),
            (acl("t", "User:a", "::1", Deny), Ok(())),
            (acl("", "User:a", "*", Allow), Err(InvalidAcl::EmptyName)),
            (acl("t", "alice", "*", Allow), Err(InvalidAcl::Principal)),
            (acl("t", ":alice", "*", Allow), Err(InvalidAcl::Principal)),
            (acl("t", "User:a", "10.0.0.0/8", Deny), Err(InvalidAcl::DenyHost)),
            (acl("t", "User:a", "example.org", Deny), Err(InvalidAcl::DenyHost)),
            (acl("t", "User:a", "", Deny), Err(InvalidAcl::DenyHost)),
            (acl(&long, "User:a", "*", Allow), Err(InvalidAcl::TooLong)),
        ] {
            assert_eq!(acl.check(), expected, "{acl:?}");
        }
        let mut cluster = acl("other", "User:a", "*", Allow);
        cluster.pattern.resource_type = ResourceType::Cluster;
        assert_eq!(cluster.check(), Err(InvalidAcl::ClusterName));
        cluster.pattern.name = CLUSTER_NAME.into();
        assert_eq!(cluster.check(), Ok(()));
    }

    #[test]
    fn filters_find_what_kafkas_find() {
        let pattern = |name: &str, pattern_type| Pattern {
            resource_type: ResourceType::Topic,
            name: name.into(),
            pattern_type,
        };
        let (literal, prefixed) = (PatternType::Literal, PatternType::Prefixed);
        let all = [
            pattern("orders", literal),
            pattern("ord", prefixed),
            pattern("orders", prefixed),
            pattern("orders-eu", prefixed),
            pattern("*", literal),
            pattern("*", prefixed),
        ];
        let found = |filter: PatternFilter, name: Option<&str>| {
            let filter = Filter {
                resource_type: None,
                pattern: filter,
                name: name.map(str::to_owned),
                principal: None,
                host: None,
                operation: None,
                permission: None,
            };
            let indexes = all.iter().enumerate().filter(|(_, one)| filter.finds_pattern(one));
            indexes.map(|(index, _)| index).collect::<Vec<_>>()
        };
        assert_eq!(found(PatternFilter::Any, Some("orders")), [0, 2]);
        assert_eq!(found(PatternFilter::Match, Some("orders")), [0, 1, 2, 4]);
        assert_eq!(found(PatternFilter::Only(literal), Some("orders")), [0]);
        assert_eq!(found(PatternFilter::Only(prefixed), None), [1, 2, 3, 5]);
        assert_eq!(found(PatternFilter::Match, None), [0, 1, 2, 3, 4, 5]);
        assert_eq!(found(PatternFilter::Any, Some("*")), [4, 5]);
    }
}
