//! The loops that accept connections, admit them, and start serving them.
//!
//! Guarantees that running out of file descriptors slows accepting down instead of spinning or ending it, and that no error
//! of a connection reaches these loops. How many connections there may be is left to `admission.rs`, how fast they
//! may come to `pace.rs`, what they say to `kafka/connection.rs`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::config::BrokerConfig;
use crate::kafka::context::Connected;
use crate::kafka::limits::{Limits, Shared};
use crate::kafka::mute::Mute;
use crate::kafka::reauthentication::Reauthentication;
use crate::net::admission::{Admission, Admitted};
use crate::net::client::Client;
use crate::net::pace::Paces;
use crate::net::strangers::{Stranger, Strangers};
use crate::services::Services;
use crate::session::logins::Entrance;
use crate::session::peer::Peer;
use crate::tasks::Tasks;
use crate::telemetry::metrics::ListenerMetrics;

/// Pause after the first failed accept in a row; it doubles up to the longest.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
/// The longest pause, and so the longest that a client waits after descriptors are free again.
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// Accepts the connections of all listeners.
pub(crate) struct Acceptor {
    services: Arc<Services>,
    /// The set that a shutdown drains first.
    pub(super) connections: Tasks,
    /// The limits and the budget of all connections.
    shared: Arc<Shared>,
    admission: Admission,
    /// Connections that have not logged in.
    strangers: Strangers,
    paces: Paces,
}

impl Acceptor {
    /// Open to as many as `limits` allow, and at most `most`; they are served as tasks of `connections`.
    pub(crate) fn new(services: Arc<Services>, connections: Tasks, limits: Limits, most: usize) -> Arc<Self> {
        let names = || services.config.listeners().iter().map(|listener| listener.name.as_str().into());
        let admission = Admission::new(&limits, most, names());
        let strangers = Strangers::new(admission.wanted(), &limits, names());
        let paces = Paces::new(&limits, names());
        let shared = Arc::new(Shared::new(limits));
        let (tasks, stop) = (services.tasks.clone(), services.shutdown.accepting.clone());
        paces.keep(&tasks, &services.shutdown.reading);
        let configs = services.configs.watch();
        let acceptor = Arc::new(Self { services, connections, shared, admission, strangers, paces });
        let adjusting = Arc::clone(&acceptor);
        tasks.spawn("connection-limits", async move {
            let _ended = stop.run_until_cancelled(adjusting.adjust(configs)).await;
        });
        acceptor
    }

    /// Follows the broker's configuration.
    async fn adjust(&self, mut configs: watch::Receiver<Arc<BrokerConfig>>) {
        while configs.changed().await.is_ok() {
            // The borrow ends within this line: held longer, it would block the change of a configuration.
            let limits = Limits::new(&configs.borrow_and_update());
            self.admission.set(&limits);
            self.strangers.set(self.admission.wanted(), &limits);
            self.paces.set(&limits);
        }
    }

    /// Accepts from one socket until the shutdown's first stage.
    pub(super) async fn accept_all(&self, socket: TcpListener, listener: Arc<str>) {
        let stop = self.services.shutdown.accepting.clone();
        let mut backoff = FIRST_BACKOFF;
        while let Some(accepted) = stop.run_until_cancelled(socket.accept()).await {
            match accepted {
                Ok((stream, address)) => {
                    backoff = FIRST_BACKOFF;
                    // A socket on `::` shows IPv4 clients as ::ffff:a.b.c.d: limits of an address must not count them apart.
                    let canonical = SocketAddr::new(address.ip().to_canonical(), address.port());
                    if stop.run_until_cancelled(self.admit(stream, canonical, &listener)).await.is_none() {
                        break;
                    }
                }
                // The client left before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    // Such as a lack of descriptors: the client stays in the backlog, and the next accept fails at once.
                    self.shared.notices.trouble("accept", &listener, &error);
                    let pause = tokio::time::sleep(backoff);
                    if stop.run_until_cancelled(pause).await.is_none() {
                        break;
                    }
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                }
            }
        }
    }

    /// Lets a client in, as soon as there is room, unless its address has too many connections.
    async fn admit(&self, stream: TcpStream, address: SocketAddr, listener: &Arc<str>) {
        // Before waiting for a permit: a client that waits here has a descriptor already.
        if self.admission.must_refuse() {
            self.services.metrics.listener(listener).refused.inc();
            let reason = "all file descriptors for connections are in use; see \"file descriptors\" at the start of the log";
            return self.shared.notices.refused(address, listener, reason);
        }
        if let Some(reason) = self.admission.is_full(listener) {
            self.shared.notices.trouble(reason, listener, &reason);
        }
        // `None` if the semaphore were closed, which it never is: then the client is let go.
        let Some(room) = self.admission.room(listener).await else { return };
        let Some(admitted) = self.admission.admit(room, address.ip()) else {
            let reason = "max.connections.per.ip is reached for this address";
            self.services.metrics.listener(listener).refused.inc();
            return self.shared.notices.refused(address, listener, reason);
        };
        if let Err(hold) = self.services.quotas.connect(address.ip()) {
            let reason = "this address makes more connections than its quota allows";
            self.services.metrics.listener(listener).refused.inc();
            self.shared.notices.refused(address, listener, reason);
            // Counted as one without a login: held connections must not fill the places of users.
            if let Some(stranger) = self.strangers.admit(listener, address.ip()) {
                self.hold(stream, (admitted, stranger), hold);
            }
            return;
        }
        let entrance = self.services.logins.entrance(listener);
        let mut stranger = None;
        if entrance.tls.is_some() || entrance.login.is_some() {
            stranger = self.strangers.admit(listener, address.ip());
            if stranger.is_none() {
                let reason = "too many connections from this address have not logged in";
                self.services.metrics.listener(listener).refused.inc();
                return self.shared.notices.refused(address, listener, reason);
            }
        }
        if let Err(error) = self.open(stream, address, listener, admitted, (entrance, stranger)) {
            tracing::debug!(peer = %address, %listener, %error, "the connection was gone before it began");
        }
    }

    /// Keeps a refused connection open and unread for a while, so that its client does not try again at once.
    fn hold(&self, stream: TcpStream, (admitted, stranger): (Admitted, Stranger), hold: Duration) {
        let stop = self.services.shutdown.accepting.clone();
        self.connections.spawn("held-connection", async move {
            // It counts among the connections meanwhile.
            let _held = (stream, admitted);
            let held = stranger.must_leave().run_until_cancelled(tokio::time::sleep(hold));
            let _ended = stop.run_until_cancelled(held).await;
        });
    }

    /// Starts to serve an admitted connection as a task.
    ///
    /// # Errors
    /// The socket refuses an option, as it does when the client has gone already.
    fn open(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        listener: &Arc<str>,
        admitted: Admitted,
        (entrance, stranger): (Entrance, Option<Stranger>),
    ) -> io::Result<()> {
        // Small answers go out at once: Nagle's algorithm and delayed ACKs would add 40 ms to each.
        stream.set_nodelay(true)?;
        // A client that vanished without a FIN is noticed, though it may be idle for connections.max.idle.ms.
        SockRef::from(&stream).set_keepalive(true)?;
        // The address that the client reached, which `AdvertisedAddresses` may tell it to connect to.
        let local = stream.local_addr()?;
        let local = SocketAddr::new(local.ip().to_canonical(), local.port());
        let peer = Arc::new(Peer::new(address, local, Arc::clone(listener)));
        let (services, shared) = (Arc::clone(&self.services), Arc::clone(&self.shared));
        let metrics = self.services.metrics.listener(listener);
        metrics.accepted.inc();
        let pace = self.paces.of(listener);
        self.connections.spawn("connection", async move {
            // Held to the end of the task, panics included.
            let _admitted = admitted;
            let _open = Open::new(Arc::clone(&metrics));
            // Here and not where it is accepted: the clients after it need not wait for it.
            if !pace.lets_in(&peer, stranger.as_ref(), &services.shutdown.reading, &shared.notices).await {
                if !services.shutdown.reading.is_cancelled() {
                    metrics.refused.inc();
                }
                return;
            }
            let Entrance { tls, login } = entrance;
            let reauthentication = Reauthentication::new(login.clone());
            let mute = Mute::default();
            let connected = Arc::new(Connected { services, peer, reauthentication, mute });
            let client = Client { connected, shared, metrics };
            match tls {
                None => client.serve_plain(stream, login, stranger).await,
                // In a box of its own: connections without TLS do not hold room for it.
                Some(tls) => Box::pin(client.serve_tls(stream, tls, login, stranger)).await,
            }
        });
        Ok(())
    }
}

/// Counts a connection as open for as long as it lives, however it ends.
struct Open(Arc<ListenerMetrics>);

impl Open {
    fn new(metrics: Arc<ListenerMetrics>) -> Self {
        metrics.open.add(1);
        Self(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.add(-1);
    }
}

#[cfg(test)]
mod tests;
