//! The entries that a decision comes from, for people who ask why something is allowed or refused.
//!
//! Each entry is judged alone by the code that decides, so that an explanation cannot differ from the decision.

use super::entry::{Acl, Filter, PatternFilter};
use super::kinds::{Operation, ResourceType};
use super::rules::{Asker, Decision, Rules};

impl Rules {
    /// Decides as [`Rules::decide`], and returns the entries of which each alone would decide so: those that deny, or else those that
    /// allow. Without such entries, those that fit the resource and are about other clients or operations. Walks all entries of the type.
    pub fn deciding(
        &self,
        asker: Asker<'_>,
        operation: Operation,
        resource_type: ResourceType,
        name: &str,
    ) -> (Decision, Vec<Acl>) {
        let decision = self.decide(asker, operation, resource_type, name);
        let filter = Filter {
            resource_type: Some(resource_type),
            pattern: PatternFilter::Match,
            name: Some(name.to_owned()),
            principal: None,
            host: None,
            operation: None,
            permission: None,
        };
        let mut acls = self.find(&filter);
        acls.retain(|acl| Self::new([acl.clone()]).decide(asker, operation, resource_type, name) == decision);
        (decision, acls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::{Entry, Pattern, PatternType, Permission};

    fn acl(
        name: &str,
        pattern_type: PatternType,
        principal: &str,
        operation: Operation,
        permission: Permission,
    ) -> Acl {
        Acl {
            pattern: Pattern { resource_type: ResourceType::Topic, name: name.into(), pattern_type },
            entry: Entry { principal: principal.into(), host: "*".into(), operation, permission },
        }
    }

    #[test]
    fn the_entries_that_decide_are_returned() {
        use Operation::{All, Describe, Read, Write};
        use PatternType::{Literal, Prefixed};
        use Permission::{Allow, Deny};
        let reads = acl("or", Prefixed, "User:a", Read, Allow);
        let all = acl("*", Literal, "User:*", All, Allow);
        let denied = acl("orders", Literal, "User:a", Write, Deny);
        let other = acl("orders", Literal, "User:b", Read, Allow);
        let elsewhere = acl("bills", Literal, "User:a", Read, Allow);
        let decide = |acls: &[&Acl], operation| {
            let rules = Rules::new(acls.iter().map(|acl| (*acl).clone()));
            let asker = Asker { principal: "User:a", address: [10, 0, 0, 1].into() };
            rules.deciding(asker, operation, ResourceType::Topic, "orders")
        };
        let every = [&reads, &all, &denied, &other, &elsewhere];
        assert_eq!(decide(&every, Read), (Decision::Allowed, vec![all.clone(), reads.clone()]));
        assert_eq!(
            decide(&every, Write),
            (Decision::Denied, vec![denied.clone()]),
            "others allow it in vain"
        );
        // A permission that follows from another, and a denial that does not.
        assert_eq!(decide(&[&reads, &denied], Describe), (Decision::Allowed, vec![reads.clone()]));
        assert_eq!(decide(&[&other, &elsewhere], Read), (Decision::NotMentioned, vec![other.clone()]));
        assert_eq!(decide(&[&elsewhere], Read), (Decision::NoEntry, vec![]));
    }
}
