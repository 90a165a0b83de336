//! ListPartitionReassignments, key 46: which partitions are moving between brokers (KIP-455). There is one broker.
//!
//! Version 0. The answer is empty, also for topics that do not exist, as in Kafka where nothing is moving.

use std::ops::RangeInclusive;

use codec::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, StrBytes};

use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;

/// See the file's header.
pub(crate) struct ListPartitionReassignments;

impl Api for ListPartitionReassignments {
    type Request = ListPartitionReassignmentsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const ACCESS: Access = Access::Needs(&[whole(CLUSTER, Operation::Describe)]);

    async fn handle(cx: &Context, _: Self::Request) -> Answer<Self> {
        let response = ListPartitionReassignmentsResponse::default();
        if let Err(code) = cx.authorize_cluster(Operation::Describe) {
            let text = StrBytes::from_static_str(code.message());
            let response = response.with_error_code(code.code()).with_error_message(Some(text));
            return Ok(Reply::Response(response));
        }
        // Null has to be said: the message's default is the empty string.
        Ok(Reply::Response(response.with_error_message(None)))
    }

    fn first_error(response: &ListPartitionReassignmentsResponse) -> i16 {
        response.error_code
    }
}
