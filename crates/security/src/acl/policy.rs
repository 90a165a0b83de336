//! The authorizer's decision: super users, the entries, and the default for resources without any.

use std::collections::BTreeSet;

use super::kinds::{Operation, ResourceType};
use super::rules::{Asker, Decision, Rules};

/// The part of the authorizer that is fixed at start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Principals that may do everything, such as `User:admin`. Compared as they are: no pattern, so `User:*` is no client.
    pub super_users: BTreeSet<String>,
    /// `allow.everyone.if.no.acl.found`: the decision about a resource that no entry fits.
    pub allows_without_entry: bool,
}

/// The name for which a decision by type asks first (`Authorizer.authorizeByResourceType`).
const HARDCODE: &str = "hardcode";

impl Policy {
    /// Reads `super.users`: principals separated by `;`, blanks around each left away (`StandardAuthorizer.getConfiguredSuperUsers`).
    ///
    /// # Errors
    /// A part without the `:` of a principal: the text names it.
    pub fn super_users(text: &str) -> Result<BTreeSet<String>, String> {
        let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
        let principal = |part: &str| match part.split_once(':') {
            Some((kind, _)) if !kind.is_empty() => Ok(part.to_owned()),
            _ => Err(format!("{part} is no principal; write Type:name, such as User:{part}")),
        };
        parts.map(principal).collect()
    }

    /// Returns true if the client may do the operation to this resource.
    pub fn allows(
        &self,
        rules: &Rules,
        asker: Asker<'_>,
        operation: Operation,
        resource_type: ResourceType,
        name: &str,
    ) -> bool {
        self.super_users.contains(asker.principal)
            || match rules.decide(asker, operation, resource_type, name) {
                Decision::Allowed => true,
                Decision::Denied | Decision::NotMentioned => false,
                Decision::NoEntry => self.allows_without_entry,
            }
    }

    /// Returns true if there can be a resource of the type to which the client may do the operation.
    pub fn allows_by_type(
        &self,
        rules: &Rules,
        asker: Asker<'_>,
        operation: Operation,
        resource_type: ResourceType,
    ) -> bool {
        self.allows(rules, asker, operation, resource_type, HARDCODE)
            || rules.decide_by_type(asker, operation, resource_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn super_users_are_separated_by_semicolons() {
        let read = |text| Policy::super_users(text).map(|users| users.into_iter().collect::<Vec<_>>());
        assert_eq!(read(" User:b; User:CN=a,O=x ;;"), Ok(vec!["User:CN=a,O=x".into(), "User:b".into()]));
        assert_eq!(read(""), Ok(vec![]));
        assert!(read("User:a;b").unwrap_err().contains("write Type:name, such as User:b"));
    }
}
