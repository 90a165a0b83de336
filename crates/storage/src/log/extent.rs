//! Extents: ranges of offsets, each in one family.

use std::collections::{HashMap, HashSet};

use crate::PartitionNumber;

/// A generation's number, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GenerationNumber(pub(crate) u32);

/// The family in which an extent lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum BatchFamily {
    /// The settled family: batches that outlived the generation they were written to. Its number is 0; generations count
    /// from 1.
    Settled,
    /// A generation.
    Generation(GenerationNumber),
}

/// A partition's offsets from `base_offset`, up to the next extent's, lie in one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) base_offset: i64,
    pub(crate) family: BatchFamily,
    /// Bytes that the partition had taken before it.
    pub(crate) position: u64,
}

/// The living extents of each generation: partition and base offset.
pub(crate) type LivingExtents = HashMap<GenerationNumber, HashSet<(PartitionNumber, i64)>>;
