//! The single path that every request takes, from a frame to the frame that answers it.
//!
//! Guarantees that whatever is true of all APIs happens here, once, and that nothing here names an API. Order among
//! the requests of a connection and the socket itself are left to `connection.rs`.

use std::sync::Arc;

use bytes::Bytes;
use codec::frame::RequestHeader;

use crate::kafka::answered::Answered;
use crate::kafka::api::{Disconnect, Entry, Phase, Running};
use crate::kafka::context::{Connected, Context};

/// Begins to answer the request in `frame` (without its length prefix), whose API has this entry. Without an entry the frame is
/// too short to name an API. The handler is not polled yet.
pub(crate) fn dispatch(connected: &Arc<Connected>, entry: Option<&'static Entry>, frame: Bytes) -> Running {
    let begun = begin(connected, entry, frame);
    begun.unwrap_or_else(|disconnect| Box::pin(std::future::ready(Err(disconnect))))
}

/// See [`dispatch`].
///
/// # Errors
/// The reason to close the connection: bytes that are no request, or an API or version that is not served. The handler may
/// decide so as well. Refusals with a Kafka code are answers.
fn begin(
    connected: &Arc<Connected>,
    entry: Option<&'static Entry>,
    frame: Bytes,
) -> Result<Running, Disconnect> {
    // Header and body: what Kafka charges a producer for (`RequestChannel.Request.sizeInBytes`).
    let bytes = frame.len();
    let mut body = frame;
    // The header comes first: it holds what any refusal needs, and its layout depends on key and version only.
    let header = RequestHeader::parse(&mut body)?;
    // `parse` has refused the frames without an entry already: they are too short for a key.
    let entry = entry.ok_or(Disconnect::UnknownApi(header.api_key))?;
    if !entry.serves(header.api_version) {
        // ApiVersions answers in the layout of version 0 (KIP-511); any other API closes the connection, as in Kafka.
        let answered = (entry.refuse_version)(&header, entry.index)?;
        return Ok(Box::pin(std::future::ready(Ok(answered))));
    }
    // Before the body is read: who may not call an API cannot make the broker parse for it.
    if let Some(answered) = admit(connected, entry, &header)? {
        return Ok(Box::pin(std::future::ready(Ok(answered))));
    }
    let cx = Context::new(Arc::clone(connected), header, bytes);
    Ok((entry.run)(cx, entry.index, body))
}

/// Checks that a connection may call that API now. After the end of its session it may only log in again, and between the two
/// steps of that nothing else (KIP-368). An answer is the connection's last one.
fn admit(
    connected: &Connected,
    entry: &Entry,
    header: &RequestHeader,
) -> Result<Option<Answered>, Disconnect> {
    let refused = |text: &str| Err(Disconnect::Refused(text.to_owned()));
    let peer = &connected.peer;
    if peer.is_cut_off() {
        return refused("the session was ended");
    }
    match entry.phase {
        Phase::Login => Ok(None),
        Phase::Any | Phase::Authenticated if connected.reauthentication.is_under_way() => {
            // Once the answer is written, the connection is closed.
            peer.end_session();
            (entry.refuse_state)(header, entry.index).map(Some)
        }
        Phase::Any | Phase::Authenticated if peer.is_session_over(&connected.services.clock) => {
            connected.services.metrics.listener(&peer.listener).sessions_over.inc();
            refused("the session is over, and the client did not log in again")
        }
        Phase::Any | Phase::Authenticated => Ok(None),
    }
}
