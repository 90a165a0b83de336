//! ApiVersions 5 (KIP-1242): the client says which broker of which cluster it means to speak to. The answer is laid out
//! as that of version 4.

use std::ops::RangeInclusive;

use bytes::BufMut;
use kafka_protocol::protocol::StrBytes;

use super::{Extended, Layout, never_by_kafka_protocol};
use crate::error::{DecodeError, EncodeError};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::ApiVersionsResponse;

/// Asks which APIs and versions a broker serves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiVersionsRequest {
    /// The name of the client's software, since version 3.
    pub client_software_name: StrBytes,
    /// Its version, since version 3.
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

never_by_kafka_protocol!(ApiVersionsRequest);

impl Extended for ApiVersionsRequest {
    const NAME: &'static str = "ApiVersionsRequest";
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const FLEXIBLE_FROM: i16 = 3;

    fn layout(_version: i16) -> Layout {
        Layout::Own
    }

    fn read(from: &mut FieldReader<'_>, version: i16) -> Result<Self, DecodeError> {
        let mut request = ApiVersionsRequest::default();
        if version >= 3 {
            request.client_software_name = from.string("ClientSoftwareName")?;
            request.client_software_version = from.string("ClientSoftwareVersion")?;
        }
        if version >= 5 {
            request.cluster_id = from.nullable_string("ClusterId")?;
            request.node_id = from.i32("NodeId")?;
        }
        from.tags()?;
        Ok(request)
    }

    fn write(&self, to: &mut FieldWriter<'_>, version: i16) -> Result<(), EncodeError> {
        if version >= 3 {
            to.string(&self.client_software_name)?;
            to.string(&self.client_software_version)?;
        }
        if version >= 5 {
            to.nullable_string(self.cluster_id.as_deref())?;
            to.out.put_i32(self.node_id);
        }
        to.tags();
        Ok(())
    }
}

impl Extended for ApiVersionsResponse {
    const NAME: &'static str = "ApiVersionsResponse";
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const FLEXIBLE_FROM: i16 = 3;

    fn layout(version: i16) -> Layout {
        Layout::KafkaProtocol(version.min(4))
    }
}
