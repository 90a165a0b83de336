//! DeleteTopics, key 20: deletes topics with all their records.
//!
//! Versions 0–6:
//! - v1: throttle time.
//! - v2: as v1 (KIP-219).
//! - v3: TOPIC_DELETION_DISABLED.
//! - v4: flexible.
//! - v5: error message.
//! - v6: by id (KIP-516).
//!
//! A topic is gone when it is answered; its space comes back soon after. Offsets committed for it go with it.
//! Rules and texts are in `services/admin/deletion.rs`.

use std::ops::RangeInclusive;
use std::sync::Arc;

use codec::ErrorCode;
use codec::messages::delete_topics_request::DeleteTopicState;
use codec::messages::delete_topics_response::DeletableTopicResult;
use codec::messages::{DeleteTopicsRequest, DeleteTopicsResponse, StrBytes};
use uuid::Uuid;

use crate::kafka::access::{Access, CLUSTER, Operation, TOPIC, each};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::error_text;
use crate::services::admin::deletion::{self, Deleted, Reach};
use crate::services::admin::error::TopicError;
use crate::session::authorizer::Permit;
use crate::topics::error::PartitionError;
use crate::topics::names::TopicRef;

/// See the file's header.
pub(crate) struct DeleteTopics;

impl Api for DeleteTopics {
    type Request = DeleteTopicsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    const ACCESS: Access = Access::Needs(&[
        each(TOPIC, Operation::Describe).when("it is named by id"),
        each(TOPIC, Operation::Delete).or(CLUSTER, Operation::Delete),
    ]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let (mut wanted, mut outcomes): (Vec<TopicRef>, Vec<Deleted>) = (Vec::new(), Vec::new());
        wanted.extend(request.topic_names.into_iter().map(|name| TopicRef::named(&name)));
        for topic in request.topics {
            match asked(topic) {
                Ok(topic) => wanted.push(topic),
                Err(refused) => outcomes.push(refused),
            }
        }
        let (permits, wanted) = permitted(cx, wanted, &mut outcomes);
        // None of them without a permit: then nothing is deleted.
        if let Some(permit) = permits.first() {
            let reach = Reach {
                cluster: cx.io(permit).cluster().clone(),
                groups: Arc::clone(cx.groups(permit)),
                metrics: cx.metrics().clone(),
                tasks: cx.resources(permit).tasks.clone(),
                is_enabled: cx.config().delete_topic_enable,
            };
            outcomes.extend(deletion::delete(reach, wanted).await);
        }
        let results = outcomes.into_iter().map(|deleted| result(deleted, cx.api_version())).collect();
        Ok(Reply::Response(DeleteTopicsResponse::default().with_responses(results)))
    }

    fn first_error(response: &DeleteTopicsResponse) -> i16 {
        super::first_code(response.responses.iter().map(|topic| topic.error_code))
    }
}

/// The topics that the client may delete, with their permits; the refusals of the others are added to `outcomes`.
fn permitted(
    cx: &Context,
    topics: Vec<TopicRef>,
    outcomes: &mut Vec<Deleted>,
) -> (Vec<Permit>, Vec<TopicRef>) {
    // Asked once: it is enough for all topics.
    let cluster = cx.may_cluster(Operation::Delete);
    let (mut permits, mut allowed) = (Vec::new(), Vec::new());
    for topic in topics {
        let permit = match cluster {
            Ok(permit) => Ok(permit),
            Err(_) => cx.authorize_topic(Operation::Delete, &topic),
        };
        match (permit, &topic) {
            (Ok(permit), _) => {
                permits.push(permit);
                allowed.push(topic);
            }
            (Err(PartitionError::UnknownTopicId), TopicRef::Id(id)) => {
                outcomes.push((None, *id, Err(TopicError::UnknownTopicId)));
            }
            (Err(_), TopicRef::Name(name)) => {
                outcomes.push((Some(name.to_string()), Uuid::nil(), Err(TopicError::NotAuthorized)));
            }
            (Err(_), TopicRef::Id(id)) => {
                // The name is told to those who may describe the topic (`ControllerApis.deleteTopics`).
                let name = cx
                    .authorize_topic(Operation::Describe, &topic)
                    .ok()
                    .and_then(|permit| cx.catalog(&permit).topic_by_id(*id).map(|topic| topic.name.clone()));
                outcomes.push((name, *id, Err(TopicError::NotAuthorized)));
            }
        }
    }
    (permits, allowed)
}

/// Since version 6 a topic is named by exactly one of name and id.
///
/// # Errors
/// Both are given, or neither.
fn asked(topic: DeleteTopicState) -> Result<TopicRef, Deleted> {
    let refused =
        |name, text: &str| Err((name, topic.topic_id, Err(TopicError::InvalidRequest(text.to_owned()))));
    match topic.name {
        // The texts are those of `ControllerApis.deleteTopics`.
        Some(name) if topic.topic_id.is_nil() => Ok(TopicRef::named(&name)),
        Some(name) => refused(Some(name.to_string()), "You may not specify both topic name and topic id."),
        None if topic.topic_id.is_nil() => refused(None, "Neither topic name nor id were specified."),
        None => Ok(TopicRef::Id(topic.topic_id)),
    }
}

/// The result of one topic. Before version 6 an answer has no id, which the codec then leaves out.
fn result((name, id, outcome): Deleted, version: i16) -> DeletableTopicResult {
    let name = name.map(|name| codec::messages::TopicName(StrBytes::from_string(name)));
    let result = DeletableTopicResult::default().with_name(name).with_topic_id(id);
    let Err(error) = outcome else { return result };
    let code = match ErrorCode::from(&error) {
        // The code is newer than the version.
        ErrorCode::TopicDeletionDisabled if version < 3 => ErrorCode::InvalidRequest,
        code => code,
    };
    // Before version 5 the answer has no text.
    let message = (version >= 5).then(|| error_text(error.to_string()));
    result.with_error_code(code.code()).with_error_message(message)
}

#[cfg(test)]
mod tests;
