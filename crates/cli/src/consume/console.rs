//! Reading as Kafka's console consumer does: it counts records, and ends once none has come for a time.

use std::io::{IsTerminal as _, stdout};
use std::time::{Duration, Instant};

use super::GRACE;
use super::fetcher::Event;
use super::hub::Hub;
use super::position;
use super::printer::{Form, Piece, Printer, Progress};
use super::range::Range;
use super::selection::Topics;
use crate::client::{Cluster, Leaders, Target};
use crate::clock;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::record::ConsoleForm;

/// Everything that is asked for.
pub(crate) struct Console {
    /// A name, or a regular expression of whole names.
    pub(crate) topic: String,
    pub(crate) is_pattern: bool,
    pub(crate) partition: Option<i32>,
    /// `start`, `end`, or an offset.
    pub(crate) from: String,
    /// Records after which it ends.
    pub(crate) most: Option<u64>,
    /// Time without a record after which it ends.
    pub(crate) idle: Option<Duration>,
    pub(crate) is_committed: bool,
    pub(crate) form: ConsoleForm,
}

/// The reason for which it ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Whole,
    Idle,
    Interrupted(Failure),
    Failed(Failure),
}

impl Console {
    /// Reads; returns the number of records and the reason for the end.
    ///
    /// # Errors
    /// It could not begin.
    pub(crate) fn run(self, target: &Target) -> Result<(u64, Ended), Failure> {
        let form = Form::Console(Box::new(self.form));
        let mut printer = Printer::new(form, stdout().is_terminal(), self.most)?;
        if self.most == Some(0) {
            return Ok((0, Ended::Whole));
        }
        let range = Range::parse(&self.from, clock::now_ms()).map_err(Failure::usage)?;
        let topics = Topics::of(&[self.topic], self.is_pattern)?;
        let isolation_level = i8::from(self.is_committed);
        let mut leaders = Leaders::of(Cluster::connect(target)?);
        let wanted: Vec<i32> = self.partition.into_iter().collect();
        let partitions = topics.partitions(&mut leaders, &wanted)?;
        let shares = position::shares(&mut leaders, &partitions, range, false, isolation_level)?;
        let hub = Hub::start(leaders, shares, isolation_level)?;
        // Until here a signal ends the process by itself, also while no broker answers.
        let interrupt = Interrupt::watch()?;
        interrupt.end_after(GRACE)?;
        let ended = copy(hub, &mut printer, &interrupt, self.idle).unwrap_or_else(Ended::Failed);
        // The records before a failure.
        let ended = printer.flush().map_or_else(Ended::Failed, |_| ended);
        Ok((printer.count(), ended))
    }
}

fn copy(
    mut hub: Hub,
    printer: &mut Printer,
    interrupt: &Interrupt,
    idle: Option<Duration>,
) -> Result<Ended, Failure> {
    let mut last: Instant = clock::instant();
    loop {
        if interrupt.has_come() {
            return Ok(Ended::Interrupted(interrupt.end()));
        }
        let before = printer.count();
        let progress = match hub.next(true)? {
            Some(Event::Batches { partition, from, until, batches }) => {
                let piece = Piece { partition: &partition, from, until, batches: &batches };
                match printer.records(&piece, interrupt)? {
                    // At once: another program may read it.
                    Progress::GoesOn => printer.flush()?,
                    other => other,
                }
            }
            _ if hub.is_done() => Progress::Ended,
            _ => Progress::GoesOn,
        };
        match progress {
            Progress::Ended => return Ok(Ended::Whole),
            Progress::GoesOn | Progress::Interrupted => {}
        }
        if printer.count() > before {
            last = clock::instant();
        }
        if idle.is_some_and(|idle| clock::instant().duration_since(last) > idle) {
            return Ok(Ended::Idle);
        }
    }
}
