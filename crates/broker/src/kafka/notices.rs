//! Log lines that a stranger can cause.
//!
//! Guarantees that lines at a human pace are written, and that a flood is cut to one line for each reason every
//! few seconds, which says how many were left out.

use std::fmt::Display;
use std::net::SocketAddr;

use crate::session::peer::Peer;
use crate::telemetry::line_limit::LineLimit;

/// See the module.
pub(crate) struct Notices {
    lines: LineLimit,
}

impl Notices {
    /// With nothing written yet.
    pub(crate) fn new() -> Self {
        Self { lines: LineLimit::new() }
    }

    /// Says why, of a kind of reasons, a connection was closed by us, with what the client said it is, if it did.
    /// `reason` may hold text of the client; its fields are escaped by the log.
    pub(crate) fn closed(&self, peer: &Peer, kind: &'static str, reason: &dyn Display) {
        if let Some(suppressed) = self.lines.take(kind) {
            let Peer { address, listener, .. } = peer;
            let software = peer.software().map(tracing::field::display);
            tracing::warn!(peer = %address, %listener, software, suppressed, %reason, "connection closed");
        }
    }

    /// Says why a client was not let in.
    pub(crate) fn refused(&self, peer: SocketAddr, listener: &str, reason: &'static str) {
        if let Some(suppressed) = self.lines.take(reason) {
            tracing::warn!(%peer, listener, suppressed, reason, "connection refused");
        }
    }

    /// Says that a listener has trouble of its own, of a kind.
    pub(crate) fn trouble(&self, kind: &'static str, listener: &str, reason: &dyn Display) {
        if let Some(suppressed) = self.lines.take(kind) {
            tracing::warn!(listener, suppressed, %reason, "accepting connections is held up");
        }
    }
}
