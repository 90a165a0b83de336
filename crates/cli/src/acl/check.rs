//! `ottla acl check`: what the authorizer decides, by its own code, from the entries that any Kafka lists.

use std::net::{IpAddr, Ipv4Addr};

use clap::Args;
use codec::messages::describe_configs_request::DescribeConfigsResource;
use codec::messages::{DescribeConfigsRequest, MetadataRequest, StrBytes};
use security::acl::{
    Asker, CLUSTER_NAME, Decision, Filter, Operation, PatternFilter, Policy, ResourceType, Rules,
};
use serde_json::json;

use super::{arguments, object, sentence, warn_of, wire};
use crate::client::Cluster;
use crate::failure::Failure;
use crate::output::{Format, Outcome, escaped};

/// Arguments of `ottla acl check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The client, such as User:alice.
    #[arg(long)]
    principal: String,
    /// An operation, such as Read.
    #[arg(long, value_parser = arguments::operation)]
    operation: Operation,
    /// The resource: topic:NAME, group:NAME, transactional-id:ID, delegation-token:ID, user:PRINCIPAL or cluster.
    #[arg(long, value_name = "TYPE:NAME", value_parser = resource)]
    resource: (ResourceType, String),
    /// Address of the client [default: one that no entry names]
    #[arg(long, value_name = "ADDRESS")]
    host: Option<IpAddr>,
    /// A principal that may do everything (super.users); may be given several times [default: as the broker's configuration says, if it shows it]
    #[arg(long = "super-user", value_name = "PRINCIPAL")]
    super_users: Vec<String>,
}

/// A resource, as `topic:orders`.
fn resource(text: &str) -> Result<(ResourceType, String), String> {
    let plain = |text: &str| text.replace(['_', '-'], "").to_ascii_lowercase();
    let (kind, name) = text.split_once(':').unwrap_or((text, ""));
    let found = ResourceType::ALL.into_iter().find(|known| plain(known.name()) == plain(kind));
    match (found, name) {
        (Some(ResourceType::Cluster), "" | CLUSTER_NAME) => Ok((ResourceType::Cluster, CLUSTER_NAME.to_owned())),
        (Some(ResourceType::Cluster), _) => Err("the cluster has no other name: write cluster".to_owned()),
        (Some(kind), name) if !name.is_empty() => Ok((kind, name.to_owned())),
        _ => Err("write topic:NAME, group:NAME, transactional-id:ID, delegation-token:ID, user:PRINCIPAL or cluster".to_owned()),
    }
}

pub(super) fn run(
    arguments: &CheckArguments,
    cluster: &mut Cluster,
    format: Format,
) -> Result<Outcome, Failure> {
    let (kind, _) = &arguments.resource;
    if arguments.operation == Operation::All || !kind.operations().contains(&arguments.operation) {
        let known: Vec<&str> = kind.operations().iter().map(|one| one.name()).collect();
        return Err(Failure::usage(format!("operations on {} are {}", kind.name(), known.join(", "))));
    }
    let every = Filter {
        resource_type: Some(*kind),
        pattern: PatternFilter::Any,
        name: None,
        principal: None,
        host: None,
        operation: None,
        permission: None,
    };
    let (acls, unknown) = wire::describe(cluster, &every)?;
    warn_of(unknown);
    let (policy, is_known) = policy(cluster, &arguments.super_users);
    Ok(judge(arguments, &Rules::new(acls), &policy, is_known, format))
}

/// The decision and its reason. `is_known`: the broker has told its super users and its default.
fn judge(
    arguments: &CheckArguments,
    rules: &Rules,
    policy: &Policy,
    is_known: bool,
    format: Format,
) -> Outcome {
    let (kind, name) = &arguments.resource;
    let address = arguments.host.map_or(Ipv4Addr::UNSPECIFIED.into(), |address| address.to_canonical());
    let asker = Asker { principal: &arguments.principal, address };
    let is_allowed = policy.allows(rules, asker, arguments.operation, *kind, name);
    let (decision, deciding) = rules.deciding(asker, arguments.operation, *kind, name);
    let is_super = policy.super_users.contains(&arguments.principal);
    let reason = match decision {
        _ if is_super => "it is a super user",
        Decision::Denied => "an entry denies it",
        Decision::Allowed => "an entry allows it, and none denies it",
        Decision::NotMentioned => "entries are about this resource, and none allows it this operation",
        Decision::NoEntry if policy.allows_without_entry => {
            "no entry is about this resource, and allow.everyone.if.no.acl.found is true"
        }
        Decision::NoEntry => "no entry is about this resource",
    };
    let decides = !is_super && matches!(decision, Decision::Denied | Decision::Allowed);
    let deciding = if decides { deciding } else { Vec::new() };
    let text = match format {
        Format::Json | Format::Yaml => format.document(&json!({
            "allowed": is_allowed,
            "reason": reason,
            "deciding": deciding.iter().map(object).collect::<Vec<_>>(),
            "super_users_known": is_known,
        })),
        Format::Table | Format::Wide => {
            let mut text = format!(
                "{}: {} {} {} {} {}: {reason}\n",
                if is_allowed { "yes" } else { "no" },
                escaped(&arguments.principal),
                if is_allowed { "may" } else { "may not" },
                arguments.operation.name(),
                kind.name(),
                escaped(name),
            );
            deciding.iter().for_each(|acl| text.push_str(&format!("  {}\n", sentence(acl))));
            if !is_known && !is_super && !is_allowed {
                text.push_str("  (the broker does not show its super.users and allow.everyone.if.no.acl.found: give --super-user where it is one)\n");
            }
            text
        }
    };
    Outcome { text, is_good: is_allowed }
}

/// Super users and default, as the broker's configuration says, and true if it shows them. Kafka shows neither to clients.
fn policy(cluster: &mut Cluster, given: &[String]) -> (Policy, bool) {
    const SUPER_USERS: &str = "super.users";
    const EVERYONE: &str = "allow.everyone.if.no.acl.found";
    let mut policy = Policy { super_users: given.iter().cloned().collect(), allows_without_entry: false };
    let metadata = cluster.call_from(1, &MetadataRequest::default().with_topics(Some(Vec::new())));
    let Ok(metadata) = metadata else { return (policy, false) };
    let Some(broker) = metadata.brokers.first() else { return (policy, false) };
    let resource = DescribeConfigsResource::default()
        .with_resource_type(4) // broker
        .with_resource_name(StrBytes::from_string(broker.node_id.0.to_string()))
        .with_configuration_keys(Some([SUPER_USERS, EVERYONE].map(StrBytes::from_static_str).to_vec()));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let Ok(answer) = cluster.call(&request) else { return (policy, false) };
    let configs: Vec<_> = answer
        .results
        .iter()
        .filter(|result| result.error_code == 0)
        .flat_map(|result| &result.configs)
        .collect();
    let value = |name: &str| {
        configs.iter().find(|config| config.name.as_str() == name).and_then(|config| config.value.as_deref())
    };
    let super_users = value(SUPER_USERS).and_then(|text| Policy::super_users(text).ok());
    let is_known = super_users.is_some();
    policy.super_users.extend(super_users.unwrap_or_default());
    policy.allows_without_entry = value(EVERYONE) == Some("true");
    (policy, is_known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use security::acl::{Acl, Entry, Pattern, PatternType, Permission};

    fn check(principal: &str, operation: &str, wanted: &str) -> CheckArguments {
        CheckArguments {
            principal: principal.to_owned(),
            operation: arguments::operation(operation).unwrap(),
            resource: resource(wanted).unwrap(),
            host: None,
            super_users: Vec::new(),
        }
    }

    #[test]
    fn resources_are_read() {
        assert_eq!(resource("topic:a:b"), Ok((ResourceType::Topic, "a:b".to_owned())));
        assert_eq!(resource("Transactional_Id:x").unwrap().0, ResourceType::TransactionalId);
        assert_eq!(resource("cluster").unwrap().1, CLUSTER_NAME);
        for text in ["topic", "topic:", "cluster:other", "x:y", ""] {
            assert!(resource(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_deciding_entry_is_told() {
        let acl = |principal: &str, permission| Acl {
            pattern: Pattern {
                resource_type: ResourceType::Topic,
                name: "or".into(),
                pattern_type: PatternType::Prefixed,
            },
            entry: Entry {
                principal: principal.into(),
                host: "*".into(),
                operation: Operation::Read,
                permission,
            },
        };
        let rules = Rules::new([acl("User:alice", Permission::Allow), acl("User:bob", Permission::Deny)]);
        let policy = Policy { super_users: ["User:root".to_owned()].into(), allows_without_entry: false };
        let said = |who: &str, operation: &str, what: &str| {
            let outcome = judge(&check(who, operation, what), &rules, &policy, true, Format::Table);
            (outcome.is_good, outcome.text)
        };
        let (good, text) = said("User:alice", "describe", "topic:orders");
        assert!(good && text.contains("yes: User:alice may Describe TOPIC orders"), "{text}");
        assert!(text.contains("\n  ALLOW User:alice Read on TOPIC or (PREFIXED) from *\n"), "{text}");
        let (good, text) = said("User:bob", "Read", "topic:orders");
        assert!(!good && text.contains("DENY User:bob"), "{text}");
        let (good, text) = said("User:alice", "Write", "topic:orders");
        assert!(!good && text.contains("none allows it") && !text.contains("ALLOW"), "{text}");
        let (good, text) = said("User:alice", "Read", "topic:bills");
        assert!(!good && text.contains("no entry is about"), "{text}");
        let (good, text) = said("User:root", "Write", "topic:orders");
        assert!(good && text.contains("super user"), "{text}");
    }
}
