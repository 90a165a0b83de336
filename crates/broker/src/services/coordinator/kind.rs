//! A kind of coordinator, as the shell has to know it besides its state machine.

use coordinator::state_machine::{Now, Outcome, StateMachine};

use super::durability::Delivery;

/// A kind of coordinator: what the shell has to know of it besides its state machine.
pub(crate) trait Kind: Send + Sync + Sized + 'static {
    /// The state machine of one group, one transactional id.
    type Machine: StateMachine;
    /// The requests that wait: one [`Waiting`](super::waiting::Waiting) for each type of reply.
    type Waiting: Default + Send;

    /// The name of the kind, for the log and for tasks.
    const NAME: &'static str;

    /// Runs `step` with what a step of that machine may look at.
    /// Called under the machine's lock: it must not step a machine.
    fn in_env<T>(&self, id: &Id<Self>, now: Now, step: impl FnOnce(EnvOf<'_, Self>) -> T) -> T;

    /// The delivery of a reply. `None`: no request waits for it any more.
    fn deliver(waiting: &mut Self::Waiting, reply: ReplyOf<Self>) -> Option<Delivery>;
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
