//! A transaction over two shards, each a folder of its own, with a crash at every write and every sync of either while it ends:
//! both have the same end in the end, once, whatever was lost between the steps (ADR 15). The state machine of the coordinator
//! crate decides; this file is its shell.

mod shell;

use coordinator::transaction::{Ending, Protocol};
use storage::{CrashPoint, Isolation, Operation, ReadLimits};

use self::shell::{Coordinator, OWN, Side, has_record};
use crate::common::batches;

const COMMITTED: ReadLimits =
    ReadLimits { max_bytes: usize::MAX, at_least_one: true, isolation: Isolation::ReadCommitted };

/// A storage has stopped: a crash that was asked for.
struct Stopped;

/// The end that is asked for, and by which protocol.
#[derive(Clone, Copy, Debug)]
struct Way {
    protocol: Protocol,
    commit: bool,
}

/// Both shards, the coordinator in the first one, and what is under way between them.
struct World {
    sides: [Side; 2],
    coordinator: Coordinator,
    /// Handed out, and not answered as far as this process knows.
    under_way: Vec<Ending>,
    /// Every end that was ever handed out.
    sent: Vec<Ending>,
    /// The client was told of the end.
    answered: bool,
}

impl World {
    /// A transaction with a batch in either shard, and offsets in the second one.
    fn open(protocol: Protocol) -> World {
        let sides = [Side::new(), Side::new()];
        let coordinator = Coordinator::new(&sides[0]);
        let mut world =
            World { sides, coordinator, under_way: Vec::new(), sent: Vec::new(), answered: false };
        world.begin(protocol);
        world
    }

    fn begin(&mut self, protocol: Protocol) {
        let joined = self.coordinator.join(&self.sides, protocol);
        assert!(joined.is_some(), "nothing crashes yet");
        for side in &self.sides {
            side.append_in_transaction(self.coordinator.producer());
        }
        self.sides[1].stage_offsets();
    }

    /// Sends the end until it is answered, and brings what follows from it to the other shard and back.
    fn finish(&mut self, way: Way) -> Result<(), Stopped> {
        if !self.answered {
            let handed_out = self.coordinator.end(&self.sides[0], way.protocol, way.commit);
            self.send(handed_out.ok_or(Stopped)?);
            self.answered = true;
        }
        while let Some(ending) = self.under_way.first().cloned() {
            assert_ne!(ending.shard, OWN);
            let epoch = self.coordinator.epoch;
            self.sides[1].apply(&ending, epoch).ok_or(Stopped)?;
            self.coordinator.applied(&self.sides[0], &ending).ok_or(Stopped)?;
            self.under_way.remove(0);
        }
        Ok(())
    }

    fn send(&mut self, endings: Vec<Ending>) {
        self.sent.extend(endings.iter().cloned());
        self.under_way.extend(endings);
    }

    /// Starts what has stopped. What was under way is lost; the coordinator hands it out again.
    fn recover(&mut self, power: bool, context: &str) {
        let [first, second] = [&self.sides[0], &self.sides[1]].map(Side::is_stopped);
        assert!(first || second, "{context}: failed without a crash");
        self.under_way.clear();
        if second {
            self.sides[1].reopen(power);
        }
        let handed_out = if first {
            self.sides[0].reopen(power);
            let (coordinator, handed_out) = Coordinator::load(&self.sides[0], &self.coordinator);
            self.coordinator = coordinator;
            handed_out
        } else {
            self.coordinator.wait(&self.sides[0])
        };
        assert!(!self.answered || !self.coordinator.is_open(), "{context}: an answered end is lost");
        // One that was not answered, and happened, is resumed all the same.
        self.answered |= !self.coordinator.is_open();
        self.send(handed_out);
    }

    /// Both shards show the whole end, once.
    fn check(&self, way: Way, context: &str) {
        let state = if way.commit { "CompleteCommit" } else { "CompleteAbort" };
        assert_eq!(self.coordinator.state(), state, "{context}");
        for side in &self.sides {
            let partition = side.partition();
            // A batch of one record, one of two in the transaction, and one marker.
            assert_eq!((partition.log_end_offset(), partition.last_stable_offset()), (4, 4), "{context}");
            let found = side.storage().shard().read(&partition, 0, COMMITTED).unwrap();
            assert_eq!(found.aborted.len(), usize::from(!way.commit), "{context}");
            assert_eq!(batches(found).len(), 3, "{context}");
        }
        let offsets = ["pending", "committed"].map(|key| has_record(&self.sides[1], key));
        assert_eq!(offsets, [false, way.commit], "{context}: offsets");
    }

    /// Ends that come late change nothing, neither now nor while the next transaction is open.
    fn check_late(&mut self, way: Way, context: &str) {
        self.begin(way.protocol);
        let epoch = self.coordinator.epoch;
        for ending in std::mem::take(&mut self.sent) {
            assert!(self.sides[1].apply(&ending, epoch).is_some());
            assert!(self.coordinator.applied(&self.sides[0], &ending).is_some());
        }
        assert!(self.coordinator.is_open(), "{context}: an old answer has ended the next transaction");
        for side in &self.sides {
            let partition = side.partition();
            assert_eq!((partition.log_end_offset(), partition.last_stable_offset()), (6, 4), "{context}");
        }
        assert!(has_record(&self.sides[1], "pending"), "{context}: offsets of the next transaction");
        self.answered = false;
        let next = Way { commit: !way.commit, ..way };
        assert!(self.finish(next).is_ok(), "{context}");
        for side in &self.sides {
            let partition = side.partition();
            assert_eq!((partition.log_end_offset(), partition.last_stable_offset()), (7, 7), "{context}");
        }
    }
}

/// Every protocol, decision, shard, operation and side of it, with and without the loss of what was not synced.
fn all() -> impl Iterator<Item = (Way, usize, Operation, bool, bool)> {
    let ways = [Protocol::V1, Protocol::V2]
        .into_iter()
        .flat_map(|protocol| [true, false].map(|commit| Way { protocol, commit }));
    ways.flat_map(|way| [0, 1].map(|side| (way, side)))
        .flat_map(|(way, side)| {
            [Operation::Write, Operation::Sync, Operation::WriteFile, Operation::SyncFile]
                .map(|operation| (way, side, operation))
        })
        .flat_map(|(way, side, operation)| [false, true].map(|after| (way, side, operation, after)))
        .flat_map(|(way, side, operation, after)| {
            [false, true].map(|power| (way, side, operation, after, power))
        })
}

#[test]
fn a_crash_at_any_write_of_either_shard_leaves_one_end_in_both() {
    let mut crashes = 0;
    for (way, side, operation, after, power) in all() {
        for number in 1.. {
            let point = CrashPoint { operation, number, after };
            let context = format!("{way:?}, shard {side}, {point:?}, power cut: {power}");
            let mut world = World::open(way.protocol);
            world.sides[side].faults.crash_at(Some(point));
            let mut crashed = false;
            while world.finish(way).is_err() {
                assert!(!crashed, "{context}: crashes twice");
                crashed = true;
                world.recover(power, &context);
            }
            world.sides[side].faults.crash_at(None);
            // It may have come after the last answer.
            if world.sides[side].is_stopped() {
                crashed = true;
                world.recover(power, &context);
                assert!(world.finish(way).is_ok(), "{context}");
            }
            world.check(way, &context);
            world.check_late(way, &context);
            world.close();
            if !crashed {
                break;
            }
            crashes += 1;
        }
    }
    assert!(crashes >= 64, "{crashes} crashes");
}
