//! A request as the proxy understands it: its header, and for requests of transactions the transactional id.

use std::io::{self, Read};

use bytes::{BufMut, Bytes, BytesMut};
use codec::Request;
use codec::frame::{self, RequestHeader};
use codec::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, ProduceRequest,
    TransactionalId, TxnOffsetCommitRequest,
};

/// The largest frame.
const LIMIT_BYTES: usize = 128 << 20;

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// With the length.
    pub(super) bytes: Bytes,
    /// Client's number for it.
    pub(super) correlation: i32,
    /// For requests of transactions.
    pub(super) part: Option<Part>,
}

/// A request of a transaction.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Transactional id.
    pub(super) id: String,
    /// Its answer is a border.
    pub(super) ends: bool,
    /// InitProducerId of a new owner: it fences the one before.
    pub(super) anew: bool,
    /// By the protocol it changes nothing, or fences, when it comes again by any connection.
    pub(super) repeatable: bool,
}

/// Reads the next frame with its length; `None` at the end of the stream.
pub(super) fn read(stream: &mut impl Read) -> io::Result<Option<Bytes>> {
    let mut prefix = [0; 4];
    match stream.read_exact(&mut prefix) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = frame::frame_length(prefix, LIMIT_BYTES).map_err(io::Error::other)?;
    let mut bytes = BytesMut::with_capacity(4 + length);
    bytes.put_slice(&prefix);
    bytes.resize(4 + length, 0);
    stream.read_exact(&mut bytes[4..])?;
    Ok(Some(bytes.freeze()))
}

/// The correlation id of an answer.
pub(super) fn correlation(answer: &[u8]) -> Option<i32> {
    answer.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes)
}

impl Frame {
    /// Understands a request. One that does not parse passes as it is: the broker judges it.
    pub(super) fn of(bytes: Bytes) -> Frame {
        let mut body = bytes.slice(4..);
        let Ok(header) = RequestHeader::parse(&mut body) else {
            return Frame { bytes, correlation: 0, part: None };
        };
        let part = part(header.api_key, header.api_version, body);
        Frame { bytes, correlation: header.correlation_id, part }
    }
}

fn part(key: i16, version: i16, body: Bytes) -> Option<Part> {
    let (mut ends, mut anew) = (false, false);
    let (id, repeatable): (TransactionalId, bool) = match key {
        ProduceRequest::KEY => (ProduceRequest::decode(body, version).ok()?.transactional_id?, version >= 12),
        InitProducerIdRequest::KEY => {
            let request = InitProducerIdRequest::decode(body, version).ok()?;
            (ends, anew) = (true, request.producer_id.0 == -1);
            (request.transactional_id?, true)
        }
        AddPartitionsToTxnRequest::KEY => {
            let request = AddPartitionsToTxnRequest::decode(body, version).ok()?;
            (request.v3_and_below_transactional_id, false)
        }
        AddOffsetsToTxnRequest::KEY => {
            (AddOffsetsToTxnRequest::decode(body, version).ok()?.transactional_id, false)
        }
        EndTxnRequest::KEY => {
            ends = true;
            (EndTxnRequest::decode(body, version).ok()?.transactional_id, version >= 5)
        }
        TxnOffsetCommitRequest::KEY => {
            (TxnOffsetCommitRequest::decode(body, version).ok()?.transactional_id, version >= 5)
        }
        _ => return None,
    };
    Some(Part { id: id.0.to_string(), ends, anew, repeatable })
}
