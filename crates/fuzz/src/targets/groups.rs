//! The records that groups store, and the messages that consumers exchange through a group.

use std::collections::BTreeSet;

use coordinator::group::classic::records::GroupMetadata;
use coordinator::group::consumer::records::{
    decode_current, decode_epochs, decode_subscription, decode_target,
};
use coordinator::group::consumer_protocol;
use coordinator::group::offsets::{CommittedOffset, pending::PendingOffset};
use coordinator::group::records::Key;
use coordinator::group::streams::records as streams;
use coordinator::state_machine::{Record, RecordError};

use super::{MIB, kind};
use crate::Target;

/// Keys and values of every kind of stored record; the first byte chooses.
pub(super) const RECORD: Target =
    Target { name: "group_record", run: record, seeds: record_seeds, memory: |len| MIB + 64 * len };

/// Subscriptions and assignments of the classic consumer protocol.
pub(super) const PROTOCOL: Target =
    Target { name: "consumer_protocol", run: protocol, seeds: protocol_seeds, memory: |len| MIB + 64 * len };

/// Reads a key or a value of the kind that the first byte chooses.
fn record(data: &[u8]) -> String {
    let Some((choice, bytes)) = data.split_first() else { return "no choice".to_owned() };
    let read = match choice % 13 {
        0 => key(bytes),
        1 => GroupMetadata::decode(bytes).map(drop),
        2 => CommittedOffset::decode(bytes).map(drop),
        3 => decode_epochs(bytes).map(drop),
        4 => decode_subscription(bytes).map(drop),
        5 => decode_target(bytes).map(drop),
        6 => decode_current(bytes).map(drop),
        7 => PendingOffset::decode(bytes).map(drop),
        8 => streams::decode_epochs(bytes).map(drop),
        9 => streams::decode_metadata(bytes).map(drop),
        10 => streams::decode_topology(bytes).map(drop),
        11 => streams::decode_target(bytes).map(drop),
        _ => streams::decode_current(bytes).map(drop),
    };
    format!("{} {}", choice % 13, read.map_or_else(|error| kind(&error), |()| "read".to_owned()))
}

/// Reads a key, and checks that it is written as the same bytes.
fn key(bytes: &[u8]) -> Result<(), RecordError> {
    // A key with a part that is too long to be written again may still be read.
    if let Ok(tombstone) = Record::tombstone(&Key::decode(bytes)?) {
        // A tombstone has to meet the record that it deletes, which is found by the bytes of its key.
        assert_eq!(&tombstone.key[..], bytes, "a key has one form");
    }
    Ok(())
}

/// Reads the input as a subscription and as an assignment.
fn protocol(data: &[u8]) -> String {
    let subscription = consumer_protocol::subscription(data);
    let mut topics = BTreeSet::new();
    // A second reader of the same bytes, for the expiry of offsets: the two must agree.
    let subscribed = consumer_protocol::subscribed_topics(data, &mut topics);
    if let Some(subscription) = &subscription {
        assert_eq!(subscribed, Some(()), "the topics of a subscription can be had alone");
        assert!(subscription.topics.iter().all(|topic| topics.contains(topic)), "{topics:?}");
    }
    let assignment = consumer_protocol::assignment(data);
    // Up to nine: each further number would be a new answer, and so a new seed.
    format!("{} {} {}", subscription.is_some(), assignment.is_some(), topics.len().min(9))
}

/// The parts of the layouts in `coordinator::group::records`.
fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat()
}

/// `option(x)` with a value.
fn some(bytes: &[u8]) -> Vec<u8> {
    [&[1], bytes].concat()
}

/// `list(x)`.
fn list(parts: &[Vec<u8>]) -> Vec<u8> {
    [&(parts.len() as u32).to_be_bytes()[..], &parts.concat()].concat()
}

/// One sound key and value of each kind, with most of the optional parts.
fn record_seeds() -> Vec<Vec<u8>> {
    let (group, member) = (string("group"), string("member"));
    let protocols = list(&[[string("range"), string("metadata")].concat()]);
    let classic_member =
        [&member[..], &some(&string("static")), &string("client"), &string("/127.0.0.1")].concat();
    let classic_member = [&classic_member[..], &[0; 8], &protocols, &string("assignment")].concat();
    let metadata =
        [&[0; 14][..], &some(&string("consumer")), &some(&string("range")), &some(&member)].concat();
    let metadata = [metadata, list(&[classic_member.clone(), classic_member])].concat();
    let offset = [&[0; 21][..], &some(&[0; 8]), &[7; 16], &string("metadata")].concat();
    let said = [&[0][..], &some(&string("static")), &[0], &string("client"), &string("/127.0.0.1")].concat();
    let said = [&said[..], &[0; 4], &list(&[string("topic")]), &some(&string("t.*")), &[0]].concat();
    let said = [said, some(&[vec![0; 4], protocols].concat())].concat();
    let target = [vec![0], list(&[[vec![9; 16], list(&[vec![0; 4], vec![1; 4]])].concat()])].concat();
    let current = list(&[[vec![9; 16], list(&[vec![0; 8], vec![1; 8]])].concat()]);
    let current = [vec![0; 10], current.clone(), current].concat();
    let mut all = vec![
        [&[1][..], &metadata].concat(),
        [&[2][..], &offset].concat(),
        [&[3][..], &[0; 25]].concat(),
        [&[4][..], &said].concat(),
        [&[5][..], &target].concat(),
        [&[6][..], &current].concat(),
        [&[7][..], &[0; 10], &offset[1..]].concat(),
        [&[0, 7][..], &group, &[0; 8], &string("topic"), &[0; 4]].concat(),
        [&[0, 2][..], &group, &string("topic"), &[0; 4]].concat(),
    ];
    all.extend(streams_seeds());
    all.extend([1, 3, 11, 13].map(|kind| [&[0, kind][..], &group].concat()));
    all.extend([4, 5, 6, 12, 14, 15].map(|kind| [&[0, kind][..], &group, &member].concat()));
    all
}

/// A sound value of each kind of a streams group.
fn streams_seeds() -> [Vec<u8>; 5] {
    let pairs = list(&[[string("key"), string("value")].concat()]);
    let topics = list(&[[&string("topic")[..], &[0; 8], &pairs].concat()]);
    let said = [&[0][..], &some(&string("rack")), &string("client"), &string("/127.0.0.1"), &[0; 8]].concat();
    let said =
        [&said[..], &string("process"), &some(&[string("host"), vec![0; 4]].concat()), &pairs].concat();
    let group = [list(&[vec![0; 4]]), list(&[vec![0; 4]])].concat();
    let names = list(&[string("topic")]);
    let parts = [&string("0")[..], &names, &topics, &names, &topics, &list(&[group])].concat();
    let tasks = list(&[[string("0"), list(&[vec![0; 4], vec![1; 4]])].concat()]);
    let held = list(&[[string("0"), list(&[vec![0; 8]])].concat()]);
    [
        [&[8][..], &[0; 29], &some(&[0; 4]), &[0; 8]].concat(),
        [&[9][..], &said].concat(),
        [&[10][..], &[0; 5], &list(&[parts])].concat(),
        [&[11][..], &[0], &tasks, &tasks].concat(),
        [&[12][..], &[0; 10], &held, &tasks, &held, &tasks].concat(),
    ]
}

/// Subscriptions of all four versions and an assignment.
fn protocol_seeds() -> Vec<Vec<u8>> {
    let topic = [&[0, 5][..], b"topic"].concat();
    let owned = list(&[[topic.clone(), list(&[vec![0; 4], vec![1; 4]])].concat()]);
    // Version 1 adds the owned partitions, 2 the generation, 3 the rack.
    let version = |version: u8| {
        let mut bytes =
            [&[0, version][..], &list(&[topic.clone(), topic.clone()]), &string("user data")].concat();
        for part in [&owned[..], &[0, 0, 0, 5], &topic].iter().take(version.into()) {
            bytes.extend_from_slice(part);
        }
        bytes
    };
    let mut all: Vec<Vec<u8>> = (0..4).map(version).collect();
    all.push([&[0, 1][..], &owned, &string("user data")].concat());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_sound() {
        for seed in record_seeds() {
            assert!(record(&seed).ends_with("read"), "{} of {seed:?}", record(&seed));
        }
        for seed in protocol_seeds() {
            assert!(protocol(&seed).contains("true"), "{seed:?}");
        }
    }
}
