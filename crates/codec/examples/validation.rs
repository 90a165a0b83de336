//! Measures how fast arriving batches are validated, per codec: `cargo run --release -p ottla-codec --example validation`.
//!
//! Figures are megabytes of records (uncompressed) per second of processor time. The records are JSON-like lines of about
//! 200 bytes, which the codecs shrink three- to fivefold, as they do with what users send.
#![allow(clippy::disallowed_methods, reason = "an example that measures")]

use std::hint::black_box;
use std::io::{Write as _, stdout};
use std::time::{Duration, Instant};

use codec::records::{BatchBuilder, Compression, RecordBatch, validate_records};

/// Uncompressed bytes of a batch: Kafka's default `batch.size`, and a larger one.
const SIZES: [usize; 2] = [16 * 1024, 64 * 1024];
const TIME: Duration = Duration::from_millis(500);

/// A batch of about `size` bytes of records.
fn batch(codec: Compression, size: usize) -> (RecordBatch, usize) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let (mut builder, mut bytes) = (BatchBuilder::new().compression(codec), 0);
    while bytes < size {
        let value = format!(
            r#"{{"user":{},"event":"page_view","path":"/shop/item/{}","session":"{:016x}","referrer":"https://www.example.com/","agent":"Mozilla/5.0 (X11; Linux x86_64)","ms":{}}}"#,
            random(100_000),
            random(5_000),
            random(u64::MAX),
            random(3_000),
        );
        let key = random(100_000).to_string();
        builder.push(
            1_700_000_000_000 + random(1_000) as i64,
            Some(key.as_bytes()),
            Some(value.as_bytes()),
            &[],
        );
        bytes += key.len() + value.len() + 8;
    }
    let batch = RecordBatch::parse(builder.build()).expect("what the builder writes is a batch");
    (batch, bytes)
}

/// Processor time of this thread in ns, which other work on the machine does not lengthen.
fn processor_ns() -> std::io::Result<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split(' ').next().and_then(|number| number.parse().ok());
    first.ok_or_else(|| std::io::Error::other("an unknown form of schedstat"))
}

fn main() -> std::io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "codec   records   batch   walk MB/s   µs a batch")?;
    for size in SIZES {
        for codec in Compression::ALL {
            let (batch, bytes) = batch(codec, size);
            let (start, before, mut count) = (Instant::now(), processor_ns()?, 0_u32);
            while start.elapsed() < TIME {
                for _ in 0..16 {
                    black_box(validate_records(black_box(&batch), |record| {
                        black_box(record);
                    }))
                    .expect("the batch is sound");
                }
                count += 16;
            }
            let seconds = (processor_ns()? - before) as f64 / 1e9 / f64::from(count);
            let rate = bytes as f64 / seconds / 1e6;
            writeln!(out, "{codec:7} {bytes:7} {:7} {rate:11.0} {:12.1}", batch.size_bytes(), seconds * 1e6)?;
        }
    }
    Ok(())
}
