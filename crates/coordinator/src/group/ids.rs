//! Names that must not be confused: group, member and instance ids, and the generation number.
//!
//! The strings are shared (`Arc<str>`) and owned: none of them keeps the frame of the request alive from which it came.

use std::fmt;

use crate::string_id::string_id;

string_id!(
    /// `group.id`.
    GroupId
);
string_id!(
    /// The id of one incarnation of a member, given by the coordinator, or since ConsumerGroupHeartbeat 1
    /// made by the client (KIP-1082). Empty on the wire means "none yet".
    MemberId
);
string_id!(
    /// `group.instance.id` (KIP-345): the name that a static member keeps over restarts.
    GroupInstanceId
);

impl MemberId {
    /// Kafka's `UNKNOWN_MEMBER_ID`: the empty string.
    pub fn none() -> MemberId {
        MemberId::from("")
    }

    /// True for a client that has no id yet, and for an administrator who names an instance id alone.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

/// The number of a group's current assignment. Grows by one with every completed rebalance; -1 on the wire means "not a member".
/// In a consumer group the member epoch takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GenerationId(pub i32);

impl GenerationId {
    /// The generation of a request of a sender that is not a member.
    pub const NONE: GenerationId = GenerationId(-1);

    /// The next generation. Starts over at 1 after 2³¹−1, so that it never turns negative and so never looks like "none".
    pub fn next(self) -> GenerationId {
        GenerationId(self.0.checked_add(1).unwrap_or(1))
    }
}

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
