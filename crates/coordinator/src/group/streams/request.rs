//! StreamsGroupHeartbeat: the request with what can be checked without the group, and the reply.

use std::{collections::BTreeMap, sync::Arc};

use super::super::{GroupError, MemberId, Refused, consumer::LEAVE_EPOCH, consumer::LEAVE_STATIC_EPOCH};
use super::endpoints::EndpointPartitions;
use super::member::Endpoint;
use super::status::Status;
use super::tasks::{TaskLists, Tasks};
use super::topology::{InternalTopic, SentTopology};
use crate::limits::{MAX_ENTRIES, check, check_string};
use crate::state_machine::TooLong;

/// A member's heartbeat. `None`: unchanged since its last one.
#[derive(Clone, Debug, Default)]
pub struct HeartbeatRequest {
    /// Made by the member itself.
    pub member_id: MemberId,
    /// 0 joins, [`LEAVE_EPOCH`] leaves; otherwise the epoch that the member was told last.
    pub member_epoch: i32,
    /// The epoch of the endpoints that the member knows.
    pub endpoint_epoch: i32,
    /// Static members are refused.
    pub group_instance_id: Option<Arc<str>>,
    pub rack_id: Option<Arc<str>>,
    pub client_id: Arc<str>,
    pub client_host: Arc<str>,
    /// How long the member may take to give up tasks.
    pub rebalance_timeout_ms: Option<u32>,
    /// Only of a member that joins.
    pub topology: Option<SentTopology>,
    /// The active tasks that the member runs.
    pub active: Option<Tasks>,
    /// The standby tasks that the member runs.
    pub standby: Option<Tasks>,
    /// There are none: any is refused.
    pub warmup: Option<Tasks>,
    pub process_id: Option<Arc<str>>,
    pub user_endpoint: Option<Endpoint>,
    pub client_tags: Option<BTreeMap<Arc<str>, Arc<str>>>,
    /// Offsets of tasks are refused.
    pub has_task_offsets: bool,
    /// As are the ends of their changelogs.
    pub has_task_end_offsets: bool,
    /// Asks all members to shut down.
    pub shutdown_application: bool,
}

/// The reply to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatReply {
    pub member_id: MemberId,
    /// To be sent with the next heartbeat; of one that left, the negative epoch of its request.
    pub member_epoch: i32,
    /// In Kafka's order.
    pub statuses: Vec<Status>,
    /// All that the member is to run from now on; `None` when that did not change.
    pub tasks: Option<TaskLists>,
    /// For the next heartbeat.
    pub endpoint_epoch: i32,
    /// `None` if the member knows them.
    pub endpoints: Option<Vec<EndpointPartitions>>,
    /// Topics for the shell to create, with counts and configurations.
    pub missing_topics: Vec<InternalTopic>,
}

impl HeartbeatRequest {
    /// The rules of Kafka that need no group: those of `KafkaApis`, then
    /// `throwIfStreamsGroupHeartbeatRequestIsUsingUnsupportedFeatures` and
    /// `throwIfStreamsGroupHeartbeatRequestIsInvalid`.
    ///
    /// # Errors
    /// INVALID_REQUEST or STREAMS_INVALID_TOPOLOGY, with Kafka's message.
    pub fn validate(&self) -> Result<(), Refused> {
        self.topology.as_ref().map_or(Ok(()), SentTopology::validate)?;
        self.refuse_unsupported()?;
        let is_blank = |text: &str| text.trim().is_empty();
        if is_blank(self.member_id.as_str()) {
            return invalid("MemberId can't be empty.");
        }
        if self.rack_id.as_deref().is_some_and(is_blank) {
            return invalid("RackId can't be empty.");
        }
        match self.member_epoch {
            0 => self.validate_join()?,
            // Static members have been refused, so no member may leave for a while.
            LEAVE_STATIC_EPOCH => return invalid("InstanceId can't be null."),
            epoch if epoch < LEAVE_STATIC_EPOCH => {
                return invalid(&format!("MemberEpoch is {epoch}, but must be greater than or equal to -2."));
            }
            _ => {}
        }
        let lists = [&self.active, &self.standby, &self.warmup];
        if lists.iter().any(|list| list.is_some()) && lists.iter().any(|list| list.is_none()) {
            return invalid("If one task-type is non-null, all must be non-null.");
        }
        if self.member_epoch != 0 && self.topology.is_some() {
            return invalid("Topology can only be provided when (re-)joining.");
        }
        Ok(())
    }

    /// Refuses what Kafka 4.3 knows and does not serve yet.
    fn refuse_unsupported(&self) -> Result<(), Refused> {
        if self.group_instance_id.is_some() {
            return invalid("Static membership is not yet supported.");
        }
        if self.has_task_offsets {
            return invalid("TaskOffsets are not supported yet.");
        }
        if self.has_task_end_offsets {
            return invalid("TaskEndOffsets are not supported yet.");
        }
        if self.warmup.as_ref().is_some_and(|tasks| !tasks.is_empty()) {
            return invalid("WarmupTasks are not supported yet.");
        }
        if self.topology.as_ref().is_some_and(|topology| topology.has_source_patterns) {
            return invalid("Regular expressions for source topics are not supported yet.");
        }
        Ok(())
    }

    /// A member that joins says everything, and has given up its tasks: others may run them by now.
    fn validate_join(&self) -> Result<(), Refused> {
        if self.rebalance_timeout_ms.is_none() {
            return invalid("RebalanceTimeoutMs must be provided in first request.");
        }
        let lists =
            [("ActiveTasks", &self.active), ("StandbyTasks", &self.standby), ("WarmupTasks", &self.warmup)];
        for (name, list) in lists {
            if list.as_ref().is_none_or(|list| !list.is_empty()) {
                return invalid(&format!("{name} must be empty when (re-)joining."));
            }
        }
        match &self.topology {
            None => invalid("Topology must be non-null when (re-)joining."),
            Some(topology) => topology.validate_changelogs(),
        }
    }

    /// Checks that a record can hold the member and its topology.
    ///
    /// # Errors
    /// With the first part that is too long.
    pub(in crate::group) fn check_lengths(&self) -> Result<(), TooLong> {
        check_string("the member id", self.member_id.as_str())?;
        check_string("the client id", &self.client_id)?;
        check_string("the rack id", self.rack_id.as_deref().unwrap_or(""))?;
        check_string("the process id", self.process_id.as_deref().unwrap_or(""))?;
        check_string("the host", self.user_endpoint.as_ref().map_or("", |endpoint| &endpoint.host))?;
        if let Some(tags) = &self.client_tags {
            check("the list of client tags", tags.len(), MAX_ENTRIES)?;
            for (key, value) in tags {
                check_string("the key of a client tag", key)?;
                check_string("the value of a client tag", value)?;
            }
        }
        // The tasks that the member runs are not stored.
        self.topology.as_ref().map_or(Ok(()), SentTopology::check_lengths)
    }

    /// True for a member that joins, or joins again.
    pub fn is_joining(&self) -> bool {
        self.member_epoch == 0
    }

    pub fn is_leaving(&self) -> bool {
        matches!(self.member_epoch, LEAVE_EPOCH | LEAVE_STATIC_EPOCH)
    }

    /// Says everything: joining, or after an answer that it did not get. It is told everything, too.
    pub(super) fn is_full(&self) -> bool {
        self.is_joining() || (self.rebalance_timeout_ms.is_some() && self.active.is_some())
    }

    /// The tasks that the member runs. `None`: it did not say.
    pub(super) fn owned(&self) -> Option<TaskLists> {
        // `validate`: both or none.
        let (active, standby) = (self.active.clone()?, self.standby.clone()?);
        Some(TaskLists { active, standby })
    }
}

fn invalid(message: &str) -> Result<(), Refused> {
    Err(Refused::new(GroupError::InvalidRequest, message))
}
