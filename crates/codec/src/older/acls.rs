//! CreateAcls, DescribeAcls, DeleteAcls 0, by hand because kafka-protocol begins with version 1.
//!
//! - 0: resources by name only; the answer of CreateAcls is laid out as that of version 1.
//! - 1 (KIP-290): the name is a pattern with a type. kafka-protocol's, as all that follow.
//!
//! One file for three APIs, as they share the fields of a filter and of an entry. Names without a pattern
//! type are literal: that is the default of the fields (`PatternType.LITERAL`, 3), so nothing sets it here.

use std::ops::RangeInclusive;

use bytes::BufMut;

use crate::error::{DecodeError, EncodeError};
use crate::extended::{Extended, Layout};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::create_acls_request::AclCreation;
use crate::messages::delete_acls_request::DeleteAclsFilter;
use crate::messages::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl};
use crate::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use crate::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest,
    DescribeAclsResponse,
};

/// Versions and layouts, which the six messages have in common.
/// Macros, because the structs of the six messages have fields of the same names and no trait in common.
macro_rules! since_kip_290_there {
    ($name:literal) => {
        const NAME: &'static str = $name;
        const VERSIONS: RangeInclusive<i16> = 0..=3;
        const FLEXIBLE_FROM: i16 = 2;

        fn layout(version: i16) -> Layout {
            if version < 1 { Layout::Own } else { Layout::KafkaProtocol(version) }
        }
    };
}

/// The fields of a filter, which DescribeAcls has at its top and DeleteAcls in an array.
/// Null matches anything, in each of the three texts.
macro_rules! read_filter {
    ($from:expr, $filter:ty) => {
        <$filter>::default()
            .with_resource_type_filter($from.i8("ResourceTypeFilter")?)
            .with_resource_name_filter($from.nullable_string("ResourceNameFilter")?)
            .with_principal_filter($from.nullable_string("PrincipalFilter")?)
            .with_host_filter($from.nullable_string("HostFilter")?)
            .with_operation($from.i8("Operation")?)
            .with_permission_type($from.i8("PermissionType")?)
    };
}

/// As `read_filter!`, for writing.
macro_rules! write_filter {
    ($filter:expr, $to:expr) => {
        $to.out.put_i8($filter.resource_type_filter);
        $to.nullable_string($filter.resource_name_filter.as_deref())?;
        $to.nullable_string($filter.principal_filter.as_deref())?;
        $to.nullable_string($filter.host_filter.as_deref())?;
        $to.out.put_i8($filter.operation);
        $to.out.put_i8($filter.permission_type);
    };
}

/// The fields that every ACL ends with.
macro_rules! read_entry {
    ($acl:expr, $from:expr) => {
        $acl.with_principal($from.string("Principal")?)
            .with_host($from.string("Host")?)
            .with_operation($from.i8("Operation")?)
            .with_permission_type($from.i8("PermissionType")?)
    };
}

/// As `read_entry!`, for writing.
macro_rules! write_entry {
    ($acl:expr, $to:expr) => {
        $to.string(&$acl.principal)?;
        $to.string(&$acl.host)?;
        $to.out.put_i8($acl.operation);
        $to.out.put_i8($acl.permission_type);
    };
}

impl Extended for DescribeAclsRequest {
    since_kip_290_there!("DescribeAclsRequest");

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        Ok(read_filter!(from, DescribeAclsRequest))
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        write_filter!(self, to);
        Ok(())
    }
}

impl Extended for DescribeAclsResponse {
    since_kip_290_there!("DescribeAclsResponse");

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let response = DescribeAclsResponse::default()
            .with_throttle_time_ms(from.i32("ThrottleTimeMs")?)
            .with_error_code(from.i16("ErrorCode")?)
            .with_error_message(from.nullable_string("ErrorMessage")?);
        // A type, an empty name, no entries: 1 + 2 + 4.
        let resources = from.array(7, "Resources", |from| {
            let resource = DescribeAclsResource::default()
                .with_resource_type(from.i8("ResourceType")?)
                .with_resource_name(from.string("ResourceName")?);
            let acls = from.array(6, "Acls", |from| Ok(read_entry!(AclDescription::default(), from)))?;
            Ok(resource.with_acls(acls))
        })?;
        Ok(response.with_resources(resources))
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        to.out.put_i32(self.throttle_time_ms);
        to.out.put_i16(self.error_code);
        to.nullable_string(self.error_message.as_deref())?;
        to.array(&self.resources, |to, resource| {
            to.out.put_i8(resource.resource_type);
            to.string(&resource.resource_name)?;
            to.array(&resource.acls, |to, acl| {
                write_entry!(acl, to);
                Ok(())
            })
        })
    }
}

impl Extended for CreateAclsRequest {
    since_kip_290_there!("CreateAclsRequest");

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let creations = from.array(9, "Creations", |from| {
            let creation = AclCreation::default()
                .with_resource_type(from.i8("ResourceType")?)
                .with_resource_name(from.string("ResourceName")?);
            Ok(read_entry!(creation, from))
        })?;
        Ok(CreateAclsRequest::default().with_creations(creations))
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        to.array(&self.creations, |to, creation| {
            to.out.put_i8(creation.resource_type);
            to.string(&creation.resource_name)?;
            write_entry!(creation, to);
            Ok(())
        })
    }
}

impl Extended for CreateAclsResponse {
    const NAME: &'static str = "CreateAclsResponse";
    const VERSIONS: RangeInclusive<i16> = 0..=3;
    const FLEXIBLE_FROM: i16 = 2;

    fn layout(version: i16) -> Layout {
        Layout::KafkaProtocol(version.max(1))
    }
}

impl Extended for DeleteAclsRequest {
    since_kip_290_there!("DeleteAclsRequest");

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let filters = from.array(9, "Filters", |from| Ok(read_filter!(from, DeleteAclsFilter)))?;
        Ok(DeleteAclsRequest::default().with_filters(filters))
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        to.array(&self.filters, |to, filter| {
            write_filter!(filter, to);
            Ok(())
        })
    }
}

impl Extended for DeleteAclsResponse {
    since_kip_290_there!("DeleteAclsResponse");

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let response = DeleteAclsResponse::default().with_throttle_time_ms(from.i32("ThrottleTimeMs")?);
        let results = from.array(8, "FilterResults", |from| {
            let result = DeleteAclsFilterResult::default()
                .with_error_code(from.i16("ErrorCode")?)
                .with_error_message(from.nullable_string("ErrorMessage")?);
            Ok(result.with_matching_acls(from.array(13, "MatchingAcls", read_matching)?))
        })?;
        Ok(response.with_filter_results(results))
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        to.out.put_i32(self.throttle_time_ms);
        to.array(&self.filter_results, |to, result| {
            to.out.put_i16(result.error_code);
            to.nullable_string(result.error_message.as_deref())?;
            to.array(&result.matching_acls, |to, acl| {
                to.out.put_i16(acl.error_code);
                to.nullable_string(acl.error_message.as_deref())?;
                to.out.put_i8(acl.resource_type);
                to.string(&acl.resource_name)?;
                write_entry!(acl, to);
                Ok(())
            })
        })
    }
}

/// An ACL that DeleteAcls found, and whether it could be deleted.
fn read_matching(from: &mut FieldReader<'_>) -> Result<DeleteAclsMatchingAcl, DecodeError> {
    let acl = DeleteAclsMatchingAcl::default()
        .with_error_code(from.i16("ErrorCode")?)
        .with_error_message(from.nullable_string("ErrorMessage")?)
        .with_resource_type(from.i8("ResourceType")?)
        .with_resource_name(from.string("ResourceName")?);
    Ok(read_entry!(acl, from))
}
