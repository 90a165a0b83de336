//! DescribeCluster, key 60: the cluster's id, its controller and its brokers.
//!
//! Versions 0–2:
//! - v1: the kind of endpoint asked for (KIP-919).
//! - v2: fenced brokers on demand (KIP-1073); none is fenced.
//!
//! This node is the only broker and, for clients, the controller, as Kafka's brokers tell it. Its address is
//! the one that works for the client that asks (`session/advertised.rs`).

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::describe_cluster_response::DescribeClusterBroker;
use codec::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse, StrBytes};

use crate::kafka::access::{Access, CLUSTER, Operation, field};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;

/// See the file's header.
pub(crate) struct DescribeCluster;

/// KIP-919's endpoint types.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

impl Api for DescribeCluster {
    type Request = DescribeClusterRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const ACCESS: Access = Access::Needs(&[
        field(CLUSTER, Operation::Describe).when("the cluster's authorized operations are asked for")
    ]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        Ok(Reply::Response(match request.endpoint_type {
            BROKERS => describe(cx, request.include_cluster_authorized_operations),
            // KIP-919: an admin client with `bootstrap.controllers` has reached a broker.
            CONTROLLERS => refuse(
                ErrorCode::MismatchedEndpointType,
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER",
            ),
            other => {
                refuse(ErrorCode::UnsupportedEndpointType, &format!("Unsupported endpoint type {other}"))
            }
        }))
    }

    fn first_error(response: &DescribeClusterResponse) -> i16 {
        response.error_code
    }
}

/// The answer for an endpoint of brokers, which all listeners here are.
fn describe(cx: &Context, include_operations: bool) -> DescribeClusterResponse {
    let (host, port) = cx.advertised_address();
    let broker = DescribeClusterBroker::default()
        .with_broker_id(BrokerId(cx.node_id()))
        .with_host(StrBytes::from_string(host))
        .with_port(i32::from(port));
    let response = DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_string(cx.cluster_id().to_owned()))
        .with_controller_id(BrokerId(cx.node_id()))
        .with_brokers(vec![broker]);
    // KIP-430: where they are not asked for the field keeps its default, the smallest number.
    if include_operations {
        return response.with_cluster_authorized_operations(cx.authorized_cluster_operations());
    }
    response
}

/// An answer without brokers, for an endpoint of another kind.
fn refuse(code: ErrorCode, message: &str) -> DescribeClusterResponse {
    DescribeClusterResponse::default()
        .with_error_code(code.code())
        .with_error_message(Some(StrBytes::from_string(message.to_owned())))
}

#[cfg(test)]
mod tests;
