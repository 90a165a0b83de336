//! Frames and requests: what a client sends before anything is known of it.

use bytes::{Bytes, BytesMut};
use codec::frame::{RequestHeader, frame_length};
use codec::request::catalog::{Api, catalog};
use codec::shape;

use super::{MIB, kind};
use crate::Target;
use crate::seeds;

/// The length prefix and the header of a frame.
pub(super) const FRAME: Target =
    Target { name: "frame", run: frame, seeds: seeds::frames, memory: |len| MIB + 4 * len };

/// The body of each API at each version; two bytes before it choose them.
pub(super) const REQUEST: Target = Target {
    name: "request",
    run: request,
    seeds: request_seeds,
    // Decoded twice and written twice; see `shape::memory_budget`.
    memory: |len| 4 * shape::memory_budget(len),
};

/// The limit of frames in these runs.
const FRAME_LIMIT: usize = 1 << 20;

fn frame(data: &[u8]) -> String {
    let Some((prefix, rest)) = data.split_first_chunk::<4>() else { return "no prefix".to_owned() };
    if let Ok(len) = frame_length(*prefix, FRAME_LIMIT) {
        assert!(len <= FRAME_LIMIT, "a frame of {len} bytes passes");
    }
    let mut body = Bytes::copy_from_slice(rest);
    let header = match RequestHeader::parse(&mut body) {
        Ok(header) => header,
        Err(error) => return kind(&error),
    };
    assert!(rest.ends_with(&body), "the body is not the end of the frame");
    let mut again = BytesMut::new();
    if header.encode(&mut again).is_ok() {
        let mut again = again.freeze();
        let parsed = RequestHeader::parse(&mut again);
        assert_eq!(parsed.as_ref(), Ok(&header), "a header that was written again reads otherwise");
        assert!(again.is_empty(), "bytes follow a header that was written again");
    }
    format!("{} {}", header.api_key, header.api_version)
}

fn request(data: &[u8]) -> String {
    let Some(([api, version], body)) = data.split_first_chunk::<2>() else { return "no choice".to_owned() };
    let catalog = catalog();
    let Api { name, versions, decode, rewrite, .. } = &catalog[usize::from(*api) % catalog.len()];
    let count = versions.end() - versions.start() + 1;
    let version = versions.start() + i16::from(*version) % count;
    let body = Bytes::copy_from_slice(body);
    if let Err(error) = decode(body.clone(), version) {
        return format!("{name} {version} {}", kind(&error));
    }
    let again = rewrite(body.clone(), version).expect("what was decoded once is decoded again");
    // Not decoded once more: kafka-protocol counts unknown tagged fields whose number is below its own and does not write them,
    // and the broker never writes requests. Round trips of golden requests are tests of the codec.
    let copy = if again == body { "as it was read" } else { "otherwise" };
    format!("{name} {version} is written {copy}")
}

/// Golden requests, and the default request of each API and version.
fn request_seeds() -> Vec<Vec<u8>> {
    let catalog = catalog();
    let mut all = Vec::new();
    for (number, api) in (0_u8..).zip(&catalog) {
        for (offset, version) in (0_u8..).zip(api.versions.clone()) {
            let golden = seeds::golden(&format!("request.{}.{version}", api.name));
            let bodies = golden.into_iter().filter_map(|frame| {
                let mut body = Bytes::from(frame);
                RequestHeader::parse(&mut body).ok()?;
                Some(body)
            });
            for body in bodies.chain((api.default)(version)) {
                all.push([&[number, offset], &body[..]].concat());
            }
        }
    }
    all
}
