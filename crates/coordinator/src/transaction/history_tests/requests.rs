//! Requests and answers of the histories, as values.

use super::super::{
    ProducerIdAndEpoch, Protocol, Sender, TransactionError,
    testing::{Bench, group_in, partition_in},
};

#[derive(Clone, Debug)]
pub(super) enum Request {
    Init { timeout_ms: u32, named: Option<ProducerIdAndEpoch> },
    AddPartitions(Vec<i32>),
    AddOffsets(String),
    Produce(Vec<i32>, Protocol),
    Offsets(String, Protocol),
    End { commit: bool, protocol: Protocol },
}

/// A request on its way.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// The client that has sent it.
    pub(super) client: u64,
    /// The client's own number of the transaction for which it was sent.
    pub(super) transaction: u64,
    pub(super) sender: Sender,
    pub(super) request: Request,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Producer(ProducerIdAndEpoch),
    /// For each partition: it may be written.
    Partitions(Vec<bool>),
    Done,
    Refused(TransactionError),
}

fn answer<T>(result: Result<T, TransactionError>, ok: impl FnOnce(T) -> Answer) -> Answer {
    result.map_or_else(Answer::Refused, ok)
}

/// The shards over which the partitions and groups of a history are spread; the id is in the first one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Layout {
    /// At least one.
    pub(super) shards: u32,
}

impl Layout {
    pub(super) fn of_partition(self, number: i32) -> u32 {
        number.unsigned_abs() % self.shards.max(1)
    }

    /// Groups are called g0, g1 and so on.
    pub(super) fn of_group(self, id: &str) -> u32 {
        id.bytes().map(u32::from).sum::<u32>() % self.shards.max(1)
    }
}

/// Has the machine serve a request.
pub(super) fn serve(bench: &mut Bench, layout: Layout, sent: &Sent) -> Answer {
    let sender = sent.sender;
    let part = |number: &i32| partition_in(layout.of_partition(*number), *number);
    let refs = |numbers: &[i32]| numbers.iter().map(part).collect::<Vec<_>>();
    let group = |id: &str| group_in(layout.of_group(id), id);
    match &sent.request {
        Request::Init { timeout_ms, named } => answer(bench.init_with(*timeout_ms, *named), Answer::Producer),
        Request::AddPartitions(numbers) => {
            answer(bench.add_partitions(sender, &refs(numbers)), |()| Answer::Done)
        }
        Request::AddOffsets(id) => answer(bench.add_offsets(sender, &group(id)), |()| Answer::Done),
        Request::Produce(numbers, protocol) => {
            let allowed = |results: Vec<Result<(), TransactionError>>| {
                Answer::Partitions(results.iter().map(Result::is_ok).collect())
            };
            answer(bench.produce(sender, &refs(numbers), *protocol), allowed)
        }
        Request::Offsets(id, protocol) => {
            answer(bench.txn_offset_commit(sender, &group(id), *protocol), |()| Answer::Done)
        }
        Request::End { commit, protocol } => answer(bench.end(sender, *protocol, *commit), Answer::Producer),
    }
}
