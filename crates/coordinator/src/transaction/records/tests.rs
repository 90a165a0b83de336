//! The bytes are a contract with data written by earlier releases: they are compared literally.

use super::super::testing::producer;
use super::*;
use crate::limits::MAX_STRING_BYTES;

const TOPIC: Uuid = Uuid::from_u128(0x1111_2222_3333_4444_5555_6666_7777_8888);

fn id() -> TransactionalId {
    TransactionalId::from("x")
}

fn transaction() -> Transaction {
    Transaction {
        identity: ProducerIdentity { current: producer(1_001, 0), last: Some(producer(1_000, 32_766)) },
        state: TransactionState::Ongoing,
        decision: None,
        timeout_ms: 60_000,
        since_open_ms: 0x0102_0304_0506_0708,
        started_at_ms: 0x0203_0405_0607_0809,
        participants: Participants::default(),
    }
}

const TRANSACTION_V0: &[u8] = b"\x00\x01\
    \x00\x00\x00\x00\x00\x00\x03\xe9\x00\x00\
    \x01\x00\x00\x00\x00\x00\x00\x03\xe8\x7f\xfe\
    \x00\x00\xea\x60\
    \x01\x02\x03\x04\x05\x06\x07\x08\
    \x02\x03\x04\x05\x06\x07\x08\x09";

const EMPTY_V0: &[u8] = b"\x00\x00\
    \x00\x00\x00\x00\x00\x00\x00\x05\x00\x03\
    \x00\
    \x00\x00\x03\xe8\
    \x00\x00\x00\x00\x00\x00\x00\x07\
    \xff\xff\xff\xff\xff\xff\xff\xff";

/// One whose end is decided.
const PREPARED_V1: &[u8] = b"\x01\x02\
    \x00\x00\x00\x00\x00\x00\x03\xe9\x00\x00\
    \x01\x00\x00\x00\x00\x00\x00\x03\xe8\x7f\xfe\
    \x00\x00\xea\x60\
    \x01\x02\x03\x04\x05\x06\x07\x08\
    \x02\x03\x04\x05\x06\x07\x08\x09\
    \x00\x00\x00\x00\x00\x00\x03\xe8\x7f\xfe\
    \x7f\xff\
    \x00\
    \x03\x04\x05\x06\x07\x08\x09\x0a";

fn prepared() -> Transaction {
    let decision = Decision {
        producer: producer(1_000, 32_766),
        marker_epoch: 32_767,
        cause: EndCause::Producer,
        duration_ms: 0x0304_0506_0708_090a,
    };
    Transaction { state: TransactionState::PrepareCommit, decision: Some(decision), ..transaction() }
}

#[test]
fn a_decided_end_has_its_golden_bytes() {
    assert_eq!(prepared().record(&id()).unwrap().value.as_deref(), Some(PREPARED_V1));
    assert_eq!(decode_transaction(PREPARED_V1), Ok(prepared()));
    let cause_at = PREPARED_V1.len() - 9;
    for (number, cause) in
        [(0, EndCause::Producer), (1, EndCause::Timeout), (2, EndCause::Fenced), (3, EndCause::Admin)]
    {
        let mut bytes = PREPARED_V1.to_vec();
        (bytes[1], bytes[cause_at]) = (3, number);
        let read = decode_transaction(&bytes).unwrap();
        let decided = read.decision.unwrap();
        assert_eq!((read.state, decided.cause), (TransactionState::PrepareAbort, cause));
        assert_eq!(read.record(&id()).unwrap().value.as_deref(), Some(&bytes[..]));
    }
    let mut bytes = PREPARED_V1.to_vec();
    bytes[cause_at] = 4;
    assert_eq!(decode_transaction(&bytes), Err(RecordError::Damaged("has an unknown cause")));
    // Only these two states have this version.
    for state in [0, 1, 4, 5, 6] {
        let mut bytes = PREPARED_V1.to_vec();
        bytes[1] = state;
        assert_eq!(decode_transaction(&bytes), Err(RecordError::Damaged("has an unknown state")));
    }
}

#[test]
fn a_transaction_has_its_golden_bytes() {
    let record = transaction().record(&id()).unwrap();
    assert_eq!(&record.key[..], b"\x08\x00\x00\x00\x01x");
    assert_eq!(record.value.as_deref(), Some(TRANSACTION_V0));
    assert_eq!(decode_transaction(TRANSACTION_V0), Ok(transaction()));
    let empty = Transaction {
        identity: ProducerIdentity { current: producer(5, 3), last: None },
        state: TransactionState::Empty,
        decision: None,
        timeout_ms: 1_000,
        since_open_ms: 7,
        started_at_ms: -1,
        participants: Participants::default(),
    };
    assert_eq!(empty.record(&id()).unwrap().value.as_deref(), Some(EMPTY_V0));
    assert_eq!(decode_transaction(EMPTY_V0), Ok(empty));
}

#[test]
fn every_state_has_its_number() {
    let numbered = [
        (0, TransactionState::Empty),
        (1, TransactionState::Ongoing),
        (4, TransactionState::CompleteCommit),
        (5, TransactionState::CompleteAbort),
    ];
    // Those of an end that is decided are in another version.
    for (number, state) in numbered {
        let mut bytes = TRANSACTION_V0.to_vec();
        bytes[1] = number;
        assert_eq!(decode_transaction(&bytes).map(|transaction| transaction.state), Ok(state));
    }
    for number in [2, 3, 6, 7, 255] {
        let mut bytes = TRANSACTION_V0.to_vec();
        bytes[1] = number;
        assert_eq!(decode_transaction(&bytes), Err(RecordError::Damaged("has an unknown state")));
    }
}

#[test]
fn a_partition_has_its_golden_bytes() {
    let partition =
        TopicPartitionRef { shard: ShardId(2), topic_id: TOPIC, topic: "orders".into(), partition: 9 };
    let record = value(&Key::partition(&id(), &partition), encode_partition(&partition)).unwrap();
    let key = b"\x09\x00\x00\x00\x01x\
        \x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x66\x66\x77\x77\x88\x88\x00\x00\x00\x09";
    let bytes = b"\x00\x00\x00\x00\x02\x00\x00\x00\x06orders";
    assert_eq!((&record.key[..], record.value.as_deref()), (&key[..], Some(&bytes[..])));
    assert_eq!(decode_partition(TOPIC, 9, bytes), Ok(partition));
    for cut in 0..bytes.len() {
        assert!(decode_partition(TOPIC, 9, &bytes[..cut]).is_err(), "cut at {cut}");
    }
    assert_eq!(decode_partition(TOPIC, 9, b"\x01rest"), Err(RecordError::NewerVersion(1)));
}

#[test]
fn a_group_has_its_golden_bytes() {
    let group = GroupRef { shard: ShardId(2), group: "g".into() };
    let key = Key::Group { id: id(), group: "g".into() };
    let record = value(&key, encode_group(&group)).unwrap();
    assert_eq!(&record.key[..], b"\x0a\x00\x00\x00\x01x\x00\x00\x00\x01g");
    assert_eq!(record.value.as_deref(), Some(&b"\x00\x00\x00\x00\x02"[..]));
    assert_eq!(decode_group("g".into(), b"\x00\x00\x00\x00\x02"), Ok(group));
    assert_eq!(decode_group("g".into(), b"\x01\x00\x00\x00\x02"), Err(RecordError::NewerVersion(1)));
}

#[test]
fn refuses_newer_versions_every_truncation_and_bytes_left_over() {
    let mut newer = TRANSACTION_V0.to_vec();
    newer[0] = 2;
    assert_eq!(decode_transaction(&newer), Err(RecordError::NewerVersion(2)));
    for whole in [TRANSACTION_V0, EMPTY_V0, PREPARED_V1] {
        for cut in 0..whole.len() {
            assert!(decode_transaction(&whole[..cut]).is_err(), "cut at {cut}");
        }
        let longer = [whole, b"\x00"].concat();
        assert!(matches!(decode_transaction(&longer), Err(RecordError::Layout(_))));
    }
}

#[test]
fn keys_come_back_as_they_were_and_name_their_owner_when_damaged() {
    let keys = [
        Key::Transaction { id: TransactionalId::from("") },
        Key::Partition { id: "grüße".into(), topic_id: TOPIC, partition: -1 },
        Key::Group { id: id(), group: "".into() },
    ];
    for key in keys {
        let bytes = key.encode().finish().unwrap();
        let (Key::Transaction { id } | Key::Partition { id, .. } | Key::Group { id, .. }) = &key;
        assert_eq!(Key::owner(&bytes).as_ref(), Ok(id));
        assert_eq!(Key::decode(&bytes).as_ref(), Ok(&key));
        let longer = [&bytes[..], b"\x00"].concat();
        assert!(Key::decode(&longer).is_err());
        assert_eq!(Key::owner(&longer).as_ref(), Ok(id));
    }
    let of_a_group = b"\x01\x00\x00\x00\x01g";
    assert_eq!(Key::decode(of_a_group), Err(RecordError::Damaged("is not of a transactional id")));
    assert_eq!(Key::decode(b"\xffwhatever"), Err(RecordError::Damaged("is of an unknown kind")));
    assert!(Key::owner(b"\x08\x00\x00\x00\x05x").is_err());
}

#[test]
fn an_id_that_no_key_can_hold_is_an_error() {
    let key = Key::Transaction { id: "x".repeat(MAX_STRING_BYTES + 1).into() };
    assert_eq!(tombstone(&key).unwrap_err().limit, MAX_STRING_BYTES);
}

/// The example of docs/storage-format.md.
#[test]
fn the_documented_example_has_its_bytes() {
    let transaction = Transaction { timeout_ms: 1_000, since_open_ms: 7, started_at_ms: 5, ..transaction() };
    let partition = TopicPartitionRef { shard: ShardId(0), topic_id: TOPIC, topic: "t".into(), partition: 9 };
    let group = GroupRef { shard: ShardId(0), group: "g".into() };
    let records = [
        transaction.record(&id()),
        value(&Key::partition(&id(), &partition), encode_partition(&partition)),
        value(&Key::Group { id: id(), group: "g".into() }, encode_group(&group)),
    ];
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let shown = records
        .map(|record| record.unwrap())
        .map(|record| format!("{}->{}", hex(&record.key), hex(record.value.as_deref().unwrap())));
    let document = include_str!("../../../../../docs/storage-format.md").replace([' ', '\n'], "");
    for shown in shown {
        assert!(document.contains(&shown), "{shown}");
    }
}
