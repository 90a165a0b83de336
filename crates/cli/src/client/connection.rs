//! Requests and answers on one stream. Each request gets the newest version that both sides know.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

use bytes::{BufMut as _, Bytes, BytesMut};
use codec::frame::{self, RequestHeader};
use codec::messages::{
    ApiVersionsRequest, ApiVersionsResponse, SaslAuthenticateRequest, SaslHandshakeRequest, StrBytes,
};
use codec::{ErrorCode, Request, Response};

use super::Address;
use super::error::ClientError;
use super::settings::Settings;
use super::stream::{self, Stream, is_late, of_tls};
use crate::clock;

/// The longest answer that is read.
const LIMIT_BYTES: usize = 100 << 20;

/// The part of a session in which requests are sent: the last of them needs time to arrive. Java's clients use 85 % at least.
const SESSION_PART: f64 = 0.85;

/// APIs that a broker serves to clients without a login.
const BEFORE_LOGIN: [i16; 3] =
    [ApiVersionsRequest::KEY, SaslHandshakeRequest::KEY, SaslAuthenticateRequest::KEY];

/// A connection that can be used: its TLS handshake and its login are done.
pub(crate) struct Connection {
    stream: Stream,
    address: Address,
    client_id: StrBytes,
    timeout: Duration,
    correlation: i32,
    /// True once it has answered a request that needs a login where the broker asks for one.
    is_in_use: bool,
    /// True once an exchange failed: the answer may still come, as if it were that to the next request.
    has_failed: bool,
    /// The time from which it is not used any more, as its session ends soon. `None`: the session lasts as long as the connection.
    ends: Option<Instant>,
    /// First and last version of each API that the broker serves, by key.
    versions: BTreeMap<i16, (i16, i16)>,
}

impl Connection {
    /// Connects, encrypts, asks for the versions, and logs in, as the settings say.
    ///
    /// # Errors
    /// The first of these that fails.
    pub(crate) fn open(address: &Address, settings: &Settings) -> Result<Self, ClientError> {
        let socket = stream::connect(address, settings.timeout)?;
        let stream = match &settings.tls {
            Some(tls) => Stream::encrypt(socket, address, tls, settings.timeout)?,
            None => Stream::Plain(socket),
        };
        let mut connection = Self::over(stream, address, settings);
        connection.ask_versions()?;
        if let Some(login) = &settings.login {
            connection.log_in(login)?;
        }
        Ok(connection)
    }

    /// On a stream that has had its handshake; no versions are known yet.
    pub(crate) fn over(stream: Stream, address: &Address, settings: &Settings) -> Self {
        Self {
            stream,
            address: address.clone(),
            client_id: StrBytes::from_string(settings.client_id.clone()),
            timeout: settings.timeout,
            correlation: 0,
            is_in_use: false,
            has_failed: false,
            ends: None,
            versions: BTreeMap::new(),
        }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// True if it cannot be used for another request: the broker has closed it while none was under way, an exchange failed, or its session ends soon.
    pub(crate) fn is_closed(&mut self) -> bool {
        let is_ending = self.ends.is_some_and(|end| clock::instant() >= end);
        is_ending || self.has_failed || !self.stream.is_idle()
    }

    #[cfg(test)]
    pub(super) fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// Takes note of the time that a login lasts, by the broker's answer to it; 0 means no end. A broker closes the connection at the first
    /// request after it (KIP-368).
    pub(super) fn end_session_after(&mut self, lifetime_ms: i64) {
        let lifetime = u64::try_from(lifetime_ms).ok().filter(|lifetime| *lifetime > 0);
        let usable = lifetime.map(|lifetime| Duration::from_millis(lifetime).mul_f64(SESSION_PART));
        self.ends = usable.and_then(|usable| clock::instant().checked_add(usable));
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.stream.is_tls()
    }

    /// APIs that the broker serves.
    pub(crate) fn number_of_apis(&self) -> usize {
        self.versions.len()
    }

    /// True if the broker serves this version of an API.
    pub(crate) fn serves<R: Request>(&self, version: i16) -> bool {
        self.versions.get(&R::KEY).is_some_and(|(first, last)| (*first..=*last).contains(&version))
    }

    /// Asks for the versions of all APIs. An older broker that does not know the version of this request itself is asked again (KIP-511).
    ///
    /// # Errors
    /// The broker does not answer, or is none.
    pub(crate) fn ask_versions(&mut self) -> Result<(), ClientError> {
        const NEWEST: i16 = 3;
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("ottla-cli"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let mut body = self.exchange(&request, NEWEST)?;
        let mut version = NEWEST;
        // The answer to an unknown version is one of version 0.
        if body.starts_with(&(ErrorCode::UnsupportedVersion as i16).to_be_bytes()) {
            version = 0;
            body = self.exchange(&ApiVersionsRequest::default(), 0)?;
        }
        let answer: ApiVersionsResponse = self.decode::<ApiVersionsRequest>(body, version)?;
        if answer.error_code != 0 {
            return Err(ClientError::NotKafka {
                address: self.address.clone(),
                reason: format!("ApiVersions is answered with the error {}", answer.error_code),
            });
        }
        self.versions =
            answer.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect();
        Ok(())
    }

    /// Sends a request by the newest version that both sides know, and waits for its answer.
    ///
    /// # Errors
    /// The connection fails, or there is no such version.
    pub(crate) fn call<R: Request>(&mut self, request: &R) -> Result<R::Response, ClientError> {
        self.call_between(*R::VERSIONS.start(), *R::VERSIONS.end(), request)
    }

    /// As [`Self::call`], by a version of these.
    ///
    /// # Errors
    /// The connection fails, or there is no such version.
    pub(crate) fn call_between<R: Request>(
        &mut self,
        at_least: i16,
        at_most: i16,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        let (first, last) = self.versions.get(&R::KEY).copied().unwrap_or((0, -1));
        let (at_least, at_most) = (at_least.max(*R::VERSIONS.start()), at_most.min(*R::VERSIONS.end()));
        let version = last.min(at_most);
        if version < first.max(at_least) {
            return Err(ClientError::Version {
                address: self.address.clone(),
                api: R::NAME,
                needed: format!("{at_least} to {at_most}"),
            });
        }
        let body = self.exchange(request, version)?;
        self.decode::<R>(body, version)
    }

    fn decode<R: Request>(&self, body: Bytes, version: i16) -> Result<R::Response, ClientError> {
        R::Response::decode(body, version)
            .map_err(|error| self.not_kafka(&format!("its answer to {}: {error}", R::NAME)))
    }

    /// Sends a request; returns the body of its answer.
    fn exchange<R: Request>(&mut self, request: &R, version: i16) -> Result<Bytes, ClientError> {
        let body = self.send_and_receive(request, version);
        self.has_failed |= body.is_err();
        body
    }

    fn send_and_receive<R: Request>(&mut self, request: &R, version: i16) -> Result<Bytes, ClientError> {
        self.correlation += 1;
        let mut whole = BytesMut::new();
        whole.put_i32(0);
        let client_id = Some(self.client_id.clone());
        let header = RequestHeader {
            api_key: R::KEY,
            api_version: version,
            correlation_id: self.correlation,
            client_id,
        };
        let encoded = header.encode(&mut whole).and_then(|()| request.encode(version, &mut whole));
        encoded.map_err(|error| ClientError::Other(format!("{} cannot be sent: {error}", R::NAME)))?;
        let length = i32::try_from(whole.len() - 4)
            .map_err(|_| ClientError::Other(format!("{} is too long", R::NAME)))?;
        whole.iter_mut().zip(length.to_be_bytes()).for_each(|(byte, digit)| *byte = digit);
        let sent = self.stream.write_all(&whole).and_then(|()| self.stream.flush());
        sent.map_err(|error| self.broken(R::NAME, &error))?;
        let mut answer = self.frame(R::NAME)?;
        let correlation = frame::parse_response_header(&mut answer, R::KEY, version)
            .map_err(|error| self.not_kafka(&error.to_string()))?;
        match correlation == self.correlation {
            true => {
                self.is_in_use |= !BEFORE_LOGIN.contains(&R::KEY);
                Ok(answer)
            }
            false => Err(self.not_kafka("its answer is that to another request")),
        }
    }

    /// The next frame, without its length. Memory grows with the bytes that arrive.
    fn frame(&mut self, at: &'static str) -> Result<Bytes, ClientError> {
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix).map_err(|error| self.broken(at, &error))?;
        let length = match (frame::frame_length(prefix, LIMIT_BYTES), prefix) {
            (Ok(length), _) => length,
            // An alert of TLS, which says that it expected a handshake.
            (Err(_), [0x15, 3, ..]) => return Err(ClientError::SpeaksTls { address: self.address.clone() }),
            (Err(_), [b'H', b'T', b'T', b'P']) => return Err(self.not_kafka("it answered by HTTP")),
            (Err(error), _) => return Err(self.not_kafka(&error.to_string())),
        };
        let mut frame = Vec::new();
        let read = (&mut self.stream).take(length as u64).read_to_end(&mut frame);
        match read {
            Ok(read) if read == length => Ok(frame.into()),
            Ok(_) => Err(self.broken(at, &ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(self.broken(at, &error)),
        }
    }

    fn not_kafka(&self, reason: &str) -> ClientError {
        ClientError::NotKafka { address: self.address.clone(), reason: reason.to_owned() }
    }

    /// The error for a stream that failed at the request `at`.
    fn broken(&self, at: &'static str, error: &std::io::Error) -> ClientError {
        let address = self.address.clone();
        if let Some(error) = of_tls(error) {
            // With TLS 1.3 a refused client learns of it here.
            return ClientError::Tls { address, error, chain: Vec::new() };
        }
        match error.kind() {
            _ if is_late(error) => ClientError::TooLate { address, at, seconds: self.timeout.as_secs() },
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                ClientError::Closed { address, at, with_tls: self.is_tls(), in_use: self.is_in_use }
            }
            _ => ClientError::Io { address, at, reason: error.to_string() },
        }
    }
}
