//! The one thing the coordinator reads inside a member's metadata: which topics a consumer subscribes to.
//!
//! Kafka's `ConsumerProtocolSubscription`, of which version 0 (`version: int16, topics: [string], …`) is a prefix of all
//! later versions. Used for the expiry of offsets only; metadata that does not parse is simply not understood.

use std::collections::BTreeSet;

/// `protocol_type` of consumers.
pub(crate) const PROTOCOL_TYPE: &str = "consumer";

/// Adds the topics that a subscription names to `topics`. `None`: these bytes are not a subscription.
pub(crate) fn subscribed_topics(subscription: &[u8], topics: &mut BTreeSet<String>) -> Option<()> {
    let rest = subscription;
    let (version, rest) = rest.split_first_chunk::<2>()?;
    if i16::from_be_bytes(*version) < 0 {
        return None;
    }
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    // The count is a claim; a false one runs out of bytes below.
    for _ in 0..u32::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (name, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        topics.insert(str::from_utf8(name).ok()?.to_owned());
        rest = after;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_topics_of_any_version() {
        // Version 1, topics a and bc, user data null, no owned partitions.
        let bytes = b"\x00\x01\x00\x00\x00\x02\x00\x01a\x00\x02bc\xff\xff\xff\xff\x00\x00\x00\x00";
        let mut topics = BTreeSet::new();
        assert!(subscribed_topics(bytes, &mut topics).is_some());
        assert_eq!(topics, BTreeSet::from(["a".to_owned(), "bc".to_owned()]));
    }

    #[test]
    fn does_not_understand_bytes_that_end_early_or_lie() {
        let bytes = b"\x00\x01\x00\x00\x00\x02\x00\x01a\x00\x02bc";
        for cut in 0..bytes.len() {
            assert!(subscribed_topics(&bytes[..cut], &mut BTreeSet::new()).is_none(), "cut at {cut}");
        }
        assert!(subscribed_topics(b"\x00\x00\x7f\xff\xff\xff", &mut BTreeSet::new()).is_none());
        assert!(subscribed_topics(b"\xff\xff\x00\x00\x00\x00", &mut BTreeSet::new()).is_none());
    }
}
