//! The states of a transactional id, by Kafka's names and numbers.

/// A state of a transactional id.
/// Kafka's `TransactionState`, without Dead and PrepareEpochFence, in which no id is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionState {
    /// Its producer has begun nothing since its InitProducerId.
    Empty,
    /// A transaction is open.
    Ongoing,
    /// The last transaction is to be committed; other shards have not written their part of the end yet.
    PrepareCommit,
    /// The last transaction is to be aborted; other shards have not written their part of the end yet.
    PrepareAbort,
    /// The last transaction was committed.
    CompleteCommit,
    /// The last transaction was aborted.
    CompleteAbort,
}

/// Kafka's names of states in which no transactional id is here, but which a client may ask for.
const OTHER_NAMES: [&str; 2] = ["Dead", "PrepareEpochFence"];

impl TransactionState {
    /// Every state.
    pub const ALL: [TransactionState; 6] = [
        TransactionState::Empty,
        TransactionState::Ongoing,
        TransactionState::PrepareCommit,
        TransactionState::PrepareAbort,
        TransactionState::CompleteCommit,
        TransactionState::CompleteAbort,
    ];

    /// Kafka's number of the state, also in records.
    pub fn number(self) -> u8 {
        match self {
            TransactionState::Empty => 0,
            TransactionState::Ongoing => 1,
            TransactionState::PrepareCommit => 2,
            TransactionState::PrepareAbort => 3,
            TransactionState::CompleteCommit => 4,
            TransactionState::CompleteAbort => 5,
        }
    }

    /// Kafka's name of the state.
    pub fn name(self) -> &'static str {
        match self {
            TransactionState::Empty => "Empty",
            TransactionState::Ongoing => "Ongoing",
            TransactionState::PrepareCommit => "PrepareCommit",
            TransactionState::PrepareAbort => "PrepareAbort",
            TransactionState::CompleteCommit => "CompleteCommit",
            TransactionState::CompleteAbort => "CompleteAbort",
        }
    }

    /// True for the name of any state that Kafka has, also of one that no id is in here.
    pub fn is_known(name: &str) -> bool {
        TransactionState::named(name).is_some() || OTHER_NAMES.contains(&name)
    }

    /// The state of that name. `None`: no id is in it.
    pub fn named(name: &str) -> Option<TransactionState> {
        TransactionState::ALL.into_iter().find(|state| state.name() == name)
    }

    /// The state of that number.
    pub fn numbered(number: u8) -> Option<TransactionState> {
        TransactionState::ALL.into_iter().find(|state| state.number() == number)
    }

    /// The state of an end that is decided.
    pub(super) fn prepare(commit: bool) -> TransactionState {
        if commit { TransactionState::PrepareCommit } else { TransactionState::PrepareAbort }
    }

    /// The state that an end leaves.
    pub(super) fn complete(commit: bool) -> TransactionState {
        if commit { TransactionState::CompleteCommit } else { TransactionState::CompleteAbort }
    }

    /// The last transaction has ended, and nothing was begun since.
    pub(super) fn is_complete(self) -> bool {
        matches!(self, TransactionState::CompleteCommit | TransactionState::CompleteAbort)
    }

    /// An end is decided, and not written in every shard yet.
    pub(super) fn is_prepared(self) -> bool {
        matches!(self, TransactionState::PrepareCommit | TransactionState::PrepareAbort)
    }
}
