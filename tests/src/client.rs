//! A raw client of the wire protocol: one blocking connection, no retries.
//!
//! Requests and answers are typed by the codec, or raw bytes where a test sends bad ones.
//! Answers are matched by correlation id, in order: an answer out of order is an error.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use codec::frame::{self, RequestHeader};
use codec::messages::StrBytes;
use codec::{Request, Response};
use socket2::{Domain, Socket, Type};

/// An answer that takes longer counts as none.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The largest answer that a test accepts.
const LIMIT_BYTES: usize = 128 << 20;

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    name: Option<StrBytes>,
    correlation: i32,
    expected: VecDeque<Expected>,
}

#[derive(Debug, Clone, Copy)]
struct Expected {
    correlation: i32,
    key: i16,
    version: i16,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// If no process listens there.
    pub fn connect(address: SocketAddr) -> Result<Client> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        Client::over(stream)
    }

    /// Connects from an address of this machine, so that its lines in the broker's log can be recognised.
    ///
    /// # Errors
    /// If no process listens there, or the address is not this machine's.
    pub fn connect_from(from: IpAddr, address: SocketAddr) -> Result<Client> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
        socket.connect_timeout(&address.into(), PATIENCE)?;
        Client::over(socket.into())
    }

    fn over(stream: TcpStream) -> Result<Client> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let name = Some(StrBytes::from_static_str("ottla-tests"));
        Ok(Client { stream, name, correlation: 0, expected: VecDeque::new() })
    }

    /// How long an answer may take, from now on.
    ///
    /// # Errors
    /// If the socket refuses.
    pub fn set_patience(&self, patience: Duration) -> Result<()> {
        Ok(self.stream.set_read_timeout(Some(patience))?)
    }

    /// Our end of the connection, as the broker's log names it.
    ///
    /// # Errors
    /// If the socket is broken.
    pub fn local_address(&self) -> Result<SocketAddr> {
        Ok(self.stream.local_addr()?)
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// If the connection breaks, or the answer does not parse.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response> {
        self.send(version, request)?;
        self.receive::<R>()
    }

    /// Sends a request whose answer is received later by [`Client::receive`].
    ///
    /// # Errors
    /// If it cannot be encoded at this version, or the connection breaks.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> Result<()> {
        self.send_unanswered(version, request)?;
        self.expected.push_back(Expected { correlation: self.correlation, key: R::KEY, version });
        Ok(())
    }

    /// Sends a request that has no answer (Produce with acks=0).
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn send_unanswered<R: Request>(&mut self, version: i16, request: &R) -> Result<()> {
        let mut body = BytesMut::new();
        request.encode(version, &mut body)?;
        self.send_body(R::KEY, version, &body)
    }

    /// Sends a body of bytes under a header of this key and version.
    ///
    /// # Errors
    /// If the connection breaks.
    pub fn send_body(&mut self, key: i16, version: i16, body: &[u8]) -> Result<()> {
        self.correlation += 1;
        let frame = framed(key, version, self.correlation, self.name.clone(), body)?;
        self.send_raw(&frame)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// If the connection breaks.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// The answer to the oldest unanswered [`Client::send`].
    ///
    /// # Errors
    /// If the connection breaks, it is another request's answer, or it does not parse.
    pub fn receive<R: Request>(&mut self) -> Result<R::Response> {
        let expected = self.expected.pop_front().context("nothing was sent")?;
        ensure!(expected.key == R::KEY, "the oldest request is of API {}, not {}", expected.key, R::NAME);
        let mut frame = self.receive_frame()?;
        let correlation = frame::parse_response_header(&mut frame, expected.key, expected.version)?;
        ensure!(
            correlation == expected.correlation,
            "answer {correlation}, expected {}",
            expected.correlation
        );
        Ok(R::Response::decode(frame, expected.version)?)
    }

    /// Requests whose answers were not received yet.
    pub fn unanswered(&self) -> usize {
        self.expected.len()
    }

    /// The next frame, without its length.
    ///
    /// # Errors
    /// If the connection breaks or ends.
    pub fn receive_frame(&mut self) -> Result<Bytes> {
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix)?;
        let mut frame = vec![0; frame::frame_length(prefix, LIMIT_BYTES)?];
        self.stream.read_exact(&mut frame)?;
        Ok(frame.into())
    }

    /// A second handle to the same socket.
    ///
    /// # Errors
    /// If the socket cannot be duplicated.
    pub fn stream(&self) -> Result<TcpStream> {
        Ok(self.stream.try_clone()?)
    }
}

/// A whole frame: length, header, body.
///
/// # Errors
/// If it is longer than a frame can be.
pub fn framed(
    key: i16,
    version: i16,
    correlation_id: i32,
    client_id: Option<StrBytes>,
    body: &[u8],
) -> Result<BytesMut> {
    let mut frame = BytesMut::with_capacity(body.len() + 64);
    frame.put_i32(0);
    RequestHeader { api_key: key, api_version: version, correlation_id, client_id }.encode(&mut frame)?;
    frame.put_slice(body);
    let length = i32::try_from(frame.len() - 4)?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}
