//! `describe_cluster.rs` through a socket.

use super::*;
use crate::testing::Running;

#[tokio::test]
async fn this_node_is_the_cluster_at_every_version() {
    let running = Running::start(&[("node.id", "4")]).await.unwrap();
    let mut client = running.client().await;
    for version in 0..=2 {
        let request =
            DescribeClusterRequest::default().with_include_cluster_authorized_operations(version > 0);
        let response = client.call(version, &request).await;
        assert_eq!((response.error_code, response.controller_id), (0, BrokerId(4)));
        assert_eq!(response.cluster_id.len(), 22, "{}", response.cluster_id);
        let [broker] = response.brokers.as_slice() else { panic!("{:?}", response.brokers) };
        let port = i32::from(running.address.port());
        assert_eq!((broker.broker_id, broker.host.as_str(), broker.port), (BrokerId(4), "localhost", port));
        assert_eq!(response.cluster_authorized_operations, if version > 0 { 8096 } else { i32::MIN });
    }
}

#[tokio::test]
async fn controllers_are_not_here() {
    let running = Running::start(&[]).await.unwrap();
    let mut client = running.client().await;
    for (endpoint_type, code) in [(2, 114), (0, 115), (9, 115)] {
        let response =
            client.call(1, &DescribeClusterRequest::default().with_endpoint_type(endpoint_type)).await;
        assert_eq!((response.error_code, response.brokers.len()), (code, 0));
    }
}
