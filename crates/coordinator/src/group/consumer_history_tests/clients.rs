//! The clients of a history: their requests, and what they make of the answers.

use super::*;

impl History {
    pub(super) fn send_commit(
        &mut self,
        who: &CommitIdentity,
        partition: i32,
        position: i64,
    ) -> Result<(), GroupError> {
        let topic_id = self.bench.topics.image.topic("t").unwrap().0;
        let commit = OffsetCommit { topic_id, ..commit("t", partition, position) };
        self.bench.commit_as(who, None, vec![commit])?.remove(0)
    }

    pub(super) fn note_commit(&mut self, partition: i32, position: i64) {
        let before = self.committed.insert(partition, position).unwrap_or(0);
        assert!(position >= before, "partition {partition} went back from {before} to {position}");
    }

    /// Reads on in one of its partitions, or in `partition`, and commits.
    pub(super) fn consume(&mut self, number: usize, partition: Option<i32>) {
        let read = i64::try_from(self.random.below(10)).unwrap();
        let pick = usize::try_from(self.random.below(64)).unwrap();
        let client = &mut self.clients[number];
        let nth = pick.checked_rem(client.owned.len()).and_then(|nth| client.owned.keys().nth(nth).copied());
        let Some(partition) = partition.or(nth) else { return };
        let Some(position) = client.owned.get_mut(&partition) else { return };
        *position += read;
        let (position, who) = (
            *position,
            CommitIdentity {
                member_id: client.id.clone(),
                group_instance_id: client.instance.clone().filter(|_| client.is_classic),
                generation: GenerationId(client.epoch),
            },
        );
        if self.send_commit(&who, partition, position) == Ok(()) {
            self.note_commit(partition, position);
        }
    }

    pub(super) fn act(&mut self, number: usize) {
        match &self.clients[number].phase {
            Phase::Gone | Phase::Joining(_) | Phase::Syncing(_) => {}
            Phase::Modern if self.clients[number].told.is_some() && !self.random.one_in(3) => {
                self.obey_assignment(number);
            }
            Phase::Modern | Phase::Settled if self.random.one_in(3) => self.consume(number, None),
            Phase::Modern => self.modern_heartbeat(number),
            Phase::Outside => self.join(number),
            Phase::Joined(joined) => {
                let joined = joined.clone();
                self.sync(number, &joined);
            }
            Phase::Settled => self.classic_heartbeat(number),
        }
    }

    pub(super) fn modern_heartbeat(&mut self, number: usize) {
        let topic = self.bench.topics.image.topic("t").unwrap().0;
        let client = &self.clients[number];
        let says_all = client.says_all || client.epoch == 0;
        let mut request = HeartbeatRequest {
            member_id: client.id.clone(),
            member_epoch: client.epoch,
            group_instance_id: client.instance.clone(),
            ..HeartbeatRequest::default()
        };
        if says_all {
            request.rebalance_timeout_ms = Some(30_000);
            if client.by_regex {
                request.topic_regex = Some("t.*".into());
            } else {
                request.topic_names = Some(BTreeSet::from(["t".into()]));
            }
        }
        if says_all || client.gave_up {
            let owned: BTreeSet<i32> = client.owned.keys().copied().collect();
            let topics = TopicPartitions::from([(topic, owned)]);
            request.owned = Some(topics.into_iter().filter(|(_, owned)| !owned.is_empty()).collect());
        }
        let result =
            self.bench.on_machine(|machine, env, out| machine.consumer_heartbeat(env, &request, out));
        if self.random.one_in(12) {
            // What it had not got to may be out of date by that answer, so it waits to be told again. (A client that went
            // on with it would own for a moment what its last heartbeat said that it does not: so does the protocol.)
            self.clients[number].told = None;
            self.clients[number].says_all = true;
            return;
        }
        match result {
            Ok(reply) => {
                let client = &mut self.clients[number];
                client.says_all = false;
                client.gave_up = false;
                client.epoch = reply.member_epoch;
                if let Some(assignment) = reply.assignment {
                    client.told = Some(assignment.into_values().flatten().collect());
                }
            }
            Err(refused) => self.obey_refusal(number, refused.error),
        }
    }

    pub(super) fn obey_refusal(&mut self, number: usize, error: GroupError) {
        match error {
            GroupError::FencedMemberEpoch | GroupError::UnknownMemberId | GroupError::GroupIdNotFound => {
                self.drop_all(number);
                self.clients[number].epoch = 0;
            }
            GroupError::UnreleasedInstanceId => {}
            GroupError::FencedInstanceId => self.kill(number),
            other => panic!("unexpected {other:?}"),
        }
    }

    /// Gives up what it is no longer to own, after a last commit, and takes the rest.
    pub(super) fn obey_assignment(&mut self, number: usize) {
        let Some(told) = self.clients[number].told.take() else { return };
        let lost: Vec<i32> =
            self.clients[number].owned.keys().filter(|owned| !told.contains(owned)).copied().collect();
        for partition in lost {
            self.consume(number, Some(partition));
            let client = &mut self.clients[number];
            client.owned.remove(&partition);
        }
        for partition in told {
            let position = self.bench.committed("t", partition).unwrap_or(0);
            self.clients[number].owned.entry(partition).or_insert(position);
        }
        self.clients[number].gave_up = true;
    }

    pub(super) fn join(&mut self, number: usize) {
        let client = &self.clients[number];
        let (id, instance) = (client.id.clone(), client.instance.clone());
        let instance = instance.as_ref().map(GroupInstanceId::as_str);
        let mut request = self.bench.request(id.as_str(), instance, &[]);
        request.protocols =
            vec![Protocol { name: "range".into(), metadata: subscription(client.owned.keys()) }];
        request.rebalance_timeout_ms = 30_000;
        let waiter = self.bench.send_join(request);
        self.clients[number].phase = Phase::Joining(waiter);
    }

    pub(super) fn sync(&mut self, number: usize, joined: &JoinedGroup) {
        let client = &self.clients[number];
        let mut request = SyncRequest {
            member_id: client.id.clone(),
            group_instance_id: client.instance.clone(),
            generation: joined.generation,
            protocol_type: joined.protocol_type.clone(),
            protocol: joined.protocol.clone(),
            assignments: Default::default(),
        };
        if joined.leader == client.id && !joined.skip_assignment {
            let has = |place: usize, partition: i32| {
                let metadata = &joined.members[place].metadata;
                let owned = consumer_protocol::subscription(metadata).unwrap().owned;
                owned.iter().any(|(_, owned)| owned.contains(&partition))
            };
            let count = joined.members.len();
            for (place, member) in joined.members.iter().enumerate() {
                // What another member still has is not handed out: that one joins again when it has given it up.
                let is_its = |partition: &i32| {
                    *partition as usize % count == place
                        && (0..count).all(|other| other == place || !has(other, *partition))
                };
                let mine: Vec<i32> = (0..self.partitions).filter(is_its).collect();
                let bytes = consumer_protocol::encode_assignment(1, [("t", mine.as_slice())].into_iter());
                request.assignments.insert(member.member_id.clone(), bytes);
            }
        }
        let waiter = self.bench.waiter();
        self.bench.on_machine(|machine, env, out| machine.sync(env, request, waiter, out));
        self.clients[number].phase = Phase::Syncing(waiter);
    }

    pub(super) fn classic_heartbeat(&mut self, number: usize) {
        let client = &self.clients[number];
        let (id, instance, generation) =
            (client.id.clone(), client.instance.clone(), GenerationId(client.epoch));
        let result = self.bench.on_machine(|machine, env, out| {
            machine.heartbeat(
                env,
                id.as_str(),
                instance.as_ref().map(GroupInstanceId::as_str),
                generation,
                out,
            )
        });
        match result {
            Ok(()) => {}
            // Busy: it goes on for a while.
            Err(GroupError::RebalanceInProgress) if self.random.one_in(3) => {}
            Err(error) => self.obey_classic(number, error),
        }
    }

    /// The reaction of consumers to an error: an eager one gives everything up and joins again, a cooperative one joins again.
    pub(super) fn obey_classic(&mut self, number: usize, error: GroupError) {
        match error {
            GroupError::RebalanceInProgress if self.clients[number].is_cooperative => {}
            GroupError::RebalanceInProgress => {
                let owned: Vec<i32> = self.clients[number].owned.keys().copied().collect();
                owned.into_iter().for_each(|partition| self.consume(number, Some(partition)));
                self.drop_all(number);
            }
            GroupError::IllegalGeneration => self.drop_all(number),
            GroupError::UnknownMemberId => {
                self.drop_all(number);
                self.clients[number].id = MemberId::none();
            }
            // Its place was taken by a later incarnation of its own, or of an answer that was lost.
            GroupError::FencedInstanceId => return self.kill(number),
            other => panic!("unexpected {other:?}"),
        }
        self.clients[number].phase = Phase::Outside;
    }

    /// Delivers the answers that have come.
    pub(super) fn hear(&mut self) {
        for number in 0..self.clients.len() {
            match self.clients[number].phase {
                Phase::Joining(waiter) => self.hear_join(number, waiter),
                Phase::Syncing(waiter) => self.hear_sync(number, waiter),
                _ => {}
            }
        }
    }

    pub(super) fn hear_join(&mut self, number: usize, waiter: JoinWaiter) {
        let Some(reply) = self.bench.joins.remove(&waiter) else { return };
        match reply.result {
            Ok(joined) => {
                let client = &mut self.clients[number];
                client.id = reply.member_id;
                client.epoch = joined.generation.0;
                client.phase = Phase::Joined(joined);
            }
            Err(GroupError::MemberIdRequired) => {
                self.clients[number].id = reply.member_id;
                self.clients[number].phase = Phase::Outside;
            }
            Err(error) => self.obey_classic(number, error),
        }
    }

    pub(super) fn hear_sync(&mut self, number: usize, waiter: SyncWaiter) {
        let Some(reply) = self.bench.syncs.remove(&waiter) else { return };
        let synced = match reply {
            Ok(synced) => synced,
            Err(error) => return self.obey_classic(number, error),
        };
        let read = consumer_protocol::assignment(&synced.assignment).unwrap_or_default();
        let told: BTreeSet<i32> =
            read.partitions.into_iter().flat_map(|(_, partitions)| partitions).collect();
        let owned: Vec<i32> = self.clients[number].owned.keys().copied().collect();
        let lost: Vec<i32> = owned.into_iter().filter(|partition| !told.contains(partition)).collect();
        for partition in &lost {
            self.consume(number, Some(*partition));
            self.clients[number].owned.remove(partition);
        }
        for partition in told {
            let position = self.bench.committed("t", partition).unwrap_or(0);
            self.clients[number].owned.entry(partition).or_insert(position);
        }
        // Only a cooperative one has anything to lose here, and joins again to say so.
        self.clients[number].phase = if lost.is_empty() { Phase::Settled } else { Phase::Outside };
    }
}

pub(super) fn is_member(machine: &GroupMachine, id: &MemberId) -> bool {
    match machine.members() {
        Members::Classic(group) => group.describe().members.iter().any(|member| member.member_id == *id),
        Members::Consumer(group) => group.members().contains_key(id),
        Members::Streams(group) => group.knows(id),
    }
}

/// Version 1: topic `t`. Eager consumers own nothing when they join.
pub(super) fn subscription<'a>(owned: impl ExactSizeIterator<Item = &'a i32>) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(1);
    out.put_u32(1);
    out.put_slice(b"\x00\x01t");
    out.put_i32(-1);
    out.put_u32(1);
    out.put_slice(b"\x00\x01t");
    out.put_u32(u32::try_from(owned.len()).unwrap());
    owned.for_each(|partition| out.put_i32(*partition));
    out.freeze()
}
