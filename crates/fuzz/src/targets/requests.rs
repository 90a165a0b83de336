//! Frames and requests: what a client sends before anything is known of it.
//!
//! Rules: the body of a frame is what its header leaves; a request that was decoded is written so
//! that it is decoded again and then written as the same bytes.

use bytes::{Bytes, BytesMut};
use codec::DecodeError;
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

/// Reads prefix and header, and writes the header again.
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
    // A client id that is not UTF-8 grows when its bytes are replaced, and may be too long to be written.
    if header.encode(&mut again).is_ok() {
        let mut again = again.freeze();
        let parsed = RequestHeader::parse(&mut again);
        assert_eq!(parsed.as_ref(), Ok(&header), "a header that was written again reads otherwise");
        assert!(again.is_empty(), "bytes follow a header that was written again");
    }
    format!("{} {}", header.api_key, header.api_version)
}

/// The API, the version and the body that an input chooses.
fn chosen(data: &[u8]) -> Option<(Api, i16, Bytes)> {
    let ([api, version], body) = data.split_first_chunk::<2>()?;
    // Any byte chooses something: no input is lost to a choice that does not exist.
    let mut catalog = catalog();
    let api = catalog.swap_remove(usize::from(*api) % catalog.len());
    let count = api.versions.end() - api.versions.start() + 1;
    let version = api.versions.start() + i16::from(*version) % count;
    Some((api, version, Bytes::copy_from_slice(body)))
}

/// Decodes a body, and what was written of it.
fn request(data: &[u8]) -> String {
    let Some((api, version, body)) = chosen(data) else { return "no choice".to_owned() };
    let Api { key, name, decode, rewrite, .. } = api;
    if let Err(error) = decode(body.clone(), version) {
        return format!("{name} {version} {}", kind(&error));
    }
    // The copy may differ from the input (bytes after the body, long varints); a copy of the copy must not.
    let again = rewrite(body.clone(), version).expect("what was decoded once is decoded again");
    if shape::loses_tagged_fields(key, version, &body).expect("a body that was decoded has its shape") {
        return format!("{name} {version} has tagged fields that are not written");
    }
    match rewrite(again.clone(), version) {
        Ok(twice) => assert_eq!(again, twice, "{name} {version} is not written as it was read"),
        // What is ignored is not written, and a shorter body may take less memory: a claim that just fitted need not fit now.
        Err(DecodeError::TooExpansive { .. }) if again.len() < body.len() => {}
        Err(error) => panic!("{name} {version} is written so that it is not decoded: {error}"),
    }
    let copy = if again == body { "as it was read" } else { "otherwise" };
    format!("{name} {version} is written {copy}")
}

/// A Fetch request of version 12 without topics; it ends with an empty tagged field 2, the first number that is not defined.
const FIRST_FREE_TAG: [u8; 31] = {
    let mut body = [0; 31];
    // No topics, none to forget, no rack: compact lengths are one too high. The numbers before them are all 0.
    (body[25], body[26], body[27]) = (1, 1, 1);
    (body[28], body[29]) = (1, 2);
    body
};

/// A request with a tagged field of a number above 2³¹; the driver found it. The bytes after the request are ignored.
const HIGH_TAG: [u8; 34] = [
    1, 254, 1, 255, 255, 253, 255, 10, 7, 111, 114, 100, 101, 255, 255, 0, 16, 0, 0, 0, 0, 1, 1, 0, 254, 115,
    2, 0, 6, 6, 114, 97, 0, 65,
];

/// Names, versions and bodies of requests with unknown tagged fields.
const TAGGED: [(&str, i16, &[u8]); 2] =
    [("ShareGroupDescribe", 1, &HIGH_TAG), ("Fetch", 12, &FIRST_FREE_TAG)];

/// Golden requests, the default request of each API and version, and those of [`TAGGED`].
fn request_seeds() -> Vec<Vec<u8>> {
    let catalog = catalog();
    let mut all = Vec::new();
    // The same order as in `chosen`, so that the two bytes lead back to the API and its version.
    for (number, api) in (0_u8..).zip(&catalog) {
        for (offset, version) in (0_u8..).zip(api.versions.clone()) {
            let golden = seeds::golden(&format!("request.{}.{version}", api.name));
            let bodies = golden.into_iter().filter_map(|frame| {
                let mut body = Bytes::from(frame);
                RequestHeader::parse(&mut body).ok()?;
                Some(body)
            });
            let tagged = TAGGED.iter().filter(|(name, at, _)| (*name, *at) == (api.name, version));
            let tagged = tagged.map(|(_, _, body)| Bytes::from_static(body));
            for body in bodies.chain((api.default)(version)).chain(tagged) {
                all.push([&[number, offset], &body[..]].concat());
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_whose_tagged_fields_are_lost_need_not_be_decoded_again() {
        let written = TAGGED.map(|(name, version, body)| {
            let api = catalog().into_iter().find(|api| api.name == name).expect("its name is right");
            let body = Bytes::from_static(body);
            let lost = shape::loses_tagged_fields(api.key, version, &body).expect("it has its shape");
            let again = (api.rewrite)(body, version).expect("it is a request");
            let decoded = (api.decode)(again, version);
            assert_eq!(lost, decoded.is_err(), "{name} {version}: {decoded:?}");
            !lost
        });
        assert_eq!(written, [false, true]);
    }

    #[test]
    fn tagged_requests_are_seeds() {
        let seeds = request_seeds();
        for (name, version, body) in TAGGED {
            let is_it = |seed: &Vec<u8>| {
                chosen(seed).is_some_and(|(api, at, rest)| (api.name, at, &rest[..]) == (name, version, body))
            };
            assert!(seeds.iter().any(is_it), "{name} {version}");
        }
    }
}
