//! The loops that accept connections, admit them, and start serving them.
//!
//! Guarantees that running out of file descriptors slows accepting down instead of spinning or ending it, and that no error
//! of a connection reaches these loops. How many connections there may be is left to `admission.rs`, what they say to
//! `kafka/connection.rs`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::clock;
use crate::config::BrokerConfig;
use crate::kafka::connection;
use crate::kafka::context::Connected;
use crate::kafka::limits::{Limits, Shared};
use crate::kafka::login::{NotLoggedIn, log_in};
use crate::kafka::reauthentication::Reauthentication;
use crate::net::admission::{Admission, Admitted};
use crate::net::strangers::{Stranger, Strangers};
use crate::services::Services;
use crate::session::logins::{Entrance, ListenerLogin};
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
    strangers: Arc<Strangers>,
}

impl Acceptor {
    /// Open to as many as `limits` allow, and at most `most`; they are served as tasks of `connections`.
    pub(crate) fn new(services: Arc<Services>, connections: Tasks, limits: Limits, most: usize) -> Arc<Self> {
        let admission = Admission::new(&limits, most);
        let strangers = Strangers::new(admission.wanted());
        let shared = Arc::new(Shared::new(limits));
        let (tasks, stop) = (services.tasks.clone(), services.shutdown.accepting.clone());
        let configs = services.configs.watch();
        let acceptor = Arc::new(Self { services, connections, shared, admission, strangers });
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
            self.strangers.set(self.admission.wanted());
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
        if self.admission.is_full() {
            let reason = "max.connections is reached";
            self.shared.notices.trouble(reason, listener, &reason);
        }
        // `None` if the semaphore were closed, which it never is: then the client is let go.
        let Some(permit) = self.admission.permit().await else { return };
        let Some(admitted) = self.admission.admit(permit, address.ip()) else {
            let reason = "max.connections.per.ip is reached for this address";
            self.services.metrics.listener(listener).refused.inc();
            return self.shared.notices.refused(address, listener, reason);
        };
        let entrance = match self.services.logins.entrance(listener) {
            Entrance::Open => None,
            Entrance::Login(login) => {
                let Some(stranger) = self.strangers.admit(address.ip()) else {
                    let reason = "too many connections from this address have not logged in";
                    self.services.metrics.listener(listener).refused.inc();
                    return self.shared.notices.refused(address, listener, reason);
                };
                Some((login, stranger))
            }
        };
        let pause = self.admission.pause(clock::now());
        if !pause.is_zero() {
            // The listener waits, as Kafka's acceptor does (`ConnectionQuotas.waitForConnectionSlot`):
            // further clients stay in the backlog.
            tokio::time::sleep(pause).await;
        }
        if let Err(error) = self.open(stream, address, listener, admitted, entrance) {
            tracing::debug!(peer = %address, %listener, %error, "the connection was gone before it began");
        }
    }

    /// Starts to serve an admitted connection as a task.
    ///
    /// # Errors
    /// The socket refuses an option, as it does when the client has gone already.
    fn open(
        &self,
        mut stream: TcpStream,
        address: SocketAddr,
        listener: &Arc<str>,
        admitted: Admitted,
        entrance: Option<(Arc<ListenerLogin>, Stranger)>,
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
        self.connections.spawn("connection", async move {
            // Held to the end of the task, panics included.
            let _admitted = admitted;
            let _open = Open::new(Arc::clone(&metrics));
            let reauthentication =
                Reauthentication::new(entrance.as_ref().map(|(login, _)| Arc::clone(login)));
            let connected = Arc::new(Connected { services, peer: Arc::clone(&peer), reauthentication });
            // The slot of one that has not logged in is free once it has.
            if let Some((login, stranger)) = entrance
                && let Err(reason) = log_in(&mut stream, &connected, &login, stranger.must_leave()).await
            {
                metrics.logins_failed.add(u64::from(reason.is_failure()));
                return not_logged_in(&peer, &reason, &shared);
            }
            if peer.mechanism().is_some() {
                metrics.logged_in.inc();
            }
            let (reader, writer) = stream.split();
            let closed = connection::serve(reader, writer, connected, Arc::clone(&shared)).await;
            if closed.is_notable() {
                metrics.malformed.add(u64::from(closed.is_malformed()));
                shared.notices.closed(&peer, closed.kind(), &closed);
            } else {
                tracing::debug!(peer = %peer.address, reason = %closed, "connection ended");
            }
        });
        Ok(())
    }
}

/// Says why a connection ended before its login did.
fn not_logged_in(peer: &Peer, reason: &NotLoggedIn, shared: &Shared) {
    match reason.kind() {
        Some(kind) => shared.notices.closed(peer, kind, reason),
        None => tracing::debug!(peer = %peer.address, %reason, "connection ended before its login"),
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
