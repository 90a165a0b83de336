//! AlterClientQuotas, key 49: sets and removes client quotas (KIP-546). The answer is sent once they are on the disk and in force.
//!
//! Versions 0–1:
//! - v1: flexible.
//!
//! Differences from Kafka: a value that is not finite is refused; an address is given as such, as names are not looked up; an entity that the request
//! names twice is not changed, while Kafka makes the first change and answers that it did not; entities are answered in the order of the request;
//! more than 10 000 changes in one request are refused, and so are quotas of more than 100 000 entities.

use std::ops::RangeInclusive;

use codec::messages::alter_client_quotas_request::EntryData;
use codec::messages::alter_client_quotas_response::{EntityData, EntryData as Altered};
use codec::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use security::quota::Entity;

use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::{code_and_text, error_text};
use crate::services::quotas::{self, Reach, Wanted};

/// See the file's header.
pub(crate) struct AlterClientQuotas;

impl Api for AlterClientQuotas {
    type Request = AlterClientQuotasRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const ACCESS: Access = Access::Needs(&[whole(CLUSTER, Operation::AlterConfigs)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let AlterClientQuotasRequest { entries, validate_only, .. } = request;
        let outcomes = match cx.authorize_cluster(Operation::AlterConfigs) {
            Ok(permit) => {
                let quotas = cx.quotas(&permit).clone();
                let (cluster, tasks) =
                    (cx.io(&permit).cluster().clone(), cx.resources(&permit).tasks.clone());
                let wanted = entries.iter().map(wanted).collect();
                let outcomes = quotas::alter(Reach { quotas, cluster, tasks }, wanted, validate_only).await;
                outcomes.into_iter().map(code_and_text).collect()
            }
            // One for each, as `AlterClientQuotasRequest.getErrorResponse`.
            Err(code) => {
                let text = Some(error_text(code.message().to_owned()));
                vec![(code.code(), text); entries.len()]
            }
        };
        let answer = |(entry, (code, text))| altered(entry).with_error_code(code).with_error_message(text);
        let answers = entries.into_iter().zip(outcomes).map(answer).collect();
        Ok(Reply::Response(AlterClientQuotasResponse::default().with_entries(answers)))
    }

    fn first_error(response: &AlterClientQuotasResponse) -> i16 {
        super::first_code(response.entries.iter().map(|one| one.error_code))
    }
}

/// The changes of one entity, as asked for.
fn wanted(entry: &EntryData) -> Wanted {
    let parts = entry.entity.iter().map(|part| (&*part.entity_type, part.entity_name.as_deref()));
    let quotas = entry.ops.iter().map(|op| (op.key.to_string(), (!op.remove).then_some(op.value)));
    Wanted { entity: Entity::of(parts), quotas: quotas.collect() }
}

/// The answer about an entity, named as the request named it.
fn altered(entry: EntryData) -> Altered {
    let part = |part: codec::messages::alter_client_quotas_request::EntityData| {
        EntityData::default().with_entity_type(part.entity_type).with_entity_name(part.entity_name)
    };
    Altered::default().with_entity(entry.entity.into_iter().map(part).collect())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod throttle_tests;
