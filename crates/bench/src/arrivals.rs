//! The load of a restart as clients see it: all of them connect at once, shake hands, log in, ask for the topic and produce a record.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use bytes::Bytes;
use codec::messages::MetadataRequest;
use codec::messages::metadata_request::MetadataRequestTopic;
use parking_lot::{Mutex, RwLock};

use crate::clock::Clock;
use crate::connection::Connection;
use crate::control::{Control, topic_name};
use crate::endpoint::Endpoint;
use crate::frames::ProduceFrames;
use crate::handshakes::METADATA_VERSION;
use crate::loads::Load;
use crate::responses;
use crate::tally::{Counts, Tally};

/// Pause before a client tries again, doubled each time (`reconnect.backoff.ms`, and its maximum, of Java's client).
const BACKOFF: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];
/// A client that is not let in for this long fails the load.
const PATIENCE: Duration = Duration::from_secs(120);
/// Bytes of a thread's stack; there is a thread for each client.
const STACK_BYTES: usize = 256 << 10;

/// Runs the load once, without a warm-up. A latency is from the common start to the client's first acknowledgement. `edge` is called
/// at the start and when the last client has produced; until then all stay connected.
///
/// # Errors
/// A client is not served within [`PATIENCE`].
pub(crate) fn run(
    endpoint: Endpoint,
    load: &Load,
    topic: &str,
    clock: Clock,
    mut edge: impl FnMut() -> Result<()>,
) -> Result<Tally> {
    let mut frames = ProduceFrames::build(topic, load)?;
    let tally = Mutex::new(Tally::new()?);
    let gate = RwLock::new(());
    thread::scope(|scope| {
        // Opened in any case: an error must not leave threads behind it.
        let closed = gate.write();
        let mut clients = Vec::with_capacity(load.connections as usize);
        for number in 0..load.connections {
            let (head, body, counts) = frames.next(0, number % load.partitions, number as usize);
            let request = Bytes::from([head, body].concat());
            let (tally, gate) = (&tally, &gate);
            let client = move || -> Result<Connection> {
                drop(gate.read());
                let due = clock.now();
                let mut connection = arrive_at_last(endpoint, topic)?;
                responses::produced(&connection.exchange(&request)?)?;
                tally.lock().ack(due, clock.now(), Counts { requests: 1, ..counts });
                Ok(connection)
            };
            clients.push(thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, client)?);
        }
        edge()?;
        tally.lock().window = clock.now()..u64::MAX;
        drop(closed);
        let arrived: Vec<Result<Connection>> = clients
            .into_iter()
            .map(|client| client.join().map_err(|_| anyhow!("a client's thread panicked"))?)
            .collect();
        tally.lock().window.end = clock.now();
        edge()?;
        arrived.into_iter().try_for_each(|one| one.map(drop))
    })?;
    Ok(tally.into_inner())
}

/// A client, which comes again as long as it is turned away: a broker whose queue of new connections is full resets them.
fn arrive_at_last(endpoint: Endpoint, topic: &str) -> Result<Connection> {
    let (since, [mut pause, longest]) = (Instant::now(), BACKOFF);
    loop {
        match arrive(endpoint, topic) {
            Err(_) if since.elapsed() < PATIENCE => {}
            outcome => return outcome,
        }
        thread::sleep(pause);
        pause = longest.min(pause * 2);
    }
}

/// One client, until it knows the topic.
fn arrive(endpoint: Endpoint, topic: &str) -> Result<Connection> {
    let mut control = Control::over(Connection::open(endpoint)?);
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
    control.call(METADATA_VERSION, &MetadataRequest::default().with_topics(Some(vec![topic])))?;
    Ok(control.into_connection())
}
