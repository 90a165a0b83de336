//! The load of connecting: each thread connects, shakes hands, logs in if the load asks for it, sends one request and leaves, again and
//! again. A figure counts whole rounds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use codec::messages::MetadataRequest;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::connection::Connection;
use crate::control::Control;
use crate::endpoint::Endpoint;
use crate::loads::Load;
use crate::tally::{Counts, Tally};

/// The first versions in use by all clients of today.
pub(crate) const METADATA_VERSION: i16 = 9;
/// One round.
pub(crate) const ONE: Counts = Counts { requests: 1, records: 0, bytes: 0 };

/// Runs the load for both times. `edge` is called when the window begins and when it ends.
///
/// # Errors
/// A connection or a login fails, or a session is not resumed where the load asks for it.
pub(crate) fn run(
    endpoint: Endpoint,
    load: &Load,
    clock: Clock,
    times: [Duration; 2],
    edge: impl FnMut() -> Result<()>,
) -> Result<Tally> {
    let rounds = || {
        let mut rounds = Rounds::new(endpoint, load)?;
        Ok(move || rounds.go().map(|()| ONE))
    };
    repeat(load.connections, clock, times, edge, rounds)
}

/// Does something again and again on that many threads, for both times; `begin` makes what each of them does.
///
/// # Errors
/// The first one of a thread.
pub(crate) fn repeat<F: FnMut() -> Result<Counts>>(
    threads: u32,
    clock: Clock,
    [warmup, window]: [Duration; 2],
    mut edge: impl FnMut() -> Result<()>,
    begin: impl Fn() -> Result<F> + Sync,
) -> Result<Tally> {
    let tally = Mutex::new(Tally::new()?);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let rounds = || -> Result<()> {
            let mut once = begin()?;
            while !stop.load(Ordering::Relaxed) {
                let due = clock.now();
                let counts = once()?;
                tally.lock().ack(due, clock.now(), counts);
            }
            Ok(())
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(rounds)).collect();
        thread::sleep(warmup);
        edge()?;
        tally.lock().window = clock.now()..u64::MAX;
        thread::sleep(window);
        tally.lock().window.end = clock.now();
        edge()?;
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().map_err(|_| anyhow!("a thread of the load panicked"))??;
        }
        anyhow::Ok(())
    })?;
    Ok(tally.into_inner())
}

/// One thread's rounds.
struct Rounds<'a> {
    endpoint: Endpoint,
    load: &'a Load,
    config: Option<std::sync::Arc<rustls::ClientConfig>>,
    /// A round before this one may have left a session to resume.
    has_session: bool,
}

impl<'a> Rounds<'a> {
    fn new(endpoint: Endpoint, load: &'a Load) -> Result<Rounds<'a>> {
        let config = match (endpoint.tls, load.resumed) {
            (None, _) => None,
            (Some(tls), false) => Some(tls.config()),
            (Some(tls), true) => Some(tls.resuming()?),
        };
        Ok(Rounds { endpoint, load, config, has_session: false })
    }

    fn go(&mut self) -> Result<()> {
        let connection = Connection::open_with(self.endpoint, self.config.clone())?;
        ensure!(
            !self.load.resumed || !self.has_session || connection.is_resumed(),
            "the broker resumes no session"
        );
        self.has_session = true;
        let mut control = Control::over(connection);
        // Sessions for the next round come with the first answer. Without topics: of none.
        control.call(METADATA_VERSION, &MetadataRequest::default().with_topics(Some(Vec::new())))?;
        Ok(())
    }
}
