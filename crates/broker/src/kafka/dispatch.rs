//! The single path that every request takes, from a frame to the frame that answers it.
//!
//! Guarantees that whatever is true of all APIs happens here, once, and that nothing here names an API. Order among
//! the requests of a connection and the socket itself are left to `connection.rs`.

use std::sync::Arc;

use bytes::Bytes;
use codec::Chain;
use codec::frame::RequestHeader;

use crate::kafka::api::{Disconnect, Entry, Phase};
use crate::kafka::context::Context;
use crate::services::Services;
use crate::session::peer::Peer;

/// The outcome of a request.
pub(crate) struct Answered {
    /// The frame that answers it, length prefix included, as segments for a vectored write; `None` if none was asked for.
    pub(crate) frame: Option<Vec<Bytes>>,
    /// Counts it, once it is sent.
    pub(crate) receipt: Receipt,
}

/// The facts that metrics need of a request besides its times.
pub(crate) struct Receipt {
    /// Its API.
    pub(crate) entry: &'static Entry,
    /// At which version it came.
    pub(crate) version: i16,
    /// First error code of the answer, 0 for none.
    pub(crate) error_code: i16,
}

/// Answers the request in `frame` (without its length prefix), whose API has this entry. Without an entry the frame is too
/// short to name an API.
///
/// # Errors
/// The reason to close the connection: bytes that are no request, an API or version that is not served, or
/// the handler's own decision. Refusals with a Kafka code are answers.
pub(crate) async fn dispatch(
    services: Arc<Services>,
    peer: Arc<Peer>,
    entry: Option<&'static Entry>,
    frame: Bytes,
) -> Result<Answered, Disconnect> {
    let mut body = frame;
    // The header comes first: it holds what any refusal needs, and its layout depends on key and version only.
    let header = RequestHeader::parse(&mut body)?;
    // `parse` has refused the frames without an entry already: they are too short for a key.
    let entry = entry.ok_or(Disconnect::UnknownApi(header.api_key))?;
    let version = header.api_version;
    let (answer, error_code) = if entry.serves(version) {
        // Before the body is read: who may not call an API cannot make the broker parse for it.
        admit(entry)?;
        (entry.run)(Context::new(services, peer, header), body).await?
    } else {
        // ApiVersions answers in the layout of version 0 (KIP-511); any other API closes the connection, as in Kafka.
        (entry.refuse_version)(&header)?
    };
    let frame = answer.map(Chain::into_frame).transpose()?;
    Ok(Answered { frame, receipt: Receipt { entry, version, error_code } })
}

/// Checks that a connection may call that API now. Every listener is open to all as yet, so each connection may.
fn admit(entry: &Entry) -> Result<(), Disconnect> {
    match entry.phase {
        Phase::Any | Phase::Authenticated => Ok(()),
    }
}
