//! Listening sockets: bound on IPv4 and IPv6, and the loops that accept from them.
//!
//! Guarantees that `localhost` and "all addresses" mean both families where the machine has both, that running out of
//! file descriptors slows accepting down instead of spinning or ending it, and that no error of a connection reaches
//! these loops. How many connections there may be is left to `admission.rs`, what they say to `kafka/connection.rs`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::clock;
use crate::config::BrokerConfig;
use crate::kafka::connection;
use crate::kafka::limits::{Limits, Shared};
use crate::net::admission::{Admission, Admitted};
use crate::services::Services;
use crate::session::peer::Peer;
use crate::tasks::Tasks;
use crate::telemetry::metrics::ListenerMetrics;

/// Pause after the first failed accept in a row; it doubles up to the longest.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);
/// Tries to find a port that is free in both address families, where the system chooses it.
const PORT_TRIES: usize = 16;

/// One entry of `listeners`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Such as `PLAINTEXT`.
    pub(crate) name: Arc<str>,
    /// Empty or `0.0.0.0` or `::` for all addresses (as Java does, both families), or a name or an address.
    pub(crate) host: String,
    /// 0 lets the system choose.
    pub(crate) port: u16,
    /// The flag of the command line that changes it.
    pub(crate) flag: &'static str,
}

/// How the system treats a listener's sockets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SocketOptions {
    /// Connections kept ready to be accepted (`socket.listen.backlog.size`).
    pub(crate) backlog: i32,
    /// `socket.receive.buffer.bytes`; `None` leaves it to the system.
    pub(crate) receive_buffer_bytes: Option<usize>,
    /// `socket.send.buffer.bytes`; `None` leaves it to the system.
    pub(crate) send_buffer_bytes: Option<usize>,
}

/// Why a listener cannot be bound.
#[derive(Debug, Error)]
pub enum BindError {
    /// The port is taken.
    #[error(
        "cannot listen on {address} (listener {listener}): the port is in use; `ss -ltnp sport = :{}` names the process \
         that has it. Stop that process, or choose another port with {flag} HOST:PORT", .address.port()
    )]
    InUse {
        /// Name of the listener.
        listener: String,
        /// The flag that moves it.
        flag: &'static str,
        /// The address that it was to listen on.
        address: SocketAddr,
    },
    /// The name has no address.
    #[error(
        "cannot listen on {host} (listener {listener}): the name cannot be resolved ({source}); give an address that this machine has"
    )]
    Resolve {
        /// Name of the listener.
        listener: String,
        /// The host as configured.
        host: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// The address is not ours, the port is privileged, and so on.
    #[error(
        "cannot listen on {address} (listener {listener}): {source}; choose another address with {flag} HOST:PORT"
    )]
    Other {
        /// Name of the listener.
        listener: String,
        /// The flag that moves it.
        flag: &'static str,
        /// The address that it was to listen on.
        address: SocketAddr,
        /// The operating system's error.
        source: io::Error,
    },
}

/// A bound endpoint: one socket, or one for each address of its host.
pub(crate) struct Listener {
    endpoint: Endpoint,
    sockets: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
}

impl Listener {
    /// Binds all addresses of `endpoint`, on one port.
    pub(crate) async fn bind(endpoint: Endpoint, options: SocketOptions) -> Result<Self, BindError> {
        let hosts = resolve(&endpoint).await?;
        let mut tries = if endpoint.port == 0 { PORT_TRIES } else { 1 };
        loop {
            tries -= 1;
            match bind_all(&endpoint, &hosts, options) {
                Err(BindError::InUse { .. }) if tries > 0 => {}
                Err(error) => return Err(error),
                Ok((sockets, addresses)) => return Ok(Self { endpoint, sockets, addresses }),
            }
        }
    }

    /// Such as `PLAINTEXT`.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.endpoint.name
    }

    /// The addresses that it listens on, with the port that was chosen.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The sockets alone, for a server of its own.
    pub(crate) fn into_sockets(self) -> Vec<TcpListener> {
        self.sockets
    }

    /// Accepts connections until the shutdown's first stage.
    pub(crate) fn start(self, acceptor: &Arc<Acceptor>) {
        for socket in self.sockets {
            let (acceptor, name) = (Arc::clone(acceptor), Arc::clone(&self.endpoint.name));
            let tasks = acceptor.connections.clone();
            tasks.spawn("acceptor", async move { acceptor.accept_all(socket, name).await });
        }
    }
}

async fn resolve(endpoint: &Endpoint) -> Result<Vec<IpAddr>, BindError> {
    let host = endpoint.host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) if !address.is_unspecified() => return Ok(vec![address]),
        Ok(_) => return Ok(vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED)]),
        Err(_) if host.is_empty() => return Ok(vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED)]),
        Err(_) if host.eq_ignore_ascii_case("localhost") => {
            return Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        }
        Err(_) => {}
    }
    let failed =
        |source| BindError::Resolve { listener: endpoint.name.to_string(), host: host.to_owned(), source };
    let mut addresses: Vec<IpAddr> =
        tokio::net::lookup_host((host, 0)).await.map_err(failed)?.map(|found| found.ip()).collect();
    addresses.sort();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(failed(io::ErrorKind::NotFound.into()));
    }
    Ok(addresses)
}

type Bound = (Vec<TcpListener>, Vec<SocketAddr>);

/// Binds each address; one that the machine does not have (IPv6 switched off) is left out if another is there.
fn bind_all(endpoint: &Endpoint, hosts: &[IpAddr], options: SocketOptions) -> Result<Bound, BindError> {
    let (mut sockets, mut addresses) = (Vec::new(), Vec::new());
    let (mut port, mut missing) = (endpoint.port, None);
    for host in hosts {
        let address = SocketAddr::new(*host, port);
        let bound = listen(address, options).and_then(|socket| Ok((socket.local_addr()?, socket)));
        let source = match bound {
            Ok((address, socket)) => {
                port = address.port();
                addresses.push(address);
                sockets.push(socket);
                continue;
            }
            Err(source) => source,
        };
        let (listener, flag) = (endpoint.name.to_string(), endpoint.flag);
        match source.kind() {
            io::ErrorKind::AddrInUse => return Err(BindError::InUse { listener, flag, address }),
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported => {
                missing = Some(BindError::Other { listener, flag, address, source });
            }
            _ => return Err(BindError::Other { listener, flag, address, source }),
        }
    }
    match missing {
        Some(error) if sockets.is_empty() => Err(error),
        _ => Ok((sockets, addresses)),
    }
}

fn listen(address: SocketAddr, options: SocketOptions) -> io::Result<TcpListener> {
    let socket = match Socket::new(Domain::for_address(address), Type::STREAM, None) {
        Ok(socket) => socket,
        // A machine without IPv6: all addresses are all IPv4 addresses then.
        Err(_) if address.ip().is_unspecified() && address.is_ipv6() => {
            return listen(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()), options);
        }
        Err(_) if address.is_ipv6() => return Err(io::ErrorKind::AddrNotAvailable.into()),
        Err(error) => return Err(error),
    };
    if address.is_ipv6() {
        // `::` takes IPv4 clients as well; any other address is for itself, beside its IPv4 sibling on the same port.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A restart must not wait for connections of the last run that are still in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    // Before listening: the window that a client may use is agreed when it connects. Accepted sockets inherit both.
    if let Some(bytes) = options.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    socket.listen(options.backlog)?;
    TcpListener::from_std(socket.into())
}

/// Accepts the connections of all listeners.
pub(crate) struct Acceptor {
    services: Arc<Services>,
    connections: Tasks,
    shared: Arc<Shared>,
    admission: Admission,
}

impl Acceptor {
    /// Open to as many as `limits` allow, and at most `most`; they are served as tasks of `connections`.
    pub(crate) fn new(services: Arc<Services>, connections: Tasks, limits: Limits, most: usize) -> Arc<Self> {
        let admission = Admission::new(&limits, most);
        let shared = Arc::new(Shared::new(limits));
        let (tasks, stop) = (services.tasks.clone(), services.shutdown.accepting.clone());
        let configs = services.configs.watch();
        let acceptor = Arc::new(Self { services, connections, shared, admission });
        let adjusting = Arc::clone(&acceptor);
        tasks.spawn("connection-limits", async move {
            let _ended = stop.run_until_cancelled(adjusting.adjust(configs)).await;
        });
        acceptor
    }

    /// Follows the broker's configuration.
    async fn adjust(&self, mut configs: watch::Receiver<Arc<BrokerConfig>>) {
        while configs.changed().await.is_ok() {
            let limits = Limits::new(&configs.borrow_and_update());
            self.admission.set(&limits);
        }
    }

    async fn accept_all(&self, socket: TcpListener, listener: Arc<str>) {
        let stop = self.services.shutdown.accepting.clone();
        let mut backoff = FIRST_BACKOFF;
        while let Some(accepted) = stop.run_until_cancelled(socket.accept()).await {
            match accepted {
                Ok((stream, address)) => {
                    backoff = FIRST_BACKOFF;
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
        if self.admission.must_refuse() {
            self.services.metrics.listener(listener).refused.inc();
            let reason = "all file descriptors for connections are in use; see \"file descriptors\" at the start of the log";
            return self.shared.notices.refused(address, listener, reason);
        }
        if self.admission.is_full() {
            let reason = "max.connections is reached";
            self.shared.notices.trouble(reason, listener, &reason);
        }
        let Some(permit) = self.admission.permit().await else { return };
        let Some(admitted) = self.admission.admit(permit, address.ip()) else {
            let reason = "max.connections.per.ip is reached for this address";
            self.services.metrics.listener(listener).refused.inc();
            return self.shared.notices.refused(address, listener, reason);
        };
        let pause = self.admission.pause(clock::now());
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        if let Err(error) = self.open(stream, address, listener, admitted) {
            tracing::debug!(peer = %address, %listener, %error, "the connection was gone before it began");
        }
    }

    fn open(
        &self,
        mut stream: TcpStream,
        address: SocketAddr,
        listener: &Arc<str>,
        admitted: Admitted,
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_keepalive(true)?;
        let local = stream.local_addr()?;
        let local = SocketAddr::new(local.ip().to_canonical(), local.port());
        let peer = Arc::new(Peer::new(address, local, Arc::clone(listener)));
        let (services, shared) = (Arc::clone(&self.services), Arc::clone(&self.shared));
        let metrics = self.services.metrics.listener(listener);
        metrics.accepted.inc();
        self.connections.spawn("connection", async move {
            let _admitted = admitted;
            let _open = Open::new(Arc::clone(&metrics));
            let (reader, writer) = stream.split();
            let closed =
                connection::serve(reader, writer, Arc::clone(&peer), services, Arc::clone(&shared)).await;
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
