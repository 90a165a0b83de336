//! The handshake of TLS, the stream after it, and the reasons for which a client is not let in.
//!
//! Guarantees that a handshake runs in the task of its connection and ends within a deadline; that a client which speaks
//! something else is closed without an alert, whose bytes a Kafka client would take for the length of an answer (KAFKA-4090); and
//! that the end of a connection is announced to the client (close_notify); and that no session is resumed by a certificate which has
//! expired meanwhile. Certificates and keys come from `config/tls.rs`.

mod refusal;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::HandshakeKind;
use rustls::pki_types::UnixTime;
use security::Principal;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::TlsSettings;

pub(crate) use refusal::NoTls;

/// The name of a login by certificate in the audit log.
pub(crate) const MECHANISM: &str = "TLS";
/// From accepting the connection to the end of the handshake.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
/// How long the announcement of the end may take: a client that reads nothing must not hold its connection.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);
/// The first byte of a handshake's first record.
const HANDSHAKE: u8 = 0x16;

/// A connection after its handshake.
pub(crate) struct Stream(TlsStream<TcpStream>);

/// Waits for the client's handshake, until `deadline`.
///
/// # Errors
/// The client is not let in. It has got the alert that says why, if it speaks TLS.
pub(crate) async fn accept(
    socket: TcpStream,
    settings: &TlsSettings,
    deadline: Instant,
) -> Result<Stream, NoTls> {
    let handshake = async {
        let mut first = [0; 4];
        // An error: the client reset the connection before its first byte.
        let Ok(came) = socket.peek(&mut first).await else { return Err(NoTls::ByClient) };
        match first.get(..came).unwrap_or_default() {
            [] => return Err(NoTls::ByClient),
            [HANDSHAKE, ..] => {}
            other => return Err(NoTls::foreign(other)),
        }
        let accepted = TlsAcceptor::from(Arc::clone(&settings.server)).accept(socket).await;
        accepted.map(Stream).map_err(NoTls::from)
    };
    timeout_at(deadline, handshake).await.map_err(|_| NoTls::TooLate)?
}

impl Stream {
    /// Judges the client's certificate by the settings in force, where the handshake did not: it began before they were in force,
    /// or resumed a session, since whose begin the certificate may have expired and its list of revoked ones may be out of date.
    /// `began` are the settings of the handshake; `now_ms` is Unix time.
    ///
    /// # Errors
    /// It would be refused today. All sessions end, so that the client's next handshake tells it why.
    pub(crate) fn judge_again(
        &self,
        began: &Arc<TlsSettings>,
        settings: &Arc<TlsSettings>,
        now_ms: i64,
    ) -> Result<(), NoTls> {
        let (_, session) = self.0.get_ref();
        let is_resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
        if !is_resumed && Arc::ptr_eq(began, settings) {
            return Ok(());
        }
        let (Some(verifier), Some([own, between @ ..])) = (&settings.verifier, session.peer_certificates())
        else {
            return Ok(());
        };
        let now = Duration::from_millis(u64::try_from(now_ms).unwrap_or_default());
        let judged = verifier.verify_client_cert(own, between, UnixTime::since_unix_epoch(now));
        judged.map(drop).map_err(|error| {
            began.sessions.end_all();
            settings.sessions.end_all();
            NoTls::from(&error)
        })
    }

    /// The principal of the client's certificate; `None` if it showed none.
    ///
    /// # Errors
    /// No principal can be made of it.
    pub(crate) fn principal(&self, settings: &TlsSettings) -> Result<Option<Principal>, NoTls> {
        let (_, session) = self.0.get_ref();
        let Some(certificate) = session.peer_certificates().and_then(<[_]>::first) else { return Ok(None) };
        let subject = security::certificate::subject(certificate)?;
        Ok(Some(Principal::user(&settings.rules.name(&subject)?)))
    }

    /// Announces the end to the client and sends what was not sent yet.
    pub(crate) async fn close(mut self) {
        // However it ends, the socket is closed next.
        let _ended = timeout(CLOSE_DEADLINE, self.0.shutdown()).await;
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.0).poll_read(cx, room) {
            // Many clients end without announcing it. Frames have lengths, so a cut within one is noticed by that.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            other => other,
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
