//! The single path that every request takes, from a frame to the frame that answers it.
//!
//! Guarantees that whatever is true of all APIs happens here, once, and that nothing here names an API. Order among
//! the requests of a connection and the socket itself are left to `net/connection.rs`.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use codec::frame::{self, RequestHeader};
use codec::{Chain, Request, Response};

use crate::api::{self, Api, Disconnect, Reply};
use crate::context::{Context, Peer, Services};

/// A frame that answers a request, length prefix included, as segments for a vectored write; `None` if none was asked for.
pub(crate) type AnswerFrame = Option<Vec<Bytes>>;

/// Answers the request in `frame` (without its length prefix).
pub(crate) async fn dispatch(
    services: Arc<Services>,
    peer: Arc<Peer>,
    frame: Bytes,
) -> Result<AnswerFrame, Disconnect> {
    let mut body = frame;
    let header = RequestHeader::parse(&mut body)?;
    let entry = api::entry(header.api_key).ok_or(Disconnect::UnknownApi(header.api_key))?;
    if !entry.serves(header.api_version) {
        let refusal = (entry.refuse_version)(&header)?;
        return Ok(refusal.map(Chain::into_frame).transpose()?);
    }
    peer.admit(entry)?;
    let cx = Context::new(services, peer, header);
    let answer = (entry.run)(cx.clone(), body).await;
    cx.measure(entry, &answer);
    Ok(answer?.map(Chain::into_frame).transpose()?)
}

/// Decodes, calls and encodes for one API; see [`api::Run`].
pub(crate) fn run<A: Api>(
    cx: Context,
    body: Bytes,
) -> Pin<Box<dyn Future<Output = Result<Option<Chain>, Disconnect>> + Send>> {
    Box::pin(async move {
        let header = cx.header();
        let request = A::Request::decode(body, header.api_version)?;
        match A::handle(&cx, request).await? {
            Reply::Response(response) => Ok(Some(answer(header, header.api_version, &response)?)),
            Reply::None => Ok(None),
        }
    })
}

/// The version 0 answer to a version that `A` does not serve, if it has one.
pub(crate) fn refuse_version<A: Api>(header: &RequestHeader) -> Result<Option<Chain>, Disconnect> {
    let Some(response) = A::unsupported_version() else {
        return Err(Disconnect::UnsupportedVersion { api: A::Request::NAME, version: header.api_version });
    };
    Ok(Some(answer(header, 0, &response)?))
}

fn answer<R: Response>(header: &RequestHeader, version: i16, response: &R) -> Result<Chain, Disconnect> {
    let mut chain = Chain::new();
    frame::response_header(header.correlation_id, header.api_key, version, &mut chain);
    response.encode(version, &mut chain)?;
    Ok(chain)
}
