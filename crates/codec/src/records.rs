//! Record batches, message format v2: views over `Bytes`, checked once, opened only when needed.
//!
//! A broker stores and serves batches as its producers built them. [`RecordBatch`] checks one on
//! arrival (length, CRC-32C, counts); [`validate_records`] also walks the records in it;
//! [`batches`] cuts a stored or fetched sequence into batches by their headers alone; [`Records`]
//! reads the records themselves. [`BatchBuilder`] writes batches. [`OpenedBatch`] takes records out of one.
//!
//! ```text
//! batch       whole batches              validate    the walk over a batch on arrival
//! filter      takes records out          builder     builds batches
//! record      reads records              control     markers of transactions
//! patch       writes headers, changes fields of finished batches
//! header      reads headers              compression the codecs           error    what is wrong with a batch
//! ```
//! A file uses only those further down, or to the right; errors name a codec, and codecs return errors.
//!
//! Layout and rules are those of Kafka's `DefaultRecordBatch`, `DefaultRecord` and `LogValidator`.
//!
//! Offsets, timestamps (ms since 1970) and sequence numbers are plain integers here, as on the wire, with -1
//! for none. Rules of a topic (sizes, timestamps, keys) are the broker's; this module says what a batch is.

mod batch;
mod builder;
mod compression;
mod control;
mod error;
mod filter;
mod header;
mod patch;
mod record;
mod validate;

pub use batch::{RecordBatch, batches};
pub use builder::BatchBuilder;
pub use compression::{Compression, MAX_CONTENT, compress, decompress, decompress_within, held_limit};
pub(crate) use compression::{Decompressed, compressor, failure};
pub use control::{ControlType, EndTransactionMarker};
pub use error::BatchError;
pub use filter::{OpenedBatch, RecordView, Retained, emptied};
pub use header::{Attributes, BatchHeader, TimestampType};
pub use patch::{set_base_offset, set_log_append_time, set_max_timestamp, set_partition_leader_epoch};
pub use record::{Record, RecordHeader, Records};
pub use validate::{RecordFacts, validate_records};
