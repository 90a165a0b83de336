//! One non-blocking connection: requests queued and written with few system calls, frames read in place.
//!
//! Small requests are gathered in one buffer; a large body is written from where it was built, never
//! copied. Bytes that are read stay in one buffer until they are a whole frame. Waiting for the socket is
//! left to [`crate::poller`].

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use codec::frame;
use rustls::ClientConfig;

use crate::endpoint::Endpoint;
use crate::login;

mod tls;

/// A body of at least this size is not copied.
const SHARED_FROM: usize = 4096;
/// Pieces per writev; Linux takes up to 1024.
const PIECES: usize = 64;
/// First size of the read buffer; it grows with the frames.
const INBOX_BYTES: usize = 16 << 10;
/// Longest answer that is accepted.
const FRAME_LIMIT: usize = 256 << 20;

/// A part of the stream that waits to be written.
#[derive(Debug)]
enum Piece {
    /// Heads and small bodies, copied one after the other.
    Gathered(Vec<u8>),
    /// One large body, shared with the other requests that send it.
    Shared(Bytes),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Gathered(bytes) => bytes,
            Piece::Shared(bytes) => bytes,
        }
    }
}

/// A connection to a broker.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Non-blocking, except during [`Connection::exchange`].
    stream: TcpStream,
    /// `None`: in the clear.
    session: Option<tls::Session>,
    /// In the order of the stream.
    outbox: VecDeque<Piece>,
    /// Bytes of the first piece that were written.
    written: usize,
    /// Room for what is read; never shrinks unless [`Connection::forget_buffers`] is called.
    inbox: Vec<u8>,
    /// The part of `inbox` that was read from the socket and not returned yet.
    unread: Range<usize>,
}

impl Connection {
    /// Connects, waiting for it, shakes hands and logs in if the endpoint asks for it, and makes the socket non-blocking.
    pub(crate) fn open(endpoint: Endpoint) -> Result<Connection> {
        Connection::open_with(endpoint, endpoint.tls.map(|tls| tls.config()))
    }

    /// The same by other settings of TLS.
    pub(crate) fn open_with(endpoint: Endpoint, config: Option<Arc<ClientConfig>>) -> Result<Connection> {
        let address = endpoint.address;
        let mut stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        // Without Nagle's algorithm, as Kafka's clients.
        stream.set_nodelay(true)?;
        let session = config.map(|config| tls::Session::begin(&mut stream, config)).transpose()?;
        stream.set_nonblocking(true)?;
        let (outbox, inbox) = (VecDeque::new(), Vec::new());
        let connection = Connection { stream, session, outbox, written: 0, inbox, unread: 0..0 };
        if endpoint.login { login::logged_in(connection) } else { Ok(connection) }
    }

    /// True if its TLS session went on with the keys of an earlier one.
    pub(crate) fn is_resumed(&self) -> bool {
        self.session.as_ref().is_some_and(tls::Session::is_resumed)
    }

    /// The socket, for the poller.
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Queues a request of a head and a body; [`Connection::flush`] writes it.
    pub(crate) fn queue(&mut self, head: &[u8], body: &Bytes) {
        if !matches!(self.outbox.back(), Some(Piece::Gathered(_))) {
            self.outbox.push_back(Piece::Gathered(Vec::with_capacity(1024)));
        }
        if let Some(Piece::Gathered(gathered)) = self.outbox.back_mut() {
            gathered.extend_from_slice(head);
            // Copied to the head before it: many small requests leave as one piece.
            if body.len() < SHARED_FROM {
                gathered.extend_from_slice(body);
                return;
            }
        }
        self.outbox.push_back(Piece::Shared(body.clone()));
    }

    /// Writes as much as the socket takes; true if that was everything.
    ///
    /// # Errors
    /// The connection failed.
    pub(crate) fn flush(&mut self) -> Result<bool> {
        while !self.outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES];
            let mut count = 0;
            for (slice, piece) in slices.iter_mut().zip(&self.outbox) {
                // Only the first piece can be written in part.
                let skip = if count == 0 { self.written } else { 0 };
                *slice = IoSlice::new(&piece.bytes()[skip..]);
                count += 1;
            }
            let written = match &mut self.session {
                None => self.stream.write_vectored(&slices[..count]),
                Some(session) => session.encrypt(&slices[..count]),
            };
            match written {
                // Its buffer is full.
                Ok(0) if self.session.is_some() => {
                    if !self.flush_encrypted()? {
                        return Ok(false);
                    }
                }
                Ok(wrote) => self.consume(wrote),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("writing to the broker"),
            }
        }
        self.flush_encrypted()
    }

    fn flush_encrypted(&mut self) -> Result<bool> {
        match &mut self.session {
            None => Ok(true),
            Some(session) => session.flush(&mut self.stream).context("writing to the broker"),
        }
    }

    /// Takes bytes that were written off the front.
    fn consume(&mut self, wrote: usize) {
        self.written += wrote;
        while let Some(first) = self.outbox.front() {
            let len = first.bytes().len();
            if self.written < len {
                break;
            }
            self.written -= len;
            self.outbox.pop_front();
        }
    }

    /// Reads once.
    ///
    /// # Errors
    /// If the broker closed the connection.
    pub(crate) fn fill(&mut self) -> Result<()> {
        let read = match self.session.take() {
            None => self.fill_plain(),
            Some(mut session) => {
                let read = self.fill_decrypted(&mut session);
                self.session = Some(session);
                read
            }
        };
        match read {
            Ok(0) => anyhow::bail!("the broker closed the connection"),
            Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Err(error).context("reading from the broker")
            }
            _ => Ok(()),
        }
    }

    fn fill_plain(&mut self) -> io::Result<usize> {
        if self.unread.end == self.inbox.len() {
            self.make_room((self.unread.len() + 1).max(INBOX_BYTES));
        } else if self.unread.is_empty() {
            // Nothing is unread: reading at the front again moves no bytes.
            self.unread = 0..0;
        }
        // Once per readiness: the poller reports the rest, and no connection starves the others.
        let count = self.stream.read(&mut self.inbox[self.unread.end..])?;
        self.unread.end += count;
        Ok(count)
    }

    fn fill_decrypted(&mut self, session: &mut tls::Session) -> io::Result<usize> {
        let Connection { stream, inbox, unread, .. } = self;
        session.read(stream, |piece| {
            if inbox.len() - unread.end < piece.len() {
                make_room(inbox, unread, (unread.len() + piece.len()).max(INBOX_BYTES));
            }
            inbox[unread.end..unread.end + piece.len()].copy_from_slice(piece);
            unread.end += piece.len();
        })
    }

    /// The next whole frame that was read, without its length; [`Connection::frame`] shows it.
    ///
    /// # Errors
    /// The length is negative or above 256 MiB.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Range<usize>>> {
        let unread = &self.inbox[self.unread.clone()];
        if let Some(prefix) = unread.first_chunk::<4>() {
            let len = frame::frame_length(*prefix, FRAME_LIMIT)?;
            if unread.len() >= 4 + len {
                let start = self.unread.start + 4;
                self.unread.start = start + len;
                return Ok(Some(start..start + len));
            }
            // The whole frame in one piece, so that it need not be copied again.
            self.make_room(4 + len);
        } else {
            self.make_room(4);
        }
        Ok(None)
    }

    fn make_room(&mut self, frame_bytes: usize) {
        make_room(&mut self.inbox, &mut self.unread, frame_bytes);
    }

    /// The bytes of a frame.
    pub(crate) fn frame(&self, range: Range<usize>) -> &[u8] {
        &self.inbox[range]
    }

    /// Frees the memory of its buffers, until they are needed again.
    pub(crate) fn forget_buffers(&mut self) {
        self.inbox = Vec::new();
        self.unread = 0..0;
        self.outbox = VecDeque::new();
        if let Some(session) = &mut self.session {
            session.forget_buffers();
        }
    }

    /// Waits for one answer and returns a copy of it: for calls before a load.
    ///
    /// # Errors
    /// The connection fails before the answer is whole.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Result<Bytes> {
        // `flush` and `fill` wait then, so that no poller is needed.
        self.stream.set_nonblocking(false)?;
        self.queue(request, &Bytes::new());
        ensure!(self.flush()?, "a blocking socket blocked");
        let answer = loop {
            if let Some(range) = self.next_frame()? {
                break Bytes::copy_from_slice(self.frame(range));
            }
            self.fill()?;
        };
        self.stream.set_nonblocking(true)?;
        Ok(answer)
    }
}

/// Moves unread bytes to the front, and makes room for a frame of this size.
fn make_room(inbox: &mut Vec<u8>, unread: &mut Range<usize>, frame_bytes: usize) {
    inbox.copy_within(unread.clone(), 0);
    *unread = 0..unread.len();
    if inbox.len() < frame_bytes {
        // Powers of two: frames that grow slowly must not reallocate each time.
        inbox.resize(frame_bytes.next_power_of_two(), 0);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = Connection::open(Endpoint::plain(listener.local_addr().unwrap())).unwrap();
        (connection, listener.accept().unwrap().0)
    }

    #[test]
    fn requests_arrive_whole_and_in_order_whatever_their_size() {
        let (mut connection, mut peer) = pair();
        let mut expected = Vec::new();
        for size in [0, 1, 4095, 4096, 5_000_000, 3, 70_000, 1] {
            let head = vec![size as u8; 10];
            let body = Bytes::from(vec![(size >> 3) as u8; size]);
            connection.queue(&head, &body);
            expected.extend_from_slice(&head);
            expected.extend_from_slice(&body);
        }
        let len = expected.len();
        let reader = thread::spawn(move || {
            let mut got = vec![0; len];
            peer.read_exact(&mut got).unwrap();
            got
        });
        while !connection.flush().unwrap() {
            thread::yield_now();
        }
        assert!(reader.join().unwrap() == expected);
    }

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let (mut connection, mut peer) = pair();
        let sizes = [0usize, 1, 16 << 10, 3, 200_000, 7];
        let mut stream = Vec::new();
        for size in sizes {
            stream.extend_from_slice(&(size as u32).to_be_bytes());
            stream.resize(stream.len() + size, size as u8);
        }
        let writer = thread::spawn(move || {
            for piece in stream.chunks(777) {
                peer.write_all(piece).unwrap();
            }
            peer
        });
        let mut got = Vec::new();
        while got.len() < sizes.len() {
            connection.fill().unwrap();
            while let Some(range) = connection.next_frame().unwrap() {
                let frame = connection.frame(range);
                assert!(frame.iter().all(|byte| *byte == frame.len() as u8));
                got.push(frame.len());
            }
        }
        assert_eq!(got, sizes);
        drop(writer.join().unwrap());
        let ends = (0..100).any(|_| {
            thread::sleep(std::time::Duration::from_millis(1));
            connection.fill().is_err()
        });
        assert!(ends, "the end of the stream is an error");
    }
}
