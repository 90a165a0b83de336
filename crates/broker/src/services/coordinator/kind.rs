//! A kind of coordinator, as the shell has to know it besides its state machine.

use coordinator::state_machine::{Now, Outcome, Record, StateMachine};

use super::durability::Delivery;
use super::log::{RecordLog, Written};

/// A kind of coordinator: what the shell has to know of it besides its state machine.
pub(crate) trait Kind: Send + Sync + Sized + 'static {
    /// The state machine of one group, one transactional id.
    type Machine: StateMachine;
    /// The requests that wait: one [`Waiting`](super::waiting::Waiting) for each type of reply.
    type Waiting: Default + Send;

    /// Facts about a machine that metrics count.
    type Account: Default + Send;

    /// The name of the kind, for the log and for tasks.
    const NAME: &'static str;

    /// Runs `step` with what a step of that machine may look at.
    /// Called under the machine's lock: it must not step a machine.
    fn in_env<T>(&self, id: &Id<Self>, now: Now, step: impl FnOnce(EnvOf<'_, Self>) -> T) -> T;

    /// The delivery of a reply. `None`: no request waits for it any more.
    fn deliver(waiting: &mut Self::Waiting, reply: ReplyOf<Self>) -> Option<Delivery>;

    /// Takes a step into account: the machine is as it is after it. Called under the machine's lock: it must be quick.
    fn account(&self, _: &mut Self::Account, _: &Self::Machine) {}

    /// The account of a machine that was built from its records.
    fn account_of_stored(&self, _: &Self::Machine) -> Self::Account {
        Self::Account::default()
    }

    /// The records of a term are read: this is the number of its machines, resting ones included. Or, 0, they are unloaded.
    fn counted(&self, _: usize) {}

    /// Begins the write of a step. Called under the machine's lock: the write has its place in the log when this returns.
    /// A kind whose steps have effects writes them in the same group as the records.
    fn write(&self, log: &dyn RecordLog, step: StepWrite<Self>) {
        log.write(step.term, step.records, step.written);
    }
}

/// The part of a step's outcome that is to be written, all of it or nothing.
pub(crate) struct StepWrite<K: Kind> {
    /// That of the machine.
    pub(crate) term: u32,
    /// The machine's own records.
    pub(crate) records: Vec<Record>,
    /// All else that the step changes.
    pub(crate) effects: Vec<EffectOf<K>>,
    /// Is called when all of it is durable, or was not written.
    pub(crate) written: Written,
}

impl<K: Kind> StepWrite<K> {
    /// True if nothing is to be written. `written` then does nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.effects.is_empty()
    }
}

/// The id of a kind's machines.
pub(crate) type Id<K> = <<K as Kind>::Machine as StateMachine>::Id;
/// The replies of a kind's machines.
pub(super) type ReplyOf<K> = <<K as Kind>::Machine as StateMachine>::Reply;
/// The effects of a kind's machines.
pub(super) type EffectOf<K> = <<K as Kind>::Machine as StateMachine>::Effect;
/// The outcome of a step of a kind's machines.
pub(super) type OutcomeOf<K> = Outcome<ReplyOf<K>, EffectOf<K>>;

/// The surroundings that a step of a kind's machines may look at.
pub(super) type EnvOf<'a, K> = <<K as Kind>::Machine as StateMachine>::Env<'a>;
