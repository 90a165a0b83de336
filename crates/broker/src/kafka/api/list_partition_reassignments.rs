//! ListPartitionReassignments, key 46: which partitions are moving between brokers (KIP-455). There is one broker.
//!
//! Version 0. The answer is empty, also for topics that do not exist, as in Kafka where nothing is moving.

use std::ops::RangeInclusive;

use codec::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;

/// See the file's header.
pub(crate) struct ListPartitionReassignments;

impl Api for ListPartitionReassignments {
    type Request = ListPartitionReassignmentsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(_: &Context, _: Self::Request) -> Answer<Self> {
        let response = ListPartitionReassignmentsResponse::default();
        // Null has to be said: the message's default is the empty string.
        Ok(Reply::Response(response.with_error_message(None)))
    }
}
