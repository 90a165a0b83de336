//! Hostile bytes: the connection gets Kafka's error or is closed, one log line names the
//! peer and the reason, memory grows by less than 16 MiB, and a well-behaved client beside it
//! notices nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use codec::messages::create_partitions_request::CreatePartitionsTopic;
use codec::messages::create_topics_request::CreatableTopic;
use codec::messages::{CreatePartitionsRequest, CreateTopicsRequest, StrBytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use ottla_tests::admin::{api_versions, create_topic, create_topic_with, list_offset, topic_name};
use ottla_tests::broker::{Options, TestBroker};
use ottla_tests::client::{Client, framed};
use ottla_tests::eventually;
use ottla_tests::history::Id;
use ottla_tests::honest::Honest;
use ottla_tests::process::reset_peak;
use ottla_tests::producer::produce;
use ottla_tests::records::{Content, HEADER, batch, put_varint, seal};
use ottla_tests::samples::{self, Sample};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

/// The address of hostile clients, so that the log distinguishes them from the honest one.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const MAY_GROW_BYTES: u64 = 16 << 20;

fn broker() -> Result<TestBroker> {
    Options::default()
        .set("group.initial.rebalance.delay.ms", 0)
        .set("max.connection.creation.rate", 1_000_000)
        .start()
}

/// Runs a campaign against a broker with an honest client beside it, and checks the promises
/// about memory and about that client.
fn beside_an_honest_client(
    name: &str,
    broker: &TestBroker,
    campaign: impl FnOnce() -> Result<()>,
) -> Result<()> {
    // One campaign at a time, as each measures the whole process.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock();
    let honest = Honest::start(broker.address())?;
    eventually!(20, honest.rounds() > 200, "the honest client warms up");
    reset_peak(broker.pid()?)?;
    let before = broker.memory()?;
    let since = Instant::now();
    campaign()?;
    let took = since.elapsed();
    let after = broker.memory()?;
    let latency = honest.finish()?;
    let grown = after.peak_bytes.saturating_sub(before.now_bytes);
    eprintln!(
        "{name}: {took:.1?}, memory {} MiB + {} KiB at most, honest: {latency:?}",
        before.now_bytes >> 20,
        grown >> 10
    );
    ensure!(grown < MAY_GROW_BYTES, "{name}: memory grew by {} KiB", grown >> 10);
    ensure!(latency.p99 < Duration::from_millis(500), "{name}: the honest client noticed: {latency:?}");
    Ok(())
}

fn stranger(broker: SocketAddr) -> Result<Client> {
    Client::connect_from(STRANGER, broker)
}

/// True if the broker closes the connection without an answer.
fn is_closed(client: &Client) -> Result<bool> {
    client.set_patience(Duration::from_secs(10))?;
    let mut rest = Vec::new();
    match client.stream()?.read_to_end(&mut rest) {
        Ok(_) => Ok(rest.is_empty()),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(rest.is_empty()),
        Err(error) => Err(error).context("it was not closed"),
    }
}

/// Frames that are malformed, or cannot be a request.
fn broken_frames() -> Vec<(&'static str, Vec<u8>)> {
    let name = Some(StrBytes::from_static_str("stranger"));
    let whole = |key, version, body: &[u8]| {
        framed(key, version, 1, name.clone(), body).map(|frame| frame.to_vec()).unwrap_or_default()
    };
    let announcing = |length: i32, rest: &[u8]| [&length.to_be_bytes()[..], rest].concat();
    vec![
        ("a length of -1", announcing(-1, &[0; 8])),
        ("the most negative length", announcing(i32::MIN, &[0; 8])),
        ("2 GiB", announcing(i32::MAX, &[0, 0, 0, 9, 0, 0, 0, 1])),
        ("1 GiB of Produce", announcing(1 << 30, &[0, 0, 0, 9, 0, 0, 0, 1])),
        ("100 MiB of Metadata", announcing(100 << 20, &[0, 3, 0, 9, 0, 0, 0, 1])),
        ("no bytes", announcing(0, &[])),
        ("a header cut off", announcing(3, &[0, 18, 0])),
        ("a client id longer than the frame", announcing(10, &[0, 3, 0, 1, 0, 0, 0, 1, 0x7f, 0xff])),
        ("an HTTP request", b"GET / HTTP/1.1\r\nHost: localhost:9092\r\n\r\n".to_vec()),
        ("a TLS hello", [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 500]].concat()),
        ("an unknown key", whole(999, 0, &[0; 16])),
        ("a negative key", whole(-7, 0, &[0; 16])),
        ("a version from the future", whole(3, 99, &[0; 16])),
        ("a negative version", whole(3, -1, &[0; 16])),
        ("a broker's own API", whole(4, 0, &[0; 16])),
        ("Metadata of 2^31 topics", whole(3, 1, &[0x7f, 0xff, 0xff, 0xff])),
        ("Metadata of 2^32 topics, compact", whole(3, 9, &[0xff, 0xff, 0xff, 0xff, 0x0f])),
        ("Metadata cut off", whole(3, 1, &[0, 0])),
        ("Produce of 2^31 topics", whole(0, 3, &[0xff, 0xff, 0, 1, 0, 0, 0, 9, 0x7f, 0xff, 0xff, 0xff])),
        ("2^32 tagged fields", whole(3, 9, &[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f])),
    ]
}

/// A connection from the hostile address, and the log lines about it from here on: a port may be
/// used again, and the log then has lines about the client that had it before.
fn watched_stranger(broker: &TestBroker) -> Result<(Client, impl Fn() -> Vec<String> + '_)> {
    let older = broker.lines().len();
    let client = stranger(broker.address())?;
    let peer = client.local_address()?.to_string();
    let lines = move || broker.lines().into_iter().skip(older).filter(|line| line.contains(&peer)).collect();
    Ok((client, lines))
}

#[test]
fn a_malformed_request_closes_its_connection_with_one_line_that_says_why() -> Result<()> {
    let broker = broker()?;
    for (what, bytes) in broken_frames() {
        let (mut client, lines) = watched_stranger(&broker)?;
        client.send_raw(&bytes)?;
        ensure!(is_closed(&client)?, "{what}: it was answered");
        eventually!(5, !lines().is_empty(), "a line about its peer: {what}");
        let lines = lines();
        ensure!(lines.len() == 1, "{what}: {} lines: {lines:#?}", lines.len());
        ensure!(lines[0].contains("reason"), "{what}: no reason in {}", lines[0]);
    }
    // A frame that ends early because its sender closes.
    let (mut client, lines) = watched_stranger(&broker)?;
    client.send_raw(&[0, 0, 1, 0, 0, 3, 0, 1, 0, 0])?;
    drop(client);
    eventually!(5, lines().len() == 1, "a line about the frame cut off");
    Ok(())
}

#[test]
fn random_bytes_do_no_harm() -> Result<()> {
    let broker = broker()?;
    let seed = rand::random();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    beside_an_honest_client("random bytes", &broker, || {
        for round in 0..3_000 {
            let mut bytes = vec![0; random.random_range(1..3_000)];
            random.fill_bytes(&mut bytes);
            if round % 2 == 0 && bytes.len() > 8 {
                // A valid length and key, so that the noise reaches the decoder.
                let length = bytes.len() as u32 - 4;
                bytes[..4].copy_from_slice(&length.to_be_bytes());
                bytes[4..6].copy_from_slice(&(round as u16 / 2 % 64).to_be_bytes());
                bytes[6..8].copy_from_slice(&random.random_range(0..14u16).to_be_bytes());
            }
            let mut client = stranger(broker.address())?;
            // It may close before it has read all.
            if client.send_raw(&bytes).is_ok() {
                client.stream()?.shutdown(std::net::Shutdown::Write).ok();
                drain(&client).with_context(|| format!("round {round}"))?;
            }
        }
        Ok(())
    })
}

/// Reads to the end and ignores errors.
fn drain(client: &Client) -> Result<()> {
    client.set_patience(Duration::from_secs(10))?;
    match client.stream()?.read_to_end(&mut Vec::new()) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(anyhow!("never closed: {error}")),
        _ => Ok(()),
    }
}

#[test]
fn every_length_and_count_of_every_request_may_lie() -> Result<()> {
    let broker = broker()?;
    let mut client = Client::connect(broker.address())?;
    create_topic(&mut client, samples::TOPIC, 1)?;
    produce(&mut client, samples::TOPIC, 0, -1, samples::one_record())?;
    let apis = api_versions(&mut client)?.api_keys;
    let work: Vec<(Sample, Vec<i16>)> = samples::all()
        .into_iter()
        .filter_map(|sample| {
            let api = apis.iter().find(|api| api.api_key == sample.key)?;
            let versions =
                sample.versions.clone().filter(|v| (api.min_version..=api.max_version).contains(v)).collect();
            Some((sample, versions))
        })
        .collect();
    ensure!(work.len() > 10, "only {} APIs", work.len());
    beside_an_honest_client("lying counts", &broker, || {
        let halves: Vec<Result<u64>> = thread::scope(|scope| {
            let lie = |half: usize| {
                let (work, address) = (&work, broker.address());
                scope.spawn(move || {
                    work.iter()
                        .skip(half)
                        .step_by(2)
                        .map(|(sample, versions)| lies(address, sample, versions))
                        .sum()
                })
            };
            [lie(0), lie(1)].map(|thread| thread.join().map_err(|_| anyhow!("panicked"))?).into()
        });
        let sent: u64 = halves.into_iter().sum::<Result<u64>>()?;
        eprintln!("{sent} requests that lie");
        Ok(())
    })
}

/// Sends every lie about one API; each is answered or closes the connection. Returns their number.
fn lies(broker: SocketAddr, sample: &Sample, versions: &[i16]) -> Result<u64> {
    let mut client = stranger(broker)?;
    let mut sent = 0;
    // A request may ask the broker to wait for longer than the test does.
    let may_wait = ["Fetch", "JoinGroup", "SyncGroup"].contains(&sample.name);
    let patience = Duration::from_millis(if may_wait { 30 } else { 10_000 });
    client.set_patience(patience)?;
    for &version in versions {
        for body in falsified(&sample.body(version)?) {
            sent += 1;
            let answered = client.send_body(sample.key, version, &body).and_then(|()| client.receive_frame());
            let Err(error) = answered else { continue };
            let timed_out =
                error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::WouldBlock);
            ensure!(
                !timed_out || may_wait,
                "{} v{version}: neither answered nor closed: {body:02x?}",
                sample.name
            );
            client = stranger(broker)?;
            client.set_patience(patience)?;
        }
    }
    Ok(sent)
}

/// Every four bytes of it replaced by each hostile number, every byte by each hostile varint, and
/// every truncation.
fn falsified(body: &Bytes) -> Vec<Vec<u8>> {
    let numbers = [i32::MAX, i32::MIN, -1, -2, 1 << 30].map(i32::to_be_bytes);
    let varints =
        [[0xff, 0xff, 0xff, 0xff, 0x07], [0xff, 0xff, 0xff, 0xff, 0x0f], [0xff, 0xff, 0xff, 0xff, 0xff]];
    let mut all = Vec::new();
    for at in 0..body.len() {
        for number in &numbers {
            let mut lie = body.to_vec();
            lie.splice(at..(at + 4).min(body.len()), *number);
            all.push(lie);
        }
        for varint in &varints {
            let mut lie = body.to_vec();
            lie.splice(at..=at, *varint);
            all.push(lie);
        }
        all.push(body[..at].to_vec());
    }
    all
}

/// INVALID_PARTITIONS, or POLICY_VIOLATION for more than the broker allows.
fn refused(code: Option<i16>) -> bool {
    matches!(code, Some(37 | 44))
}

/// A well-formed request can ask for too much as well.
#[test]
fn more_partitions_than_a_machine_can_hold_are_refused() -> Result<()> {
    let broker = broker()?;
    let mut admin = Client::connect(broker.address())?;
    create_topic(&mut admin, "small", 1)?;
    beside_an_honest_client("too many partitions", &broker, || {
        for count in [i32::MAX, 1 << 30, 10_000_000] {
            let topic = CreatableTopic::default()
                .with_name(topic_name("huge"))
                .with_num_partitions(count)
                .with_replication_factor(1);
            let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(1000);
            let answer = admin.call(5, &request)?;
            let code = answer.topics.first().map(|topic| topic.error_code);
            ensure!(refused(code), "CreateTopics of {count} partitions: {code:?}");
            let topic = CreatePartitionsTopic::default()
                .with_name(topic_name("small"))
                .with_count(count)
                .with_assignments(None);
            let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(1000);
            let code = admin.call(1, &request)?.results.first().map(|topic| topic.error_code);
            ensure!(refused(code), "CreatePartitions to {count}: {code:?}");
        }
        Ok(())
    })
}

const CORRUPT_MESSAGE: i16 = 2;
const MESSAGE_TOO_LARGE: i16 = 10;
const UNSUPPORTED_COMPRESSION_TYPE: i16 = 76;
const INVALID_RECORD: i16 = 87;

/// Batches that lie, and Kafka's answer to each.
fn lying_batches() -> Vec<(&'static str, BytesMut, &'static [i16])> {
    let records: Vec<Content> = (0..5).map(|sequence| Content::of(Id { producer: 0, sequence })).collect();
    let sound = || batch(&records, None);
    let lie = |at: usize, bytes: &[u8]| {
        let mut batch = sound();
        batch[at..at + bytes.len()].copy_from_slice(bytes);
        seal(&mut batch);
        batch
    };
    let unsealed = |at: usize, bytes: &[u8]| {
        let mut batch = sound();
        batch[at..at + bytes.len()].copy_from_slice(bytes);
        batch
    };
    let mut checksum = sound();
    checksum[17] ^= 1;
    let mut record_length = sound();
    record_length.truncate(HEADER);
    put_varint(&mut record_length, i64::from(i32::MAX));
    record_length.put_bytes(0, 300);
    seal(&mut record_length);
    let mut cut = sound();
    cut.truncate(cut.len() - 10);
    let wrong: &[i16] = &[CORRUPT_MESSAGE, INVALID_RECORD];
    let corrupt: &[i16] = &[CORRUPT_MESSAGE];
    let invalid: &[i16] = &[INVALID_RECORD];
    vec![
        ("a checksum that does not match", checksum, corrupt),
        ("2^31 records", lie(57, &i32::MAX.to_be_bytes()), wrong),
        ("no records", lie(57, &0i32.to_be_bytes()), wrong),
        ("-1 records", lie(57, &(-1i32).to_be_bytes()), wrong),
        ("one record fewer than there are", lie(57, &4i32.to_be_bytes()), wrong),
        ("a last offset delta of 2^31", lie(23, &i32::MAX.to_be_bytes()), wrong),
        ("a last offset delta of -1", lie(23, &(-1i32).to_be_bytes()), wrong),
        (
            "count and last delta both 2^31",
            {
                let mut batch = lie(23, &(i32::MAX - 1).to_be_bytes());
                batch[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
                seal(&mut batch);
                batch
            },
            wrong,
        ),
        ("a record longer than the batch", record_length, wrong),
        ("a length beyond the bytes", unsealed(8, &i32::MAX.to_be_bytes()), &[MESSAGE_TOO_LARGE]),
        ("a negative length", unsealed(8, &(-1i32).to_be_bytes()), wrong),
        ("a length shorter than a header", unsealed(8, &10i32.to_be_bytes()), wrong),
        ("a batch cut off", cut, wrong),
        ("a compression nobody knows", lie(21, &7i16.to_be_bytes()), &[UNSUPPORTED_COMPRESSION_TYPE]),
        ("a control batch", lie(21, &0x20i16.to_be_bytes()), invalid),
        ("no batch at all", BytesMut::from(&[9; 40][..]), wrong),
    ]
}

#[test]
fn batches_that_lie_are_refused_and_not_stored() -> Result<()> {
    let broker = broker()?;
    let mut client = stranger(broker.address())?;
    create_topic(&mut client, "lies", 1)?;
    let mut wrong = Vec::new();
    beside_an_honest_client("lying batches", &broker, || {
        for (what, batch, codes) in lying_batches() {
            let answer =
                produce(&mut client, "lies", 0, -1, batch.freeze()).with_context(|| what.to_owned())?;
            if !codes.contains(&answer.error_code) {
                wrong.push(format!("{what}: error code {} {:?}", answer.error_code, answer.error_message));
            }
        }
        Ok(())
    })?;
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(list_offset(&mut client, "lies", 0, -1)? == 0, "a batch that lies was appended");
    Ok(())
}

/// 256 MiB of zeros in a quarter of a MiB, where records are parsed and where they are not.
#[test]
fn decompression_bombs_do_not_go_off() -> Result<()> {
    let broker = broker()?;
    let mut client = stranger(broker.address())?;
    create_topic(&mut client, "plain", 1)?;
    create_topic_with(&mut client, "compacted", 1, &[("cleanup.policy", "compact")])?;
    let bomb = bomb()?;
    beside_an_honest_client("bombs", &broker, || {
        for topic in ["plain", "compacted"] {
            let answer = produce(&mut client, topic, 0, -1, bomb.clone())?;
            eprintln!("{topic}: error code {} {:?}", answer.error_code, answer.error_message);
            ensure!(
                topic == "plain" || [CORRUPT_MESSAGE, INVALID_RECORD].contains(&answer.error_code),
                "{topic}: accepted"
            );
        }
        Ok(())
    })
}

fn bomb() -> Result<Bytes> {
    let mut sound = batch(&[Content::of(Id { producer: 0, sequence: 2 })], None);
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    let mut head = BytesMut::new();
    put_varint(&mut head, 256 << 20);
    packed.write_all(&head)?;
    for _ in 0..256 {
        packed.write_all(&vec![0; 1 << 20])?;
    }
    sound.truncate(HEADER);
    sound.extend_from_slice(&packed.finish()?);
    sound[22] = 1;
    seal(&mut sound);
    Ok(sound.freeze())
}

/// Sockets that announce large frames and send little or nothing.
#[test]
fn trickling_connections_cost_next_to_nothing() -> Result<()> {
    let broker = broker()?;
    beside_an_honest_client("trickle", &broker, || {
        let announced: [u8; 14] = [6, 0x3f, 0xff, 0xff, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0];
        let mut sockets = (0..300).map(|_| stranger(broker.address())).collect::<Result<Vec<_>>>()?;
        for client in sockets.iter_mut().skip(50) {
            client.send_raw(&announced)?;
        }
        for _ in 0..40 {
            for client in sockets.iter_mut().skip(50) {
                client.send_raw(&[0])?;
            }
            thread::sleep(Duration::from_millis(25));
        }
        Ok(())
    })
}
