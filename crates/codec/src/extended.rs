//! Messages with versions that kafka-protocol lacks.
//!
//! Kafka 4.0 dropped versions that clients still send (KIP-896): [`older`](crate::older). Kafka 4.2 and later have some
//! that kafka-protocol does not know yet: [`newer`](crate::newer). A message says for each version if it is laid out there or in
//! kafka-protocol ([`Extended::layout`]), so that the handler of an API sees one type. A field that a version lacks is at
//! its default when read, and left out when written.

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable};

use crate::error::{DecodeError, EncodeError};
use crate::fields::{FieldReader, FieldWriter};

/// The owner of a message's layout at one version.
/// One version has one owner for reading and for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// This crate: [`Extended::read`] and [`Extended::write`].
    Own,
    /// kafka-protocol, under this version, which is laid out alike.
    /// It may be another number than the one on the wire: a version 0 that kafka-protocol has not may
    /// differ from 1 in meaning only.
    KafkaProtocol(i16),
}

/// A message with versions that kafka-protocol lacks.
///
/// Implemented for requests and responses alike; one of the two may need a layout here and the other none.
pub(crate) trait Extended: Sized {
    /// Its name, for errors.
    /// With its suffix, unlike [`Request::NAME`](crate::Request::NAME).
    const NAME: &'static str;
    /// All versions, those of kafka-protocol included.
    /// Request and response have the same.
    const VERSIONS: RangeInclusive<i16>;
    /// From this version on lengths are varints and structs end in tagged fields (KIP-482).
    /// Only looked at for [`Layout::Own`].
    const FLEXIBLE_FROM: i16;

    /// The owner of the layout of that version.
    /// Asked for versions of [`Extended::VERSIONS`] only.
    fn layout(version: i16) -> Layout;

    /// Reads a version of [`Layout::Own`].
    /// Versions of kafka-protocol never come here, so a message without own layouts need not implement it.
    ///
    /// # Errors
    /// As the fields' own.
    fn read(_from: &mut FieldReader<'_>, version: i16) -> Result<Self, DecodeError> {
        Err(DecodeError::Version { api: Self::NAME, version })
    }

    /// Writes a version of [`Layout::Own`].
    /// Fields that the version lacks are left out silently.
    ///
    /// # Errors
    /// If a length does not fit its prefix.
    fn write(&self, _to: &mut FieldWriter<'_>, version: i16) -> Result<(), EncodeError> {
        Err(EncodeError { message: Self::NAME, version, reason: "no layout here".to_owned() })
    }
}

/// How a message is read and written at the versions that are left to kafka-protocol.
///
/// A trait of its own, because our structs in [`messages`](crate::messages) have no decoder there.
pub(crate) trait ByKafkaProtocol: Sized {
    /// The error is kafka-protocol's text, with its causes.
    fn decode_there(body: &mut Bytes, version: i16) -> Result<Self, String>;
    fn encode_there(&self, version: i16, out: &mut BytesMut) -> Result<(), String>;
}

impl<M: Decodable + Encodable> ByKafkaProtocol for M {
    fn decode_there(body: &mut Bytes, version: i16) -> Result<Self, String> {
        M::decode(body, version).map_err(|e| format!("{e:#}"))
    }

    fn encode_there(&self, version: i16, out: &mut BytesMut) -> Result<(), String> {
        self.encode(out, version).map_err(|e| format!("{e:#}"))
    }
}

/// Implements [`ByKafkaProtocol`] for a message that is laid out here at all versions.
macro_rules! never_by_kafka_protocol {
    ($($message:ty),*) => {
        $(
            impl $crate::extended::ByKafkaProtocol for $message {
                fn decode_there(_body: &mut bytes::Bytes, _version: i16) -> Result<Self, String> {
                    Err("is laid out here at every version".to_owned())
                }

                fn encode_there(&self, _version: i16, _out: &mut bytes::BytesMut) -> Result<(), String> {
                    Err("is laid out here at every version".to_owned())
                }
            }
        )*
    };
}
pub(crate) use never_by_kafka_protocol;

/// Reads the message that `body` starts with; also returns how many bytes are left.
///
/// # Errors
/// [`DecodeError::Version`] beyond [`Extended::VERSIONS`], else that of the reader which owns the layout.
pub(crate) fn decode<M: Extended + ByKafkaProtocol>(
    api: &'static str,
    mut body: Bytes,
    version: i16,
) -> Result<(M, usize), DecodeError> {
    // For responses: the version of a request is compared before its shape is.
    if !M::VERSIONS.contains(&version) {
        return Err(DecodeError::Version { api, version });
    }
    match M::layout(version) {
        Layout::Own => {
            // Bytes after the last field are left to the caller: ignored in requests, an error in responses.
            let mut reader = FieldReader::new(&body, version >= M::FLEXIBLE_FROM);
            let message = M::read(&mut reader, version)?;
            Ok((message, reader.remaining()))
        }
        Layout::KafkaProtocol(alike) => {
            let message = M::decode_there(&mut body, alike);
            // Under the version on the wire, not the one it was read as: the operator knows the former.
            let message = message.map_err(|reason| DecodeError::Message { api, version, reason })?;
            Ok((message, body.len()))
        }
    }
}

/// Writes a message.
/// An error may leave a part of it in `out`.
///
/// # Errors
/// If there is no such version, or a length does not fit its field.
pub(crate) fn encode<M: Extended + ByKafkaProtocol>(
    message: &M,
    version: i16,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let error = |reason| EncodeError { message: M::NAME, version, reason };
    if !M::VERSIONS.contains(&version) {
        return Err(error("no such version".to_owned()));
    }
    match M::layout(version) {
        Layout::Own => {
            let flexible = version >= M::FLEXIBLE_FROM;
            message.write(&mut FieldWriter::new(out, flexible, M::NAME, version), version)
        }
        Layout::KafkaProtocol(alike) => message.encode_there(alike, out).map_err(error),
    }
}

#[cfg(test)]
mod tests;
