//! Every request at every version: bodies made from the layouts, and the same bodies spoilt.
//!
//! The layouts come from Kafka's definitions, the decoder from kafka-protocol: where a body made
//! from the one is read and written by the other without a difference, both are right.

use bytes::Bytes;

use super::*;
use crate::request::catalog::{Api, catalog};
use crate::varint::put_uvarint;
use bytes::{BufMut, BytesMut};

/// xorshift: the same bodies at every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Width {
    I16,
    I32,
    Varint,
}

/// A count or length in a body.
#[derive(Clone, Copy)]
struct Count {
    at: usize,
    len: usize,
    width: Width,
}

/// Writes a body along a layout.
struct Body<'a> {
    random: &'a mut Random,
    version: i16,
    flexible: bool,
    /// Adds fields tagged with numbers that no version knows.
    unknown_tags: bool,
    out: BytesMut,
    counts: Vec<Count>,
}

impl Body<'_> {
    fn fields(&mut self, fields: &'static [Field]) {
        let version = self.version;
        for field in fields.iter().filter(|f| f.tag.is_none() && f.exists_at(version)) {
            self.value(&field.kind, field.nullable_at(self.version));
        }
        if self.flexible {
            self.tagged(fields);
        }
    }

    fn tagged(&mut self, fields: &'static [Field]) {
        let mut present: Vec<(u32, BytesMut)> = Vec::new();
        let version = self.version;
        for field in fields.iter().filter(|f| f.tag.is_some() && f.exists_at(version)) {
            if self.random.below(2) == 0 {
                let mut nested = Body {
                    random: &mut *self.random,
                    version: self.version,
                    flexible: true,
                    unknown_tags: self.unknown_tags,
                    out: BytesMut::new(),
                    counts: Vec::new(),
                };
                nested.value(&field.kind, field.nullable_at(self.version));
                let value = nested.out;
                present.push((field.tag.unwrap(), value));
            }
        }
        if self.unknown_tags && self.random.below(3) == 0 {
            present.push((1000, BytesMut::from(&b"from the future"[..])));
        }
        present.sort_by_key(|(tag, _)| *tag);
        self.count(Width::Varint, present.len() as i64);
        for (tag, value) in present {
            put_uvarint(&mut self.out, tag);
            self.count(Width::Varint, value.len() as i64);
            self.out.put_slice(&value);
        }
    }

    fn value(&mut self, kind: &'static Kind, nullable: bool) {
        let null = nullable && self.random.below(4) == 0;
        match kind {
            Kind::Fixed(len) => self.fixed(*len),
            Kind::Struct(_) if null => self.out.put_i8(-1),
            Kind::Struct(fields) => {
                if nullable {
                    self.out.put_i8(1);
                }
                self.fields(fields);
            }
            Kind::String if null && !self.flexible => self.out.put_i16(-1),
            _ if null && self.flexible => self.out.put_u8(0),
            _ if null => self.out.put_i32(-1),
            Kind::String | Kind::Bytes => {
                let len = self.random.below(8);
                let narrow = matches!(kind, Kind::String);
                self.size(if narrow { Width::I16 } else { Width::I32 }, len);
                self.out.put_bytes(b'a' + (len as u8), len as usize);
            }
            Kind::Array(element) => {
                let count = self.random.below(4);
                self.size(Width::I32, count);
                for _ in 0..count {
                    self.value(&element.kind, false);
                }
            }
        }
    }

    /// Neither a Boolean that is not 0 or 1 nor a float that is not a number.
    fn fixed(&mut self, len: usize) {
        for at in 0..len {
            let byte = self.random.below(256) as u8;
            self.out.put_u8(match (len, at) {
                (1, _) => byte & 1,
                (8, 0) => 0,
                _ => byte,
            });
        }
    }

    /// A length or element count, one more than it is if the version is flexible.
    fn size(&mut self, width: Width, size: u64) {
        if self.flexible {
            self.count(Width::Varint, size as i64 + 1);
        } else {
            self.count(width, size as i64);
        }
    }

    fn count(&mut self, width: Width, count: i64) {
        let at = self.out.len();
        put_count(&mut self.out, width, count);
        self.counts.push(Count { at, len: self.out.len() - at, width });
    }
}

fn put_count(out: &mut BytesMut, width: Width, count: i64) {
    match width {
        Width::I16 => out.put_i16(count as i16),
        Width::I32 => out.put_i32(count as i32),
        Width::Varint => put_uvarint(out, count as u32),
    }
}

fn message(key: i16, version: i16) -> &'static Message {
    messages_of(key).find(|m| m.versions.0 <= version && version <= m.versions.1).unwrap()
}

fn body(key: i16, version: i16, random: &mut Random, unknown_tags: bool) -> (Bytes, Vec<Count>) {
    let message = message(key, version);
    let flexible = version >= message.flexible_from;
    let mut body = Body { random, version, flexible, unknown_tags, out: BytesMut::new(), counts: Vec::new() };
    body.fields(message.fields);
    (body.out.freeze(), body.counts)
}

/// Calls `visit` with `rounds` bodies of every request at every version that we decode.
fn for_every_body(rounds: usize, mut visit: impl FnMut(&Api, i16, &Bytes, &[Count])) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for api in catalog() {
        for version in api.versions.clone() {
            for round in 0..rounds {
                let (bytes, counts) = body(api.key, version, &mut random, round % 2 == 1);
                visit(&api, version, &bytes, &counts);
            }
        }
    }
}

#[test]
fn layouts_cover_every_version_that_we_decode() {
    for api in catalog() {
        for version in api.versions.clone() {
            assert_eq!(message(api.key, version).name, api.name, "version {version}");
        }
    }
}

#[test]
fn the_decoder_reads_and_writes_what_the_layouts_say() {
    for_every_body(20, |api, version, bytes, _| {
        let what = format!("{} version {version}: {bytes:?}", api.name);
        assert_eq!(check(api.key, version, bytes), Ok(()), "{what}");
        // Written again it may be shorter: tagged fields at their defaults are left out. So it is
        // compared after one more turn.
        let once = (api.rewrite)(bytes.clone(), version).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(check(api.key, version, &once), Ok(()), "{what}");
        let twice = (api.rewrite)(once.clone(), version).unwrap();
        assert_eq!(once, twice, "{what}");
        assert!(once.len() <= bytes.len(), "{what}");
        // The time of a commit is read and not kept.
        let is_kept = (api.name, version) != ("OffsetCommit", 1);
        if message(api.key, version).flexible_from > version && is_kept {
            assert_eq!(once, *bytes, "{what}");
        }
    });
}

#[test]
fn default_requests_have_the_shape() {
    let mut written = 0;
    for api in catalog() {
        for version in api.versions.clone() {
            // Some defaults cannot be written at some versions; those are not requests either.
            if let Some(bytes) = (api.default)(version) {
                assert_eq!(check(api.key, version, &bytes), Ok(()), "{} version {version}", api.name);
                written += 1;
            }
        }
    }
    assert!(written > 200, "only {written}");
}

#[test]
fn any_truncation_is_an_error() {
    for_every_body(4, |api, version, bytes, _| {
        for cut in 0..bytes.len() {
            let result = (api.rewrite)(bytes.slice(..cut), version);
            assert!(result.is_err(), "{} version {version} cut at {cut}", api.name);
        }
        let mut longer = bytes.to_vec();
        longer.push(0);
        assert_eq!(check(api.key, version, &longer), Ok(()), "what follows is ignored");
    });
}

#[test]
fn hostile_counts_are_refused_before_decoding() {
    let mut tried = 0;
    for_every_body(4, |api, version, bytes, counts| {
        for count in counts {
            let remaining = (bytes.len() - count.at - count.len) as i64;
            let hostile = match count.width {
                Width::I16 => vec![-2, i64::from(i16::MIN), i64::from(i16::MAX), remaining + 1],
                Width::I32 => vec![-2, i64::from(i32::MIN), i64::from(i32::MAX), 1 << 30, remaining + 1],
                Width::Varint => vec![i64::from(u32::MAX), 1 << 31, 1 << 30, remaining + 2],
            };
            for claimed in hostile {
                let mut spoilt = BytesMut::from(&bytes[..count.at]);
                put_count(&mut spoilt, count.width, claimed);
                spoilt.extend_from_slice(&bytes[count.at + count.len..]);
                let result = (api.rewrite)(spoilt.freeze(), version);
                let what = format!("{} version {version}: {claimed} at byte {}", api.name, count.at);
                // An error of kafka-protocol would mean that it had reserved memory by the claim.
                match result.unwrap_err() {
                    DecodeError::Message { reason, .. } => panic!("{what}: {reason}"),
                    _ => tried += 1,
                }
            }
        }
    });
    assert!(tried > 10_000, "only {tried}");
}

#[test]
fn spoilt_bytes_never_get_past_the_check_into_a_layout_fault() {
    let mut random = Random(7);
    for_every_body(3, |api, version, bytes, _| {
        for at in 0..bytes.len() {
            let mut spoilt = bytes.to_vec();
            spoilt[at] = random.below(256) as u8;
            if let Err(DecodeError::Message { reason, .. }) = (api.rewrite)(spoilt.into(), version) {
                assert!(reason.contains("utf-8"), "{} version {version}, byte {at}: {reason}", api.name);
            }
        }
    });
}

#[test]
fn a_tagged_field_is_as_long_as_it_says() {
    let request = crate::messages::FetchRequest::default()
        .with_cluster_id(Some(crate::messages::StrBytes::from_static_str("ab")));
    let mut bytes = BytesMut::new();
    crate::Request::encode(&request, 12, &mut bytes).unwrap();
    // One tagged field, tag 0, three bytes: a compact string of two.
    assert!(bytes.ends_with(&[1, 0, 3, 3, b'a', b'b']));
    assert_eq!(check(1, 12, &bytes), Ok(()));
    let at = bytes.len() - 4;
    for size in [0, 1, 2] {
        bytes[at] = size;
        let error = DecodeError::from(ReadError::Invalid { expected: "ClusterId", at: at + 1 });
        assert_eq!(check(1, 12, &bytes), Err(error), "size {size}");
    }
}

#[test]
fn many_small_elements_exceed_the_memory_budget() {
    // DescribeGroups 5: a compact array of a million empty names, one byte each, 32 in memory.
    let mut bytes = BytesMut::new();
    put_uvarint(&mut bytes, 1_000_001);
    bytes.put_bytes(1, 1_000_000);
    bytes.put_slice(&[0, 0]);
    let budget = memory_budget(bytes.len());
    assert!(matches!(check(15, 5, &bytes), Err(DecodeError::TooExpansive { budget: b, .. }) if b == budget));
    // Unknown tagged fields cost memory too: one per topic id asked for.
    let mut bytes = BytesMut::new();
    put_uvarint(&mut bytes, 200_001);
    for _ in 0..200_000 {
        bytes.put_slice(&[0; 16]);
        bytes.put_slice(&[0, 1, 9, 0]);
    }
    bytes.put_slice(&[0, 0, 0]);
    assert!(matches!(check(3, 12, &bytes), Err(DecodeError::TooExpansive { .. })));
}

#[test]
fn large_honest_requests_stay_within_the_budget() {
    // OffsetCommit 2 of 20 000 partitions without metadata.
    let mut bytes = BytesMut::new();
    bytes.put_slice(&[0, 1, b'g', 0, 0, 0, 1, 0, 1, b'm']);
    bytes.put_i64(-1);
    bytes.put_i32(1);
    bytes.put_slice(&[0, 1, b't']);
    bytes.put_i32(20_000);
    for partition in 0..20_000 {
        bytes.put_i32(partition);
        bytes.put_i64(5);
        bytes.put_i16(0);
    }
    assert_eq!(check(8, 2, &bytes), Ok(()));
    // Metadata 1 of 50 000 topics.
    let mut bytes = BytesMut::new();
    bytes.put_i32(50_000);
    for topic in 0..50_000 {
        let name = format!("team.topic-{topic:05}");
        bytes.put_i16(name.len() as i16);
        bytes.put_slice(name.as_bytes());
    }
    assert_eq!(check(3, 1, &bytes), Ok(()));
    assert_eq!(memory_budget(usize::MAX), 64 * 1024 * 1024);
}

/// The element of the array at the end of a path of field names.
fn element(key: i16, version: i16, path: &[&str]) -> &'static Element {
    let mut fields = message(key, version).fields;
    let mut found = None;
    for name in path {
        match &fields.iter().find(|field| field.name == *name).unwrap().kind {
            Kind::Array(element) => {
                found = Some(*element);
                if let Kind::Struct(members) = element.kind {
                    fields = members;
                }
            }
            _ => panic!("{name} is no array"),
        }
    }
    found.unwrap()
}

#[test]
fn memory_is_not_underestimated() {
    use crate::messages::*;
    use std::mem::size_of;
    let cases = [
        (0, 9, &["TopicData"][..], size_of::<produce_request::TopicProduceData>()),
        (0, 9, &["TopicData", "PartitionData"], size_of::<produce_request::PartitionProduceData>()),
        (1, 12, &["Topics"], size_of::<fetch_request::FetchTopic>()),
        (1, 12, &["Topics", "Partitions"], size_of::<fetch_request::FetchPartition>()),
        (1, 12, &["ForgottenTopicsData"], size_of::<fetch_request::ForgottenTopic>()),
        (2, 6, &["Topics", "Partitions"], size_of::<list_offsets_request::ListOffsetsPartition>()),
        (3, 12, &["Topics"], size_of::<metadata_request::MetadataRequestTopic>()),
        (8, 8, &["Topics", "Partitions"], size_of::<offset_commit_request::OffsetCommitRequestPartition>()),
        (9, 8, &["Groups"], size_of::<offset_fetch_request::OffsetFetchRequestGroup>()),
        (11, 5, &["Protocols"], size_of::<join_group_request::JoinGroupRequestProtocol>()),
        (13, 5, &["Members"], size_of::<leave_group_request::MemberIdentity>()),
        (15, 5, &["Groups"], size_of::<GroupId>()),
        (19, 5, &["Topics"], size_of::<create_topics_request::CreatableTopic>()),
        (31, 2, &["Filters"], size_of::<delete_acls_request::DeleteAclsFilter>()),
        (78, 1, &["Topics"], size_of::<share_fetch_request::FetchTopic>()),
    ];
    for (key, version, path, size) in cases {
        let estimate = element(key, version, path).memory_bytes;
        assert!(estimate >= size, "{key} {path:?}: {estimate} < {size}");
        assert!(estimate <= 2 * size, "{key} {path:?}: {estimate} is much more than {size}");
    }
}

#[test]
fn every_element_takes_a_byte_at_least() {
    fn walk(fields: &'static [Field]) {
        for field in fields {
            match &field.kind {
                Kind::Array(element) => {
                    assert!(element.min_bytes >= 1 && element.memory_bytes >= 1, "{}", field.name);
                    if let Kind::Struct(members) = &element.kind {
                        walk(members);
                    }
                }
                Kind::Struct(members) => walk(members),
                _ => {}
            }
        }
    }
    generated::MESSAGES.iter().for_each(|message| walk(message.fields));
}

#[test]
fn unknown_keys_and_versions_have_no_shape() {
    assert!(matches!(check(0, 99, &[]), Err(DecodeError::Version { .. })));
    assert!(matches!(check(999, 0, &[]), Err(DecodeError::Version { .. })));
    assert_eq!((api_name(0), api_name(999)), (Some("Produce"), None));
    assert_eq!(flexible_from(999), None);
    assert_eq!(flexible_from(0), Some(9));
}
