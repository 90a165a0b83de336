//! Records on standard output. A reader that has gone away, such as `head`, ends the command without an error.

use std::fs::File;
use std::io::{ErrorKind, Write, stdout};
use std::os::fd::AsFd as _;

use codec::records::RecordBatch;

use super::fetcher::damaged;
use crate::client::Partition;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::record::{ConsoleForm, Fetched, Pattern, json};

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 64 << 10;
/// Bytes that a pipe takes at once or not at all (PIPE_BUF of Linux).
const PIPE_BYTES: usize = 4096;

/// The form of a record.
#[derive(Debug)]
pub(super) enum Form {
    Pattern(Pattern),
    Json,
    Console(Box<ConsoleForm>),
}

/// Progress after some records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    GoesOn,
    /// As many records as were wanted, or no reader any more.
    Ended,
    /// A signal has come.
    Interrupted,
}

/// Records of a partition, as they were fetched.
pub(super) struct Piece<'a> {
    pub(super) partition: &'a Partition,
    /// Earlier records of the batches are left out.
    pub(super) from: i64,
    /// This offset and later ones are left out.
    pub(super) until: Option<i64>,
    pub(super) batches: &'a [RecordBatch],
}

/// Writes records.
pub(super) struct Printer<W = File> {
    form: Form,
    is_terminal: bool,
    /// Records that are still wanted; `None`: all.
    left: Option<u64>,
    /// Records so far.
    count: u64,
    buffer: Vec<u8>,
    /// The end of each record in the buffer.
    ends: Vec<usize>,
    out: W,
}

impl Printer {
    /// A printer on standard output.
    ///
    /// # Errors
    /// It is closed.
    pub(super) fn new(form: Form, is_terminal: bool, left: Option<u64>) -> Result<Self, Failure> {
        // Without the buffer of the library, which would split records.
        let out = stdout().as_fd().try_clone_to_owned().map_err(|error| unwritten(&error))?;
        Ok(Self::on(out.into(), form, is_terminal, left))
    }
}

impl<W: Write> Printer<W> {
    fn on(out: W, form: Form, is_terminal: bool, left: Option<u64>) -> Self {
        Self { form, is_terminal, left, count: 0, buffer: Vec::new(), ends: Vec::new(), out }
    }

    /// # Errors
    /// A batch is damaged, or standard output cannot be written.
    pub(super) fn records(&mut self, piece: &Piece<'_>, interrupt: &Interrupt) -> Result<Progress, Failure> {
        for batch in piece.batches {
            let wrong = |error| damaged(piece.partition, batch.header().base_offset, &error);
            for record in batch.records().map_err(wrong)? {
                let record = record.map_err(wrong)?;
                let is_after = piece.until.is_some_and(|until| record.offset >= until);
                if record.offset < piece.from || is_after {
                    continue;
                }
                if self.left == Some(0) {
                    return self.end();
                }
                let Partition { topic, index } = piece.partition;
                let fetched = Fetched { topic, partition: *index, batch: batch.header(), record: &record };
                match &self.form {
                    Form::Pattern(pattern) => pattern.write(&fetched, self.is_terminal, &mut self.buffer),
                    Form::Json => json::write(&fetched, &mut self.buffer),
                    Form::Console(form) => form.write(&fetched, self.is_terminal, &mut self.buffer),
                }
                self.ends.push(self.buffer.len());
                self.count += 1;
                self.left = self.left.map(|left| left - 1);
                if self.buffer.len() < BUFFER_BYTES {
                    continue;
                }
                if self.flush()? == Progress::Ended {
                    return Ok(Progress::Ended);
                }
                // The reader may be slow, and this answer long.
                if interrupt.has_come() {
                    return Ok(Progress::Interrupted);
                }
            }
        }
        if self.left == Some(0) { self.end() } else { Ok(Progress::GoesOn) }
    }

    /// The number of records so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    fn end(&mut self) -> Result<Progress, Failure> {
        self.flush()?;
        Ok(Progress::Ended)
    }

    /// Writes what was collected, in pieces of whole records that a pipe takes at once: a process that ends while it waits for its reader has
    /// written no part of a record, unless one is longer.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(super) fn flush(&mut self) -> Result<Progress, Failure> {
        let written = pieces(&self.buffer, &self.ends).try_for_each(|piece| self.out.write_all(piece));
        self.buffer.clear();
        self.ends.clear();
        match written {
            Ok(()) => Ok(Progress::GoesOn),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Progress::Ended),
            Err(error) => Err(unwritten(&error)),
        }
    }
}

/// As many records at a time as fit into [`PIPE_BYTES`], and at least one. `ends` are theirs, in order.
fn pieces<'a>(buffer: &'a [u8], ends: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let (mut from, mut ends) = (0, ends);
    std::iter::from_fn(move || {
        let fitting = ends.partition_point(|end| end - from <= PIPE_BYTES).max(1);
        let (piece, rest) = ends.split_at_checked(fitting)?;
        let to = *piece.last()?;
        let bytes = buffer.get(from..to);
        (from, ends) = (to, rest);
        bytes
    })
}

fn unwritten(error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot write to standard output: {error}"))
}

#[cfg(test)]
mod tests {
    use codec::records::BatchBuilder;

    use super::*;

    /// Keeps each write by itself.
    #[derive(Default)]
    struct Writes(Vec<Vec<u8>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn printer(left: Option<u64>) -> Printer<Writes> {
        let form = Form::Pattern(Pattern::parse("%o %v\\n").unwrap());
        Printer::on(Writes::default(), form, false, left)
    }

    /// A batch from offset 10 on of values of these lengths.
    fn batch(lengths: &[usize]) -> RecordBatch {
        let mut builder = BatchBuilder::new().base_offset(10);
        for length in lengths {
            builder = builder.record(0, None, Some(&vec![b'x'; *length]));
        }
        RecordBatch::parse_stored(builder.build()).unwrap()
    }

    fn print(
        printer: &mut Printer<Writes>,
        batch: RecordBatch,
        (from, until): (i64, Option<i64>),
        interrupt: &Interrupt,
    ) -> Progress {
        let partition = Partition { topic: "t".to_owned(), index: 0 };
        let piece = Piece { partition: &partition, from, until, batches: &[batch] };
        printer.records(&piece, interrupt).unwrap()
    }

    fn lines(printer: &Printer<Writes>) -> Vec<String> {
        let text = String::from_utf8(printer.out.0.concat()).unwrap();
        text.lines().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn a_part_of_a_batch_is_written() {
        let never = Interrupt::that_has_not_come();
        let mut all = printer(None);
        assert_eq!(print(&mut all, batch(&[1; 5]), (11, Some(14)), &never), Progress::GoesOn);
        assert!(all.out.0.is_empty(), "they wait for others");
        all.flush().unwrap();
        assert_eq!(lines(&all), ["11", "12", "13"]);
        let mut two = printer(Some(2));
        assert_eq!(print(&mut two, batch(&[1; 5]), (0, None), &never), Progress::Ended);
        assert_eq!(lines(&two), ["10", "11"]);
        let mut five = printer(Some(5));
        assert_eq!(print(&mut five, batch(&[1; 5]), (0, None), &never), Progress::Ended);
        assert_eq!(lines(&five).len(), 5);
    }

    /// Users saw: the first Ctrl-C waited until a slow reader had taken 8 MiB.
    #[test]
    fn a_signal_is_noticed_within_an_answer() {
        let batch = || batch(&[1000; 300]);
        let mut whole = printer(None);
        assert_eq!(print(&mut whole, batch(), (0, None), &Interrupt::that_has_not_come()), Progress::GoesOn);
        whole.flush().unwrap();
        assert_eq!(lines(&whole).len(), 300);
        let mut cut = printer(None);
        assert_eq!(print(&mut cut, batch(), (0, None), &Interrupt::that_has_come()), Progress::Interrupted);
        assert_eq!(lines(&cut).len(), BUFFER_BYTES.div_ceil(1004));
    }

    #[test]
    fn whole_records_are_written_at_once() {
        let mut printer = printer(None);
        print(
            &mut printer,
            batch(&[1000, 1000, 1000, 2000, 9000, 1]),
            (0, None),
            &Interrupt::that_has_not_come(),
        );
        printer.flush().unwrap();
        let lengths: Vec<usize> = printer.out.0.iter().map(Vec::len).collect();
        assert_eq!(lengths, [3 * 1004, 2004, 9004, 5]);
        assert!(pieces(&[], &[]).next().is_none());
    }
}
