//! Rules that a broker looks up for each request of a load, most of them of other users: ACLs and quotas.

use anyhow::{Result, ensure};
use codec::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use codec::messages::create_acls_request::AclCreation;
use codec::messages::{AlterClientQuotasRequest, CreateAclsRequest, StrBytes};

use crate::control::Control;
use crate::login::USER;

/// Entries of one request.
const AT_ONCE: usize = 500;
/// Topics, groups and transactional ids of loads begin with this.
pub(crate) const PREFIX: &str = "bench-";
// Kafka's numbers: ResourceType, PatternType, AclOperation, AclPermissionType.
const TOPIC: i8 = 2;
const GROUP: i8 = 3;
const CLUSTER: i8 = 4;
const TRANSACTIONAL_ID: i8 = 5;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const ALL: i8 = 2;
const READ: i8 = 3;
const WRITE: i8 = 4;
const ALLOW: i8 = 3;

/// Creates that many ACLs: four let the loads' user do what loads do, the others are of 500 users on topics of theirs, half of them
/// by prefixes.
///
/// # Errors
/// The broker refuses one.
pub(crate) fn add_acls(control: &mut Control, count: u32) -> Result<()> {
    let own = format!("User:{USER}");
    let mut acls = vec![
        acl(&own, (TOPIC, PREFIXED, PREFIX), ALL),
        acl(&own, (GROUP, PREFIXED, PREFIX), ALL),
        acl(&own, (TRANSACTIONAL_ID, PREFIXED, PREFIX), ALL),
        acl(&own, (CLUSTER, LITERAL, "kafka-cluster"), ALL),
    ];
    acls.extend((4..count).map(|number| {
        let (pattern, operation) =
            (if number % 2 == 0 { LITERAL } else { PREFIXED }, if number % 4 < 2 { READ } else { WRITE });
        // Prefixes of several lengths: each length is looked up on its own.
        let topic = format!("{}-{number}", &"abcdefgh"[..1 + number as usize % 8]);
        acl(&format!("User:{}", number % 500), (TOPIC, pattern, &topic), operation)
    }));
    for creations in acls.chunks(AT_ONCE) {
        let answer = control.call(2, &CreateAclsRequest::default().with_creations(creations.to_vec()))?;
        for result in answer.results {
            ensure!(result.error_code == 0, "CreateAcls: error {}", result.error_code);
        }
    }
    Ok(())
}

fn acl(principal: &str, (kind, pattern, name): (i8, i8, &str), operation: i8) -> AclCreation {
    AclCreation::default()
        .with_resource_type(kind)
        .with_resource_name(string(name))
        .with_resource_pattern_type(pattern)
        .with_principal(string(principal))
        .with_host(StrBytes::from_static_str("*"))
        .with_operation(operation)
        .with_permission_type(ALLOW)
}

/// Sets quotas for that many users, far above what they use; the user of the loads is one of them.
///
/// # Errors
/// The broker refuses one.
pub(crate) fn add_quotas(control: &mut Control, count: u32) -> Result<()> {
    let users: Vec<String> =
        [USER.to_owned()].into_iter().chain((1..count).map(|number| format!("user-{number}"))).collect();
    for users in users.chunks(AT_ONCE) {
        let entries = users.iter().map(|user| quota(user)).collect();
        let answer = control.call(1, &AlterClientQuotasRequest::default().with_entries(entries))?;
        for entry in answer.entries {
            ensure!(entry.error_code == 0, "AlterClientQuotas: error {}", entry.error_code);
        }
    }
    Ok(())
}

fn quota(user: &str) -> EntryData {
    let entity = EntityData::default()
        .with_entity_type(StrBytes::from_static_str("user"))
        .with_entity_name(Some(string(user)));
    let ops = ["producer_byte_rate", "consumer_byte_rate", "request_percentage"].map(|key| {
        // A percentage of time may be above 100: that is one thread.
        OpData::default().with_key(StrBytes::from_static_str(key)).with_value(1e12)
    });
    EntryData::default().with_entity(vec![entity]).with_ops(ops.to_vec())
}

fn string(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
