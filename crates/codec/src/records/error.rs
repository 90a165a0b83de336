//! Errors of record batches, and the Kafka error code that each is answered with.
//!
//! [`BatchError`] names the codec of compressed data, and `compression` returns [`BatchError`]s: two files, one thing.

use thiserror::Error;

use super::compression::Compression;
use crate::cursor::ReadError;
use crate::error_code::ErrorCode;

/// A record batch, or bytes that should be one, was refused.
///
/// [`BatchError::error_code`] is the answer to a producer. Found in stored bytes, most of them mean damage.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BatchError {
    /// The bytes end before the batch does (or before its header does).
    #[error("record batch of {needed} bytes is cut off after {have}")]
    Truncated {
        /// Bytes that the batch, or its header, takes.
        needed: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// The length field is too small for the header that follows it, or an old message's size for its
    /// fixed fields.
    #[error("record batch claims a length of {0}, less than its own header")]
    Length(i32),
    /// Bytes follow where exactly one batch was to be.
    #[error("{0} bytes follow the one record batch that is allowed")]
    Leftover(usize),
    /// The message format is not v2.
    #[error("record batch has magic {0}, only 2 is accepted")]
    Magic(i8),
    /// The checksum does not match the content.
    #[error("record batch has CRC-32C {computed:#010x}, its header says {stored:#010x}")]
    Crc {
        /// The checksum in the header.
        stored: u32,
        /// The checksum of the content.
        computed: u32,
    },
    /// The checksum of an old message (format v0 or v1) does not match its content.
    #[error("message has CRC-32 {computed:#010x}, its header says {stored:#010x}")]
    MessageCrc {
        /// The checksum in the header.
        stored: u32,
        /// The checksum of the content.
        computed: u32,
    },
    /// The compression bits name no codec: 5 to 7, in an old message also 4 (zstd).
    #[error("record batch uses unknown compression {0}")]
    UnknownCompression(u8),
    /// The header contradicts itself, or breaks a rule for producers.
    #[error("record batch header: {field} is {value}, expected {expected}")]
    Header {
        /// The field, by its name in the format.
        field: &'static str,
        /// Its value.
        value: i64,
        /// The rule that it breaks.
        expected: &'static str,
    },
    /// A record, or an old message, does not have the layout of its format.
    #[error("record {index} of the batch: {error}")]
    Layout {
        /// The number of the record, counted from zero.
        index: i32,
        /// The fault; positions count from the start of the uncompressed records, in an old message from its CRC on.
        error: ReadError,
    },
    /// A record contradicts its batch, or the batch has another number of records than its header claims.
    #[error("record {index} of the batch: {problem}")]
    Record {
        /// The number of the record, counted from zero.
        index: i32,
        /// The rule that it breaks.
        problem: &'static str,
    },
    /// The compressed data cannot be read.
    #[error("{compression} data cannot be decompressed: {reason}")]
    Decompression {
        /// The codec.
        compression: Compression,
        /// The codec's reason.
        reason: String,
    },
    /// Consumers of the formats before v2 know no such compression.
    #[error("{0} data cannot be converted to a format before v2")]
    Irreducible(Compression),
    /// The compressed data expands beyond what is walked or held of it.
    #[error("compressed records expand to more than {limit} bytes")]
    TooExpansive {
        /// The most bytes that are allowed.
        limit: usize,
    },
}

impl BatchError {
    /// The code that Kafka answers a Produce request with for this fault (`ProduceRequest`,
    /// `UnifiedLog` and `LogValidator`): what the bytes contradict is `CORRUPT_MESSAGE`, what the
    /// rules forbid is `INVALID_RECORD`.
    ///
    /// Compressed data under a right checksum is as the producer wrote it, so producers must not try again as they
    /// do after `CORRUPT_MESSAGE`. Records that expand too far they may send in smaller batches.
    pub fn error_code(&self) -> ErrorCode {
        match self {
            // Retriable: the bytes may have been damaged on their way.
            BatchError::Length(_) | BatchError::Crc { .. } | BatchError::MessageCrc { .. } => {
                ErrorCode::CorruptMessage
            }
            BatchError::TooExpansive { .. } => ErrorCode::MessageTooLarge,
            BatchError::UnknownCompression(_) | BatchError::Irreducible(_) => {
                ErrorCode::UnsupportedCompressionType
            }
            // Final: the same bytes would get the same answer.
            BatchError::Truncated { .. }
            | BatchError::Leftover(_)
            | BatchError::Magic(_)
            | BatchError::Header { .. }
            | BatchError::Decompression { .. }
            | BatchError::Layout { .. }
            | BatchError::Record { .. } => ErrorCode::InvalidRecord,
        }
    }
}
