//! DescribeConfigs 0, by hand because kafka-protocol begins with version 1.
//!
//! - 0: no synonyms; the answer says of a value only if it is the default.
//! - 1 (KIP-226): the source of a value, and synonyms. kafka-protocol's, as all that follow.

use std::ops::RangeInclusive;

use bytes::BufMut;

use crate::error::{DecodeError, EncodeError};
use crate::extended::{Extended, Layout};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::describe_configs_request::DescribeConfigsResource;
use crate::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use crate::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

/// `ConfigSource.DEFAULT_CONFIG`.
/// The default of the key: set by no topic and no broker.
const DEFAULT_CONFIG: i8 = 5;
/// `ConfigSource.UNKNOWN`.
const UNKNOWN: i8 = 0;

fn layout(version: i16) -> Layout {
    if version < 1 { Layout::Own } else { Layout::KafkaProtocol(version) }
}

impl Extended for DescribeConfigsRequest {
    const NAME: &'static str = "DescribeConfigsRequest";
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    const FLEXIBLE_FROM: i16 = 4;

    fn layout(version: i16) -> Layout {
        layout(version)
    }

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let resources = from.array(7, "Resources", |from| {
            let resource = DescribeConfigsResource::default()
                .with_resource_type(from.i8("ResourceType")?)
                .with_resource_name(from.string("ResourceName")?);
            // Null asks for all keys of the resource.
            let keys = from.nullable_array(2, "ConfigurationKeys", |from| from.string("ConfigurationKey"))?;
            Ok(resource.with_configuration_keys(keys))
        })?;
        Ok(DescribeConfigsRequest::default().with_resources(resources))
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        to.array(&self.resources, |to, resource| {
            to.out.put_i8(resource.resource_type);
            to.string(&resource.resource_name)?;
            to.nullable_array(resource.configuration_keys.as_deref(), |to, key| to.string(key))
        })
    }
}

impl Extended for DescribeConfigsResponse {
    const NAME: &'static str = "DescribeConfigsResponse";
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    const FLEXIBLE_FROM: i16 = 4;

    fn layout(version: i16) -> Layout {
        layout(version)
    }

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let response = DescribeConfigsResponse::default().with_throttle_time_ms(from.i32("ThrottleTimeMs")?);
        let results = from.array(11, "Results", |from| {
            Ok(DescribeConfigsResult::default()
                .with_error_code(from.i16("ErrorCode")?)
                .with_error_message(from.nullable_string("ErrorMessage")?)
                .with_resource_type(from.i8("ResourceType")?)
                .with_resource_name(from.string("ResourceName")?)
                .with_configs(from.array(7, "Configs", read_config)?))
        })?;
        Ok(response.with_results(results))
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        to.out.put_i32(self.throttle_time_ms);
        to.array(&self.results, |to, result| {
            to.out.put_i16(result.error_code);
            to.nullable_string(result.error_message.as_deref())?;
            to.out.put_i8(result.resource_type);
            to.string(&result.resource_name)?;
            to.array(&result.configs, |to, config| {
                to.string(&config.name)?;
                to.nullable_string(config.value.as_deref())?;
                to.bool(config.read_only);
                // Whatever else a value comes from, it counts as set.
                to.bool(config.config_source == DEFAULT_CONFIG);
                to.bool(config.is_sensitive);
                Ok(())
            })
        })
    }
}

/// One key of a result.
fn read_config(from: &mut FieldReader<'_>) -> Result<DescribeConfigsResourceResult, DecodeError> {
    let config = DescribeConfigsResourceResult::default()
        .with_name(from.string("Name")?)
        .with_value(from.nullable_string("Value")?)
        .with_read_only(from.bool("ReadOnly")?);
    // Version 0 tells no more of the source.
    let source = if from.bool("IsDefault")? { DEFAULT_CONFIG } else { UNKNOWN };
    Ok(config.with_config_source(source).with_is_sensitive(from.bool("IsSensitive")?))
}
