//! One API at one version: bytes to a typed request, a typed response to bytes.
//!
//! [`Request`] fixes an API's key, name, versions and response type, so that a handler names one
//! type and gets the rest. Brokers use `Request::decode` and `Response::encode`; the other two
//! directions serve clients and tests. Bytes after the last field of a request are ignored, as Kafka
//! ignores them; after a response they are an error.
//!
//! Versions that kafka-protocol lacks come in here and nowhere else: the APIs that have some are in a
//! list of their own, and their messages say in `extended.rs` who lays out which version. They
//! become the same struct as all others, so that handlers know one type per API.
//!
//! A request is walked twice: by [`shape::check`], then by the decoder. One walk would need a decoder of our own for
//! every API, and the first costs 100 ns of the 8.8 µs of processor time (1.2 %) that a broker spends on a Produce request of
//! one record (`docs/performance.md`; kafka-protocol takes 290 ns and more), so both stay while it is below 2 %.
//! Measured by `benches/walks.rs`, on 2026-11-28, on a busy machine and with overflow checks: an upper bound.

use std::fmt::Debug;
use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable, Message, Request as KafkaRequest};

use crate::chain::Chain;
use crate::cursor::ReadError;
use crate::error::{DecodeError, EncodeError};
use crate::extended::{self, Extended};
use crate::fetch_response::{self, FetchResponse};
use crate::messages::*;
use crate::shape;

/// A request of an API that clients use.
pub trait Request: Debug + Default + Sized + Send + Sync + 'static {
    /// The API key.
    const KEY: i16;
    /// Kafka's name of the API, e.g. `Produce`.
    const NAME: &'static str;
    /// The versions that this crate can decode. A broker may implement fewer.
    const VERSIONS: RangeInclusive<i16>;
    /// The type of its answer.
    /// At the same version as the request; the header of the answer depends on both.
    type Response: Response;

    /// Reads a request body, the header already taken off
    /// ([`RequestHeader::parse`](crate::frame::RequestHeader::parse)). Strings and record data are
    /// slices of `body`, not copies. Fields that the version lacks are at their defaults.
    ///
    /// # Errors
    /// [`DecodeError::Version`] outside of [`Request::VERSIONS`]; else if the bytes do not start with
    /// such a request. Nothing is allocated by their claims.
    fn decode(body: Bytes, version: i16) -> Result<Self, DecodeError>;

    /// Writes the request body, as a client does.
    ///
    /// # Errors
    /// If a field is set that the version does not have, or a length does not fit.
    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError>;
}

/// The answer to a [`Request`].
pub trait Response: Debug + Default + Sized + Send + Sync + 'static {
    /// Writes the response body.
    /// It is appended to `out`, after the header. An error leaves a part of it there.
    ///
    /// # Errors
    /// If a field is set that the version does not have, or a length does not fit.
    fn encode(&self, version: i16, out: &mut Chain) -> Result<(), EncodeError>;

    /// Reads a response body, as a client does. Only for bytes from a broker that is trusted:
    /// memory is reserved by the counts in it.
    ///
    /// # Errors
    /// If the bytes are not exactly one such response.
    fn decode(body: Bytes, version: i16) -> Result<Self, DecodeError>;

    /// Sets the milliseconds for which the client is throttled. A version without the field leaves it out; four answers have none
    /// at any version, and stay as they are.
    fn set_throttle_time_ms(&mut self, throttle_time_ms: i32);
}

/// Sets the field of an answer that has it.
macro_rules! set_throttle_time_ms {
    ($response:expr, $ms:expr) => {
        $response.throttle_time_ms = $ms
    };
    ($response:expr, $ms:expr, throttle) => {{
        let _ = $ms;
    }};
}

/// The versions of a message that kafka-protocol implements.
/// Only of messages that have no other versions here.
const fn versions<M: Message>() -> RangeInclusive<i16> {
    RangeInclusive::new(M::VERSIONS.min, M::VERSIONS.max)
}

/// Decodes a request: nothing is allocated before its shape is known to be right.
/// Bytes after the last field are ignored: see [`shape`].
///
/// # Errors
/// As [`Request::decode`].
fn decode_request<R: Request + Message + Decodable>(mut body: Bytes, version: i16) -> Result<R, DecodeError> {
    // Not left to `shape::check`: it has layouts of versions that kafka-protocol cannot decode.
    if !<R as Request>::VERSIONS.contains(&version) {
        return Err(DecodeError::Version { api: R::NAME, version });
    }
    shape::check(R::KEY, version, &body)?;
    decode(R::NAME, &mut body, version)
}

/// Decodes a message by kafka-protocol; `body` keeps what follows it. Memory is reserved by the counts in it.
///
/// # Errors
/// Errors of kafka-protocol are text, so they become [`DecodeError::Message`] with all of their causes.
fn decode<M: Message + Decodable>(
    api: &'static str,
    body: &mut Bytes,
    version: i16,
) -> Result<M, DecodeError> {
    // Responses come here unchecked. kafka-protocol would refuse the version too, but as a `Message` error.
    if !versions::<M>().contains(&version) {
        return Err(DecodeError::Version { api, version });
    }
    M::decode(body, version).map_err(|e| DecodeError::Message { api, version, reason: format!("{e:#}") })
}

/// Decodes a response; bytes after it are an error.
/// A client that ignored them would not notice a version that is read wrongly.
fn decode_response<M: Message + Decodable>(
    api: &'static str,
    mut body: Bytes,
    version: i16,
) -> Result<M, DecodeError> {
    // The error counts from the start of the body, of which `decode` leaves only the rest.
    let len = body.len();
    let message = decode(api, &mut body, version)?;
    match body.len() {
        0 => Ok(message),
        remaining => Err(ReadError::Leftover { at: len - remaining, remaining }.into()),
    }
}

/// Writes a message by kafka-protocol, which refuses fields that the version does not have.
fn encode<M: Encodable>(
    message: &M,
    name: &'static str,
    version: i16,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    message.encode(out, version).map_err(|e| EncodeError { message: name, version, reason: format!("{e:#}") })
}

/// Implements [`Request`] for APIs that kafka-protocol has at all versions.
macro_rules! requests {
    ($($name:literal $request:ident => $response:ident $(without $field:ident)?;)*) => {
        $(
            impl Request for $request {
                const KEY: i16 = <$request as KafkaRequest>::KEY;
                const NAME: &'static str = $name;
                const VERSIONS: RangeInclusive<i16> = versions::<$request>();
                type Response = $response;

                fn decode(body: Bytes, version: i16) -> Result<Self, DecodeError> {
                    decode_request(body, version)
                }

                fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
                    encode(self, stringify!($request), version, out)
                }
            }
        )*
    };
}

/// Implements [`Response`] for them.
macro_rules! responses {
    ($($name:literal $request:ident => $response:ident $(without $field:ident)?;)*) => {
        $(
            impl Response for $response {
                fn encode(&self, version: i16, out: &mut Chain) -> Result<(), EncodeError> {
                    // One buffer: of these only ShareFetch has record data, which is copied here. Fetch
                    // splices its own.
                    encode(self, stringify!($response), version, out.buf())
                }

                fn decode(body: Bytes, version: i16) -> Result<Self, DecodeError> {
                    decode_response($name, body, version)
                }

                fn set_throttle_time_ms(&mut self, throttle_time_ms: i32) {
                    set_throttle_time_ms!(self, throttle_time_ms $(, $field)?);
                }
            }
        )*
    };
}

/// Implements [`Request`] for APIs with versions that kafka-protocol lacks: see [`extended`].
macro_rules! extended_requests {
    ($($key:literal $name:literal $request:ident => $response:ident $(without $field:ident)?;)*) => {
        $(
            impl Request for $request {
                // A literal: ListOffsets and ApiVersions are structs of our own, without kafka-protocol's
                // `KafkaRequest`.
                const KEY: i16 = $key;
                const NAME: &'static str = $name;
                const VERSIONS: RangeInclusive<i16> = <$request as Extended>::VERSIONS;
                type Response = $response;

                fn decode(body: Bytes, version: i16) -> Result<Self, DecodeError> {
                    if !<Self as Extended>::VERSIONS.contains(&version) {
                        return Err(DecodeError::Version { api: $name, version });
                    }
                    shape::check($key, version, &body)?;
                    // Bytes after the last field are ignored, as Kafka ignores them: see `shape`.
                    extended::decode($name, body, version).map(|(request, _ignored)| request)
                }

                fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
                    extended::encode(self, version, out)
                }
            }
        )*
    };
}

/// Implements [`Response`] for them.
macro_rules! extended_responses {
    ($($key:literal $name:literal $request:ident => $response:ident $(without $field:ident)?;)*) => {
        $(
            impl Response for $response {
                fn encode(&self, version: i16, out: &mut Chain) -> Result<(), EncodeError> {
                    extended::encode(self, version, out.buf())
                }

                fn decode(body: Bytes, version: i16) -> Result<Self, DecodeError> {
                    decode_extended($name, body, version)
                }

                fn set_throttle_time_ms(&mut self, throttle_time_ms: i32) {
                    set_throttle_time_ms!(self, throttle_time_ms $(, $field)?);
                }
            }
        )*
    };
}

/// As [`decode_response`], for the messages of [`extended`].
fn decode_extended<M: Extended + extended::ByKafkaProtocol>(
    api: &'static str,
    body: Bytes,
    version: i16,
) -> Result<M, DecodeError> {
    let len = body.len();
    match extended::decode(api, body, version)? {
        (message, 0) => Ok(message),
        (_, remaining) => Err(ReadError::Leftover { at: len - remaining, remaining }.into()),
    }
}

/// The APIs with versions that kafka-protocol lacks, Fetch apart because its response has an encoder of its own.
macro_rules! for_each_extended_api_except_fetch {
    ($apply:ident) => {
        $apply! {
            0 "Produce" ProduceRequest => ProduceResponse;
            2 "ListOffsets" ListOffsetsRequest => ListOffsetsResponse;
            8 "OffsetCommit" OffsetCommitRequest => OffsetCommitResponse;
            9 "OffsetFetch" OffsetFetchRequest => OffsetFetchResponse;
            18 "ApiVersions" ApiVersionsRequest => ApiVersionsResponse;
            19 "CreateTopics" CreateTopicsRequest => CreateTopicsResponse;
            20 "DeleteTopics" DeleteTopicsRequest => DeleteTopicsResponse;
            23 "OffsetForLeaderEpoch" OffsetForLeaderEpochRequest => OffsetForLeaderEpochResponse;
            27 "WriteTxnMarkers" WriteTxnMarkersRequest => WriteTxnMarkersResponse without throttle;
            28 "TxnOffsetCommit" TxnOffsetCommitRequest => TxnOffsetCommitResponse;
            29 "DescribeAcls" DescribeAclsRequest => DescribeAclsResponse;
            30 "CreateAcls" CreateAclsRequest => CreateAclsResponse;
            31 "DeleteAcls" DeleteAclsRequest => DeleteAclsResponse;
            32 "DescribeConfigs" DescribeConfigsRequest => DescribeConfigsResponse;
            34 "AlterReplicaLogDirs" AlterReplicaLogDirsRequest => AlterReplicaLogDirsResponse;
            35 "DescribeLogDirs" DescribeLogDirsRequest => DescribeLogDirsResponse;
            38 "CreateDelegationToken" CreateDelegationTokenRequest => CreateDelegationTokenResponse;
            39 "RenewDelegationToken" RenewDelegationTokenRequest => RenewDelegationTokenResponse;
            40 "ExpireDelegationToken" ExpireDelegationTokenRequest => ExpireDelegationTokenResponse;
            41 "DescribeDelegationToken" DescribeDelegationTokenRequest => DescribeDelegationTokenResponse;
            88 "StreamsGroupHeartbeat" StreamsGroupHeartbeatRequest => StreamsGroupHeartbeatResponse;
            89 "StreamsGroupDescribe" StreamsGroupDescribeRequest => StreamsGroupDescribeResponse;
        }
    };
}

/// Every other API that clients use.
macro_rules! for_each_plain_api {
    ($apply:ident) => {
        $apply! {
            "Metadata" MetadataRequest => MetadataResponse;
            "FindCoordinator" FindCoordinatorRequest => FindCoordinatorResponse;
            "JoinGroup" JoinGroupRequest => JoinGroupResponse;
            "Heartbeat" HeartbeatRequest => HeartbeatResponse;
            "LeaveGroup" LeaveGroupRequest => LeaveGroupResponse;
            "SyncGroup" SyncGroupRequest => SyncGroupResponse;
            "DescribeGroups" DescribeGroupsRequest => DescribeGroupsResponse;
            "ListGroups" ListGroupsRequest => ListGroupsResponse;
            "SaslHandshake" SaslHandshakeRequest => SaslHandshakeResponse without throttle;
            "DeleteRecords" DeleteRecordsRequest => DeleteRecordsResponse;
            "InitProducerId" InitProducerIdRequest => InitProducerIdResponse;
            "AddPartitionsToTxn" AddPartitionsToTxnRequest => AddPartitionsToTxnResponse;
            "AddOffsetsToTxn" AddOffsetsToTxnRequest => AddOffsetsToTxnResponse;
            "EndTxn" EndTxnRequest => EndTxnResponse;
            "AlterConfigs" AlterConfigsRequest => AlterConfigsResponse;
            "SaslAuthenticate" SaslAuthenticateRequest => SaslAuthenticateResponse without throttle;
            "CreatePartitions" CreatePartitionsRequest => CreatePartitionsResponse;
            "DeleteGroups" DeleteGroupsRequest => DeleteGroupsResponse;
            "ElectLeaders" ElectLeadersRequest => ElectLeadersResponse;
            "IncrementalAlterConfigs" IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse;
            "AlterPartitionReassignments" AlterPartitionReassignmentsRequest => AlterPartitionReassignmentsResponse;
            "ListPartitionReassignments" ListPartitionReassignmentsRequest => ListPartitionReassignmentsResponse;
            "OffsetDelete" OffsetDeleteRequest => OffsetDeleteResponse;
            "DescribeClientQuotas" DescribeClientQuotasRequest => DescribeClientQuotasResponse;
            "AlterClientQuotas" AlterClientQuotasRequest => AlterClientQuotasResponse;
            "DescribeUserScramCredentials" DescribeUserScramCredentialsRequest => DescribeUserScramCredentialsResponse;
            "AlterUserScramCredentials" AlterUserScramCredentialsRequest => AlterUserScramCredentialsResponse;
            "DescribeQuorum" DescribeQuorumRequest => DescribeQuorumResponse without throttle;
            "UpdateFeatures" UpdateFeaturesRequest => UpdateFeaturesResponse;
            "DescribeCluster" DescribeClusterRequest => DescribeClusterResponse;
            "DescribeProducers" DescribeProducersRequest => DescribeProducersResponse;
            "UnregisterBroker" UnregisterBrokerRequest => UnregisterBrokerResponse;
            "DescribeTransactions" DescribeTransactionsRequest => DescribeTransactionsResponse;
            "ListTransactions" ListTransactionsRequest => ListTransactionsResponse;
            "ConsumerGroupHeartbeat" ConsumerGroupHeartbeatRequest => ConsumerGroupHeartbeatResponse;
            "ConsumerGroupDescribe" ConsumerGroupDescribeRequest => ConsumerGroupDescribeResponse;
            "GetTelemetrySubscriptions" GetTelemetrySubscriptionsRequest => GetTelemetrySubscriptionsResponse;
            "PushTelemetry" PushTelemetryRequest => PushTelemetryResponse;
            "ListConfigResources" ListConfigResourcesRequest => ListConfigResourcesResponse;
            "DescribeTopicPartitions" DescribeTopicPartitionsRequest => DescribeTopicPartitionsResponse;
            "ShareGroupHeartbeat" ShareGroupHeartbeatRequest => ShareGroupHeartbeatResponse;
            "ShareGroupDescribe" ShareGroupDescribeRequest => ShareGroupDescribeResponse;
            "ShareFetch" ShareFetchRequest => ShareFetchResponse;
            "ShareAcknowledge" ShareAcknowledgeRequest => ShareAcknowledgeResponse;
            "AddRaftVoter" AddRaftVoterRequest => AddRaftVoterResponse;
            "RemoveRaftVoter" RemoveRaftVoterRequest => RemoveRaftVoterResponse;
            "DescribeShareGroupOffsets" DescribeShareGroupOffsetsRequest => DescribeShareGroupOffsetsResponse;
            "AlterShareGroupOffsets" AlterShareGroupOffsetsRequest => AlterShareGroupOffsetsResponse;
            "DeleteShareGroupOffsets" DeleteShareGroupOffsetsRequest => DeleteShareGroupOffsetsResponse;
        }
    };
}

for_each_plain_api!(requests);
for_each_plain_api!(responses);
for_each_extended_api_except_fetch!(extended_requests);
for_each_extended_api_except_fetch!(extended_responses);
// Only the request: `extended_responses` would write the answer into one buffer and copy its records.
extended_requests! { 1 "Fetch" FetchRequest => FetchResponse; }

impl Response for FetchResponse {
    fn encode(&self, version: i16, out: &mut Chain) -> Result<(), EncodeError> {
        fetch_response::encode(self, version, out)
    }

    fn decode(body: Bytes, version: i16) -> Result<Self, DecodeError> {
        // A client reads the records from the message: `batches` is for writing alone.
        decode_extended::<crate::messages::FetchResponse>("Fetch", body, version).map(Self::from)
    }

    fn set_throttle_time_ms(&mut self, throttle_time_ms: i32) {
        self.message.throttle_time_ms = throttle_time_ms;
    }
}

/// Every API as plain functions, for tests and fuzz targets that go through all of them.
pub mod catalog {
    use super::*;

    // Function pointers, as the types of the APIs differ: a test goes over all of them without naming one.
    /// One API.
    #[derive(Debug)]
    pub struct Api {
        /// Its key.
        pub key: i16,
        /// Kafka's name of it.
        pub name: &'static str,
        /// The versions that can be decoded.
        pub versions: RangeInclusive<i16>,
        /// Decodes a body and drops it.
        pub decode: fn(Bytes, i16) -> Result<(), DecodeError>,
        /// Decodes a body and writes it again. Panics if what was decoded cannot be encoded.
        pub rewrite: fn(Bytes, i16) -> Result<Bytes, DecodeError>,
        /// The default request, if the version can express it.
        pub default: fn(i16) -> Option<Bytes>,
    }

    /// The body of a request, alone.
    fn write<R: Request>(request: &R, version: i16) -> Result<Bytes, EncodeError> {
        let mut out = BytesMut::new();
        Request::encode(request, version, &mut out)?;
        Ok(out.freeze())
    }

    /// The functions of one API.
    fn api<R: Request>() -> Api {
        Api {
            key: R::KEY,
            name: R::NAME,
            versions: R::VERSIONS,
            decode: |body, version| <R as Request>::decode(body, version).map(drop),
            rewrite: |body, version| {
                let request = <R as Request>::decode(body, version)?;
                Ok(write(&request, version).expect("what was decoded can be encoded"))
            },
            // No request if a field with a default is one that the version lacks.
            default: |version| write(&R::default(), version).ok(),
        }
    }

    macro_rules! plain {
        ($($name:literal $request:ident => $response:ident $(without $field:ident)?;)*) => {
            vec![$(api::<$request>(),)*]
        };
    }

    macro_rules! extended {
        ($($key:literal $name:literal $request:ident => $response:ident $(without $field:ident)?;)*) => {
            [$(api::<$request>(),)*]
        };
    }

    /// All of them, in no order.
    pub fn catalog() -> Vec<Api> {
        let plain = for_each_plain_api!(plain);
        let extended = for_each_extended_api_except_fetch!(extended);
        plain.into_iter().chain(extended).chain([api::<FetchRequest>()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{ReadError, Request, Response};
    use crate::messages::*;
    use crate::{Chain, DecodeError, ErrorCode, frame};
    use bytes::{Bytes, BytesMut};

    fn body<R: Request>(request: &R, version: i16) -> Bytes {
        let mut out = BytesMut::new();
        request.encode(version, &mut out).unwrap();
        out.freeze()
    }

    #[test]
    fn versions_are_those_that_can_be_decoded() {
        assert_eq!(<ProduceRequest as Request>::VERSIONS, 0..=13);
        assert_eq!(<FetchRequest as Request>::VERSIONS, 0..=18);
        assert_eq!((FetchRequest::KEY, FetchRequest::NAME), (1, "Fetch"));
        assert!(matches!(
            ProduceRequest::decode(Bytes::new(), 99),
            Err(DecodeError::Version { api: "Produce", version: 99 })
        ));
    }

    /// The answer with a throttle time at each version, and the time that its reader finds.
    fn throttled<R: Request>() -> Vec<i32> {
        let read = |version| {
            let mut response = R::Response::default();
            response.set_throttle_time_ms(7);
            let mut chain = Chain::new();
            response.encode(version, &mut chain).unwrap();
            let read = R::Response::decode(chain.into_bytes(), version).unwrap();
            let text = format!("{read:?}");
            let found = text.split("throttle_time_ms: ").nth(1).map(|rest| rest.starts_with('7'));
            i32::from(found == Some(true))
        };
        R::VERSIONS.map(read).collect()
    }

    #[test]
    fn a_throttle_time_is_left_out_where_a_version_has_no_field() {
        assert_eq!(throttled::<ProduceRequest>(), [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(throttled::<FetchRequest>().iter().sum::<i32>(), 18);
        assert_eq!(throttled::<ListOffsetsRequest>()[..4], [0, 0, 1, 1]);
        assert_eq!(throttled::<ApiVersionsRequest>()[..2], [0, 1]);
        assert_eq!(throttled::<AlterClientQuotasRequest>(), [1, 1]);
        assert_eq!(throttled::<SaslHandshakeRequest>(), [0, 0]);
        macro_rules! each {
            ($($name:literal $request:ident => $response:ident $(without $field:ident)?;)*) => {
                $(throttled::<$request>();)*
            };
        }
        for_each_plain_api!(each);
    }

    #[test]
    fn bytes_after_a_request_are_ignored() {
        fn with_three_more<R: Request + PartialEq>(version: i16) {
            let sent = R::default();
            let longer = [&body(&sent, version)[..], &[1, 2, 3]].concat();
            assert_eq!(R::decode(longer.into(), version), Ok(sent), "{} {version}", R::NAME);
        }
        with_three_more::<HeartbeatRequest>(0);
        with_three_more::<HeartbeatRequest>(4);
        with_three_more::<MetadataRequest>(12);
        // Versions laid out by this crate.
        with_three_more::<ProduceRequest>(0);
        with_three_more::<ApiVersionsRequest>(5);
        with_three_more::<OffsetCommitRequest>(10);
    }

    #[test]
    fn bytes_after_a_response_are_an_error() {
        let mut chain = Chain::new();
        HeartbeatResponse::default().encode(4, &mut chain).unwrap();
        chain.buf().extend_from_slice(&[1]);
        let error = HeartbeatResponse::decode(chain.into_bytes(), 4).unwrap_err();
        assert_eq!(error, ReadError::Leftover { at: 7, remaining: 1 }.into());
    }

    #[test]
    fn strings_are_slices_of_the_body() {
        let sent = HeartbeatRequest::default().with_member_id(StrBytes::from_static_str("member-one"));
        let body = body(&sent, 4);
        let received = HeartbeatRequest::decode(body.clone(), 4).unwrap();
        assert_eq!(received, sent);
        assert!(body.as_ptr_range().contains(&received.member_id.as_ptr()));
    }

    #[test]
    fn an_unsupported_api_versions_request_can_be_answered_at_version_0() {
        // KIP-511: error 35 and the range of ApiVersions itself, under a header of version 0.
        let range = api_versions_response::ApiVersion::default().with_api_key(18).with_max_version(4);
        let sent = ApiVersionsResponse::default()
            .with_error_code(ErrorCode::UnsupportedVersion.code())
            .with_api_keys(vec![range]);
        let mut chain = Chain::new();
        frame::response_header(7, 18, 99, &mut chain);
        sent.encode(0, &mut chain).unwrap();
        let golden = [0, 0, 0, 7, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4];
        assert_eq!(&chain.into_bytes()[..], golden);
    }

    #[test]
    fn responses_round_trip() {
        let sent = MetadataResponse::default().with_controller_id(BrokerId(7));
        let mut chain = Chain::new();
        sent.encode(9, &mut chain).unwrap();
        assert_eq!(MetadataResponse::decode(chain.into_bytes(), 9), Ok(sent));
    }
}
