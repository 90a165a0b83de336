//! The arguments of `kafka-acls.sh` (`AclCommand`), and the entries and filters that they mean.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};
use security::acl::{
    ANY, Acl, CLUSTER_NAME, Entry, Filter, Operation, Pattern, PatternFilter, PatternType, Permission,
    ResourceType,
};

use crate::failure::Failure;

/// The resources of entries.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Resources {
    /// A topic; may be given several times, as all of these.
    #[arg(long, value_name = "NAME")]
    pub(crate) topic: Vec<String>,
    /// A consumer group.
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Vec<String>,
    /// The cluster.
    #[arg(long)]
    pub(crate) cluster: bool,
    /// A transactional id.
    #[arg(long, value_name = "ID")]
    pub(crate) transactional_id: Vec<String>,
    /// A delegation token.
    #[arg(long, value_name = "ID")]
    pub(crate) delegation_token: Vec<String>,
    /// A user, whose tokens others may create or describe.
    #[arg(long, value_name = "PRINCIPAL")]
    pub(crate) user_principal: Vec<String>,
}

impl Resources {
    /// All resources, by their types.
    pub(crate) fn all(&self) -> Vec<(ResourceType, String)> {
        let of =
            |kind, names: &[String]| names.iter().map(move |name| (kind, name.clone())).collect::<Vec<_>>();
        let mut all = of(ResourceType::Topic, &self.topic);
        all.extend(of(ResourceType::Group, &self.group));
        all.extend(self.cluster.then(|| (ResourceType::Cluster, CLUSTER_NAME.to_owned())));
        all.extend(of(ResourceType::TransactionalId, &self.transactional_id));
        all.extend(of(ResourceType::DelegationToken, &self.delegation_token));
        all.extend(of(ResourceType::User, &self.user_principal));
        all
    }
}

/// The way in which names of a filter are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PatternName {
    /// The same name.
    Literal,
    /// Names that begin with it.
    Prefixed,
    /// Of both kinds.
    Any,
    /// Entries that are about a resource of this name.
    Match,
}

impl PatternName {
    pub(crate) fn filter(self) -> PatternFilter {
        match self {
            Self::Literal => PatternFilter::Only(PatternType::Literal),
            Self::Prefixed => PatternFilter::Only(PatternType::Prefixed),
            Self::Any => PatternFilter::Any,
            Self::Match => PatternFilter::Match,
        }
    }
}

/// Arguments of `ottla acl list`.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) resources: Resources,
    /// The patterns of that name that are listed.
    #[arg(long, value_enum, default_value = "any")]
    pub(crate) resource_pattern_type: PatternName,
    /// Entries of this principal alone; may be given several times.
    #[arg(long, value_name = "PRINCIPAL")]
    pub(crate) principal: Vec<String>,
}

impl ListArguments {
    pub(crate) fn filters(&self) -> Vec<Filter> {
        let resources = self.resources.all().into_iter().map(Some);
        let resources: Vec<_> = resources.collect();
        let resources = if resources.is_empty() { vec![None] } else { resources };
        let principals: Vec<_> = self.principal.iter().cloned().map(Some).collect();
        let principals = if principals.is_empty() { vec![None] } else { principals };
        let mut filters = Vec::new();
        for resource in &resources {
            for principal in &principals {
                filters.push(Filter {
                    resource_type: resource.as_ref().map(|(kind, _)| *kind),
                    pattern: self.resource_pattern_type.filter(),
                    name: resource.as_ref().map(|(_, name)| name.clone()),
                    principal: principal.clone(),
                    host: None,
                    operation: None,
                    permission: None,
                });
            }
        }
        filters
    }
}

/// Arguments of `ottla acl add` and `ottla acl remove`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Wanted {
    #[command(flatten)]
    pub(crate) resources: Resources,
    /// The way in which the names of resources are compared.
    #[arg(long, value_enum, default_value = "literal")]
    pub(crate) resource_pattern_type: PatternName,
    /// A principal that is allowed to, such as User:alice; may be given several times.
    #[arg(long, value_name = "PRINCIPAL")]
    pub(crate) allow_principal: Vec<String>,
    /// A principal that is not, whatever else allows it.
    #[arg(long, value_name = "PRINCIPAL")]
    pub(crate) deny_principal: Vec<String>,
    /// Address of clients that are allowed to [default: every address]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) allow_host: Vec<String>,
    /// Address of clients that are not.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) deny_host: Vec<String>,
    /// An operation, such as Read; may be given several times [default: All]
    #[arg(long, value_name = "OPERATION", value_parser = operation)]
    pub(crate) operation: Vec<Operation>,
    /// Write, Describe and Create on topics, Write and Describe on transactional ids.
    #[arg(long, conflicts_with_all = ["operation", "deny_principal"])]
    pub(crate) producer: bool,
    /// Read and Describe on topics, Read on groups.
    #[arg(long, conflicts_with_all = ["operation", "deny_principal"])]
    pub(crate) consumer: bool,
    /// With --producer: IdempotentWrite on the cluster, which clients before Kafka 2.8 need.
    #[arg(long, requires = "producer")]
    pub(crate) idempotent: bool,
}

/// An operation by its name, as Kafka reads it: case and underscores do not count.
pub(super) fn operation(text: &str) -> Result<Operation, String> {
    let plain = |text: &str| text.replace(['_', '-'], "").to_ascii_lowercase();
    let found = Operation::ALL.into_iter().find(|operation| plain(operation.name()) == plain(text));
    found.ok_or_else(|| format!("known are {}", Operation::ALL.map(Operation::name).join(", ")))
}

/// The operations on each resource.
type Uses = Vec<(ResourceType, String, BTreeSet<Operation>)>;

impl Wanted {
    /// The entries to add.
    ///
    /// # Errors
    /// A part is missing, or means nothing.
    pub(super) fn acls(&self) -> Result<Vec<Acl>, Failure> {
        let acls = self.unchecked()?;
        match acls.iter().find_map(|acl| acl.check().err()) {
            Some(error) => Err(Failure::usage(error.to_string())),
            None => Ok(acls),
        }
    }

    /// As [`Self::acls`]; names, principals and hosts that mean nothing are left to the broker.
    ///
    /// # Errors
    /// A part is missing.
    pub(crate) fn unchecked(&self) -> Result<Vec<Acl>, Failure> {
        if self.allow_principal.is_empty() && self.deny_principal.is_empty() {
            return Err(Failure::usage("give --allow-principal or --deny-principal, such as User:alice"));
        }
        let pattern_type = match self.resource_pattern_type {
            PatternName::Literal => PatternType::Literal,
            PatternName::Prefixed => PatternType::Prefixed,
            _ => return Err(Failure::usage("an entry is --resource-pattern-type literal or prefixed")),
        };
        let mut acls = Vec::new();
        for (resource_type, name, operations) in self.uses()? {
            // The cluster has one name.
            let pattern_type =
                if resource_type == ResourceType::Cluster { PatternType::Literal } else { pattern_type };
            let pattern = Pattern { resource_type, name: name.as_str().into(), pattern_type };
            let acl = |entry| Acl { pattern: pattern.clone(), entry };
            acls.extend(self.entries(&operations).into_iter().map(acl));
        }
        Ok(acls)
    }

    /// The filters of the entries to remove: without a principal all entries of the resources.
    ///
    /// # Errors
    /// As [`Self::acls`].
    pub(crate) fn filters(&self) -> Result<Vec<Filter>, Failure> {
        let mut filters = Vec::new();
        for (resource_type, name, operations) in self.uses()? {
            let is_cluster = resource_type == ResourceType::Cluster;
            let pattern = if is_cluster { PatternName::Literal } else { self.resource_pattern_type };
            let bare = Filter {
                resource_type: Some(resource_type),
                pattern: pattern.filter(),
                name: Some(name),
                principal: None,
                host: None,
                operation: None,
                permission: None,
            };
            if self.allow_principal.is_empty() && self.deny_principal.is_empty() {
                filters.push(bare);
                continue;
            }
            for entry in self.entries(&operations) {
                filters.push(Filter {
                    principal: Some(entry.principal.to_string()),
                    host: Some(entry.host.to_string()),
                    operation: Some(entry.operation),
                    permission: Some(entry.permission),
                    ..bare.clone()
                });
            }
        }
        Ok(filters)
    }

    /// The entries of a resource, each once.
    fn entries(&self, operations: &BTreeSet<Operation>) -> BTreeSet<Entry> {
        let every = [ANY.to_owned()];
        let mut entries = BTreeSet::new();
        for (principals, hosts, permission) in [
            (&self.allow_principal, &self.allow_host, Permission::Allow),
            (&self.deny_principal, &self.deny_host, Permission::Deny),
        ] {
            let hosts = if hosts.is_empty() { every.as_slice() } else { hosts };
            for principal in principals {
                for host in hosts {
                    entries.extend(operations.iter().map(|operation| Entry {
                        principal: principal.as_str().into(),
                        host: host.as_str().into(),
                        operation: *operation,
                        permission,
                    }));
                }
            }
        }
        entries
    }

    fn uses(&self) -> Result<Uses, Failure> {
        use Operation::{Create, Describe, IdempotentWrite, Read, Write};
        let resources = self.resources.all();
        let mut uses: Uses = Vec::new();
        for (kind, name) in &resources {
            let mut operations = BTreeSet::new();
            match kind {
                ResourceType::Topic if self.producer => operations.extend([Write, Describe, Create]),
                ResourceType::TransactionalId if self.producer => operations.extend([Write, Describe]),
                _ => {}
            }
            match kind {
                ResourceType::Topic if self.consumer => operations.extend([Read, Describe]),
                ResourceType::Group if self.consumer => operations.extend([Read]),
                _ => {}
            }
            if !self.producer && !self.consumer {
                operations.extend(&self.operation);
                if operations.is_empty() {
                    operations.insert(Operation::All);
                }
                if let Some(wrong) =
                    operations.iter().find(|one| **one != Operation::All && !kind.operations().contains(one))
                {
                    let known: Vec<&str> = kind.operations().iter().map(|one| one.name()).collect();
                    return Err(Failure::usage(format!(
                        "{} means nothing on {}; known are All, {}",
                        wrong.name(),
                        kind.name(),
                        known.join(", ")
                    )));
                }
            }
            if !operations.is_empty() {
                uses.push((*kind, name.clone(), operations));
            }
        }
        if self.idempotent {
            uses.push((ResourceType::Cluster, CLUSTER_NAME.to_owned(), BTreeSet::from([IdempotentWrite])));
        }
        let has = |kind| resources.iter().any(|(known, _)| *known == kind);
        match () {
            () if self.producer && !has(ResourceType::Topic) => {
                Err(Failure::usage("--producer needs --topic"))
            }
            () if self.consumer && !(has(ResourceType::Topic) && has(ResourceType::Group)) => {
                Err(Failure::usage("--consumer needs --topic and --group"))
            }
            () if uses.is_empty() => Err(Failure::usage(
                "give the resource: --topic, --group, --cluster, --transactional-id, --delegation-token or --user-principal",
            )),
            () => Ok(uses),
        }
    }
}
