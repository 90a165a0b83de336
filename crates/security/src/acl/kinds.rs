//! Kinds of resources, patterns, operations and permissions, with the codes by which requests and stored records name them.
//!
//! The codes are those of Kafka's `ResourceType`, `PatternType`, `AclOperation` and `AclPermissionType`. In all of them 0 is a code that is
//! not known and 1 means any: both belong to filters and never to an entry, so they are in no enum here.

/// A kind of resource that an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// By its name.
    Topic,
    /// By its group id.
    Group,
    /// The cluster; its only name is [`CLUSTER_NAME`].
    Cluster,
    /// By its transactional id.
    TransactionalId,
    /// By its token id (KIP-48).
    DelegationToken,
    /// By the text of its principal (KIP-373).
    User,
}

/// The name of the only resource of the type [`ResourceType::Cluster`] (`Resource.CLUSTER_NAME`).
pub const CLUSTER_NAME: &str = "kafka-cluster";

/// The name that a [`PatternType::Literal`] pattern has where it fits each resource of its type, and the host that is each host.
pub const ANY: &str = "*";

impl ResourceType {
    /// All types, by their codes.
    pub const ALL: [Self; 6] =
        [Self::Topic, Self::Group, Self::Cluster, Self::TransactionalId, Self::DelegationToken, Self::User];

    /// The code of requests and records.
    pub const fn code(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Group => 3,
            Self::Cluster => 4,
            Self::TransactionalId => 5,
            Self::DelegationToken => 6,
            Self::User => 7,
        }
    }

    /// The type with this code; `None` for “unknown” (0), “any” (1) and codes that Kafka does not have.
    pub fn from_code(code: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The name that Kafka prints, such as `TOPIC`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Topic => "TOPIC",
            Self::Group => "GROUP",
            Self::Cluster => "CLUSTER",
            Self::TransactionalId => "TRANSACTIONAL_ID",
            Self::DelegationToken => "DELEGATION_TOKEN",
            Self::User => "USER",
        }
    }

    /// The operations that mean something on this type (`AclEntry.supportedOperations`), ordered by code.
    pub const fn operations(self) -> &'static [Operation] {
        use Operation::{
            Alter, AlterConfigs, ClusterAction, Create, CreateTokens, Delete, Describe, DescribeConfigs,
            DescribeTokens, IdempotentWrite, Read, TwoPhaseCommit, Write,
        };
        match self {
            Self::Topic => &[Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs],
            Self::Group => &[Read, Delete, Describe, DescribeConfigs, AlterConfigs],
            Self::Cluster => {
                &[Create, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite]
            }
            Self::TransactionalId => &[Write, Describe, TwoPhaseCommit],
            Self::DelegationToken => &[Describe],
            Self::User => &[CreateTokens, DescribeTokens],
        }
    }
}

/// The way in which a pattern's name is compared with that of a resource (KIP-290).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PatternType {
    /// The same name; the name `*` fits every resource of the type.
    Literal,
    /// Names that begin with it. `*` has no meaning of its own here.
    Prefixed,
}

impl PatternType {
    /// Both types, by their codes.
    pub const ALL: [Self; 2] = [Self::Literal, Self::Prefixed];

    /// The code of requests and records.
    pub const fn code(self) -> i8 {
        match self {
            Self::Literal => 3,
            Self::Prefixed => 4,
        }
    }

    /// Kafka's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Literal => "LITERAL",
            Self::Prefixed => "PREFIXED",
        }
    }

    /// The type with this code; `None` for “unknown” (0), “any” (1), “match” (2) and codes that Kafka does not have.
    pub fn from_code(code: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// Something that a client does to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// In entries: each operation. No client asks for it.
    All,
    /// Kafka's `READ`.
    Read,
    /// Kafka's `WRITE`.
    Write,
    /// Kafka's `CREATE`.
    Create,
    /// Kafka's `DELETE`.
    Delete,
    /// Kafka's `ALTER`.
    Alter,
    /// Kafka's `DESCRIBE`.
    Describe,
    /// Kafka's `CLUSTER_ACTION`.
    ClusterAction,
    /// Kafka's `DESCRIBE_CONFIGS`.
    DescribeConfigs,
    /// Kafka's `ALTER_CONFIGS`.
    AlterConfigs,
    /// Kafka's `IDEMPOTENT_WRITE`.
    IdempotentWrite,
    /// Kafka's `CREATE_TOKENS`.
    CreateTokens,
    /// Kafka's `DESCRIBE_TOKENS`.
    DescribeTokens,
    /// Kafka's `TWO_PHASE_COMMIT` (KIP-939).
    TwoPhaseCommit,
}

impl Operation {
    /// All operations, by their codes.
    pub const ALL: [Self; 14] = [
        Self::All,
        Self::Read,
        Self::Write,
        Self::Create,
        Self::Delete,
        Self::Alter,
        Self::Describe,
        Self::ClusterAction,
        Self::DescribeConfigs,
        Self::AlterConfigs,
        Self::IdempotentWrite,
        Self::CreateTokens,
        Self::DescribeTokens,
        Self::TwoPhaseCommit,
    ];

    /// The code of requests and records; also the place of its bit where operations are a bit field (KIP-430).
    pub const fn code(self) -> i8 {
        match self {
            Self::All => 2,
            Self::Read => 3,
            Self::Write => 4,
            Self::Create => 5,
            Self::Delete => 6,
            Self::Alter => 7,
            Self::Describe => 8,
            Self::ClusterAction => 9,
            Self::DescribeConfigs => 10,
            Self::AlterConfigs => 11,
            Self::IdempotentWrite => 12,
            Self::CreateTokens => 13,
            Self::DescribeTokens => 14,
            Self::TwoPhaseCommit => 15,
        }
    }

    /// The operation with this code; `None` for “unknown” (0), “any” (1) and codes that Kafka does not have.
    pub fn from_code(code: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.code() == code)
    }

    /// The name as Kafka's documentation writes it, such as `DescribeConfigs`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "All",
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Create => "Create",
            Self::Delete => "Delete",
            Self::Alter => "Alter",
            Self::Describe => "Describe",
            Self::ClusterAction => "ClusterAction",
            Self::DescribeConfigs => "DescribeConfigs",
            Self::AlterConfigs => "AlterConfigs",
            Self::IdempotentWrite => "IdempotentWrite",
            Self::CreateTokens => "CreateTokens",
            Self::DescribeTokens => "DescribeTokens",
            Self::TwoPhaseCommit => "TwoPhaseCommit",
        }
    }
}

/// The effect of an entry that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// The operation is refused, whatever others allow.
    Deny,
    /// The operation is allowed, unless another entry denies it.
    Allow,
}

impl Permission {
    /// The code of requests and records.
    pub const fn code(self) -> i8 {
        match self {
            Self::Deny => 2,
            Self::Allow => 3,
        }
    }

    /// Kafka's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deny => "DENY",
            Self::Allow => "ALLOW",
        }
    }

    /// The permission with this code; `None` for “unknown” (0), “any” (1) and codes that Kafka does not have.
    pub fn from_code(code: i8) -> Option<Self> {
        match code {
            2 => Some(Self::Deny),
            3 => Some(Self::Allow),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_leads_back_to_its_value_and_no_other_code_to_any() {
        for code in i8::MIN..=i8::MAX {
            assert!(ResourceType::from_code(code).is_none_or(|kind| kind.code() == code));
            assert!(Operation::from_code(code).is_none_or(|operation| operation.code() == code));
            assert!(PatternType::from_code(code).is_none_or(|kind| kind.code() == code));
            assert!(Permission::from_code(code).is_none_or(|permission| permission.code() == code));
            let known = (2..=15).contains(&code);
            assert_eq!(Operation::from_code(code).is_some(), known, "operation {code}");
            assert_eq!(ResourceType::from_code(code).is_some(), (2..=7).contains(&code), "type {code}");
            assert_eq!(PatternType::from_code(code).is_some(), (3..=4).contains(&code), "pattern {code}");
            assert_eq!(Permission::from_code(code).is_some(), (2..=3).contains(&code), "permission {code}");
        }
    }

    /// The fields of Kafka 4.3 where all operations are authorized.
    #[test]
    fn operations_of_a_type_are_kafkas() {
        let field = |kind: ResourceType| kind.operations().iter().fold(0, |bits, one| bits | 1 << one.code());
        let fields = [ResourceType::Topic, ResourceType::Cluster, ResourceType::Group].map(field);
        assert_eq!(fields, [3576, 8096, 3400]);
    }
}
