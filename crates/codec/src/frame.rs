//! Frames: the length prefix, its limit, and the headers of requests and responses.
//!
//! Nothing here allocates by a number from the wire. Header versions: every request header is
//! version 1, or 2 (with tagged fields) if the message is flexible; a response header is 0, or 1
//! if flexible, but always 0 for ApiVersions, so that a client which does not know the broker's
//! versions yet can read it (KIP-511).
//!
//! A request header is key, version, correlation id and client id; a response header is the correlation id
//! alone. Reading the socket, and how much a connection may have in flight, are left to the broker.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::chain::Chain;
use crate::cursor::{Cursor, Prefix};
use crate::error::{DecodeError, EncodeError};
use crate::messages::{ApiVersionsRequest, StrBytes};
use crate::request::Request;
use crate::shape;
use crate::varint::put_uvarint;

/// Reads the length prefix of a frame; a negative one or one above `limit` is refused.
///
/// The length counts what follows the prefix, header and body. 0 passes here; the header is then
/// missing. The broker's limit is `socket.request.max.bytes`, and less for APIs without records.
///
/// # Errors
/// [`DecodeError::FrameLength`], as Kafka's `NetworkReceive`: nothing after such a prefix can be believed.
pub fn frame_length(prefix: [u8; 4], limit: usize) -> Result<usize, DecodeError> {
    let length = i32::from_be_bytes(prefix);
    // A client of another protocol (HTTP, TLS) shows here first: its first bytes are a number beyond
    // the usual limits.
    match usize::try_from(length) {
        Ok(len) if len <= limit => Ok(len),
        _ => Err(DecodeError::FrameLength { length, limit }),
    }
}

/// True if requests of this API are flexible (KIP-482) at this version. False for keys that no
/// message has.
///
/// Versions that do not exist count as flexible if they are above the first flexible one.
pub fn is_flexible(key: i16, version: i16) -> bool {
    shape::flexible_from(key).is_some_and(|first| version >= first)
}

/// The version of the request header: 2 for flexible versions, else 1. Defined for any version,
/// so that the header of an ApiVersions request from the future can be read.
///
/// Version 0, without a client id, was for ControlledShutdown 0 only (`RequestHeader.json`).
pub fn request_header_version(key: i16, version: i16) -> i16 {
    if is_flexible(key, version) { 2 } else { 1 }
}

/// The version of the response header: 1 for flexible versions, else 0; ApiVersions always 0.
pub fn response_header_version(key: i16, version: i16) -> i16 {
    i16::from(key != ApiVersionsRequest::KEY && is_flexible(key, version))
}

/// The header of a request.
///
/// None of its numbers is checked here: key and version may be unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// The key of the API.
    /// See [`Request::KEY`].
    pub api_key: i16,
    /// The version of the API.
    pub api_version: i16,
    /// Returned in the response, so that the client can match the two.
    /// Any number; clients count up.
    pub correlation_id: i32,
    /// The client's name for itself. Bytes that are not UTF-8 were replaced (U+FFFD).
    /// `None` is null. A slice of the frame, unless bytes were replaced.
    pub client_id: Option<StrBytes>,
}

impl RequestHeader {
    /// Takes the header off the front of a frame (without its length prefix); the body remains.
    ///
    /// The header of an unknown key is read as version 1: its number can then be logged, the
    /// body cannot be understood anyway.
    ///
    /// Tagged fields are skipped: Kafka defines none that a client sends.
    ///
    /// # Errors
    /// If the frame ends within its header; `frame` is then as it was.
    pub fn parse(frame: &mut Bytes) -> Result<RequestHeader, DecodeError> {
        let mut reader = Cursor::new(frame);
        let api_key = reader.i16("api_key")?;
        let api_version = reader.i16("api_version")?;
        let correlation_id = reader.i32("correlation_id")?;
        // Never compact, flexible or not (`RequestHeader.json`): older brokers must be able to read the
        // header of any ApiVersions request.
        let client_id = reader.nullable_bytes(Prefix::I16, "client_id")?.map(|id| frame.slice_ref(id));
        if request_header_version(api_key, api_version) >= 2 {
            reader.skip_tagged_fields()?;
        }
        // Only now: an error leaves the frame as it was.
        let len = reader.position();
        frame.advance(len);
        Ok(RequestHeader { api_key, api_version, correlation_id, client_id: client_id.map(lossy) })
    }

    /// Writes the header, as a client does.
    /// In flexible versions it ends in an empty block of tagged fields.
    ///
    /// # Errors
    /// If the client id is longer than 32767 bytes.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_i16(self.api_key);
        out.put_i16(self.api_version);
        out.put_i32(self.correlation_id);
        match &self.client_id {
            None => out.put_i16(-1),
            Some(id) => {
                out.put_i16(i16::try_from(id.len()).map_err(|_| EncodeError {
                    message: "RequestHeader",
                    version: request_header_version(self.api_key, self.api_version),
                    reason: format!("client_id of {} bytes", id.len()),
                })?);
                out.put_slice(id.as_bytes());
            }
        }
        if request_header_version(self.api_key, self.api_version) >= 2 {
            // No tagged fields.
            put_uvarint(out, 0);
        }
        Ok(())
    }
}

/// As Java's decoder does: a client with a broken name is still a client.
/// Only such a name is copied.
fn lossy(bytes: Bytes) -> StrBytes {
    // Checked before it is copied: nearly every name is UTF-8.
    StrBytes::from_utf8(bytes.clone())
        .unwrap_or_else(|_| StrBytes::from_string(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Writes the header of a response to the request of this key and version.
///
/// The first thing in the frame: [`Chain::into_frame`] puts the length before it. For ApiVersions
/// refused at an unknown version, `version` is 0, that of the answer.
pub fn response_header(correlation_id: i32, key: i16, version: i16, out: &mut Chain) {
    out.buf().put_i32(correlation_id);
    if response_header_version(key, version) >= 1 {
        put_uvarint(out.buf(), 0);
    }
}

/// Takes the header off the front of a response frame, as a client does; returns the correlation
/// id.
///
/// `version` is that of the request which the response answers.
///
/// # Errors
/// If the frame ends within its header; `frame` is then as it was.
pub fn parse_response_header(frame: &mut Bytes, key: i16, version: i16) -> Result<i32, DecodeError> {
    let mut reader = Cursor::new(frame);
    let correlation_id = reader.i32("correlation_id")?;
    if response_header_version(key, version) >= 1 {
        reader.skip_tagged_fields()?;
    }
    let len = reader.position();
    frame.advance(len);
    Ok(correlation_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::ReadError;

    fn header(api_key: i16, api_version: i16) -> RequestHeader {
        RequestHeader {
            api_key,
            api_version,
            correlation_id: 77,
            client_id: Some(StrBytes::from_static_str("rdkafka")),
        }
    }

    #[test]
    fn lengths_are_claims() {
        assert_eq!(frame_length([0, 0, 1, 0], 1000), Ok(256));
        assert_eq!(frame_length([0, 0, 0, 0], 1000), Ok(0));
        for prefix in [[0xff; 4], [0x80, 0, 0, 0], [0x7f, 0xff, 0xff, 0xff], [0, 0, 4, 0]] {
            assert!(matches!(frame_length(prefix, 1000), Err(DecodeError::FrameLength { limit: 1000, .. })));
        }
    }

    #[test]
    fn header_versions_follow_the_message() {
        assert_eq!(request_header_version(0, 8), 1);
        assert_eq!(request_header_version(0, 9), 2);
        assert_eq!(response_header_version(0, 9), 1);
        assert_eq!(request_header_version(18, 99), 2);
        assert_eq!(response_header_version(18, 4), 0, "ApiVersions");
        assert_eq!(request_header_version(17, 1), 1, "SaslHandshake is never flexible");
        assert_eq!((request_header_version(88, 0), response_header_version(88, 0)), (2, 1));
        assert_eq!(request_header_version(12345, 3), 1);
    }

    #[test]
    fn header_versions_agree_with_kafka_protocol() {
        use kafka_protocol::messages::ApiKey;
        for api in crate::request::catalog::catalog() {
            // It has no streams groups.
            let Ok(theirs) = ApiKey::try_from(api.key) else { continue };
            for version in api.versions {
                let (name, key) = (api.name, api.key);
                assert_eq!(
                    request_header_version(key, version),
                    theirs.request_header_version(version),
                    "{name}"
                );
                assert_eq!(
                    response_header_version(key, version),
                    theirs.response_header_version(version),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn header_round_trips_and_leaves_the_body() {
        for (key, version) in [(0, 8), (0, 9), (18, 0), (18, 3), (17, 1)] {
            for client_id in [None, Some(StrBytes::new()), Some(StrBytes::from_static_str("é"))] {
                let sent = RequestHeader { client_id, ..header(key, version) };
                let mut out = BytesMut::new();
                sent.encode(&mut out).unwrap();
                out.put_slice(b"body");
                let mut frame = out.freeze();
                assert_eq!(RequestHeader::parse(&mut frame), Ok(sent));
                assert_eq!(&frame[..], b"body");
            }
        }
    }

    #[test]
    fn any_truncation_of_a_header_is_an_error() {
        let mut out = BytesMut::new();
        header(0, 9).encode(&mut out).unwrap();
        let whole = out.freeze();
        for cut in 0..whole.len() {
            assert!(RequestHeader::parse(&mut whole.slice(..cut)).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn hostile_header_lengths_are_refused() {
        let mut frame = Bytes::from_static(&[0, 18, 0, 0, 0, 0, 0, 1, 0x80, 0]);
        assert!(matches!(
            RequestHeader::parse(&mut frame),
            Err(DecodeError::Read(ReadError::Claim { claimed: -32768, .. }))
        ));
        // A flexible header that announces 2^32-1 tagged fields.
        let mut frame =
            Bytes::from_static(&[0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(matches!(
            RequestHeader::parse(&mut frame),
            Err(DecodeError::Read(ReadError::Truncated { .. }))
        ));
    }

    #[test]
    fn client_id_that_is_not_utf8_is_replaced() {
        let mut frame = Bytes::from_static(&[0, 18, 0, 0, 0, 0, 0, 1, 0, 2, b'a', 0xff]);
        let parsed = RequestHeader::parse(&mut frame).unwrap();
        assert_eq!(parsed.client_id.as_deref(), Some("a\u{fffd}"));
    }

    #[test]
    fn response_header_round_trips() {
        for (key, version, len) in [(0, 8, 4), (0, 9, 5), (18, 3, 4)] {
            let mut chain = Chain::new();
            response_header(9, key, version, &mut chain);
            assert_eq!(chain.len(), len);
            let mut frame = chain.into_bytes();
            assert_eq!(parse_response_header(&mut frame, key, version), Ok(9));
            assert!(frame.is_empty());
        }
    }
}
