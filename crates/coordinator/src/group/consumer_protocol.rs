//! What consumers of the classic protocol say to each other inside JoinGroup and SyncGroup: Kafka's
//! `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`, versions 0–3.
//!
//! The coordinator reads subscriptions for the expiry of offsets, and both while a group migrates between protocols. Each
//! version is a prefix of the next, so a newer one than is known is read as far as it is. Every count is a claim: a false
//! one runs out of bytes. Bytes that do not parse are simply not understood.

use std::collections::BTreeSet;

use bytes::{BufMut, Bytes, BytesMut};

/// `protocol_type` of consumers.
pub const PROTOCOL_TYPE: &str = "consumer";

/// The newest version known here.
const MAX_VERSION: i16 = 3;

/// What a member wants, and what it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    pub version: i16,
    pub topics: Vec<String>,
    /// Version 1 and later: what the member owns while it joins; nothing for members that give everything up before.
    pub owned: Vec<(String, Vec<i32>)>,
    /// Version 3 and later.
    pub rack_id: Option<String>,
}

/// Reads a subscription. `None`: these bytes are not one.
pub fn subscription(bytes: &[u8]) -> Option<Subscription> {
    let mut from = Reader(bytes);
    let version = from.i16()?;
    if version < 0 {
        return None;
    }
    let mut read = Subscription { version: version.min(MAX_VERSION), ..Subscription::default() };
    for _ in 0..from.u32()? {
        read.topics.push(from.string()?);
    }
    from.nullable_bytes()?;
    if version >= 1 {
        read.owned = from.partitions()?;
    }
    if version >= 2 {
        from.u32()?;
    }
    if version >= 3 {
        read.rack_id = from.nullable_string()?;
    }
    Some(read)
}

/// Reads the partitions of an assignment. `None`: these bytes are not one.
pub fn assignment(bytes: &[u8]) -> Option<Vec<(String, Vec<i32>)>> {
    let mut from = Reader(bytes);
    if from.i16()? < 0 {
        return None;
    }
    from.partitions()
}

/// Writes an assignment without user data, in a version that the member understands.
pub fn encode_assignment<'a>(
    version: i16,
    topics: impl ExactSizeIterator<Item = (&'a str, &'a [i32])>,
) -> Bytes {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let mut out = BytesMut::new();
    out.put_i16(version);
    out.put_u32(count(topics.len()));
    for (topic, partitions) in topics {
        // The names of topics are at most 249 bytes long.
        out.put_u16(u16::try_from(topic.len()).unwrap_or(u16::MAX));
        out.put_slice(topic.as_bytes());
        out.put_u32(count(partitions.len()));
        partitions.iter().for_each(|partition| out.put_i32(*partition));
    }
    out.put_i32(-1);
    out.freeze()
}

/// Adds the topics that a subscription names to `topics`. `None`: these bytes are not a subscription.
pub fn subscribed_topics(subscription: &[u8], topics: &mut BTreeSet<String>) -> Option<()> {
    let mut from = Reader(subscription);
    if from.i16()? < 0 {
        return None;
    }
    for _ in 0..from.u32()? {
        topics.insert(from.string()?);
    }
    Some(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn nullable_bytes(&mut self) -> Option<Option<&'a [u8]>> {
        match i32::from_be_bytes(self.array()?) {
            -1 => Some(None),
            length => self.take(usize::try_from(length).ok()?).map(Some),
        }
    }

    fn nullable_string(&mut self) -> Option<Option<String>> {
        let length = match self.i16()? {
            -1 => return Some(None),
            length => usize::try_from(length).ok()?,
        };
        let text = str::from_utf8(self.take(length)?).ok()?;
        Some(Some(text.to_owned()))
    }

    fn string(&mut self) -> Option<String> {
        self.nullable_string()?
    }

    fn partitions(&mut self) -> Option<Vec<(String, Vec<i32>)>> {
        let mut topics = Vec::new();
        for _ in 0..self.u32()? {
            let topic = self.string()?;
            let mut partitions = Vec::new();
            for _ in 0..self.u32()? {
                partitions.push(i32::from_be_bytes(self.array()?));
            }
            topics.push((topic, partitions));
        }
        Some(topics)
    }
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
        assert_eq!(assignment(&bytes).unwrap(), [("ab".to_owned(), vec![0, 3])]);
    }
}
