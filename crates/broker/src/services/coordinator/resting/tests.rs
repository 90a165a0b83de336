//! Machines that come to rest and are loaded again while others ask for them: no step is lost, and none is taken on an old state.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use coordinator::record_kinds::RecordKind;
use coordinator::state_machine::{Now, Outcome, Record};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::super::durability::Delivery;
use super::super::kind::EnvOf;
use super::super::log::{EachRecord, NotLed, RecordLog, Written};
use super::*;
use crate::clock::Clock;
use crate::tasks::Tasks;

/// Counts its steps. All that it says is in its record.
struct Steps {
    id: String,
    steps: u64,
}

const KIND: RecordKind = RecordKind::Transaction;

fn key(id: &str) -> Bytes {
    [&[KIND.number()], id.as_bytes()].concat().into()
}

impl StateMachine for Steps {
    type Id = String;
    type Env<'a> = ();
    type Reply = Infallible;
    type Effect = Infallible;

    const RECORDS: &'static [RecordKind] = &[KIND];
    const RESTS: bool = true;

    fn new(id: String, _: Now) -> Steps {
        Steps { id, steps: 0 }
    }

    fn id(&self) -> &String {
        &self.id
    }

    fn owner(key: &[u8]) -> Result<String, RecordError> {
        String::from_utf8(key[1..].to_vec()).map_err(|_| RecordError::Damaged("is no text"))
    }

    fn replay(
        &mut self,
        _: Now,
        _: &[u8],
        value: &[u8],
        _: &mut Outcome<Infallible>,
    ) -> Result<(), RecordError> {
        let steps = value.try_into().map_err(|_| RecordError::Damaged("is no number"))?;
        self.steps = u64::from_be_bytes(steps);
        Ok(())
    }

    fn start(&mut self, (): (), _: &mut Outcome<Infallible>) {}

    fn tick(&mut self, (): (), _: &mut Outcome<Infallible>) {}

    /// After every fourth step: its record is removed then.
    fn is_forgettable(&self) -> bool {
        self.steps == 0
    }

    fn rests_after_ms(&self) -> Option<u32> {
        Some(0)
    }

    fn keys(id: &String) -> Vec<Bytes> {
        vec![key(id)]
    }
}

struct Kept(AtomicUsize);

impl Kind for Kept {
    type Machine = Steps;
    type Waiting = ();
    type Account = ();

    const NAME: &'static str = "steps";

    fn in_env<T>(&self, _: &String, _: Now, step: impl FnOnce(EnvOf<'_, Self>) -> T) -> T {
        step(())
    }

    fn deliver((): &mut (), reply: Infallible) -> Option<Delivery> {
        match reply {}
    }

    fn account_of_stored(&self, _: &Steps) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A log whose writes can be read some time after they were begun, and are durable after that.
#[derive(Default)]
struct LateLog {
    stored: Mutex<BTreeMap<Bytes, Bytes>>,
    begun: Mutex<VecDeque<(Vec<Record>, Written)>>,
    failed: AtomicBool,
}

impl LateLog {
    /// Ends the oldest write, if there is one.
    fn finish(&self) {
        let begun = self.begun.lock().pop_front();
        let Some((records, written)) = begun else { return };
        for Record { key, value } in records {
            match value {
                Some(value) => drop(self.stored.lock().insert(key, value)),
                None => drop(self.stored.lock().remove(&key)),
            }
        }
        written(Ok(()));
    }
}

impl RecordLog for Arc<LateLog> {
    fn term(&self) -> Result<u32, NotLed> {
        Ok(0)
    }

    fn write(&self, _: u32, records: Vec<Record>, written: Written) {
        self.begun.lock().push_back((records, written));
    }

    fn record(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        if self.failed.load(Ordering::SeqCst) {
            return Err(StorageError::Stopped);
        }
        Ok(self.stored.lock().get(key).map(|value| value.to_vec()))
    }

    fn scan(&self, _: &[u8], _: &[u8], _: EachRecord<'_>) -> Result<(), StorageError> {
        Ok(())
    }

    fn open_ms(&self) -> u64 {
        0
    }
}

fn shell_on(log: &Arc<LateLog>) -> Shell<Kept> {
    let kind = Kept(AtomicUsize::new(0));
    let shell =
        Shell::new(kind, Clock::system(), Tasks::new(), CancellationToken::new(), Box::new(Arc::clone(log)));
    shell.load(0, |_, _| Ok::<_, Infallible>(())).unwrap();
    shell
}

/// One step: the number of steps before it. Every fourth begins anew.
fn step(shell: &Shell<Kept>, id: &str) -> u64 {
    let step = shell.step(&id.to_owned(), true, |machine, (), out| {
        let before = machine.steps;
        machine.steps = (before + 1) % 4;
        let value = (machine.steps > 0).then(|| Bytes::copy_from_slice(&machine.steps.to_be_bytes()));
        out.write(Ok(Record { key: key(&machine.id), value }));
        before
    });
    step.unwrap_or_else(|missing| panic!("{missing:?}")).0
}

/// How many are in memory.
fn loaded(shell: &Shell<Kept>) -> usize {
    shell.machines.read().by_id.len()
}

#[test]
fn steps_of_many_threads_follow_each_other_while_machines_come_and_go() {
    const STEPS: u64 = 3_000;
    let log = Arc::new(LateLog::default());
    let shell = shell_on(&log);
    let (done, seen) = (AtomicBool::new(false), <[AtomicU64; 4]>::default());
    let ids = ["a", "b"];
    thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|at| {
                let (shell, seen) = (&shell, &seen);
                scope.spawn(move || {
                    for turn in 0..STEPS {
                        let before = step(shell, ids[(at + turn as usize) % 2]);
                        seen[before as usize].fetch_add(1, Ordering::SeqCst);
                        if turn % 8 == 0 {
                            thread::sleep(Duration::from_micros(50));
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                log.finish();
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                ids.iter().for_each(|id| shell.rest_if_idle(&(*id).to_owned()));
            }
        });
        for worker in workers {
            worker.join().unwrap();
        }
        done.store(true, Ordering::SeqCst);
    });
    // A step that was lost, or taken twice on one state, would make these differ.
    let seen = seen.map(AtomicU64::into_inner);
    assert_eq!(seen, [STEPS; 4]);
    assert!(shell.kind().0.load(Ordering::SeqCst) > 0, "none was ever loaded");
}

#[test]
fn a_machine_rests_only_when_all_that_it_wrote_is_durable() {
    let log = Arc::new(LateLog::default());
    let shell = shell_on(&log);
    assert_eq!(step(&shell, "a"), 0);
    let rest = || (0..2).for_each(|_| shell.rest_if_idle(&"a".to_owned()));
    rest();
    assert_eq!(loaded(&shell), 1, "its record is not there yet");
    log.finish();
    rest();
    assert_eq!(loaded(&shell), 0);
    assert_eq!(step(&shell, "a"), 1, "it is built from its record");
    (2..4).for_each(|before| assert_eq!(step(&shell, "a"), before));
    assert_eq!(loaded(&shell), 1, "the removal of its record is not there yet");
    assert_eq!(step(&shell, "a"), 0);
}

#[test]
fn a_step_or_a_look_at_what_does_not_exist_leaves_nothing_in_memory() {
    let log = Arc::new(LateLog::default());
    let shell = shell_on(&log);
    let nobody = "nobody".to_owned();
    assert_eq!(shell.view(&nobody, |_| ()).err(), Some(Missing::Absent));
    assert_eq!(shell.step(&nobody, false, |_, (), _| ()).err(), Some(Missing::Absent));
    assert!(shell.step(&nobody, true, |_, (), _| ()).is_ok(), "it is created, and forgotten at once");
    log.failed.store(true, Ordering::SeqCst);
    assert_eq!(shell.view(&nobody, |_| ()).err(), Some(Missing::Unreadable));
    assert_eq!(loaded(&shell), 0);
}

#[test]
fn one_that_is_used_does_not_rest() {
    let log = Arc::new(LateLog::default());
    let shell = shell_on(&log);
    for _ in 0..3 {
        step(&shell, "a");
        log.finish();
        shell.rest_if_idle(&"a".to_owned());
        assert_eq!(loaded(&shell), 1);
    }
    shell.rest_if_idle(&"a".to_owned());
    assert_eq!(loaded(&shell), 0);
}
