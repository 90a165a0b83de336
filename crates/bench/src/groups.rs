//! Loads on the group coordinator: members that commit an offset, or send heartbeats, as fast as answers come.
//!
//! Each connection is the one member of a group of its own, so that no request waits for another group's, and joins
//! before the load begins.

use crate::endpoint::Endpoint;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use bytes::{Bytes, BytesMut};
use codec::messages::join_group_request::JoinGroupRequestProtocol;
use codec::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use codec::messages::sync_group_request::SyncGroupRequestAssignment;
use codec::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, OffsetCommitRequest, StrBytes, SyncGroupRequest,
};

use crate::clock::{Clock, SECOND};
use crate::connection::Connection;
use crate::control::{Control, decoded, encoded, topic_name};
use crate::frames::CORRELATION_AT;
use crate::loads::{Load, LoadKind};
use crate::poller::Poller;
use crate::stream::Span;
use crate::tally::{Counts, Tally};

// The last version in which one request joins: from 4 on the first one only gets a member id (KIP-394).
const JOIN_VERSION: i16 = 3;
const SYNC_VERSION: i16 = 2;
const HEARTBEAT_VERSION: i16 = 3;
const COMMIT_VERSION: i16 = 7;
/// Longer than any load, so that no member expires.
const SESSION_MS: i32 = 1_800_000;
/// How long to wait for answers when nothing else is due.
const IDLE: u64 = SECOND / 10;
/// Outstanding answers must arrive within this time after the window.
const DRAIN: u64 = 60 * SECOND;

/// One request with its answer: what a request of this load counts as.
const ONE: Counts = Counts { requests: 1, records: 0, bytes: 0 };

/// A connection with the request that it repeats.
struct Member {
    /// For the load; the member joined over another one.
    connection: Connection,
    /// A whole frame, whose correlation id is patched for each request.
    request: BytesMut,
    correlation: i32,
    /// Due times of the unanswered requests.
    unanswered: std::collections::VecDeque<u64>,
}

/// Runs the load. `edge` is called when the window begins and when it ends.
///
/// # Errors
/// If a member cannot join, or a request is refused.
pub(crate) fn run(
    endpoint: Endpoint,
    load: &Load,
    topic: &str,
    clock: Clock,
    span: Span,
    mut edge: impl FnMut() -> Result<()>,
) -> Result<Tally> {
    let mut members = join_all(endpoint, load, topic)?;
    let mut poller = Poller::new()?;
    for (token, member) in members.iter().enumerate() {
        poller.add(member.connection.stream(), token)?;
    }
    let mut tally = Tally::new()?;
    let start = clock.now();
    for member in &mut members {
        (0..load.in_flight).for_each(|_| member.send(start, &mut tally));
        member.flush()?;
    }
    let (begin, mut end) = (start + span.warmup, start + span.warmup + span.window);
    let (mut measuring, mut ended) = (false, false);
    let mut ready = Vec::new();
    loop {
        let now = clock.now();
        if !measuring && now >= begin {
            // Reading /proc takes a while: the window begins after it.
            edge()?;
            measuring = true;
            tally.window = clock.now()..end;
        }
        if measuring && !ended && now >= end {
            ended = true;
            tally.window.end = now;
            end = now;
            edge()?;
        }
        if ended && members.iter().all(|member| member.unanswered.is_empty()) {
            return Ok(tally);
        }
        ensure!(!ended || now < end + DRAIN, "requests are unanswered {} s after the load", DRAIN / SECOND);
        ready.clear();
        poller.wait(IDLE, &mut ready)?;
        for token in ready.iter().filter(|ready| ready.readable).map(|ready| ready.token) {
            let member = members.get_mut(token).context("no such connection")?;
            let answers = member.receive(clock.now(), load.kind, &mut tally)?;
            if !ended {
                (0..answers).for_each(|_| member.send(clock.now(), &mut tally));
                member.flush()?;
            }
        }
    }
}

impl Member {
    /// Queues the request again; `due` is the time from which its latency counts.
    fn send(&mut self, due: u64, tally: &mut Tally) {
        self.correlation = self.correlation.wrapping_add(1);
        self.request[CORRELATION_AT..CORRELATION_AT + 4].copy_from_slice(&self.correlation.to_be_bytes());
        self.connection.queue(&self.request, &Bytes::new());
        self.unanswered.push_back(due);
        tally.sent.requests += 1;
    }

    /// Requests are a few hundred bytes and few are unanswered: the socket has room for them.
    fn flush(&mut self) -> Result<()> {
        ensure!(self.connection.flush()?, "the socket takes no more requests");
        Ok(())
    }

    /// Takes the answers that arrived; returns their number.
    fn receive(&mut self, now: u64, kind: LoadKind, tally: &mut Tally) -> Result<usize> {
        self.connection.fill()?;
        let mut answers = 0;
        while let Some(range) = self.connection.next_frame()? {
            let answer = Bytes::copy_from_slice(self.connection.frame(range));
            let error = match kind {
                LoadKind::Heartbeat => decoded::<HeartbeatRequest>(answer, HEARTBEAT_VERSION)?.error_code,
                _ => {
                    let committed = decoded::<OffsetCommitRequest>(answer, COMMIT_VERSION)?;
                    let mut partitions = committed.topics.iter().flat_map(|topic| &topic.partitions);
                    partitions.next().context("OffsetCommit: no answer")?.error_code
                }
            };
            ensure!(error == 0, "{kind:?}: error {error}");
            tally.ack(self.unanswered.pop_front().context("an answer to no request")?, now, ONE);
            answers += 1;
        }
        Ok(answers)
    }
}

/// All members, joined: at the same time, since the first rebalance of a group takes a few seconds.
fn join_all(endpoint: Endpoint, load: &Load, topic: &str) -> Result<Vec<Member>> {
    thread::scope(|scope| {
        let join = |number: u32| scope.spawn(move || join(endpoint, load, topic, number));
        let joining: Vec<_> = (0..load.connections).map(join).collect();
        let joined = joining.into_iter().map(|member| {
            member.join().map_err(|_| anyhow::anyhow!("the thread of a joining member panicked"))?
        });
        joined.collect()
    })
}

/// Joins one member to a group of its own, and builds the request that it will repeat.
///
/// # Errors
/// JoinGroup or SyncGroup is refused.
fn join(endpoint: Endpoint, load: &Load, topic: &str, number: u32) -> Result<Member> {
    let joined = join_group(endpoint, &format!("{topic}-{number}"))?;
    let request = match load.kind {
        LoadKind::Heartbeat => {
            let request = HeartbeatRequest::default()
                .with_group_id(joined.group)
                .with_generation_id(joined.generation_id)
                .with_member_id(joined.member_id);
            encoded(HEARTBEAT_VERSION, 0, &request)?
        }
        _ => {
            let partition = OffsetCommitRequestPartition::default()
                .with_committed_offset(1)
                .with_committed_metadata(Some(StrBytes::default()));
            let topic = OffsetCommitRequestTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(vec![partition]);
            let request = OffsetCommitRequest::default()
                .with_group_id(joined.group)
                .with_generation_id_or_member_epoch(joined.generation_id)
                .with_member_id(joined.member_id)
                .with_topics(vec![topic]);
            encoded(COMMIT_VERSION, 0, &request)?
        }
    };
    // A member is known by its id and generation, not by the connection that it joined over.
    let connection = Connection::open(endpoint)?;
    Ok(Member { connection, request, correlation: 0, unanswered: std::collections::VecDeque::new() })
}

/// A member of a group, by which it may commit.
pub(crate) struct Membership {
    pub(crate) group: GroupId,
    pub(crate) generation_id: i32,
    pub(crate) member_id: StrBytes,
}

/// Joins a group as its only member, over a connection that is closed then.
///
/// # Errors
/// JoinGroup or SyncGroup is refused.
pub(crate) fn join_group(endpoint: Endpoint, group: &str) -> Result<Membership> {
    let mut control = Control::connect(endpoint)?;
    control.find_coordinator(group)?;
    let group = GroupId(StrBytes::from_string(group.to_owned()));
    let range = StrBytes::from_static_str("range");
    let request = JoinGroupRequest::default()
        .with_group_id(group.clone())
        .with_session_timeout_ms(SESSION_MS)
        .with_rebalance_timeout_ms(SESSION_MS)
        // Not `consumer`: of that type coordinators read the metadata, which is empty here.
        .with_protocol_type(StrBytes::from_static_str("bench"))
        .with_protocols(vec![JoinGroupRequestProtocol::default().with_name(range)]);
    let joined = control.call(JOIN_VERSION, &request)?;
    ensure!(joined.error_code == 0, "JoinGroup: error {}", joined.error_code);
    // The only member leads its group, so it is the one that assigns.
    let assignment = SyncGroupRequestAssignment::default().with_member_id(joined.member_id.clone());
    let request = SyncGroupRequest::default()
        .with_group_id(group.clone())
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_assignments(vec![assignment]);
    let synced = control.call(SYNC_VERSION, &request)?;
    ensure!(synced.error_code == 0, "SyncGroup: error {}", synced.error_code);
    Ok(Membership { group, generation_id: joined.generation_id, member_id: joined.member_id })
}
