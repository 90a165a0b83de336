//! Client quotas.

use codec::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use serde_json::{Value, json};

use super::{Audited, Change, change};

impl Audited for AlterClientQuotasRequest {
    fn changes(&self, response: &AlterClientQuotasResponse) -> Vec<Change> {
        if self.validate_only {
            return Vec::new();
        }
        // Answered in the order of the request.
        let codes = response.entries.iter().map(|entry| entry.error_code).chain(std::iter::repeat(0));
        let told = |(entry, code): (&codec::messages::alter_client_quotas_request::EntryData, i16)| {
            let name = |name: Option<&str>| name.unwrap_or("<default>").to_owned();
            let part = |part: &codec::messages::alter_client_quotas_request::EntityData| {
                format!("{}={}", &*part.entity_type, name(part.entity_name.as_deref()))
            };
            let entity: Vec<String> = entry.entity.iter().map(part).collect();
            let quotas: Vec<Value> =
                entry.ops.iter().map(|op| json!([&*op.key, (!op.remove).then_some(op.value)])).collect();
            let detail = json!({ "quotas": quotas });
            Change { detail, ..change("ClientQuota", &entity.join(","), "Alter", code) }
        };
        self.entries.iter().zip(codes).map(told).collect()
    }
}
