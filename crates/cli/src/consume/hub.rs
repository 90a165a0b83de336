//! The main thread's side of fetching: which broker's thread reads which partition.
//!
//! A partition that lost its leader waits here, and is looked up again every quarter of a second, until the time of a request is over.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use codec::ErrorCode;
use uuid::Uuid;

use super::fetcher::{Event, Fetcher, Share};
use super::selection::unreadable;
use crate::client::{Leaders, Partition, Position, has_moved, offsets};
use crate::clock;
use crate::failure::Failure;
use crate::output::escaped;

/// Reports that wait for the main thread: each holds at most one answer.
const QUEUE: usize = 2;
/// Time between two look-ups of leaders.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest wait for a report.
const WAIT: Duration = Duration::from_millis(100);

/// A partition without a known leader, and the reason.
type Waiting = (Share, String);

pub(super) struct Hub {
    leaders: Leaders,
    isolation_level: i8,
    /// Partitions at most, so that an inbox never is full.
    capacity: usize,
    fetchers: BTreeMap<i32, SyncSender<Share>>,
    waiting: Vec<Waiting>,
    /// The time of the last look-up of leaders.
    looked_up: Option<Instant>,
    /// Partitions that are not read to their ends.
    active: usize,
    events: (SyncSender<Event>, Receiver<Event>),
}

impl Hub {
    /// Starts to read these.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub(super) fn start(leaders: Leaders, shares: Vec<Share>, isolation_level: i8) -> Result<Self, Failure> {
        let shares: Vec<Share> = shares.into_iter().filter(|share| !share.is_done()).collect();
        let mut hub = Self {
            leaders,
            isolation_level,
            capacity: shares.len(),
            fetchers: BTreeMap::new(),
            waiting: Vec::new(),
            looked_up: None,
            active: shares.len(),
            events: sync_channel(QUEUE),
        };
        for share in shares {
            hub.assign(share, "it has no leader for the moment")?;
        }
        Ok(hub)
    }

    /// True once all partitions were read to their ends.
    pub(super) fn is_done(&self) -> bool {
        self.active == 0
    }

    /// The next event for the caller, of batches: all others are handled here. `None`: none has come for a moment.
    /// `waits`: false if the caller has something else to do.
    ///
    /// # Errors
    /// A partition cannot be read, or has no leader for too long.
    pub(super) fn next(&mut self, waits: bool) -> Result<Option<Event>, Failure> {
        self.look_up()?;
        let event = match waits {
            true => self.events.1.recv_timeout(WAIT),
            false => self.events.1.try_recv().map_err(|error| match error {
                TryRecvError::Empty => RecvTimeoutError::Timeout,
                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            }),
        };
        match event {
            Ok(batches @ Event::Batches { .. }) => return Ok(Some(batches)),
            Ok(Event::Done) => self.active = self.active.saturating_sub(1),
            Ok(Event::Lost(share, reason)) => self.waiting.push((lost(share), reason)),
            Ok(Event::OutOfRange(share)) => self.move_into_range(share)?,
            Ok(Event::Broken(node)) => {
                self.fetchers.remove(&node);
                self.leaders.forget(node);
            }
            Ok(Event::Failed(failure)) => return Err(failure),
            Err(_) => {}
        }
        Ok(None)
    }

    /// Gives a partition to the thread of its leader, or lets it wait for `reason`.
    fn assign(&mut self, share: Share, reason: &str) -> Result<(), Failure> {
        let Some(node) = self.leaders.leader(&share.partition) else {
            self.waiting.push((lost(share), reason.to_owned()));
            return Ok(());
        };
        if !self.fetchers.contains_key(&node) {
            let connection = match self.leaders.open(node) {
                Ok(connection) => connection,
                Err(error) => {
                    self.waiting.push((lost(share), error.to_string()));
                    return Ok(());
                }
            };
            let (sender, inbox) = sync_channel(self.capacity);
            let fetcher = Fetcher {
                node,
                connection,
                isolation_level: self.isolation_level,
                timeout: self.leaders.timeout(),
                inbox,
                events: self.events.0.clone(),
            };
            // It ends with the process, or when its inbox is closed.
            thread::Builder::new()
                .name(format!("broker-{node}"))
                .spawn(move || fetcher.run())
                .map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))?;
            self.fetchers.insert(node, sender);
        }
        if let Some(Err(unsent)) = self.fetchers.get(&node).map(|fetcher| fetcher.send(share)) {
            self.waiting.push((lost(unsent.0), reason.to_owned()));
        }
        Ok(())
    }

    /// Looks for the leaders of those that wait.
    fn look_up(&mut self) -> Result<(), Failure> {
        let now = clock::instant();
        let is_early = self.looked_up.is_some_and(|last| now.duration_since(last) < PAUSE);
        if self.waiting.is_empty() || is_early {
            return Ok(());
        }
        let patience = self.leaders.timeout();
        let is_over = |(share, _): &&Waiting| {
            share.lost_since.is_some_and(|since| now.duration_since(since) > patience)
        };
        if let Some((share, reason)) = self.waiting.iter().find(is_over) {
            let Partition { topic, index } = &share.partition;
            let seconds = patience.as_secs();
            return Err(Failure::failed(format!(
                "{topic} partition {index} cannot be read for {seconds} s: {reason}"
            )));
        }
        let mut topics: Vec<String> =
            self.waiting.iter().map(|(share, _)| share.partition.topic.clone()).collect();
        topics.sort();
        topics.dedup();
        // A broker that is away may be asked again in the next round: over another connection, if that failed.
        if self.leaders.refresh(Some(&topics)).is_ok() {
            for (share, _) in &self.waiting {
                is_same(share, self.leaders.topic_id(&share.partition.topic))?;
            }
            for (share, reason) in std::mem::take(&mut self.waiting) {
                self.assign(share, &reason)?;
            }
        }
        self.looked_up = Some(clock::instant());
        Ok(())
    }

    /// Goes on at the start of a log whose first records are gone. Where the log cannot be asked for the moment, the partition waits.
    fn move_into_range(&mut self, mut share: Share) -> Result<(), Failure> {
        let (start, end) = match self.ends(&share)? {
            Ok(ends) => ends,
            Err(reason) => {
                self.waiting.push((lost(share), reason));
                return Ok(());
            }
        };
        let Partition { topic, index } = &share.partition;
        if share.position > end {
            return Err(Failure::failed(format!(
                "{topic} partition {index} ends at offset {end}, before {}: the topic was made anew, or records were lost",
                share.position
            )));
        }
        if share.position < start {
            let gone = share.position;
            eprintln!(
                "ottla: warning: {topic} partition {index}: records from offset {gone} on are gone; continuing at {start}"
            );
            share.position = start;
        }
        if share.is_done() {
            self.active = self.active.saturating_sub(1);
            return Ok(());
        }
        self.waiting.push((lost(share), "the broker does not serve its offsets".to_owned()));
        Ok(())
    }

    /// The start of a partition's log and its end, exclusive; or the reason for which they are unknown for the moment.
    ///
    /// # Errors
    /// The topic is another one than before, or the broker refuses it.
    fn ends(&mut self, share: &Share) -> Result<Result<(i64, i64), String>, Failure> {
        let Partition { topic, index } = &share.partition;
        if let Err(failure) = self.leaders.refresh(Some(std::slice::from_ref(topic))) {
            return Ok(Err(failure.to_string()));
        }
        is_same(share, self.leaders.topic_id(topic))?;
        let mut ends = [0; 2];
        for (end, position) in ends.iter_mut().zip([Position::Start, Position::End]) {
            let asked = std::slice::from_ref(&share.partition);
            let found = match offsets(&mut self.leaders, asked, position, self.isolation_level) {
                Ok(found) => found,
                Err(failure) => return Ok(Err(failure.to_string())),
            };
            let missing = Err(ErrorCode::UnknownServerError as i16);
            *end = match found.into_values().next().unwrap_or(missing) {
                Ok(offset) => offset,
                Err(code) => {
                    let failure = unreadable(&format!("read offsets of {topic} partition {index}"), code);
                    return if has_moved(code) { Ok(Err(failure.to_string())) } else { Err(failure) };
                }
            };
        }
        let [start, end] = ends;
        Ok(Ok((start, end)))
    }
}

/// Checks the id of a topic that was looked up again. Offsets mean nothing in another topic of the same name: reading on in it would leave records out.
///
/// # Errors
/// It is another one.
fn is_same(share: &Share, found: Option<Uuid>) -> Result<(), Failure> {
    let (Some(old), Some(new)) = (share.topic_id, found) else { return Ok(()) };
    match old == new {
        true => Ok(()),
        false => Err(Failure::failed(format!(
            "topic {} was deleted and made anew while it was read; start again to read the new one",
            escaped(&share.partition.topic)
        ))),
    }
}

fn lost(mut share: Share) -> Share {
    share.lost_since = share.lost_since.or_else(|| Some(clock::instant()));
    share
}

#[cfg(test)]
mod tests;
