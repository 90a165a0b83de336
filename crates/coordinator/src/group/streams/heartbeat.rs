//! StreamsGroupHeartbeat: joining and staying.
//!
//! Nothing is changed before everything that can be refused has been looked at.

use std::sync::Arc;

use super::super::{Env, GroupError, MemberId, Outcome, Refused, consumer::metadata_hash, topics::Topics};
use super::configure::{ConfiguredTopology, configure};
use super::member::{Metadata, StreamsMember, wake};
use super::reconcile::Reconciler;
use super::request::{HeartbeatReply, HeartbeatRequest};
use super::status::Status;
use super::tasks::{HeldTasks, TaskLists, Tasks};
use super::topology::Topology;
use super::{NOT_VALIDATED, StreamsGroup};

/// The findings of a heartbeat, before it changes anything.
struct Findings {
    /// Of the first member of a group.
    new_topology: Option<Topology>,
    hash: u64,
    version: u64,
    configured: Arc<ConfiguredTopology>,
    statuses: Vec<Status>,
}

impl StreamsGroup {
    /// Handles a heartbeat that does not leave. Costs a target assignment over all members if it raises the
    /// group epoch.
    ///
    /// # Errors
    /// The group is full, the sender is unknown or fenced, or the topology is invalid or another than the
    /// group's. Nothing has changed then.
    pub fn heartbeat(
        &mut self,
        env: Env<'_>,
        request: &HeartbeatRequest,
        out: &mut Outcome,
    ) -> Result<HeartbeatReply, Refused> {
        let id = &request.member_id;
        self.check_sender(request, env.config.streams.max_size)?;
        let owned = request.owned();
        let Findings { new_topology, hash, version, configured, mut statuses } = self.look(env, request)?;
        check_owned(&configured, owned.as_ref())?;

        let is_new_group = self.topology.is_none();
        if let Some(topology) = new_topology {
            tracing::info!(group = %self.id, member = %id, epoch = topology.epoch, "the group has a topology");
            self.topology = Some(topology);
            self.has_new_topology = true;
        }
        let was_empty = self.members.is_empty();
        let before = self.members.get(id).map(|member| member.current.assigned.clone());
        let bump = self.take_in(id, request);
        self.validated(env, bump, hash, &configured);
        self.configured = Some((version, Arc::clone(&configured)));
        if was_empty {
            self.delay_first_target(env, out);
        }
        // In this order: the target decides what this member may run now.
        let target = self.update_target(env, Some(id), &mut statuses);
        self.reconcile(env, id, &target, owned.as_ref(), out);
        let member = self.members.get_mut(id).expect("it was taken in");
        member.restart_session(env.now, env.config.streams.session_timeout_ms, out);
        statuses.extend(configured.problem.clone());
        statuses.extend(self.shutdown_status(request, is_new_group));
        Ok(self.reply(env, request, before.as_ref(), is_new_group, statuses))
    }

    /// The checks of the sender, in Kafka's order. A member of a full group may join again; Kafka refuses it,
    /// against what its own comment says.
    ///
    /// # Errors
    /// GROUP_MAX_SIZE_REACHED, UNKNOWN_MEMBER_ID or FENCED_MEMBER_EPOCH.
    fn check_sender(&self, request: &HeartbeatRequest, max_size: usize) -> Result<(), Refused> {
        let id = &request.member_id;
        match self.members.get(id) {
            Some(_) if request.is_joining() => Ok(()),
            Some(member) => check_epoch(member, request),
            None if !request.is_joining() => Err(self.not_a_member(id)),
            None if self.members.len() < max_size => {
                tracing::info!(group = %self.id, member = %id, "member joins the streams group");
                Ok(())
            }
            None => {
                let message =
                    format!("The streams group has reached its maximum capacity of {max_size} members.");
                Err(Refused::new(GroupError::GroupMaxSizeReached, message))
            }
        }
    }

    /// The refusal of an id that the group does not know.
    pub(super) fn not_a_member(&self, id: &MemberId) -> Refused {
        let message = format!("Member {id} is not a member of group {}.", self.id);
        Refused::new(GroupError::UnknownMemberId, message)
    }

    /// The topology and the topics, as the group will see them after this heartbeat.
    ///
    /// # Errors
    /// INVALID_REQUEST for another topology than the group's, STREAMS_INVALID_TOPOLOGY.
    fn look(&self, env: Env<'_>, request: &HeartbeatRequest) -> Result<Findings, Refused> {
        let (new_topology, statuses) = self.compare_topology(request)?;
        let Topics { version, image, .. } = &**env.topics;
        let (hash, configured) = match (&new_topology, &self.topology, &self.configured) {
            // Most heartbeats: nothing to compare.
            (None, Some(_), Some((seen, configured))) if seen == version => {
                (self.metadata_hash, Arc::clone(configured))
            }
            (new, known, _) => {
                let Some(topology) = new.as_ref().or(known.as_ref()) else {
                    return Err(Refused::new(GroupError::InvalidRequest, "The group has no topology."));
                };
                let hash = metadata_hash(env, &topology.required_topics());
                match &self.configured {
                    // Other topics than those of the topology have changed.
                    Some((_, configured)) if new.is_none() && hash == self.metadata_hash => {
                        (hash, Arc::clone(configured))
                    }
                    _ => (hash, Arc::new(configure(topology, &**image)?)),
                }
            }
        };
        Ok(Findings { new_topology, hash, version: *version, configured, statuses })
    }

    /// Kafka's `maybeUpdateTopology` and `maybeSetTopologyStaleStatus`.
    fn compare_topology(
        &self,
        request: &HeartbeatRequest,
    ) -> Result<(Option<Topology>, Vec<Status>), Refused> {
        let sent = request.topology.as_ref().map(|sent| sent.to_topology()).transpose()?;
        let Some(known) = &self.topology else { return Ok((sent, Vec::new())) };
        let member = self.members.get(&request.member_id);
        let member_epoch = sent
            .as_ref()
            .map(|sent| sent.epoch)
            .or(member.map(|member| member.metadata.topology_epoch))
            .unwrap_or(known.epoch);
        match sent {
            Some(sent) if sent.epoch >= known.epoch && sent != *known => {
                Err(Refused::new(GroupError::InvalidRequest, "Topology updates are not supported yet."))
            }
            _ if member_epoch < known.epoch => {
                Ok((None, vec![Status::stale_topology(member_epoch, known.epoch)]))
            }
            _ => Ok((None, Vec::new())),
        }
    }

    /// Takes over what a member says of itself. True: it is new or has changed.
    fn take_in(&mut self, id: &MemberId, request: &HeartbeatRequest) -> bool {
        let known = self.members.get(id);
        let is_new = known.is_none();
        let mut member = known.cloned().unwrap_or_default();
        let before = member.metadata;
        let after = Metadata {
            rack_id: request.rack_id.clone().or_else(|| before.rack_id.clone()),
            client_id: Arc::clone(&request.client_id),
            client_host: Arc::clone(&request.client_host),
            rebalance_timeout_ms: request.rebalance_timeout_ms.unwrap_or(before.rebalance_timeout_ms),
            topology_epoch: request.topology.as_ref().map_or(before.topology_epoch, |sent| sent.epoch),
            process_id: request.process_id.clone().unwrap_or_else(|| Arc::clone(&before.process_id)),
            user_endpoint: request.user_endpoint.clone().or_else(|| before.user_endpoint.clone()),
            client_tags: request.client_tags.clone().unwrap_or_else(|| before.client_tags.clone()),
        };
        if !is_new && before == after {
            return false;
        }
        member.metadata = after;
        self.put(id, member);
        self.changes.member(id);
        // Each member has this record, even if `reconcile` changes nothing: the records must equal the state
        // (ADR 5).
        if is_new {
            self.changes.current(id);
        }
        true
    }

    /// Raises the group epoch if it must be (`bump`), if the topics of the topology are no longer what they
    /// were, if it became valid or invalid, or if another number of standby tasks is configured.
    fn validated(&mut self, env: Env<'_>, bump: bool, hash: u64, configured: &ConfiguredTopology) {
        let topology_epoch = self.topology.as_ref().map_or(NOT_VALIDATED, |topology| topology.epoch);
        let validated = if configured.is_ready() { topology_epoch } else { NOT_VALIDATED };
        let replicas = Some(env.config.streams.num_standby_replicas);
        let changed = hash != self.metadata_hash
            || validated != self.validated_topology_epoch
            || replicas != self.standby_replicas;
        if bump || changed {
            self.metadata_hash = hash;
            self.validated_topology_epoch = validated;
            self.standby_replicas = replicas;
            self.raise_epoch();
        }
    }

    /// One more, with its record.
    pub(super) fn raise_epoch(&mut self) {
        self.epoch = self.epoch.saturating_add(1);
        self.changes.group();
        tracing::info!(group = %self.id, epoch = self.epoch, members = self.members.len(), "group epoch raised");
    }

    /// The first member of an empty group waits for others.
    fn delay_first_target(&mut self, env: Env<'_>, out: &mut Outcome) {
        let delay_ms = env.config.streams.initial_rebalance_delay_ms;
        if delay_ms > 0 && self.initial_delay_until.is_none() {
            self.initial_delay_until = Some(wake(env.now, delay_ms, out));
        }
    }

    /// Lets a member take its next step towards `target`. One step at most.
    fn reconcile(
        &mut self,
        env: Env<'_>,
        id: &MemberId,
        target: &TaskLists,
        owned: Option<&TaskLists>,
        out: &mut Outcome,
    ) {
        let Some(member) = self.members.get(id) else { return };
        if member.is_reconciled_to(self.assignment_epoch) {
            return;
        }
        let reconciler = Reconciler {
            target_epoch: self.assignment_epoch,
            target,
            owned,
            is_free_active: |subtopology, partition| {
                self.is_free_active(id, &(Arc::clone(subtopology), partition))
            },
            is_free_standby: |subtopology, partition| {
                self.is_free_standby(id, &(Arc::clone(subtopology), partition))
            },
        };
        let next = reconciler.next(&member.current);
        if next == member.current {
            return;
        }
        let (epoch, state) = (next.epoch, next.state.as_str());
        tracing::debug!(group = %self.id, member = %id, epoch, state, "reconciled");
        let mut member = member.clone();
        // While the same tasks are due nothing comes here: a member that sends heartbeats but never gives
        // them up has the time of its first revocation.
        member.current = next;
        member.watch_revocation(env.now, out);
        self.put(id, member);
        self.changes.current(id);
    }

    fn reply(
        &mut self,
        env: Env<'_>,
        request: &HeartbeatRequest,
        before: Option<&HeldTasks>,
        is_new_group: bool,
        statuses: Vec<Status>,
    ) -> HeartbeatReply {
        let member = self.members.get(&request.member_id).expect("it was taken in");
        let (current, has_endpoint) = (member.current.clone(), member.metadata.user_endpoint.is_some());
        // An answer may have been lost: a member that says everything is told everything. Kafka 4.3 tells it
        // only when it joins, so that tasks whose answer was lost are run by no member until this one is
        // fenced.
        let told = request.is_full() || before != Some(&current.assigned);
        let mut now = self.endpoint_epoch;
        if told && has_endpoint {
            now = now.wrapping_add(1);
        }
        // Of a step that creates the group the epoch is not kept: as in Kafka.
        if !is_new_group {
            self.endpoint_epoch = now;
        }
        let is_known = now == request.endpoint_epoch;
        HeartbeatReply {
            member_id: request.member_id.clone(),
            member_epoch: current.epoch,
            statuses,
            tasks: told.then(|| current.assigned.without_epochs()),
            endpoint_epoch: self.endpoint_epoch,
            endpoints: (!is_known).then(|| self.endpoints(env, &request.member_id)),
            missing_topics: self.missing_topics(),
        }
    }

    /// Tells that the application shuts down, and keeps in mind which member asked for it. Of a step that
    /// creates the group that is not kept, as in Kafka.
    fn shutdown_status(&mut self, request: &HeartbeatRequest, is_new_group: bool) -> Option<Status> {
        let id = &request.member_id;
        if !request.shutdown_application || self.shutdown_by.is_some() {
            return self.shutdown_by.as_ref().map(Status::shutdown);
        }
        tracing::warn!(group = %self.id, member = %id, "a member asks the whole application to shut down");
        self.shutdown_by = Some(id.clone()).filter(|_| !is_new_group);
        Some(Status::shutdown(id))
    }

    fn missing_topics(&self) -> Vec<super::InternalTopic> {
        self.configured.as_ref().map(|(_, configured)| configured.missing.clone()).unwrap_or_default()
    }
}

/// Kafka's `throwIfStreamsGroupMemberEpochIsInvalid`: the member's epoch, or the one before it if the member
/// runs nothing beyond its assignment: then the answer with the new epoch was lost.
fn check_epoch(member: &StreamsMember, request: &HeartbeatRequest) -> Result<(), Refused> {
    let (received, known) = (request.member_epoch, member.current.epoch);
    let is_previous = received == member.current.previous_epoch
        && request.owned().is_some_and(|owned| member.current.assigned.contains_all(&owned));
    if received == known || (received < known && is_previous) {
        return Ok(());
    }
    let relation = if received > known { "greater" } else { "smaller" };
    let message = format!(
        "The streams group member has a {relation} member epoch ({received}) than the one known by the group \
         coordinator ({known}). The member must abandon all its partitions and rejoin."
    );
    Err(Refused::new(GroupError::FencedMemberEpoch, message))
}

/// Kafka's `throwIfRequestContainsInvalidTasks`.
///
/// # Errors
/// INVALID_REQUEST for a task that the topology does not have. Without a valid topology nothing is compared.
fn check_owned(configured: &ConfiguredTopology, owned: Option<&TaskLists>) -> Result<(), Refused> {
    let Some(owned) = owned.filter(|_| configured.is_ready()) else { return Ok(()) };
    let lists: [&Tasks; 2] = [&owned.active, &owned.standby];
    for (subtopology, partitions) in lists.into_iter().flatten() {
        let Some(known) = configured.subtopologies.get(subtopology) else {
            let message = format!("Subtopology {subtopology} does not exist in the topology.");
            return Err(Refused::new(GroupError::InvalidRequest, message));
        };
        if let Some(wrong) = partitions.iter().find(|partition| !(0..known.tasks).contains(*partition)) {
            let message = format!(
                "Task {wrong} for subtopology {subtopology} is invalid. Number of tasks for this subtopology: {}",
                known.tasks
            );
            return Err(Refused::new(GroupError::InvalidRequest, message));
        }
    }
    Ok(())
}
