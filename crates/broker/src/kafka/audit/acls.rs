//! Access control lists.

use codec::messages::{CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse};
use security::acl::{Operation, PatternType, Permission, ResourceType};
use serde_json::{Value, json};

use super::{Audited, Change, change};

/// The fields of an entry, by Kafka's codes.
struct Fields<'a> {
    resource_type: i8,
    pattern_type: i8,
    principal: &'a str,
    host: &'a str,
    operation: i8,
    permission: i8,
}

impl Audited for CreateAclsRequest {
    fn changes(&self, response: &CreateAclsResponse) -> Vec<Change> {
        // Answered in the order of the request.
        let created = self.creations.iter().zip(&response.results).map(|(asked, result)| {
            let fields = Fields {
                resource_type: asked.resource_type,
                pattern_type: asked.resource_pattern_type,
                principal: &asked.principal,
                host: &asked.host,
                operation: asked.operation,
                permission: asked.permission_type,
            };
            entry(&fields, &asked.resource_name, "CreateAcl", result.error_code)
        });
        created.collect()
    }
}

impl Audited for DeleteAclsRequest {
    fn changes(&self, response: &DeleteAclsResponse) -> Vec<Change> {
        let mut changes = Vec::new();
        for result in &response.filter_results {
            if result.error_code != 0 {
                changes.push(change("Acl", "", "DeleteAcl", result.error_code));
            }
            changes.extend(result.matching_acls.iter().map(|found| {
                let fields = Fields {
                    resource_type: found.resource_type,
                    pattern_type: found.pattern_type,
                    principal: &found.principal,
                    host: &found.host,
                    operation: found.operation,
                    permission: found.permission_type,
                };
                entry(&fields, &found.resource_name, "DeleteAcl", found.error_code)
            }));
        }
        changes
    }
}

fn entry(fields: &Fields<'_>, resource: &str, operation: &'static str, error_code: i16) -> Change {
    let detail = json!({
        "resource_type": name(ResourceType::from_code(fields.resource_type).map(ResourceType::name), fields.resource_type),
        "pattern_type": name(PatternType::from_code(fields.pattern_type).map(PatternType::name), fields.pattern_type),
        "principal": fields.principal,
        "host": fields.host,
        "operation": name(Operation::from_code(fields.operation).map(Operation::name), fields.operation),
        "permission": name(Permission::from_code(fields.permission).map(Permission::name), fields.permission),
    });
    Change { detail, ..change("Acl", resource, operation, error_code) }
}

/// Kafka's name, or the code where there is none: the request is refused then, and yet told.
fn name(known: Option<&'static str>, code: i8) -> Value {
    known.map_or(Value::from(code), Value::from)
}
