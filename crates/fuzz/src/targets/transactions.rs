//! The records that transactional ids store.

use coordinator::state_machine::{Now, RecordError, StateMachine as _};
use coordinator::transaction::records::Key;
use coordinator::transaction::{
    EndRequest, Env, InitRequest, Outcome, ProducerId, Protocol, Sender, ShardId, TransactionConfig,
    TransactionMachine, participant,
};

use super::{MIB, kind};
use crate::Target;

/// Keys and values of every kind of stored record; the first byte chooses.
pub(super) const RECORD: Target =
    Target { name: "transaction_record", run: record, seeds: record_seeds, memory: |len| MIB + 64 * len };

const NOW: Now = Now { monotonic_ms: 1_000, unix_ms: 1_000_000, open_ms: 2_000 };

/// Reads a key, or a value of the kind that the first byte chooses.
fn record(data: &[u8]) -> String {
    let Some((choice, bytes)) = data.split_first() else { return "no choice".to_owned() };
    let read = match choice % 5 {
        0 => key(bytes),
        1 => live(bytes),
        2 => joined(&[&[9][..], &string("x"), &[0; 20]].concat(), bytes),
        4 => participant::decode(bytes).map(drop),
        _ => joined(&[&[10][..], &string("x"), &string("g")].concat(), bytes),
    };
    format!("{} {}", choice % 5, read.map_or_else(|error| kind(&error), |()| "read".to_owned()))
}

/// Reads a key, and checks that it names the same owner as its beginning does.
fn key(bytes: &[u8]) -> Result<(), RecordError> {
    let (Key::Transaction { id } | Key::Partition { id, .. } | Key::Group { id, .. }) = Key::decode(bytes)?;
    assert_eq!(TransactionMachine::owner(bytes).as_ref(), Ok(&id));
    Ok(())
}

/// Reads a value, and has the id that it describes live on: whatever was stored, no step may panic.
fn live(value: &[u8]) -> Result<(), RecordError> {
    let mut machine = TransactionMachine::new("x".into(), NOW);
    let mut out = Outcome::default();
    machine.replay(NOW, &[&[8][..], &string("x")].concat(), value, &mut out)?;
    let config = TransactionConfig::default();
    let env = Env { now: NOW, config: &config, shard: ShardId::default() };
    machine.start(env, &mut out);
    machine.tick(env, &mut out);
    for protocol in [Protocol::V2, Protocol::V1] {
        let Ok(description) = machine.describe() else { break };
        let sender = Sender { producer: description.producer, connection: 1 };
        let fresh = Some(ProducerId(7));
        // Refusals are as good as answers.
        let _ = machine.produce(env, sender, &[], protocol, &mut out);
        let _ = machine.end(env, EndRequest { sender, commit: true, protocol, fresh }, &mut out);
        let request = InitRequest { timeout_ms: 1_000, producer: Some(description.producer), fresh };
        let _ = machine.init_producer_id(env, request, &mut out);
        let _ = machine.init_producer_id(env, InitRequest { producer: None, ..request }, &mut out);
    }
    Ok(())
}

/// Reads the value of a participant of an open transaction.
fn joined(key: &[u8], value: &[u8]) -> Result<(), RecordError> {
    let mut machine = TransactionMachine::new("x".into(), NOW);
    let mut out = Outcome::default();
    machine.replay(NOW, &[&[8][..], &string("x")].concat(), &transaction(1), &mut out)?;
    machine.replay(NOW, key, value, &mut out)?;
    let description = machine.describe().expect("its record was read");
    assert_eq!(description.partitions.len() + description.groups.len(), 1);
    Ok(())
}

/// The parts of the layouts in `coordinator::transaction::records`.
fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat()
}

/// The value of a transaction in a state.
fn transaction(state: u8) -> Vec<u8> {
    let producer = [0, 0, 0, 0, 0, 0, 0, 5, 0x7f, 0xfe];
    [&[0, state][..], &producer, &[1], &producer, &[0, 0, 0x10, 0], &[0; 16]].concat()
}

/// The value of a transaction whose end is decided.
fn prepared(state: u8, cause: u8) -> Vec<u8> {
    let mut value = transaction(state);
    value[0] = 1;
    [&value[..], &[0, 0, 0, 0, 0, 0, 0, 5, 0x7f, 0xfe], &[0x7f, 0xff, cause], &[0; 8]].concat()
}

/// One sound key and value of each kind.
fn record_seeds() -> Vec<Vec<u8>> {
    let id = string("x");
    let mut all: Vec<Vec<u8>> = [0, 1, 4, 5].map(|state| [&[1][..], &transaction(state)].concat()).to_vec();
    // Those whose end is decided, by each cause.
    all.extend(
        [(2, 0), (3, 1), (3, 2), (3, 3)].map(|(state, cause)| [&[1][..], &prepared(state, cause)].concat()),
    );
    all.extend([
        [&[4][..], &[0; 23]].concat(),
        [&[2, 0][..], &[0; 4], &string("topic")].concat(),
        vec![3, 0, 0, 0, 0, 0],
        [&[0, 8][..], &id].concat(),
        [&[0, 9][..], &id, &[0; 20]].concat(),
        [&[0, 10][..], &id, &string("group")].concat(),
    ]);
    all
}
