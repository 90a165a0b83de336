//! The request of ApiVersions, in the manner of kafka-protocol's, whose own has no room for version 5.
//!
//! A field that the request's version lacks is at its default here; see [`newer`](crate::newer).

use kafka_protocol::protocol::StrBytes;

/// Asks which APIs and versions a broker serves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiVersionsRequest {
    /// The name of the client's software, since version 3.
    /// Empty before. Kafka allows letters, digits, `-` and `.` in it (KIP-511); it is not checked here.
    pub client_software_name: StrBytes,
    /// Its version, since version 3.
    /// Empty before, with the same letters.
    pub client_software_version: StrBytes,
    /// The cluster that the client means to speak to, since version 5; `None` if it does not know.
    pub cluster_id: Option<StrBytes>,
    /// The broker that the client means to speak to, since version 5; -1 if it does not know.
    pub node_id: i32,
}

impl Default for ApiVersionsRequest {
    fn default() -> Self {
        ApiVersionsRequest {
            client_software_name: StrBytes::default(),
            client_software_version: StrBytes::default(),
            cluster_id: None,
            node_id: -1,
        }
    }
}

impl ApiVersionsRequest {
    /// Sets `client_software_name`.
    pub fn with_client_software_name(mut self, name: StrBytes) -> Self {
        self.client_software_name = name;
        self
    }

    /// Sets `client_software_version`.
    pub fn with_client_software_version(mut self, version: StrBytes) -> Self {
        self.client_software_version = version;
        self
    }

    /// Sets `cluster_id`.
    pub fn with_cluster_id(mut self, cluster_id: Option<StrBytes>) -> Self {
        self.cluster_id = cluster_id;
        self
    }

    /// Sets `node_id`.
    pub fn with_node_id(mut self, node_id: i32) -> Self {
        self.node_id = node_id;
        self
    }
}
