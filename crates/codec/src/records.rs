//! Record batches, message format v2: views over `Bytes`, checked once, opened only when needed.
//!
//! A broker stores and serves batches as its producers built them. [`RecordBatch`] checks one on
//! arrival (length, CRC-32C, counts); [`validate_records`] also walks the records in it;
//! [`batches`] cuts a stored or fetched sequence into batches by their headers alone; [`Records`]
//! reads the records themselves. [`BatchBuilder`] writes batches. [`OpenedBatch`] takes records out of one.
//!
//! Layout and rules are those of Kafka's `DefaultRecordBatch`, `DefaultRecord` and `LogValidator`.

mod batch;
mod builder;
mod compression;
mod control;
mod error;
mod filter;
mod record;
mod validate;

pub use batch::{
    Attributes, BatchHeader, RecordBatch, TimestampType, batches, set_base_offset, set_log_append_time,
    set_max_timestamp, set_partition_leader_epoch,
};
pub use builder::BatchBuilder;
pub use compression::{Compression, MAX_CONTENT, compress, decompress, held_limit};
pub(crate) use compression::{Decompressed, compressor, failure};
pub use control::{ControlType, EndTransactionMarker};
pub use error::BatchError;
pub use filter::{OpenedBatch, RecordView, Retained, emptied};
pub use record::{Record, RecordHeader, Records};
pub use validate::{RecordFacts, validate_records};
