//! DeleteTopics 0, by hand because kafka-protocol begins with version 1.
//!
//! - 0: the request of version 1; the answer has no throttle time.
//! - 1: a throttle time in the answer. kafka-protocol's, as all that follow.

use std::ops::RangeInclusive;

use bytes::BufMut;

use crate::error::{DecodeError, EncodeError};
use crate::extended::{Extended, Layout};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::delete_topics_response::DeletableTopicResult;
use crate::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};

impl Extended for DeleteTopicsRequest {
    const NAME: &'static str = "DeleteTopicsRequest";
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    const FLEXIBLE_FROM: i16 = 4;

    fn layout(version: i16) -> Layout {
        Layout::KafkaProtocol(version.max(1))
    }
}

impl Extended for DeleteTopicsResponse {
    const NAME: &'static str = "DeleteTopicsResponse";
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    const FLEXIBLE_FROM: i16 = 4;

    fn layout(version: i16) -> Layout {
        if version < 1 { Layout::Own } else { Layout::KafkaProtocol(version) }
    }

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        // The name is nullable since version 6 only, for topics that were named by id.
        let responses = from.array(4, "Responses", |from| {
            let topic = DeletableTopicResult::default().with_name(Some(TopicName(from.string("Name")?)));
            Ok(topic.with_error_code(from.i16("ErrorCode")?))
        })?;
        Ok(DeleteTopicsResponse::default().with_responses(responses))
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        to.array(&self.responses, |to, topic| {
            // A request of this version names its topics, so an answer without a name cannot occur.
            to.string(topic.name.as_ref().map_or("", |name| name.as_str()))?;
            to.out.put_i16(topic.error_code);
            Ok(())
        })
    }
}
