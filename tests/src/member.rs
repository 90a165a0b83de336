//! A consumer of a classic group, on a thread: joins, is assigned partitions, processes and
//! commits, heartbeats, rejoins when told to, and comes back to a broker that was restarted.
//!
//! It records for the test how often it joined, which partitions it owns, and which offsets it
//! processed. Killed, it vanishes without leaving, as a process does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use codec::messages::join_group_request::JoinGroupRequestProtocol;
use codec::messages::join_group_response::JoinGroupResponse;
use codec::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use codec::messages::sync_group_request::SyncGroupRequestAssignment;
use codec::messages::{HeartbeatRequest, JoinGroupRequest, OffsetCommitRequest, StrBytes, SyncGroupRequest};
use parking_lot::Mutex;

use crate::admin::{committed, connect_to_coordinator, group_id, text, topic_name};
use crate::client::Client;
use crate::consumer::{Ask, fetch, seen};

const ILLEGAL_GENERATION: i16 = 22;
const UNKNOWN_MEMBER_ID: i16 = 25;
const REBALANCE_IN_PROGRESS: i16 = 27;
const MEMBER_ID_REQUIRED: i16 = 79;

/// Settings of a member.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its group.
    pub group: String,
    /// The one topic of the group.
    pub topic: String,
    /// Number of partitions of the topic.
    pub partitions: i32,
    /// Session timeout: without a heartbeat for this long it is removed.
    pub session_timeout: Duration,
    /// A static member's name (KIP-345).
    pub instance: Option<String>,
}

/// Its record of its life.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// Its name, given by the coordinator.
    pub member_id: String,
    /// The generation it is in; 0 while in none.
    pub generation: i32,
    /// Rounds of JoinGroup that it completed.
    pub joins: usize,
    /// Partitions it owns.
    pub owned: Vec<i32>,
    /// When it was assigned them.
    pub since: Option<Instant>,
    /// The offset at which it began to read each partition, for every assignment.
    pub began: BTreeMap<i32, Vec<i64>>,
    /// Offsets that it processed and committed, in its order.
    pub processed: BTreeMap<i32, Vec<i64>>,
    /// The reason for its end, if it ended by itself.
    pub failed: Option<String>,
}

/// A running member.
#[derive(Debug)]
pub struct Member {
    stop: Arc<AtomicBool>,
    notes: Arc<Mutex<Notes>>,
    thread: JoinHandle<Result<()>>,
}

impl Member {
    /// Starts one.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(address: SocketAddr, settings: Settings) -> Result<Member> {
        let (stop, notes) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Notes>>::default());
        let mut consumer = Consumer {
            address,
            settings,
            notes: Arc::clone(&notes),
            client: None,
            beaten: Instant::now(),
            positions: BTreeMap::new(),
        };
        let (stopped, noted) = (Arc::clone(&stop), Arc::clone(&notes));
        let body = move || {
            while !stopped.load(Ordering::Relaxed) {
                consumer.turn().inspect_err(|error| noted.lock().failed = Some(format!("{error:#}")))?;
            }
            Ok(())
        };
        Ok(Member { stop, notes, thread: thread::Builder::new().name("member".to_owned()).spawn(body)? })
    }

    /// Its record so far.
    pub fn notes(&self) -> Notes {
        self.notes.lock().clone()
    }

    /// Kills it, so that it does not leave the group; returns its record.
    ///
    /// # Errors
    /// If it had failed before.
    pub fn kill(self) -> Result<Notes> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("a member panicked"))??;
        Ok(self.notes.lock().clone())
    }
}

struct Consumer {
    address: SocketAddr,
    settings: Settings,
    notes: Arc<Mutex<Notes>>,
    client: Option<Client>,
    beaten: Instant,
    positions: BTreeMap<i32, i64>,
}

impl Consumer {
    /// One step; after an error of the connection it connects again.
    fn turn(&mut self) -> Result<()> {
        let Some(mut client) =
            self.client.take().or_else(|| connect_to_coordinator(self.address, &self.settings.group).ok())
        else {
            thread::sleep(Duration::from_millis(5));
            return Ok(());
        };
        let done =
            if self.notes.lock().generation == 0 { self.join(&mut client) } else { self.work(&mut client) };
        match done {
            Ok(()) => self.client = Some(client),
            Err(StepError::Connection) => {}
            Err(StepError::Broker(error)) => return Err(error),
        }
        Ok(())
    }

    fn join(&mut self, client: &mut Client) -> Result<(), StepError> {
        let settings = &self.settings;
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(Bytes::from_static(b"subscription"));
        let timeout = i32::try_from(settings.session_timeout.as_millis()).unwrap_or(i32::MAX);
        let request = JoinGroupRequest::default()
            .with_group_id(group_id(&settings.group))
            .with_session_timeout_ms(timeout)
            .with_rebalance_timeout_ms(timeout)
            .with_member_id(text(&self.notes.lock().member_id))
            .with_group_instance_id(self.instance())
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        let answer = client.call(5, &request)?;
        match answer.error_code {
            0 => {}
            MEMBER_ID_REQUIRED => {
                self.notes.lock().member_id = answer.member_id.to_string();
                return Ok(());
            }
            UNKNOWN_MEMBER_ID => {
                self.notes.lock().member_id.clear();
                return Ok(());
            }
            code if retriable(code) => return Err(StepError::Connection),
            code => return Err(anyhow!("JoinGroup: error {code}").into()),
        }
        self.notes.lock().member_id = answer.member_id.to_string();
        self.sync(client, &answer)
    }

    fn sync(&mut self, client: &mut Client, joined: &JoinGroupResponse) -> Result<(), StepError> {
        let request = SyncGroupRequest::default()
            .with_group_id(group_id(&self.settings.group))
            .with_generation_id(joined.generation_id)
            .with_member_id(joined.member_id.clone())
            .with_group_instance_id(self.instance())
            .with_assignments(self.assignments(joined));
        let answer = client.call(3, &request)?;
        match answer.error_code {
            0 => {}
            REBALANCE_IN_PROGRESS | UNKNOWN_MEMBER_ID | ILLEGAL_GENERATION => return Ok(()),
            code if retriable(code) => return Err(StepError::Connection),
            code => return Err(anyhow!("SyncGroup: error {code}").into()),
        }
        let mut assignment = answer.assignment;
        let owned: Vec<i32> =
            std::iter::from_fn(|| (assignment.len() >= 4).then(|| assignment.get_i32())).collect();
        self.positions.clear();
        for partition in &owned {
            let (offset, _) = committed(client, &self.settings.group, &self.settings.topic, *partition)?;
            self.positions.insert(*partition, offset.max(0));
            self.notes.lock().began.entry(*partition).or_default().push(offset.max(0));
        }
        let mut notes = self.notes.lock();
        notes.generation = joined.generation_id;
        notes.joins += 1;
        notes.owned = owned;
        notes.since = Some(Instant::now());
        drop(notes);
        self.beaten = Instant::now();
        Ok(())
    }

    /// The leader's assignment: partitions in turn to the members, in the order of their names.
    fn assignments(&self, joined: &JoinGroupResponse) -> Vec<SyncGroupRequestAssignment> {
        if joined.leader != joined.member_id {
            return Vec::new();
        }
        let mut members: Vec<&StrBytes> = joined.members.iter().map(|member| &member.member_id).collect();
        members.sort();
        let mut shares = vec![BytesMut::new(); members.len()];
        for partition in 0..self.settings.partitions {
            shares[partition as usize % members.len()].put_i32(partition);
        }
        let assignment = |(member, share): (&StrBytes, BytesMut)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(member.clone())
                .with_assignment(share.freeze())
        };
        members.into_iter().zip(shares).map(assignment).collect()
    }

    /// Sends a heartbeat when it is due; reads, processes and commits the new records of each partition.
    fn work(&mut self, client: &mut Client) -> Result<(), StepError> {
        if self.beaten.elapsed() > self.settings.session_timeout / 6 {
            self.beaten = Instant::now();
            let code = self.heartbeat(client)?;
            if self.stays(code)? {
                return Ok(());
            }
        }
        let positions: Vec<(i32, i64)> =
            self.positions.iter().map(|(partition, offset)| (*partition, *offset)).collect();
        for (partition, offset) in positions {
            let topic = self.settings.topic.clone();
            let data = fetch(client, &Ask { topic: &topic, partition, offset, max_wait_ms: 5 })?;
            if data.error_code != 0 {
                return Err(anyhow!("Fetch {partition}:{offset}: error {}", data.error_code).into());
            }
            let new = seen(data.records, offset)?;
            let Some(last) = new.last() else { continue };
            let code = self.commit(client, partition, last.offset + 1)?;
            if self.stays(code)? {
                return Ok(());
            }
            self.positions.insert(partition, last.offset + 1);
            let offsets = new.iter().map(|one| one.offset);
            self.notes.lock().processed.entry(partition).or_default().extend(offsets);
        }
        Ok(())
    }

    /// False if the answer says that the member has to join again.
    fn stays(&mut self, code: i16) -> Result<bool, StepError> {
        let mut notes = self.notes.lock();
        match code {
            0 => return Ok(false),
            REBALANCE_IN_PROGRESS | ILLEGAL_GENERATION => {}
            UNKNOWN_MEMBER_ID => notes.member_id.clear(),
            code if retriable(code) => return Err(StepError::Connection),
            code => return Err(anyhow!("error {code}").into()),
        }
        notes.generation = 0;
        notes.owned.clear();
        Ok(true)
    }

    fn heartbeat(&self, client: &mut Client) -> Result<i16, StepError> {
        let notes = self.notes.lock().clone();
        let request = HeartbeatRequest::default()
            .with_group_id(group_id(&self.settings.group))
            .with_generation_id(notes.generation)
            .with_member_id(text(&notes.member_id))
            .with_group_instance_id(self.instance());
        Ok(client.call(3, &request)?.error_code)
    }

    fn commit(&self, client: &mut Client, partition: i32, offset: i64) -> Result<i16, StepError> {
        let notes = self.notes.lock().clone();
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(-1)
            .with_committed_metadata(Some(text("")));
        let topic = OffsetCommitRequestTopic::default()
            .with_name(topic_name(&self.settings.topic))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(group_id(&self.settings.group))
            .with_generation_id_or_member_epoch(notes.generation)
            .with_member_id(text(&notes.member_id))
            .with_group_instance_id(self.instance())
            .with_topics(vec![topic]);
        let answer = client.call(8, &request)?;
        let code = answer
            .topics
            .first()
            .and_then(|topic| topic.partitions.first())
            .map(|partition| partition.error_code);
        code.ok_or_else(|| anyhow!("OffsetCommit: no answer").into())
    }

    fn instance(&self) -> Option<StrBytes> {
        self.settings.instance.as_deref().map(text)
    }
}

/// COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR: try again later.
fn retriable(code: i16) -> bool {
    (14..=16).contains(&code)
}

/// Reason why a step failed.
enum StepError {
    /// The connection is gone: connect again.
    Connection,
    /// The broker's answer was wrong.
    Broker(anyhow::Error),
}

impl From<anyhow::Error> for StepError {
    fn from(error: anyhow::Error) -> StepError {
        if error.downcast_ref::<std::io::Error>().is_some() {
            StepError::Connection
        } else {
            StepError::Broker(error)
        }
    }
}

/// All offsets from 0 to the end were processed, by one member or another, and no member skipped
/// any: each goes on where it began, one by one.
///
/// # Errors
/// If not.
pub fn nothing_skipped(members: &[Notes], ends: &BTreeMap<i32, i64>) -> Result<()> {
    for (partition, end) in ends {
        let mut all: Vec<i64> =
            members.iter().filter_map(|notes| notes.processed.get(partition)).flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        let missing = (0..*end).find(|offset| all.binary_search(offset).is_err());
        ensure!(missing.is_none(), "{partition}:{missing:?} was skipped, the partition ends at {end}");
    }
    Ok(())
}
