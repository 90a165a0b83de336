//! DescribeClientQuotas, key 48: the client quotas that a search finds (KIP-546).
//!
//! Versions 0–1:
//! - v1: flexible.
//!
//! Entities are ordered; Kafka answers in the order of a hash table.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use codec::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse, StrBytes};
use security::quota::{Entity, Filter, Key, Values};

use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::{error_text, filter_code};

/// See the file's header.
pub(crate) struct DescribeClientQuotas;

impl Api for DescribeClientQuotas {
    type Request = DescribeClientQuotasRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const ACCESS: Access = Access::Needs(&[whole(CLUSTER, Operation::DescribeConfigs)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let permit = match cx.authorize_cluster(Operation::DescribeConfigs) {
            Ok(permit) => permit,
            Err(code) => return Ok(Reply::Response(refused(code, code.message().to_owned()))),
        };
        let components =
            request.components.iter().map(|one| (&*one.entity_type, one.match_type, one._match.as_deref()));
        let filter = match Filter::of(components, request.strict) {
            Ok(filter) => filter,
            Err(error) => return Ok(Reply::Response(refused(filter_code(&error), error.to_string()))),
        };
        let quotas = cx.quotas(&permit).in_force();
        let entries = quotas.find(&filter).map(|(entity, values)| entry(entity, values)).collect();
        Ok(Reply::Response(DescribeClientQuotasResponse::default().with_entries(Some(entries))))
    }

    fn first_error(response: &DescribeClientQuotasResponse) -> i16 {
        response.error_code
    }
}

/// As `DescribeClientQuotasRequest.getErrorResponse`: entries are null.
fn refused(code: ErrorCode, text: String) -> DescribeClientQuotasResponse {
    DescribeClientQuotasResponse::default()
        .with_error_code(code.code())
        .with_error_message(Some(error_text(text)))
        .with_entries(None)
}

fn entry(entity: &Entity, values: &Values) -> EntryData {
    let part = |(kind, name): (security::quota::EntityType, Option<String>)| {
        EntityData::default()
            .with_entity_type(StrBytes::from_static_str(kind.name()))
            .with_entity_name(name.map(StrBytes::from_string))
    };
    let value = |(key, value): (Key, &Option<f64>)| {
        Some(ValueData::default().with_key(StrBytes::from_static_str(key.name())).with_value((*value)?))
    };
    EntryData::default()
        .with_entity(entity.parts().into_iter().map(part).collect())
        .with_values(Key::ALL.into_iter().zip(values).filter_map(value).collect())
}
