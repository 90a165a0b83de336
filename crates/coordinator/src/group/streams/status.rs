//! News of the group that members are told besides their tasks.

use super::super::MemberId;

/// A status in the answer to a heartbeat; the client reacts to the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub code: StatusCode,
    /// A sentence, for the log of the application.
    pub detail: String,
}

/// Kafka's `StreamsGroupHeartbeatResponse.Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum StatusCode {
    /// The member runs an older topology than the group.
    StaleTopology = 0,
    /// The application stops after a while if this lasts.
    MissingSourceTopics = 1,
    IncorrectlyPartitionedTopics = 2,
    /// The broker creates them; the next heartbeats show that.
    MissingInternalTopics = 3,
    /// Every member shuts down.
    ShutdownApplication = 4,
    /// A new target is computed only a while after the first member came, and not too often.
    AssignmentDelayed = 5,
}

impl StatusCode {
    /// As it is on the wire.
    pub fn number(self) -> i8 {
        self as i8
    }
}

impl Status {
    pub(super) fn stale_topology(member_epoch: i32, group_epoch: i32) -> Status {
        let detail = format!(
            "The member's topology epoch {member_epoch} is behind the group's topology epoch {group_epoch}."
        );
        Status { code: StatusCode::StaleTopology, detail }
    }

    pub(super) fn delayed(reason: &str) -> Status {
        let detail = format!("Assignment delayed due to the configured {reason}.");
        Status { code: StatusCode::AssignmentDelayed, detail }
    }

    pub(super) fn shutdown(asked_by: &MemberId) -> Status {
        let detail = format!(
            "Streams group member {asked_by} encountered a fatal error and requested a shutdown for the entire application."
        );
        Status { code: StatusCode::ShutdownApplication, detail }
    }
}
