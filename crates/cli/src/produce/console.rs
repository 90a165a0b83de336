//! Writing as Kafka's console producer does: it asks for each line on a terminal, and lets the broker create a topic that is missing.

use std::io::{self, BufReader, IsTerminal as _, Write as _};

use codec::records::Compression;

use super::arguments::Defaults;
use super::producer::Producer;
use super::send::Wishes;
use super::send_all;
use crate::client::{Cluster, Leaders, Target};
use crate::failure::Failure;
use crate::record::{ConsoleLines, ConsoleReader};

/// Everything that is asked for.
pub(crate) struct Console {
    pub(crate) topic: String,
    pub(crate) lines: ConsoleLines,
    pub(crate) compression: Compression,
    /// -1: all replicas in sync; 1: the leader alone.
    pub(crate) acks: i16,
    /// Each record is sent by itself, and waited for.
    pub(crate) is_sync: bool,
}

impl Console {
    /// # Errors
    /// A line cannot be read, or a record cannot be sent.
    pub(crate) fn run(self, target: &Target) -> Result<(), Failure> {
        let leaders = Leaders::of(Cluster::connect(target)?).creating_topics();
        let wishes = Wishes::of(self.acks, self.compression, &leaders);
        let defaults = Defaults { topic: Some(self.topic), ..Defaults::default() };
        let producer = Producer::new(leaders, defaults, self.compression, wishes, |_| Ok(()));
        let producer = if self.is_sync { producer.one_by_one() } else { producer };
        let mut records = ConsoleReader::new(BufReader::with_capacity(64 << 10, io::stdin()), self.lines);
        let asks = io::stdin().is_terminal() && io::stdout().is_terminal();
        let lines = std::iter::from_fn(move || {
            if asks {
                ask();
            }
            records.next()
        });
        send_all(producer, lines)
    }
}

/// Shows that a line is waited for.
fn ask() {
    let mut out = io::stdout().lock();
    // A terminal that is gone shows nothing; what was typed is sent all the same.
    let _ = out.write_all(b">").and_then(|()| out.flush());
}
