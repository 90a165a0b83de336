//! ApiVersions, by hand at all versions because kafka-protocol's request has no room for the fields of version 5.
//!
//! - 0 to 2: an empty request.
//! - 3 (KIP-511): name and version of the client's software. 4 is laid out alike.
//! - 5 (KIP-1242): the cluster and the broker that the client means to speak to. The answer is laid out as that of 4.
//!
//! Any later version is refused before it is read: the answer then has the layout of version 0 (KIP-511).

use std::ops::RangeInclusive;

use bytes::BufMut;

use crate::error::{DecodeError, EncodeError};
use crate::extended::{Extended, Layout, never_by_kafka_protocol};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::{ApiVersionsRequest, ApiVersionsResponse};

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
        // Nothing before version 3: the body is empty, and the reader skips no tagged fields.
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
        // The header of the answer is version 0 at every version: `frame::response_header_version`.
        Layout::KafkaProtocol(version.min(4))
    }
}
