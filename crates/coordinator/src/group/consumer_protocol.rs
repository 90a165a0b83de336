//! The messages of consumers inside JoinGroup and SyncGroup of the classic protocol: Kafka's
//! `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`, versions 0–3.
//!
//! The coordinator reads subscriptions for the expiry of offsets, and both while a group migrates between protocols. Each
//! version is a prefix of the next, so a newer one than is known is read as far as it is. Every count is a claim: a false
//! one runs out of bytes. Bytes that do not parse are simply not understood.

use std::collections::BTreeSet;

use bytes::{BufMut, Bytes, BytesMut};
use codec::cursor::{Cursor, Prefix, ReadError};

/// `protocol_type` of consumers.
pub const PROTOCOL_TYPE: &str = "consumer";

/// The newest version known here.
const MAX_VERSION: i16 = 3;

/// The subscription of a member, with the partitions that it owns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// As the member wrote it, at most the newest that is known here.
    pub version: i16,
    /// Names, also of topics that do not exist.
    pub topics: Vec<String>,
    /// Version 1 and later: what the member owns while it joins; nothing for members that give everything up before.
    pub owned: Vec<(String, Vec<i32>)>,
    /// Version 3 and later (KIP-881).
    pub rack_id: Option<String>,
}

/// Reads a subscription. `None`: these bytes are not one.
pub fn subscription(bytes: &[u8]) -> Option<Subscription> {
    read_subscription(&mut Cursor::new(bytes)).ok()
}

fn read_subscription(from: &mut Cursor<'_>) -> Result<Subscription, ReadError> {
    let version = read_version(from)?;
    // A newer version begins with the fields of the newest one known, and is read as that
    // (`ConsumerProtocol.checkSubscriptionVersion`); so what follows the last field is not an error.
    let mut read = Subscription { version: version.min(MAX_VERSION), ..Subscription::default() };
    read_topics(from, |topic| read.topics.push(topic))?;
    from.nullable_bytes(Prefix::I32, "user data")?;
    // For cooperative rebalances (KIP-429).
    if version >= 1 {
        read.owned = read_partitions(from)?;
    }
    // The generation in which the member owned these (KIP-792): for client assignors, not needed here.
    if version >= 2 {
        from.i32("generation id")?;
    }
    if version >= 3 {
        read.rack_id = from.nullable_str(Prefix::I16, "rack id")?.map(str::to_owned);
    }
    Ok(read)
}

/// The assignment of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// By topic, also of topics that do not exist.
    pub partitions: Vec<(String, Vec<i32>)>,
    /// A client's own assignor has left something in it, which is opaque to the broker.
    pub has_user_data: bool,
}

/// Reads an assignment. `None`: these bytes are not one.
pub fn assignment(bytes: &[u8]) -> Option<Assignment> {
    read_assignment(&mut Cursor::new(bytes)).ok()
}

fn read_assignment(from: &mut Cursor<'_>) -> Result<Assignment, ReadError> {
    read_version(from)?;
    let partitions = read_partitions(from)?;
    let user_data = from.nullable_bytes(Prefix::I32, "user data")?;
    Ok(Assignment { partitions, has_user_data: user_data.is_some_and(|data| !data.is_empty()) })
}

/// Writes an assignment without user data, in a version that the member understands.
pub fn encode_assignment<'a>(
    version: i16,
    topics: impl ExactSizeIterator<Item = (&'a str, &'a [i32])>,
) -> Bytes {
    let count = |count: usize| u32::try_from(count).expect("topics and partitions are counted in 32 bits");
    let mut out = BytesMut::new();
    out.put_i16(version);
    out.put_u32(count(topics.len()));
    for (topic, partitions) in topics {
        out.put_u16(u16::try_from(topic.len()).expect("names of topics have 249 bytes at most"));
        out.put_slice(topic.as_bytes());
        out.put_u32(count(partitions.len()));
        partitions.iter().for_each(|partition| out.put_i32(*partition));
    }
    // No user data.
    out.put_i32(-1);
    out.freeze()
}

/// Adds the topics that a subscription names to `topics`. `None`: these bytes are not a subscription.
pub fn subscribed_topics(subscription: &[u8], topics: &mut BTreeSet<String>) -> Option<()> {
    let mut from = Cursor::new(subscription);
    let add = |topic| {
        topics.insert(topic);
    };
    read_version(&mut from).and_then(|_| read_topics(&mut from, add)).ok()
}

fn read_version(from: &mut Cursor<'_>) -> Result<i16, ReadError> {
    let negative = from.invalid("version");
    match from.i16("version")? {
        ..0 => Err(negative),
        version => Ok(version),
    }
}

fn read_topics(from: &mut Cursor<'_>, mut each: impl FnMut(String)) -> Result<(), ReadError> {
    // 2: the length of a name is the least that an entry takes.
    for _ in 0..from.count(Prefix::I32, 2, "topics")? {
        each(from.str(Prefix::I16, "topic")?.to_owned());
    }
    Ok(())
}

fn read_partitions(from: &mut Cursor<'_>) -> Result<Vec<(String, Vec<i32>)>, ReadError> {
    let mut topics = Vec::new();
    // 6: the length of a name and the number of its partitions.
    for _ in 0..from.count(Prefix::I32, 6, "topics")? {
        let topic = from.str(Prefix::I16, "topic")?.to_owned();
        let count = from.count(Prefix::I32, 4, "partitions")?;
        let partitions = (0..count).map(|_| from.i32("partition")).collect::<Result<_, _>>()?;
        topics.push((topic, partitions));
    }
    Ok(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 3: topics a and bc, no user data, owns a-7, generation 4, rack r.
    const FULL: &[u8] =
        b"\x00\x03\x00\x00\x00\x02\x00\x01a\x00\x02bc\xff\xff\xff\xff\x00\x00\x00\x01\x00\x01a\x00\x00\x00\x01\x00\x00\x00\x07\x00\x00\x00\x04\x00\x01r";

    #[test]
    fn reads_the_topics_of_any_version() {
        // Version 1, topics a and bc, user data null, no owned partitions.
        let bytes = b"\x00\x01\x00\x00\x00\x02\x00\x01a\x00\x02bc\xff\xff\xff\xff\x00\x00\x00\x00";
        let mut topics = BTreeSet::new();
        assert!(subscribed_topics(bytes, &mut topics).is_some());
        assert_eq!(topics, BTreeSet::from(["a".to_owned(), "bc".to_owned()]));
        assert_eq!(subscription(bytes).unwrap().topics, ["a", "bc"]);
    }

    #[test]
    fn reads_what_a_member_owns_and_where_it_is() {
        let read = subscription(FULL).unwrap();
        assert_eq!(read.owned, [("a".to_owned(), vec![7])]);
        assert_eq!((read.version, read.rack_id.as_deref()), (3, Some("r")));
    }

    #[test]
    fn does_not_understand_bytes_that_end_early_or_lie() {
        for cut in 0..FULL.len() {
            assert!(subscription(&FULL[..cut]).is_none(), "cut at {cut}");
        }
        assert!(subscribed_topics(b"\x00\x00\x7f\xff\xff\xff", &mut BTreeSet::new()).is_none());
        assert!(subscribed_topics(b"\xff\xff\x00\x00\x00\x00", &mut BTreeSet::new()).is_none());
        assert!(assignment(b"\x00\x00\x7f\xff\xff\xff").is_none());
    }

    #[test]
    fn assignments_are_as_kafka_writes_them() {
        let bytes = encode_assignment(1, [("ab", [0, 3].as_slice())].into_iter());
        let golden = b"\x00\x01\x00\x00\x00\x01\x00\x02ab\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff\xff";
        assert_eq!(bytes, golden.as_slice());
        let read = assignment(&bytes).unwrap();
        assert_eq!((read.partitions, read.has_user_data), (vec![("ab".to_owned(), vec![0, 3])], false));
    }
}
