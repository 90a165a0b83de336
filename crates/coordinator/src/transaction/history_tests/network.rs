//! The way between the shard of the id and the others: ends are lost, or come late and more than once, and so do their
//! answers; a shard stands still for a while, or its broker is killed. Also after the id has gone on.

use super::super::{Ending, ShardId};
use super::world::World;
use crate::histories::Random;

/// Messages that have not arrived, or of which another copy may.
#[derive(Clone, Debug, Default)]
pub(super) struct Network {
    /// With the epoch of the coordinator that has sent it, and the number of the transaction.
    ends: Vec<(Ending, u32, u64)>,
    answers: Vec<(ShardId, u64)>,
}

/// The most messages of a kind: the oldest ones are lost first.
const KEPT: usize = 40;

impl Network {
    pub(super) fn send(&mut self, ending: Ending, coordinator_epoch: u32, transaction: u64) {
        if self.ends.len() == KEPT {
            self.ends.remove(0);
        }
        self.ends.push((ending, coordinator_epoch, transaction));
    }

    fn answer(&mut self, shard: ShardId, number: u64) {
        if self.answers.len() == KEPT {
            self.answers.remove(0);
        }
        self.answers.push((shard, number));
    }
}

fn pick(random: &mut Random, count: usize) -> Option<usize> {
    usize::try_from(random.next().checked_rem(count as u64)?).ok()
}

impl World {
    /// One message arrives, or is lost.
    pub(super) fn step_network(&mut self, random: &mut Random) {
        // Of one that arrives another copy may be under way.
        let (lost, copied) = (random.one_in(6), random.one_in(4));
        if random.one_in(2) {
            let Some(nth) = pick(random, self.network().ends.len()) else { return };
            let (ending, coordinator_epoch, transaction) = self.network().ends[nth].clone();
            if lost || !copied {
                self.network().ends.swap_remove(nth);
            }
            if !lost && self.apply(&ending, transaction, coordinator_epoch) {
                self.network().answer(ending.shard, ending.number);
            }
        } else {
            let Some(nth) = pick(random, self.network().answers.len()) else { return };
            let (shard, number) = self.network().answers[nth];
            if lost || !copied {
                self.network().answers.swap_remove(nth);
            }
            if !lost {
                self.answered(shard, number);
            }
        }
    }

    /// All that is under way arrives, in any order, until nothing is.
    pub(super) fn drain_network(&mut self, random: &mut Random) {
        while !self.network().ends.is_empty() || !self.network().answers.is_empty() {
            self.step_network(random);
        }
    }

    /// The links are cut: all that is under way is lost, perhaps.
    pub(super) fn cut_network(&mut self, random: &mut Random) {
        self.network().ends.retain(|_| random.one_in(2));
        self.network().answers.retain(|_| random.one_in(2));
    }
}
