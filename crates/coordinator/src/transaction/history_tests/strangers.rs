//! Requests of any sender, right or wrong, in any order: nothing is promised to them but the answers of the model.

use super::super::{
    ProducerId, ProducerIdAndEpoch,
    Protocol::{V1, V2},
    Sender, ShardId,
    testing::{FIRST_ID, TIMEOUT_MS, producer},
};
use super::requests::{Layout, Request, Sent};
use super::world::World;
use crate::histories::Random;

const STEPS: usize = 100;

pub(super) fn play(mut random: Random) {
    let epoch = random.one_in(2).then(|| i16::try_from(32_766 - random.below(4)).unwrap());
    let shards = if random.one_in(2) { 1 } else { 3 };
    let mut world = World::new(epoch.map(|epoch| producer(FIRST_ID, epoch)), Layout { shards });
    if random.one_in(3) {
        world.set_expiration(u64::from(TIMEOUT_MS) * 2);
    }
    for _ in 0..STEPS {
        match random.below(40) {
            0 => world.compare_restart(),
            1..3 => world.compare_pass(random.below(u64::from(TIMEOUT_MS) * 3 / 2)),
            3..10 => {
                let shard = u32::try_from(random.below(4)).unwrap();
                // That of the end under way, or another.
                let number = world.number_of_end() - random.below(2);
                world.compare_answer(ShardId(shard), number);
            }
            _ => {
                let sent = any_request(&mut random, &world.producers());
                world.compare(&sent);
            }
        }
    }
}

fn any_request(random: &mut Random, known: &[ProducerIdAndEpoch]) -> Sent {
    let protocol = if random.one_in(2) { V1 } else { V2 };
    let partitions = (0..3).filter(|_| random.one_in(2)).collect();
    let group = format!("g{}", random.below(2));
    let request = match random.below(12) {
        0..2 => {
            let named = random.one_in(2).then(|| any_producer(random, known));
            Request::Init { timeout_ms: TIMEOUT_MS, named }
        }
        2 => Request::AddPartitions(partitions),
        3 => Request::AddOffsets(group),
        4..6 => Request::Produce(partitions, protocol),
        6 => Request::Offsets(group, protocol),
        _ => Request::End { commit: random.one_in(2), protocol },
    };
    let sender = Sender { producer: any_producer(random, known), connection: 1 + random.below(3) };
    Sent { client: 0, transaction: 0, sender, request }
}

/// Mostly the current producer, or the one before it; else another epoch or another producer id.
fn any_producer(random: &mut Random, known: &[ProducerIdAndEpoch]) -> ProducerIdAndEpoch {
    let Some(nth) = random.next().checked_rem(known.len() as u64) else { return producer(5, 0) };
    let one = if random.one_in(2) { known[0] } else { known[usize::try_from(nth).unwrap()] };
    match random.below(8) {
        0 => ProducerIdAndEpoch { epoch: one.epoch.saturating_add(1), ..one },
        1 => ProducerIdAndEpoch { epoch: (one.epoch - 1).max(0), ..one },
        2 => ProducerIdAndEpoch { id: ProducerId(one.id.0 + 1), ..one },
        _ => one,
    }
}
