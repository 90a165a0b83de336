//! Buffers for reads. They are used again: memory that was read into lately is in the processor's cache, and needs neither to be
//! allocated nor to be filled with zeros.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Bytes of a buffer that is used again: the most that clients ask for of one partition (`max.partition.fetch.bytes`, 1 MiB).
pub(super) const BUFFER_BYTES: usize = 1 << 20;
/// The most buffers that wait to be used: as many as reads may run at the same time.
const CAPACITY: usize = 8;

/// Buffers that wait to be used. Clones share them.
#[derive(Clone, Default)]
pub(super) struct ReadBuffers {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A buffer in use; it goes back when it is dropped.
pub(super) struct ReadBuffer {
    /// Never shorter than what it was taken for; its content is whatever was read into it before.
    bytes: Vec<u8>,
    /// Bytes from the start that this use has taken.
    filled: usize,
    home: ReadBuffers,
}

impl ReadBuffers {
    /// A buffer of at least `length` bytes. Only those of at most [`BUFFER_BYTES`] are used again.
    pub(super) fn take(&self, length: usize) -> ReadBuffer {
        let kept = (length <= BUFFER_BYTES).then(|| self.free.lock().pop()).flatten();
        let bytes = kept.unwrap_or_else(|| vec![0; length.max(BUFFER_BYTES)]);
        ReadBuffer { bytes, filled: 0, home: self.clone() }
    }
}

impl ReadBuffer {
    /// Bytes that it holds.
    pub(super) fn len(&self) -> usize {
        self.filled
    }

    /// The next `length` bytes, which count as held from now on; more memory if need be. They hold anything until they are written.
    pub(super) fn extend(&mut self, length: usize) -> &mut [u8] {
        let start = self.filled;
        self.filled += length;
        if self.filled > self.bytes.len() {
            self.bytes.resize(self.filled.max(2 * self.bytes.len()), 0);
        }
        &mut self.bytes[start..self.filled]
    }

    /// A part of what it holds.
    pub(super) fn part(&mut self, start: usize, length: usize) -> &mut [u8] {
        &mut self.bytes[start..start + length]
    }

    /// Holds no more than the first `length` bytes.
    pub(super) fn truncate(&mut self, length: usize) {
        self.filled = self.filled.min(length);
    }

    /// Its bytes, up to where it is filled. Little is copied, so that it does not keep much memory from other reads.
    pub(super) fn freeze(self) -> Bytes {
        match self.filled < self.bytes.len() / 2 {
            true => Bytes::copy_from_slice(self.as_ref()),
            false => Bytes::from_owner(self),
        }
    }
}

impl AsRef<[u8]> for ReadBuffer {
    fn as_ref(&self) -> &[u8] {
        // No more: the rest may be records that another client has read.
        &self.bytes[..self.filled]
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        // One that had to grow is freed: few reads are so large, and its memory would stay for ever.
        if self.bytes.len() == BUFFER_BYTES {
            let mut free = self.home.free.lock();
            if free.len() < CAPACITY {
                free.push(std::mem::take(&mut self.bytes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_once_no_reader_has_it() {
        let buffers = ReadBuffers::default();
        let mut buffer = buffers.take(10);
        buffer.extend(BUFFER_BYTES).fill(7);
        let held = buffer.freeze();
        let part = held.slice(5..10);
        drop(held);
        assert!(buffers.free.lock().is_empty());
        assert_eq!(part.as_ref(), [7; 5]);
        drop(part);
        assert_eq!(buffers.free.lock().len(), 1);
        let mut again = buffers.take(BUFFER_BYTES);
        assert!(buffers.free.lock().is_empty());
        assert_eq!(again.extend(3), [7; 3], "as it was left");
    }

    #[test]
    fn little_is_copied_and_much_is_not_kept() {
        let buffers = ReadBuffers::default();
        let mut buffer = buffers.take(10);
        buffer.extend(10).fill(1);
        let held = buffer.freeze();
        assert_eq!((held.len(), buffers.free.lock().len()), (10, 1));
        let mut large = buffers.take(1);
        large.extend(BUFFER_BYTES + 1).fill(2);
        assert_eq!(large.len(), BUFFER_BYTES + 1);
        drop(large.freeze());
        assert!(buffers.free.lock().is_empty(), "it has grown");
        let all: Vec<_> = (0..2 * CAPACITY).map(|_| buffers.take(1)).collect();
        drop(all);
        assert_eq!(buffers.free.lock().len(), CAPACITY);
    }

    #[test]
    fn a_buffer_that_grows_keeps_what_it_holds() {
        let mut buffer = ReadBuffers::default().take(1);
        buffer.extend(BUFFER_BYTES).fill(3);
        buffer.extend(2).fill(4);
        buffer.part(0, 1).fill(5);
        buffer.truncate(BUFFER_BYTES + 1);
        let held = buffer.freeze();
        assert_eq!((held[0], held[1], held[BUFFER_BYTES], held.len()), (5, 3, 4, BUFFER_BYTES + 1));
    }
}
