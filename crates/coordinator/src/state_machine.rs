//! The common part of all coordinators' state machines: the input and the outcome of a step, and the trait by which
//! one shell hosts every kind of them.
//!
//! A step is one call of a machine's own method: a request, [`StateMachine::tick`], or the start. It changes the machine
//! at once and adds to an [`Outcome`] what must follow. The shell writes the `records` of a machine, and in the same write
//! its `effects`, in the order of its steps, sends `replies` only when they and all earlier records of the machine are durable, and calls `tick` at `wake_at`
//! at the latest. A restart builds the machine from its records ([`StateMachine::replay`]), so whatever a record can say
//! must always equal what the records written so far say (ADR 5).

use std::{
    convert::Infallible,
    fmt::{self, Debug, Display},
    hash::{Hash, Hasher},
    marker::PhantomData,
};

use bytes::Bytes;
use codec::cursor::ReadError;

use crate::record_kinds::RecordKind;

/// The time of a step, read once by the caller.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Milliseconds on a clock that never goes back: deadlines.
    pub monotonic_ms: u64,
    /// Milliseconds since the Unix epoch: timestamps that are stored.
    pub unix_ms: i64,
    /// Milliseconds for which the folder was open (ADR 3): deadlines that are stored.
    /// It never goes back, over restarts too, and runs as fast as the monotonic clock.
    pub open_ms: u64,
}

impl Now {
    /// The deadline `after_ms` from now.
    /// On the monotonic clock, milliseconds. One that would overflow is as far away as a number can say.
    pub fn deadline(self, after_ms: u32) -> u64 {
        self.monotonic_ms.saturating_add(u64::from(after_ms))
    }

    /// A deadline of the open clock, on the monotonic one.
    /// Now, if it has passed.
    pub fn deadline_of_open(self, open_ms: u64) -> u64 {
        self.monotonic_ms.saturating_add(open_ms.saturating_sub(self.open_ms))
    }
}

/// A durable write: a value under a key, or (`None`) the removal of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its first byte is the [`RecordKind`].
    pub key: Bytes,
    /// The bytes that the kind's format describes.
    pub value: Option<Bytes>,
}

/// A stored record that this version cannot read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer broker.
    /// Holds its version. It is not read as if it had the known one: to guess would move offsets.
    #[error("the record has format version {0}, which is newer than this broker understands")]
    NewerVersion(u8),
    /// The bytes are not what was written.
    #[error("the record is damaged: it {0}")]
    Damaged(&'static str),
    /// Bytes are missing, left over, or have no meaning where they are.
    /// The error says at which byte.
    #[error("the record is damaged: {0}")]
    Layout(#[from] ReadError),
}

/// A record that cannot be stored, since a part of it is longer than [`limits`](crate::limits) allow. Requests are checked
/// against the same limits when they arrive, so a step meets this only when many of them add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record cannot be written: {what} has length {length}, and at most {limit} can be stored")]
pub struct TooLong {
    /// The part of the record.
    pub what: &'static str,
    /// Its length, bytes or entries.
    pub length: usize,
    /// The most that is allowed.
    pub limit: usize,
}

/// Names a request that waits for its reply, and fixes the type of that reply.
pub struct Waiter<T> {
    number: u64,
    // `fn() -> T`, since a waiter holds no reply: it can be sent to any thread, whatever the reply is.
    reply: PhantomData<fn() -> T>,
}

impl<T> Waiter<T> {
    /// The waiter with that number. The caller never uses a number twice.
    pub fn new(number: u64) -> Waiter<T> {
        Waiter { number, reply: PhantomData }
    }
}

// Derived, these would ask the same of the reply.
impl<T> Clone for Waiter<T> {
    fn clone(&self) -> Waiter<T> {
        *self
    }
}

impl<T> Copy for Waiter<T> {}

impl<T> PartialEq for Waiter<T> {
    fn eq(&self, other: &Waiter<T>) -> bool {
        self.number == other.number
    }
}

impl<T> Eq for Waiter<T> {}

impl<T> Hash for Waiter<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl<T> Debug for Waiter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Waiter({})", self.number)
    }
}

/// All that follows from one step: `R` are the machine's replies, `E` its effects.
#[derive(Debug)]
#[must_use]
pub struct Outcome<R, E = Infallible> {
    /// To be made durable, together.
    /// Of two records with one key the later wins.
    pub records: Vec<Record>,
    /// To be written in one group with the records: what happens outside the machine.
    pub effects: Vec<E>,
    /// A record of this step could not be encoded. Nothing of the step may be written or sent: what the machine says now is
    /// not what a restart would find.
    pub too_long: Option<TooLong>,
    /// Replies to waiting requests, to be sent when the records are durable.
    pub replies: Vec<R>,
    /// The earliest deadline that this step set, on the monotonic clock. A deadline set earlier may have moved
    /// back or vanished meanwhile: waking too early is harmless, too late is not.
    pub wake_at: Option<u64>,
}

impl<R, E> Default for Outcome<R, E> {
    fn default() -> Outcome<R, E> {
        Outcome {
            records: Vec::new(),
            effects: Vec::new(),
            too_long: None,
            replies: Vec::new(),
            wake_at: None,
        }
    }
}

impl<R, E> Outcome<R, E> {
    /// Adds a record, or notes that it could not be encoded.
    /// The encoding fails for the step as a whole: see `too_long`.
    pub fn write(&mut self, record: Result<Record, TooLong>) {
        match record {
            Ok(record) => self.records.push(record),
            Err(too_long) => self.too_long = Some(too_long),
        }
    }

    /// Asks to be woken at `deadline` at the latest.
    /// Of several calls the earliest deadline counts.
    pub fn wake(&mut self, deadline: u64) {
        self.wake_at = Some(self.wake_at.map_or(deadline, |at| at.min(deadline)));
    }
}

/// A state machine that the shell can host: one group, one transactional id.
///
/// Requests are methods of the machine's own, each with its own reply type: what the request is answered with at once is
/// the method's result; a request that may wait gets a [`Waiter`] of its reply's type.
pub trait StateMachine: Sized + Send + 'static {
    /// Names a machine among those of its kind.
    type Id: Clone + Debug + Display + Eq + Hash + Ord + Send + Sync + 'static;
    /// The surroundings that a step may look at: the time, the configuration, the topics.
    type Env<'a>: Copy;
    /// A reply together with its waiter: one variant for each request that may wait.
    type Reply: Send + 'static;
    /// An effect outside the machine that is written together with a step's records; [`Infallible`] if there is none.
    type Effect: Send + 'static;

    /// The records that machines of this kind write, in the order in which they are replayed.
    const RECORDS: &'static [RecordKind];
    /// Machines of this kind rest: the shell drops one that no request needs, and builds it from its records when it is asked
    /// for. Its records then have to say all of it, except what [`rests_after_ms`](Self::rests_after_ms) waits for.
    const RESTS: bool = false;

    /// A machine of which nothing is stored yet.
    /// It has no deadline yet.
    fn new(id: Self::Id, now: Now) -> Self;

    /// The machine's own id.
    fn id(&self) -> &Self::Id;

    /// The id of the machine to which a stored record belongs.
    ///
    /// # Errors
    /// If the key is too damaged to tell.
    fn owner(key: &[u8]) -> Result<Self::Id, RecordError>;

    /// Applies a stored record. The records of a machine come in the order of [`RECORDS`](Self::RECORDS), those of one kind
    /// in the order of their keys.
    ///
    /// # Errors
    /// If the record cannot be read. The machine is then to be thrown away.
    fn replay(
        &mut self,
        now: Now,
        key: &[u8],
        value: &[u8],
        out: &mut Outcome<Self::Reply, Self::Effect>,
    ) -> Result<(), RecordError>;

    /// Starts the clocks, after the last record.
    /// Called once, and only for a machine that was built from records.
    fn start(&mut self, env: Self::Env<'_>, out: &mut Outcome<Self::Reply, Self::Effect>);

    /// Acts on every deadline that has passed, and asks to be woken at the next one.
    /// Harmless before any deadline; the shell calls it at [`Outcome::wake_at`].
    fn tick(&mut self, env: Self::Env<'_>, out: &mut Outcome<Self::Reply, Self::Effect>);

    /// True if nothing is lost when the machine is dropped: no record and no client depends on it.
    /// Asked after every step; the shell then drops the machine, and a later request begins with a new one.
    fn is_forgettable(&self) -> bool;

    /// The time without a step after which the machine may rest, ms; `None`: it stays in memory in its present state.
    fn rests_after_ms(&self) -> Option<u32> {
        None
    }

    /// The beginnings of the keys of its records, in the order in which they are replayed. The first is the whole key of the record
    /// without which there are no others; a machine that may rest has no others either. None for an id of which no record can exist.
    fn keys(_: &Self::Id) -> Vec<Bytes> {
        Vec::new()
    }
}
