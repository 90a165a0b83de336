//! The TLS of a connection: what is written is encrypted at once, and what is read decrypted at once.

use std::io::{self, BufRead as _, IoSlice, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::{ClientConfig, ClientConnection, HandshakeKind};

use crate::endpoint;

/// Bytes of one read from the socket.
const READ_BYTES: usize = 64 << 10;

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    session: ClientConnection,
    /// Room for what one read brings.
    encrypted: Vec<u8>,
}

impl Session {
    /// Shakes hands on a socket that blocks.
    pub(super) fn begin(stream: &mut TcpStream, config: Arc<ClientConfig>) -> Result<Session> {
        let mut session = ClientConnection::new(config, endpoint::broker_name()?)?;
        while session.is_handshaking() {
            session.complete_io(stream).context("the TLS handshake")?;
        }
        Ok(Session { session, encrypted: Vec::new() })
    }

    /// True if it went on with the keys of an earlier one.
    pub(super) fn is_resumed(&self) -> bool {
        self.session.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Encrypts as much as there is room for; returns the number of bytes taken.
    pub(super) fn encrypt(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.session.writer().write_vectored(slices)
    }

    /// Writes what is encrypted; true if that was everything.
    pub(super) fn flush(&mut self, stream: &mut TcpStream) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                wrote => drop(wrote?),
            }
        }
        Ok(true)
    }

    /// Reads once, and gives `sink` what is decrypted, in pieces; returns the number of encrypted bytes.
    pub(super) fn read(&mut self, stream: &mut TcpStream, mut sink: impl FnMut(&[u8])) -> io::Result<usize> {
        self.encrypted.resize(READ_BYTES, 0);
        let read = stream.read(&mut self.encrypted)?;
        let mut unread = &self.encrypted[..read];
        while !unread.is_empty() {
            self.session.read_tls(&mut unread)?;
            let state = self.session.process_new_packets().map_err(io::Error::other)?;
            let mut left = state.plaintext_bytes_to_read();
            let mut reader = self.session.reader();
            while left > 0 {
                let piece = reader.fill_buf()?;
                let length = piece.len();
                sink(piece);
                reader.consume(length);
                left -= length.min(left);
            }
        }
        Ok(read)
    }

    /// Frees the room for reads, until it is needed again.
    pub(super) fn forget_buffers(&mut self) {
        self.encrypted = Vec::new();
    }
}
