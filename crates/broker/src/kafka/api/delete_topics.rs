//! DeleteTopics, key 20: deletes topics with all their records.
//!
//! Versions 0–6:
//! - v1: throttle time.
//! - v2: as v1 (KIP-219).
//! - v3: TOPIC_DELETION_DISABLED.
//! - v4: flexible.
//! - v5: error message; THROTTLING_QUOTA_EXCEEDED (KIP-599); before, the topics are deleted and the client is throttled.
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
use crate::kafka::request_quota::Mutations;
use crate::services::admin::deletion::{self, Deleted, Reach};
use crate::services::admin::error::TopicError;
use crate::session::authorizer::Permit;
use crate::topics::error::PartitionError;
use crate::topics::names::TopicRef;

/// From here on clients know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const REFUSED_FROM: i16 = 5;

/// See the file's header.
pub(crate) struct DeleteTopics;

impl Api for DeleteTopics {
    type Request = DeleteTopicsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    const ACCESS: Access = Access::Needs(&[
        each(TOPIC, Operation::Describe).or(CLUSTER, Operation::Delete),
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
            let mutations = Mutations::of(cx.api_version(), REFUSED_FROM);
            let pay = &mut |partitions| cx.quota().pay(mutations, partitions);
            outcomes.extend(deletion::delete(reach, wanted, pay).await);
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
        let permit = match (cluster, &topic) {
            (Ok(permit), _) => Ok(permit),
            (Err(_), TopicRef::Name(name)) => by_name(cx, &topic, name),
            (Err(_), TopicRef::Id(id)) => by_id(cx, &topic, *id),
        };
        match permit {
            Ok(permit) => {
                permits.push(permit);
                allowed.push(topic);
            }
            Err(refused) => outcomes.push(refused),
        }
    }
    (permits, allowed)
}

/// The right to delete a topic that is named: the client may describe it as well (`ControllerApis.deleteTopics`).
///
/// # Errors
/// The client may not. It learns that the topic is missing if it may describe it.
fn by_name(cx: &Context, topic: &TopicRef, name: &str) -> Result<Permit, Deleted> {
    let refused = |error| (Some(name.to_owned()), Uuid::nil(), Err(error));
    let described =
        cx.authorize_topic(Operation::Describe, topic).map_err(|_| refused(TopicError::NotAuthorized))?;
    cx.authorize_topic(Operation::Delete, topic).map_err(|_| {
        let is_missing = cx.catalog(&described).topic(name).is_none();
        refused(if is_missing { TopicError::UnknownTopic } else { TopicError::NotAuthorized })
    })
}

/// The right to delete a topic by its id.
///
/// # Errors
/// The client may not. It learns the name if it may describe the topic (`ControllerApis.deleteTopics`).
fn by_id(cx: &Context, topic: &TopicRef, id: Uuid) -> Result<Permit, Deleted> {
    cx.authorize_topic(Operation::Delete, topic).map_err(|error| match error {
        PartitionError::UnknownTopicId => (None, id, Err(TopicError::UnknownTopicId)),
        _ => {
            let name = cx
                .authorize_topic(Operation::Describe, topic)
                .ok()
                .and_then(|permit| cx.catalog(&permit).topic_by_id(id).map(|topic| topic.name.clone()));
            (name, id, Err(TopicError::NotAuthorized))
        }
    })
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
