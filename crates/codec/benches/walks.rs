//! Times the two walks over a Produce request of one record: `shape::check`, and kafka-protocol's decoder.
//!
//! `cargo bench -p ottla-codec --bench walks` prints ns per walk, the best of several rounds. See `request.rs` for the
//! decision that rests on it.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]
#![allow(clippy::unwrap_used, reason = "a bench may panic")]
#![allow(clippy::disallowed_methods, reason = "a bench measures")]

use std::hint::black_box;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use codec::messages::{ProduceRequest, StrBytes, TopicName};
use codec::records::BatchBuilder;
use codec::{Request, shape};
use kafka_protocol::protocol::Decodable;

const ROUNDS: usize = 30;
const WALKS: u32 = 20_000;

/// The best round: what else runs on the machine can only slow it down.
fn ns_per_walk(walk: impl Fn(&Bytes, i16), body: &Bytes, version: i16) -> f64 {
    let round = || {
        let start = Instant::now();
        for _ in 0..WALKS {
            walk(black_box(body), black_box(version));
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(WALKS)
    };
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

fn main() {
    let batch = BatchBuilder::new().record(1_700_000_000_000, None, Some(&[7; 100])).build();
    let partition = PartitionProduceData::default().with_index(3).with_records(Some(batch));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_static_str("orders")))
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default().with_acks(1).with_timeout_ms(30_000).with_topic_data(vec![topic]);
    for version in [7, 12] {
        let mut body = BytesMut::new();
        Request::encode(&request, version, &mut body).unwrap();
        let body = body.freeze();
        let shape = ns_per_walk(|body, v| shape::check(0, v, body).unwrap(), &body, version);
        let decode = |body: &Bytes, v| {
            black_box(<ProduceRequest as Decodable>::decode(&mut body.clone(), v).unwrap());
        };
        let decode = ns_per_walk(decode, &body, version);
        println!(
            "Produce {version}, {} bytes: shape {shape:.0} ns, kafka-protocol {decode:.0} ns",
            body.len()
        );
    }
}
