//! One client's connection and the broker's end of it: a thread for requests, one for answers.

use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use parking_lot::{Condvar, Mutex};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::fate::{Delay, Fate};
use super::frame::{self, Frame, Part};
use super::{Borders, Shared};

/// A client that was cut off has this long to close its end; what it sent before is held back as well.
const CUT: Duration = Duration::from_millis(50);
/// The broker has this long to answer a late request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The broker's answers that mean something here, by correlation id.
#[derive(Debug, Default)]
struct Awaited {
    answers: Mutex<HashMap<i32, Answer>>,
    taken: Condvar,
}

#[derive(Debug)]
struct Answer {
    border: Option<Arc<Borders>>,
    dropped: bool,
}

impl Awaited {
    fn expect(&self, correlation: i32, border: Option<Arc<Borders>>, dropped: bool) {
        self.answers.lock().insert(correlation, Answer { border, dropped });
    }

    fn take(&self, correlation: i32) -> Option<Answer> {
        let answer = self.answers.lock().remove(&correlation);
        self.taken.notify_all();
        answer
    }

    /// True once this answer has come.
    fn came(&self, correlation: i32) -> bool {
        let mut answers = self.answers.lock();
        let deadline = Instant::now() + PATIENCE;
        while answers.contains_key(&correlation) {
            if self.taken.wait_until(&mut answers, deadline).timed_out() {
                return false;
            }
        }
        true
    }

    /// No more answers come.
    fn end(&self) {
        self.answers.lock().clear();
        self.taken.notify_all();
    }
}

/// Starts the threads of a connection. They end with it.
pub(super) fn serve(shared: &Arc<Shared>, number: u64, client: TcpStream, broker: TcpStream) -> Result<()> {
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let awaited = Arc::<Awaited>::default();
    let requests = Requests {
        shared: Arc::clone(shared),
        random: StdRng::seed_from_u64(shared.plan.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        awaited: Arc::clone(&awaited),
        client: client.try_clone()?,
        broker: broker.try_clone()?,
    };
    thread::Builder::new().name("proxy-up".to_owned()).spawn(move || {
        let broker = requests.broker.try_clone();
        // Whatever ends it, the other end is told.
        let _ = requests.run();
        let _ = broker.map(|broker| broker.shutdown(Shutdown::Both));
    })?;
    thread::Builder::new().name("proxy-down".to_owned()).spawn(move || {
        answers(&awaited, &client, broker);
        awaited.end();
        let _ = client.shutdown(Shutdown::Both);
    })?;
    Ok(())
}

/// Passes answers on until the broker closes.
fn answers(awaited: &Awaited, client: &TcpStream, broker: TcpStream) {
    let mut broker = BufReader::new(broker);
    while let Ok(Some(bytes)) = frame::read(&mut broker) {
        let answer = frame::correlation(&bytes).and_then(|correlation| awaited.take(correlation));
        if let Some(border) = answer.as_ref().and_then(|answer| answer.border.as_ref()) {
            border.cross();
        }
        if answer.is_some_and(|answer| answer.dropped) {
            let _ = client.shutdown(Shutdown::Both);
            continue;
        }
        // A client that is gone does not end it: late requests still get their answers.
        let _ = (&*client).write_all(&bytes);
    }
}

struct Requests {
    shared: Arc<Shared>,
    random: StdRng,
    awaited: Arc<Awaited>,
    client: TcpStream,
    broker: TcpStream,
}

impl Requests {
    fn run(mut self) -> Result<()> {
        let mut client = BufReader::new(self.client.try_clone()?);
        while let Some(bytes) = frame::read(&mut client)? {
            let frame = Frame::of(bytes);
            let Some(part) = frame.part.clone() else {
                self.broker.write_all(&frame.bytes)?;
                continue;
            };
            let fate = match self.shared.is_calm() {
                true => Fate::Passes,
                false => Fate::draw(&self.shared.plan, &mut self.random, &part),
            };
            let waits = matches!(fate, Fate::Late(_) | Fate::Repeated(_)) && self.shared.may_wait();
            match fate {
                Fate::Late(delay) if waits => {
                    let done = self.late(&frame, &part, delay, &mut client);
                    self.shared.has_waited();
                    return done;
                }
                Fate::Repeated(delay) if waits => {
                    self.repeat(&frame, &part, delay)?;
                    self.pass(&frame, &part, false)?;
                }
                Fate::Slow(time) => {
                    thread::sleep(time);
                    self.shared.counts.slow.fetch_add(1, Ordering::Relaxed);
                    self.pass(&frame, &part, false)?;
                }
                Fate::AnswerDropped => {
                    self.shared.counts.dropped.fetch_add(1, Ordering::Relaxed);
                    self.pass(&frame, &part, true)?;
                }
                _ => self.pass(&frame, &part, false)?,
            }
        }
        Ok(())
    }

    fn pass(&mut self, frame: &Frame, part: &Part, dropped: bool) -> Result<()> {
        let border = part.ends.then(|| self.shared.borders(&part.id));
        self.awaited.expect(frame.correlation, border, dropped);
        Ok(self.broker.write_all(&frame.bytes)?)
    }

    /// Cuts the client off, and delivers the request and those that followed it later.
    fn late(
        &mut self,
        frame: &Frame,
        part: &Part,
        delay: Delay,
        client: &mut BufReader<TcpStream>,
    ) -> Result<()> {
        let borders = self.shared.borders(&part.id);
        let before = borders.crossed();
        self.client.shutdown(Shutdown::Write)?;
        self.client.set_read_timeout(Some(CUT))?;
        let mut held = vec![frame.clone()];
        while let Ok(Some(bytes)) = frame::read(client) {
            held.push(Frame::of(bytes));
        }
        let _ = self.client.shutdown(Shutdown::Both);
        let over = delay.wait(&self.shared, &borders, before);
        for frame in held {
            self.deliver(&frame, over)?;
        }
        Ok(())
    }

    fn deliver(&mut self, frame: &Frame, over: bool) -> Result<()> {
        let Some(part) = &frame.part else {
            return Ok(self.broker.write_all(&frame.bytes)?);
        };
        count(&self.shared, part, over);
        self.shared.counts.late.fetch_add(1, Ordering::Relaxed);
        self.awaited.expect(frame.correlation, None, false);
        self.broker.write_all(&frame.bytes)?;
        answered(&self.shared, part, self.awaited.came(frame.correlation));
        Ok(())
    }

    /// Delivers the request again later, by a connection of its own. The first delivery is the client's.
    fn repeat(&self, frame: &Frame, part: &Part, delay: Delay) -> Result<()> {
        let (shared, frame, part) = (Arc::clone(&self.shared), frame.clone(), part.clone());
        let borders = shared.borders(&part.id);
        let before = borders.crossed();
        thread::Builder::new().name("proxy-repeat".to_owned()).spawn(move || {
            // The end of a transaction is the border that its own first delivery crosses.
            let over = delay.wait(&shared, &borders, before);
            count(&shared, &part, over);
            shared.counts.repeated.fetch_add(1, Ordering::Relaxed);
            answered(&shared, &part, deliver_alone(&shared, &frame).is_ok());
            shared.has_waited();
        })?;
        Ok(())
    }
}

/// Counts a delivery after its answer. One that has none may still come.
fn answered(shared: &Shared, part: &Part, came: bool) {
    if came {
        shared.counts.answered.fetch_add(1, Ordering::Relaxed);
        if part.anew {
            shared.fences.end(&part.id);
        }
    }
}

/// Counts a delivery, before it is made: a fence is known when it strikes.
fn count(shared: &Shared, part: &Part, over: bool) {
    if over {
        shared.counts.over_borders.fetch_add(1, Ordering::Relaxed);
    }
    if part.anew {
        shared.fences.begin(&part.id);
    }
}

fn deliver_alone(shared: &Shared, frame: &Frame) -> Result<()> {
    let mut broker = TcpStream::connect_timeout(&shared.broker, PATIENCE)?;
    broker.set_read_timeout(Some(PATIENCE))?;
    broker.write_all(&frame.bytes)?;
    anyhow::ensure!(frame::read(&mut broker)?.is_some(), "closed without an answer");
    Ok(())
}
