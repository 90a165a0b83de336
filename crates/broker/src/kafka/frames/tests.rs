//! Frames that come whole, slowly, or not to their end; copies of their bytes.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use tokio::io::{AsyncWriteExt, DuplexStream};

use super::*;
use crate::config::BrokerConfig;
use crate::kafka::limits::Limits;

/// The start of a Produce request of that many bytes.
fn begun(length: usize) -> Vec<u8> {
    let mut frame = u32::try_from(length).unwrap().to_be_bytes().to_vec();
    frame.resize(PREFIX_BYTES + length, 0);
    frame
}

fn shared(config: &[(&str, &str)], frame_deadline: Duration) -> Arc<Shared> {
    let limits = Limits::new(&BrokerConfig::from_pairs(config).unwrap());
    Arc::new(Shared::new(Limits { frame_deadline, ..limits }))
}

fn connect(shared: &Arc<Shared>) -> (DuplexStream, Frames<DuplexStream>) {
    let (near, far) = tokio::io::duplex(1 << 20);
    (near, Frames::new(far, Arc::clone(shared)))
}

#[test]
fn other_protocols_are_named() {
    let error =
        |prefix| mistaken(prefix, codec::frame::frame_length(prefix, 100 << 20).unwrap_err()).to_string();
    assert!(error([0x16, 3, 1, 2]).contains("TLS"));
    assert!(error(*b"GET ").contains("HTTP"));
    assert!(error([0xff; 4]).contains("-1"));
}

/// A producer on a slow line needed more than half a minute for a request, and was cut.
#[tokio::test]
async fn a_frame_that_keeps_coming_may_take_longer_than_a_pause_may() {
    let (mut client, mut frames) = connect(&shared(&[], Duration::from_millis(200)));
    let start = crate::clock::now();
    let send = async {
        for piece in begun(60_000).chunks(1_000) {
            client.write_all(piece).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        client
    };
    let (_client, frame) = tokio::join!(send, frames.next());
    assert_eq!(frame.unwrap().unwrap().bytes.len(), 60_000);
    assert!(crate::clock::now() - start > Duration::from_millis(600));
}

#[tokio::test]
async fn a_frame_that_stops_coming_ends_its_connection() {
    let (mut client, mut frames) = connect(&shared(&[], Duration::from_millis(50)));
    client.write_all(&begun(450_000)[..1_000]).await.unwrap();
    let error = frames.next().await.err().unwrap();
    assert!(matches!(error, FrameError::Unfinished { received: 1_000, announced: 450_004, .. }), "{error}");
}

#[tokio::test]
async fn stalled_frames_give_way_to_one_that_needs_their_memory() {
    let config = [("queued.max.request.bytes", "300000"), ("socket.request.max.bytes", "300000")];
    let shared = shared(&config, Duration::from_secs(600));
    let mut stalled = Vec::new();
    for _ in 0..4 {
        let (mut client, mut frames) = connect(&shared);
        client.write_all(&begun(200_000)[..100_000]).await.unwrap();
        stalled.push(Box::pin(async move { (frames.next().await.err(), client) }));
    }
    let (mut client, mut frames) = connect(&shared);
    client.write_all(&begun(250_000)).await.unwrap();
    let mut gone = Vec::new();
    let next = frames.next();
    tokio::pin!(next);
    let frame = std::future::poll_fn(|cx| {
        stalled.retain_mut(|receiving| match receiving.as_mut().poll(cx) {
            Poll::Ready((error, _)) => {
                gone.extend(error);
                false
            }
            Poll::Pending => true,
        });
        next.as_mut().poll(cx)
    });
    let frame = tokio::time::timeout(Duration::from_secs(20), frame).await.unwrap();
    assert_eq!(frame.unwrap().unwrap().bytes.len(), 250_000);
    assert!(!gone.is_empty() && gone.iter().all(|error| matches!(error, FrameError::GaveWay { .. })));
}

/// A socket that delivers what it has, and notes how much each read brought, and to which address.
#[derive(Default)]
struct Noting {
    bytes: VecDeque<u8>,
    reads: Vec<(usize, usize)>,
}

impl AsyncRead for Noting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let length = room.remaining().min(self.bytes.len());
        let address = room.initialize_unfilled().as_ptr().addr();
        room.put_slice(self.bytes.drain(..length).collect::<Vec<_>>().as_slice());
        self.reads.push((length, address));
        Poll::Ready(Ok(()))
    }
}

/// The reads that each of some frames took, and the frames.
async fn noted(lengths: &[usize]) -> Vec<(Vec<(usize, usize)>, Bytes)> {
    let mut frames = Frames::new(Noting::default(), shared(&[], Duration::from_secs(60)));
    let mut noted = Vec::new();
    for length in lengths {
        frames.socket.bytes.extend(begun(*length));
        let frame = frames.next().await.unwrap().unwrap();
        assert_eq!(frame.bytes, begun(*length)[PREFIX_BYTES..]);
        noted.push((std::mem::take(&mut frames.socket.reads), frame.bytes));
    }
    noted
}

#[tokio::test]
async fn frames_after_a_large_one_are_read_to_their_place() {
    // The third is a little larger than the one before.
    for (reads, frame) in noted(&[70_000, 70_000, 71_000, 50_000]).await.into_iter().skip(1) {
        let [(first, _), (rest, place)] = reads[..] else { panic!("{reads:?}") };
        assert_eq!((first, rest), (6, frame.len() - 2), "length and key, then all of the rest");
        assert_eq!(place, frame.as_ptr().addr() + 2, "not copied after it was read");
    }
}

#[tokio::test]
async fn small_frames_take_one_read() {
    let noted = noted(&[1_000, 70_000, 1_000, 1_000]).await;
    let reads: Vec<_> = noted.into_iter().map(|(reads, _)| reads.len()).collect();
    assert_eq!([reads[0], reads[2], reads[3]], [1, 2, 1], "one more for the first after a large one");
}
