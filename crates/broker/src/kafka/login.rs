//! The login of a connection, before any request of it is served: a loop of its own, strictly one frame at a time.
//!
//! ```text
//! connected                 ApiVersions once; SaslHandshake
//! handshake v1 answered 0   SaslAuthenticate, answered with its codes
//! handshake v0 answered 0   frames of length and token without a header, both ways
//! handshake answered 33     nothing
//! ```
//! Any other request closes the connection without an answer, as in Kafka (`SaslServerAuthenticator`); after a handshake v1
//! ApiVersions and SaslHandshake are answered with ILLEGAL_SASL_STATE first. Guarantees that no
//! byte after the login is taken from the socket; that a stranger occupies a small buffer, some seconds and some requests,
//! and no part of the budget of logged-in clients; and that a failed login is answered late.

mod not_logged_in;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use codec::frame::RequestHeader;
use codec::messages::{
    ApiVersionsRequest, ApiVersionsResponse, SaslAuthenticateRequest, SaslAuthenticateResponse,
    SaslHandshakeRequest, SaslHandshakeResponse, StrBytes,
};
use codec::{ErrorCode, Request, Response};
use security::Principal;
use security::bearer::Refused;
use security::sasl::{Exchange, Identity, LoginFailed, Step};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::kafka::answered::{Answered, Receipt};
use crate::kafka::api;
use crate::kafka::context::Connected;
use crate::kafka::dispatch::dispatch;
use crate::kafka::frames::mistaken;
use crate::kafka::reauthentication::millis;
use crate::session::logins::ListenerLogin;
use crate::telemetry::audit;
use crate::telemetry::metrics::RequestTimes;

pub(crate) use not_logged_in::NotLoggedIn;

/// From accepting the connection to the end of the login, without the delay of a failure.
const DEADLINE: Duration = Duration::from_secs(10);
/// Frames before the end of the login. The longest usual login has five.
const MAX_REQUESTS: usize = 8;
/// A frame's buffer begins with this, and doubles as bytes come.
const FIRST_ROOM_BYTES: usize = 512;
/// How long a refused client may take to read its answer, and how many of its bytes are dropped meanwhile.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 64 << 10;

/// Lets the client log in; its principal is set when this returns `Ok`. What the client sent after its login is still in
/// the socket. `must_leave` is cancelled when it has to make room for others.
///
/// # Errors
/// The reason to close the connection; everything that had to be answered is answered.
pub(crate) async fn log_in<S>(
    stream: &mut S,
    connected: &Arc<Connected>,
    login: &ListenerLogin,
    must_leave: &CancellationToken,
) -> Result<(), NotLoggedIn>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let stop = connected.services.shutdown.reading.clone();
    let state = State::Connected { has_asked: false };
    let deadline = clock::timer_now() + DEADLINE;
    let mut loop_ = Login { stream: &mut *stream, connected, login, state, refused: None, deadline };
    let staying = must_leave.run_until_cancelled(loop_.run());
    let outcome = match stop.run_until_cancelled(staying).await {
        None => Err(NotLoggedIn::Shutdown),
        Some(None) => Err(NotLoggedIn::MadeRoom),
        Some(Some(outcome)) => outcome,
    };
    let exchange = match &loop_.state {
        State::Exchange { exchange, .. } => Some(exchange),
        State::Connected { .. } => None,
    };
    tell(connected, exchange, &outcome);
    if outcome.as_ref().is_err_and(NotLoggedIn::is_failure) {
        linger(stream).await;
    }
    outcome
}

/// Tells the audit log.
fn tell(connected: &Connected, exchange: Option<&Exchange>, outcome: &Result<(), NotLoggedIn>) {
    let mechanism = exchange.map(|exchange| exchange.mechanism().name());
    let (audit, peer) = (&connected.services.audit, &connected.peer);
    let client = |principal| audit::Client {
        principal,
        address: peer.address,
        listener: &peer.listener,
        client_id: None,
    };
    match outcome {
        Ok(()) => {
            let principal = peer.principal_text();
            audit.login_accepted(&client(Some(&principal)), mechanism.unwrap_or_default());
        }
        Err(reason) if reason.is_failure() => {
            let claimed = exchange.and_then(Exchange::claimed).map(|name| format!("User:{name}"));
            audit.login_refused(&client(claimed.as_deref()), mechanism, &reason.to_string());
        }
        Err(_) => {}
    }
}

/// Ends our side and waits for the client to end its own: closing a socket with unread bytes in it would destroy the answer on
/// its way.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let drain = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    // However it ends, the connection is closed next.
    let _ended = tokio::time::timeout(LINGER, drain).await;
}

struct Login<'a, S> {
    stream: &'a mut S,
    connected: &'a Arc<Connected>,
    login: &'a ListenerLogin,
    state: State,
    /// Why a bearer token was refused; the client has been told.
    refused: Option<Refused>,
    deadline: tokio::time::Instant,
}

enum State {
    /// No mechanism is chosen. ApiVersions is answered once.
    Connected { has_asked: bool },
    /// Messages come in SaslAuthenticate (handshake v1), or bare (v0).
    Exchange { exchange: Exchange, bare: bool },
}

/// The effect of a frame.
enum Taken {
    GoOn,
    LoggedIn,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Login<'_, S> {
    async fn run(&mut self) -> Result<(), NotLoggedIn> {
        for _ in 0..MAX_REQUESTS {
            let read = timeout_at(self.deadline, self.read_frame()).await;
            let frame = read.unwrap_or(Err(NotLoggedIn::TooLate)).map_err(|error| self.cause(error))?;
            if let Taken::LoggedIn = self.take(frame).await? {
                return Ok(());
            }
        }
        Err(NotLoggedIn::TooMany)
    }

    /// The next frame, without its length, and no byte beyond it.
    async fn read_frame(&mut self) -> Result<Bytes, NotLoggedIn> {
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix).await?;
        let most = self.login.max_message_bytes();
        let length = codec::frame::frame_length(prefix, most)
            .map_err(|error| NotLoggedIn::Frame(mistaken(prefix, error).to_string()))?;
        if length == 0 {
            return Err(NotLoggedIn::Frame("an empty frame".to_owned()));
        }
        // Memory grows with the bytes that came, not by the length announced.
        let mut frame = BytesMut::with_capacity(length.min(FIRST_ROOM_BYTES));
        while frame.len() < length {
            let room = (length - frame.len()).min(frame.len().max(FIRST_ROOM_BYTES));
            frame.reserve(room);
            let room = u64::try_from(room).expect("a length of memory");
            if (&mut *self.stream).take(room).read_buf(&mut frame).await? == 0 {
                return Err(NotLoggedIn::ByClient);
            }
        }
        Ok(frame.freeze())
    }

    async fn take(&mut self, frame: Bytes) -> Result<Taken, NotLoggedIn> {
        if let State::Exchange { bare: true, .. } = self.state {
            return self.bare_token(&frame).await;
        }
        let mut body = frame.clone();
        let header = RequestHeader::parse(&mut body)?;
        match (&self.state, header.api_key) {
            (State::Connected { has_asked: false }, ApiVersionsRequest::KEY) => {
                self.api_versions(frame).await
            }
            (State::Connected { .. }, SaslHandshakeRequest::KEY) => self.handshake(&header, body).await,
            (State::Exchange { .. }, SaslAuthenticateRequest::KEY) => self.authenticate(&header, body).await,
            (State::Exchange { .. }, ApiVersionsRequest::KEY) => {
                let illegal = ErrorCode::IllegalSaslState.code();
                let response = ApiVersionsResponse::default().with_error_code(illegal);
                self.answer(&header, &response, illegal).await?;
                Err(NotLoggedIn::Unexpected(header.api_key))
            }
            (State::Exchange { .. }, SaslHandshakeRequest::KEY) => {
                let illegal = ErrorCode::IllegalSaslState.code();
                let response = SaslHandshakeResponse::default().with_error_code(illegal);
                self.answer(&header, &response, illegal).await?;
                Err(NotLoggedIn::Unexpected(header.api_key))
            }
            _ => Err(NotLoggedIn::Unexpected(header.api_key)),
        }
    }

    /// Answers as after a login. A version that is not served is refused and may be followed by another try.
    async fn api_versions(&mut self, frame: Bytes) -> Result<Taken, NotLoggedIn> {
        let answered = dispatch(self.connected, api::entry(ApiVersionsRequest::KEY), frame).await?;
        let has_asked = answered.receipt.error_code == ErrorCode::None.code();
        self.state = State::Connected { has_asked };
        self.send(answered).await?;
        Ok(Taken::GoOn)
    }

    async fn handshake(&mut self, header: &RequestHeader, body: Bytes) -> Result<Taken, NotLoggedIn> {
        let version = header.api_version;
        let request = SaslHandshakeRequest::decode(body, version)?;
        let exchange = self.login.begin(&request.mechanism);
        let code = if exchange.is_some() { ErrorCode::None } else { ErrorCode::UnsupportedSaslMechanism };
        let mechanisms = self.login.mechanisms().map(StrBytes::from_static_str).collect();
        let response =
            SaslHandshakeResponse::default().with_error_code(code.code()).with_mechanisms(mechanisms);
        self.answer(header, &response, code.code()).await?;
        match exchange {
            Some(exchange) => {
                self.state = State::Exchange { exchange, bare: version == 0 };
                Ok(Taken::GoOn)
            }
            None => Err(NotLoggedIn::Mechanism(request.mechanism.chars().take(64).collect())),
        }
    }

    async fn authenticate(&mut self, header: &RequestHeader, body: Bytes) -> Result<Taken, NotLoggedIn> {
        let request = SaslAuthenticateRequest::decode(body, header.api_version)?;
        let ok = ErrorCode::None.code();
        let response = SaslAuthenticateResponse::default();
        match self.step(&request.auth_bytes).await {
            Ok(Step::Challenge(challenge)) => {
                let response = response.with_auth_bytes(challenge.into());
                self.answer(header, &response, ok).await?;
                Ok(Taken::GoOn)
            }
            Ok(Step::LoggedIn { identity, last }) => {
                let lifetime = self.logged_in(&identity);
                // Version 0 has no field for it.
                let lifetime_ms = if header.api_version == 0 { 0 } else { millis(lifetime) };
                let response = response.with_auth_bytes(last.into()).with_session_lifetime_ms(lifetime_ms);
                self.answer(header, &response, ok).await?;
                Ok(Taken::LoggedIn)
            }
            Err(failed) => {
                let code = ErrorCode::SaslAuthenticationFailed.code();
                let text = Some(StrBytes::from_string(failed.0.clone()));
                let response = response.with_error_code(code).with_error_message(text);
                self.answer(header, &response, code).await?;
                Err(self.cause(NotLoggedIn::Failed(failed.0)))
            }
        }
    }

    /// A message without a header; so is its answer, and a failure has none.
    async fn bare_token(&mut self, token: &[u8]) -> Result<Taken, NotLoggedIn> {
        match self.step(token).await {
            Ok(Step::Challenge(challenge)) => {
                self.send_bare(&challenge).await?;
                Ok(Taken::GoOn)
            }
            Ok(Step::LoggedIn { identity, last }) => {
                self.logged_in(&identity);
                self.send_bare(&last).await?;
                Ok(Taken::LoggedIn)
            }
            Err(failed) => Err(self.cause(NotLoggedIn::Failed(failed.0))),
        }
    }

    /// Takes the client's next message. A failure, and the refusal of a bearer token, comes late.
    async fn step(&mut self, message: &[u8]) -> Result<Step, LoginFailed> {
        let State::Exchange { exchange, .. } = &mut self.state else {
            // `take` comes here in an exchange alone.
            return Err(LoginFailed("no mechanism is chosen".to_owned()));
        };
        let step = self.login.step(exchange, message);
        // The client is told of a refused token by a challenge, and may go without a further message.
        if let Some(reason) = exchange.refused() {
            self.refused = Some(reason);
            self.delay().await;
        } else if step.is_err() && self.refused.is_none() {
            self.delay().await;
        }
        step
    }

    /// The cause of a failed login in place of how it ended, if a bearer token was refused before.
    fn cause(&self, end: NotLoggedIn) -> NotLoggedIn {
        match self.refused {
            Some(reason) => NotLoggedIn::Failed(format!("a bearer token was refused: {reason}")),
            None => end,
        }
    }

    /// Sets the connection's principal; returns how long the login lasts.
    fn logged_in(&self, identity: &Identity) -> Option<Duration> {
        let State::Exchange { exchange, .. } = &self.state else { return None };
        let (peer, mechanism) = (&self.connected.peer, exchange.mechanism());
        let now = self.connected.services.clock.monotonic();
        let (lifetime, end) = self.login.ends(mechanism, identity, now);
        peer.log_in(Principal::user(&identity.user), mechanism, end);
        self.login.succeeded(peer.address.ip());
        lifetime
    }

    /// Waits before a failure is told: the longer, the more logins from that address failed in a row.
    async fn delay(&self) {
        let delay = self.login.failed(self.connected.peer.address.ip(), clock::now());
        tokio::time::sleep(delay).await;
    }

    async fn answer<R: Response>(
        &mut self,
        header: &RequestHeader,
        response: &R,
        error_code: i16,
    ) -> Result<(), NotLoggedIn> {
        let version = header.api_version;
        let index = api::entry(header.api_key).map_or(usize::MAX, |entry| entry.index);
        let receipt = Receipt { api: index, version, error_code };
        self.send(api::answer(header, version, response, receipt)?).await
    }

    async fn send(&mut self, answered: Answered) -> Result<(), NotLoggedIn> {
        for mut segment in answered.frame.into_iter().flatten() {
            timeout_at(self.write_deadline(), self.stream.write_all_buf(&mut segment))
                .await
                .map_err(|_| NotLoggedIn::TooLate)??;
        }
        let receipt = answered.receipt;
        if let Some(counted) = self.connected.services.metrics.request(receipt.api) {
            counted.observe(receipt.version, receipt.error_code, &RequestTimes::default(), clock::now());
        }
        Ok(())
    }

    async fn send_bare(&mut self, token: &[u8]) -> Result<(), NotLoggedIn> {
        let length = i32::try_from(token.len()).expect("messages of a login are short");
        let frame = [&length.to_be_bytes()[..], token].concat();
        let written = timeout_at(self.write_deadline(), self.stream.write_all(&frame)).await;
        Ok(written.map_err(|_| NotLoggedIn::TooLate)??)
    }

    /// A client that does not read its answer is not waited for.
    fn write_deadline(&self) -> tokio::time::Instant {
        // The delay of a failure may have passed the deadline of the login.
        self.deadline.max(clock::timer_now() + LINGER)
    }
}

#[cfg(test)]
mod bearer_tests;
#[cfg(test)]
mod scram_tests;
#[cfg(test)]
mod tests;
