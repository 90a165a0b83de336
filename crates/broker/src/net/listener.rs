//! Listening sockets, bound on IPv4 and IPv6.
//!
//! Guarantees that `localhost` and "all addresses" mean both families where the machine has both. Accepting from them is
//! left to `acceptor.rs`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use socket2::{Domain, Socket, Type};
use thiserror::Error;
use tokio::net::TcpListener;

use crate::net::acceptor::Acceptor;

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
    /// One for each address.
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
                // The system chose a port that is free in one family and taken in the other.
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

/// The addresses of a host: itself if it is one, both families for `localhost`, `::` for all addresses, else
/// as the system resolves it.
///
/// # Errors
/// The name has no address.
async fn resolve(endpoint: &Endpoint) -> Result<Vec<IpAddr>, BindError> {
    let host = endpoint.host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) if !address.is_unspecified() => return Ok(vec![address]),
        Ok(_) => return Ok(vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED)]),
        Err(_) if host.is_empty() => return Ok(vec![IpAddr::V6(Ipv6Addr::UNSPECIFIED)]),
        Err(_) if host.eq_ignore_ascii_case("localhost") => {
            // Both: where `localhost` is ::1 first, librdkafka does not find a broker that listens on
            // 127.0.0.1 alone.
            return Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        }
        Err(_) => {}
    }
    let failed =
        |source| BindError::Resolve { listener: endpoint.name.to_string(), host: host.to_owned(), source };
    let mut addresses: Vec<IpAddr> =
        tokio::net::lookup_host((host, 0)).await.map_err(failed)?.map(|found| found.ip()).collect();
    // A name may be listed twice; the second bind would fail as if another program had the port.
    addresses.sort();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(failed(io::ErrorKind::NotFound.into()));
    }
    Ok(addresses)
}

/// Sockets and the address of each, in the same order.
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
                // The other addresses follow the port that the system chose for the first.
                port = address.port();
                addresses.push(address);
                sockets.push(socket);
                continue;
            }
            Err(source) => source,
        };
        let (listener, flag) = (endpoint.name.to_string(), endpoint.flag);
        match source.kind() {
            // Not left out, even if the other family is bound: a client of this one would reach another program.
            io::ErrorKind::AddrInUse => return Err(BindError::InUse { listener, flag, address }),
            // Such as ::1 where IPv6 is switched off: reported only if no other address is left.
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

/// One listening socket. `::` takes both families; on a machine without IPv6 it becomes `0.0.0.0`.
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
