//! Durable partitions on RocksDB. Synchronous; knows record batches, never protocol messages.
#![warn(missing_docs)]
