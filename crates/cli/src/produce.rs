//! `ottla produce`: records from standard input or a file, in batches, acknowledged before it ends.
//!
//! A thread reads the input; the records wait in a bounded queue. Batches are sent when one is full or the input pauses. The producer is not idempotent:
//! a batch without an answer is reported, not sent again. `console` is the same by Kafka's name.

mod arguments;
mod batches;
mod console;
mod partitioner;
mod producer;
mod queue;
mod send;
mod topics;

use std::thread;

pub(crate) use arguments::ProduceArguments;
pub(crate) use console::Console;
use producer::{End, Producer};
use queue::{Read, queue};
use send::Wishes;

use crate::client::{Cluster, Leaders};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output;
use crate::record::Reader;

pub(crate) fn run(arguments: &ProduceArguments) -> Result<String, Failure> {
    let plan = arguments.plan()?;
    let leaders = Leaders::of(Cluster::connect(&arguments.target)?);
    let wishes = Wishes::of(plan.acks, plan.compression, &leaders);
    let print = if arguments.verbose { output::print } else { |_: &str| Ok(()) };
    let mut producer = Producer::new(leaders, plan.defaults, plan.compression, wishes, print);
    // Before the first record: a topic that is missing is reported at once.
    producer.check_topic()?;
    send_all(producer, Reader::new(plan.stream, plan.input)).map(|()| String::new())
}

/// Sends the records of the input until it ends. A signal ends the process, once those are sent that wait.
fn send_all(
    mut producer: Producer,
    mut input: impl Iterator<Item = Read> + Send + 'static,
) -> Result<(), Failure> {
    let (mut sender, mut records) = queue();
    let read = move || input.try_for_each(|record| sender.put(record));
    // It ends with the process: a read of a terminal cannot be woken.
    thread::Builder::new()
        .name("input".to_owned())
        .spawn(read)
        .map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))?;
    // Until here a signal ends the process by itself.
    let interrupt = Interrupt::watch()?;
    match producer.run(&mut records, &interrupt)? {
        End::Whole => Ok(()),
        End::Interrupted => {
            eprintln!("ottla: interrupted (acknowledged records: {})", producer.acknowledged());
            Err(interrupt.end())
        }
    }
}
