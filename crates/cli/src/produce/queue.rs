//! The queue between the thread that reads the input and the thread that sends: it has a bound in records, and in bytes.
//!
//! A record counts until the next one is taken: it is held that long. One that is longer than the bound is let in alone.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use crate::record::NewRecord;

/// Most records in the queue.
pub(super) const RECORDS: usize = 128;
/// Most bytes of them.
const BYTES: usize = 16 << 20;
/// Bytes of records that are done before the other side hears of it, unless it may wait for that.
const DONE_BYTES: usize = 1 << 20;

/// A record of the input, or why there is no further one.
pub(super) type Read = Result<NewRecord, String>;

/// The end of the thread that sends.
#[derive(Debug)]
pub(super) struct Gone;

/// The side of the thread that reads.
pub(super) struct Sender {
    records: SyncSender<(Read, usize)>,
    /// Bytes of records that do not count any more.
    done: Receiver<usize>,
    /// Bytes that count.
    bytes: usize,
}

/// The side of the thread that sends.
pub(super) struct Records {
    records: Receiver<(Read, usize)>,
    done: SyncSender<usize>,
    /// Bytes of the record that was taken last.
    at_hand: usize,
    /// Bytes of those before, of which the other side has not heard.
    unheard: usize,
}

pub(super) fn queue() -> (Sender, Records) {
    let (sender, receiver) = sync_channel(RECORDS);
    // All records of a full queue, the one at hand, and the one that waits to be put in.
    let (done, freed) = sync_channel(RECORDS + 2);
    let records = Records { records: receiver, done, at_hand: 0, unheard: 0 };
    (Sender { records: sender, done: freed, bytes: 0 }, records)
}

impl Sender {
    /// Waits until there is room.
    ///
    /// # Errors
    /// No thread takes records any more.
    pub(super) fn put(&mut self, read: Read) -> Result<(), Gone> {
        let bytes = read.as_ref().map_or(0, NewRecord::bytes);
        while !self.has_room(bytes) {
            self.bytes = self.bytes.saturating_sub(self.done.recv().map_err(|_| Gone)?);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.records.send((read, bytes)).map_err(|_| Gone)
    }

    /// True if a record of this many bytes is let in.
    fn has_room(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_sub(self.done.try_iter().sum());
        self.bytes == 0 || self.bytes.saturating_add(bytes) <= BYTES
    }
}

impl Records {
    /// The next record, if it comes within this time.
    ///
    /// # Errors
    /// None comes, or the input has ended.
    pub(super) fn take(&mut self, wait: Duration) -> Result<Read, RecvTimeoutError> {
        self.unheard += std::mem::take(&mut self.at_hand);
        if self.unheard >= DONE_BYTES {
            self.tell();
        }
        let (read, bytes) = match self.records.try_recv() {
            Ok(taken) => taken,
            Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) => {
                self.tell();
                self.records.recv_timeout(wait)?
            }
        };
        self.at_hand = bytes;
        Ok(read)
    }

    fn tell(&mut self) {
        if self.unheard > 0 {
            // Without a thread that reads, no record waits for room.
            let _ = self.done.send(std::mem::take(&mut self.unheard));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LATE: Duration = Duration::from_secs(20);

    fn record(bytes: usize) -> Read {
        Ok(NewRecord { value: Some(vec![0; bytes]), ..NewRecord::default() })
    }

    /// Users saw: 450 MB of memory for lines of 40 MiB.
    #[test]
    fn long_records_wait_until_the_one_at_hand_is_done() {
        let (mut sender, mut records) = queue();
        for _ in 0..3 {
            sender.put(record(BYTES + 1)).unwrap();
            assert!(!sender.has_room(BYTES + 1), "it is in the queue");
            assert!(records.take(Duration::ZERO).is_ok());
            assert!(!sender.has_room(BYTES + 1), "it is at hand");
            assert_eq!(records.take(Duration::ZERO), Err(RecvTimeoutError::Timeout));
            assert!(sender.has_room(BYTES + 1), "it is done");
        }
    }

    #[test]
    fn a_thread_that_waits_for_room_is_woken() {
        let (mut sender, mut records) = queue();
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..4 {
                    sender.put(record(BYTES + 1)).unwrap();
                }
                drop(sender);
            });
            for _ in 0..4 {
                assert!(records.take(LATE).is_ok());
            }
            assert_eq!(records.take(LATE), Err(RecvTimeoutError::Disconnected));
        });
    }

    #[test]
    fn short_records_fill_the_queue() {
        let (mut sender, mut records) = queue();
        for _ in 0..3 {
            for _ in 0..RECORDS {
                sender.put(record(10)).unwrap();
            }
            for _ in 0..RECORDS {
                assert!(records.take(LATE).is_ok());
            }
        }
        assert_eq!(records.take(Duration::ZERO), Err(RecvTimeoutError::Timeout));
        assert!(sender.bytes <= record(10).unwrap().bytes() * RECORDS + DONE_BYTES);
        drop(records);
        assert!(sender.put(record(1)).is_err());
    }

    #[test]
    fn headers_count() {
        let headers = vec![(String::new(), None); 1000];
        assert!(NewRecord { headers, ..NewRecord::default() }.bytes() > 48_000);
    }
}
