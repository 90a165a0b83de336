//! One connection, and the software at its other end.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

/// One connection, as handlers see it.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Of two connections the one that was accepted later has the greater number. From 1.
    pub(crate) number: u64,
    /// The other end.
    pub(crate) address: SocketAddr,
    /// Our end: the address that this client could reach.
    pub(crate) local_address: SocketAddr,
    /// Name of the listener it came through, such as `PLAINTEXT`.
    pub(crate) listener: Arc<str>,
    software: OnceLock<Software>,
}

/// The name and version that a client gives itself (KIP-511).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Software {
    /// Such as `apache-kafka-java`.
    name: Box<str>,
    /// Such as `4.3.0`.
    version: Box<str>,
}

/// Longer names and versions are cut: they are for people to read.
const MAX_SOFTWARE_LENGTH: usize = 64;

impl Software {
    /// Keeps a copy of both: the frame they came in is not held for them.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        // Characters and not bytes: a client chooses the text, and a cut within a character would panic.
        let cut = |text: &str| text.chars().take(MAX_SOFTWARE_LENGTH).collect();
        Self { name: cut(name), version: cut(version) }
    }

    /// Name and version.
    pub(crate) fn parts(&self) -> (&str, &str) {
        (&self.name, &self.version)
    }
}

impl std::fmt::Display for Software {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.name, self.version)
    }
}

impl Peer {
    /// A connection that was just accepted.
    pub(crate) fn new(address: SocketAddr, local_address: SocketAddr, listener: Arc<str>) -> Self {
        static ACCEPTED: AtomicU64 = AtomicU64::new(0);
        // Relaxed: one variable, whose changes have one order.
        let number = ACCEPTED.fetch_add(1, Ordering::Relaxed) + 1;
        Self { number, address, local_address, listener, software: OnceLock::new() }
    }

    /// The client's identity: on a listener without logins the one of Kafka's `KafkaPrincipal.ANONYMOUS`.
    pub(crate) fn principal(&self) -> Arc<str> {
        // One text for all: it is asked for with each request.
        static ANONYMOUS: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("User:ANONYMOUS"));
        Arc::clone(&ANONYMOUS)
    }

    /// The client's name and version; `None` until it has sent them.
    pub(crate) fn software(&self) -> Option<&Software> {
        self.software.get()
    }

    /// Remembers what the client said first; later claims on the same connection change nothing.
    pub(crate) fn set_software(&self, software: Software) {
        self.software.get_or_init(|| software);
    }
}
