//! One admitted connection, from its handshake and login to its end.
//!
//! Guarantees that nothing of a client is served before its TLS handshake and its login, where the listener asks for them, and that its
//! principal is set by then; that its slot among those that have not logged in is free after that; and that the reason of
//! every refusal is in the log once. Frames and requests are left to `kafka/`.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::clock;
use crate::config::{ClientAuth, TlsSettings};
use crate::kafka::connection::{self, Closed};
use crate::kafka::context::Connected;
use crate::kafka::limits::Shared;
use crate::kafka::login::{NotLoggedIn, log_in};
use crate::net::strangers::Stranger;
use crate::session::logins::ListenerLogin;
use crate::session::tls::{self, NoTls, Stream};
use crate::telemetry::audit::{self, Audit};
use crate::telemetry::metrics::{HANDSHAKE_REASONS, ListenerMetrics};

/// A connection that was let in.
pub(super) struct Client {
    pub(super) connected: Arc<Connected>,
    pub(super) shared: Arc<Shared>,
    pub(super) metrics: Arc<ListenerMetrics>,
}

impl Client {
    /// Serves it without TLS.
    pub(super) async fn serve_plain(
        self,
        mut stream: TcpStream,
        login: Option<Arc<ListenerLogin>>,
        stranger: Option<Stranger>,
    ) {
        if !self.logged_in(&mut stream, login, stranger).await {
            return;
        }
        let (reader, writer) = stream.split();
        let closed =
            connection::serve(reader, writer, Arc::clone(&self.connected), Arc::clone(&self.shared)).await;
        self.ended(&closed);
    }

    /// Serves it after a TLS handshake.
    pub(super) async fn serve_tls(
        self,
        socket: TcpStream,
        tls: Arc<TlsSettings>,
        login: Option<Arc<ListenerLogin>>,
        stranger: Option<Stranger>,
    ) {
        // In a box, as the login.
        let accepted = Box::pin(self.handshake(socket, &tls, stranger.as_ref())).await;
        let known = accepted.and_then(|stream| {
            let services = &self.connected.services;
            let in_force = services
                .logins
                .entrance(&self.connected.peer.listener)
                .tls
                .unwrap_or_else(|| Arc::clone(&tls));
            stream.judge_again(&tls, &in_force, services.clock.now_ms())?;
            // With a login the certificate is checked, and the login decides who the client is.
            if login.is_none()
                && let Some(principal) = stream.principal(&tls)?
            {
                self.connected.peer.identify(principal);
            }
            Ok(stream)
        });
        let mut stream = match known {
            Ok(stream) => stream,
            Err(reason) => return self.no_tls(&reason),
        };
        let counts = login.is_none();
        if !self.logged_in(&mut stream, login, stranger).await {
            return stream.close().await;
        }
        // In Kafka a handshake is the login of such a listener.
        if counts {
            self.metrics.logged_in.inc();
            if tls.client_auth != ClientAuth::None {
                let principal = self.connected.peer.principal_text();
                self.audit().login_accepted(&self.audited(Some(&principal)), tls::MECHANISM);
            }
        }
        let (mut reader, mut writer) = tokio::io::split(stream);
        let (connected, shared) = (Arc::clone(&self.connected), Arc::clone(&self.shared));
        let closed = connection::serve(&mut reader, &mut writer, connected, shared).await;
        self.ended(&closed);
        reader.unsplit(writer).close().await;
    }

    /// The handshake, unless the broker stops or the connection has to make room.
    async fn handshake(
        &self,
        socket: TcpStream,
        tls: &TlsSettings,
        stranger: Option<&Stranger>,
    ) -> Result<Stream, NoTls> {
        let stop = self.connected.services.shutdown.reading.clone();
        let accept = tls::accept(socket, tls, clock::timer_now() + tls::DEADLINE);
        let accept = self.in_turn(accept);
        let staying = async {
            match stranger {
                Some(stranger) => stranger.must_leave().run_until_cancelled(accept).await,
                None => Some(accept.await),
            }
        };
        match stop.run_until_cancelled(staying).await {
            None => Err(NoTls::Shutdown),
            Some(None) => Err(NoTls::MadeRoom),
            Some(Some(accepted)) => accepted,
        }
    }

    /// Lets the client log in, if the listener asks for it; returns false if it did not. Its slot is free afterwards.
    async fn logged_in<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        login: Option<Arc<ListenerLogin>>,
        stranger: Option<Stranger>,
    ) -> bool {
        let Some(login) = login else { return true };
        let stranger = stranger.expect("a connection that has to log in has a slot");
        // In a box of its own: a connection does not hold the room for its login as long as it lives.
        Box::pin(self.log_in(stream, &login, &stranger)).await
    }

    /// Runs work for a client that is not known yet, in turn by its address.
    fn in_turn<F: Future>(&self, work: F) -> impl Future<Output = F::Output> {
        let Connected { services, peer, .. } = &*self.connected;
        services.turns.run(peer.address.ip(), work)
    }

    async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        login: &Arc<ListenerLogin>,
        stranger: &Stranger,
    ) -> bool {
        let logs_in = log_in(stream, &self.connected, login, stranger.must_leave());
        match self.in_turn(logs_in).await {
            Ok(()) => {
                self.metrics.logged_in.inc();
                true
            }
            Err(reason) => {
                self.metrics.logins_failed.add(u64::from(reason.is_failure()));
                self.not_logged_in(&reason);
                false
            }
        }
    }

    fn not_logged_in(&self, reason: &NotLoggedIn) {
        let peer = &self.connected.peer;
        match reason.kind() {
            Some(kind) => self.shared.notices.closed(peer, kind, reason),
            None => tracing::debug!(peer = %peer.address, %reason, "connection ended before its login"),
        }
    }

    fn audit(&self) -> &Audit {
        &self.connected.services.audit
    }

    fn audited<'a>(&'a self, principal: Option<&'a str>) -> audit::Client<'a> {
        let peer = &self.connected.peer;
        audit::Client { principal, address: peer.address, listener: &peer.listener, client_id: None }
    }

    fn no_tls(&self, reason: &NoTls) {
        if reason.is_of_certificate() {
            self.audit().login_refused(&self.audited(None), Some(tls::MECHANISM), &reason.to_string());
        }
        self.metrics.logins_failed.add(u64::from(reason.is_failure()));
        let at = reason.reason().and_then(|name| HANDSHAKE_REASONS.iter().position(|known| *known == name));
        if let Some(count) = at.and_then(|at| self.metrics.handshakes_failed.get(at)) {
            count.inc();
        }
        let peer = &self.connected.peer;
        match reason.kind() {
            Some(kind) => self.shared.notices.closed(peer, kind, reason),
            None => tracing::debug!(peer = %peer.address, %reason, "connection ended within its handshake"),
        }
    }

    fn ended(&self, closed: &Closed) {
        let peer = &self.connected.peer;
        if closed.is_notable() {
            self.metrics.malformed.add(u64::from(closed.is_malformed()));
            self.shared.notices.closed(peer, closed.kind(), closed);
        } else {
            tracing::debug!(peer = %peer.address, reason = %closed, "connection ended");
        }
    }
}
