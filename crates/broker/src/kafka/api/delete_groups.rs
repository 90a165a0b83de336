//! DeleteGroups, key 42: deletes groups without members, with the offsets they have committed.
//!
//! Versions 0–2:
//! - v1: as v0 (KIP-219).
//! - v2: flexible.
//!
//! A group with members is NON_EMPTY_GROUP, a missing one GROUP_ID_NOT_FOUND. Offsets of open transactions
//! hold no group: they go with it, and the end of their transaction changes nothing here. A group that is
//! deleted is gone from the disk when it is answered. Groups are deleted one after another: one that is
//! refused does not hold up the others. A group that is named twice has one result, as in Kafka
//! (`KafkaApis.handleDeleteGroupsRequest`).

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::delete_groups_response::DeletableGroupResult;
use codec::messages::{DeleteGroupsRequest, DeleteGroupsResponse};
use coordinator::group::GroupId;

use crate::kafka::access::{Access, GROUP, Operation, each};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::group_error_code;

/// See the file's header.
pub(crate) struct DeleteGroups;

impl Api for DeleteGroups {
    type Request = DeleteGroupsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const ACCESS: Access = Access::Needs(&[each(GROUP, Operation::Delete)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let mut results = Vec::with_capacity(request.groups_names.len());
        for name in super::each_once(request.groups_names) {
            let code = match cx.authorize(GROUP, Operation::Delete, &name) {
                Ok(permit) => {
                    let outcome = cx.groups(&permit).delete(&GroupId::from(name.as_str())).await;
                    outcome.err().map_or(ErrorCode::None, group_error_code)
                }
                Err(code) => code,
            };
            results.push(DeletableGroupResult::default().with_group_id(name).with_error_code(code.code()));
        }
        Ok(Reply::Response(DeleteGroupsResponse::default().with_results(results)))
    }

    fn first_error(response: &DeleteGroupsResponse) -> i16 {
        super::first_code(response.results.iter().map(|result| result.error_code))
    }
}
