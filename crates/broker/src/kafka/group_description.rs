//! Descriptions of groups of the newer protocols: the questions and refusals that ConsumerGroupDescribe and StreamsGroupDescribe
//! have in common (`KafkaApis.handleConsumerGroupDescribe`, `handleStreamsGroupDescribe`).
//!
//! Guarantees that each group is asked about before anything of it is known, and that a group with a topic that the client may not
//! describe is refused as a whole.

use std::collections::HashSet;

use codec::ErrorCode;
use codec::messages::{GroupId, StrBytes, TopicName};
use coordinator::group::Refused;
use futures_util::future::join_all;

use super::access::{GROUP, Operation, TOPIC};
use super::context::Context;
use super::error::{error_text, group_error_code};
use crate::session::authorizer::Permit;

/// The description of one group, as the answer of an API has it.
pub(crate) trait Described: Default {
    /// The text of a refusal because of a topic.
    const HAS_HIDDEN_TOPICS: &'static str;

    /// The names of all topics in the description.
    fn topics(&self) -> HashSet<TopicName>;
    /// The same, of the group of this id.
    fn of(self, id: GroupId) -> Self;
    /// The same, with the operations that the client may do (KIP-430).
    fn with_operations(self, operations: i32) -> Self;
    /// A refusal.
    fn refused(code: ErrorCode, text: StrBytes) -> Self;
}

/// Describes these groups, in their order. `find` looks for one that the client may describe.
pub(crate) async fn describe<D: Described, F: Future<Output = Result<D, Refused>>>(
    cx: &Context,
    names: impl Iterator<Item = GroupId>,
    with_operations: bool,
    find: impl Fn(Permit, coordinator::group::GroupId) -> F,
) -> Vec<D> {
    let find = &find;
    let described = |name: GroupId| async move {
        let found = match cx.authorize(GROUP, Operation::Describe, &name) {
            Ok(permit) => {
                let refused =
                    |Refused { error, message }| D::refused(group_error_code(error), error_text(message));
                find(permit, coordinator::group::GroupId::from(name.as_str())).await.map_err(refused)
            }
            Err(code) => Err(D::refused(code, StrBytes::from_static_str(code.message()))),
        };
        let described = match found.and_then(|group| only_if_visible(cx, group)) {
            Ok(group) if with_operations => group.with_operations(cx.authorized_operations(GROUP, &name)),
            // As `KafkaApis`: a group that is refused has no operations either.
            Ok(group) | Err(group) => group,
        };
        described.of(name)
    };
    // Together, as each may wait for a sync.
    join_all(names.map(described)).await
}

/// The group.
///
/// # Errors
/// The client may not describe one of its topics: the refusal.
fn only_if_visible<D: Described>(cx: &Context, group: D) -> Result<D, D> {
    if group.topics().iter().all(|name| cx.authorize(TOPIC, Operation::Describe, name).is_ok()) {
        return Ok(group);
    }
    let text = StrBytes::from_static_str(D::HAS_HIDDEN_TOPICS);
    Err(D::refused(ErrorCode::TopicAuthorizationFailed, text))
}
