//! The connections of one producer: requests are sent again, as clients do, until one is answered.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use codec::Request;

use crate::client::Client;

/// Codes that ask for the same request later: NOT_LEADER_OR_FOLLOWER, COORDINATOR_LOAD_IN_PROGRESS,
/// COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, NOT_ENOUGH_REPLICAS, CONCURRENT_TRANSACTIONS.
const LATER: [i16; 6] = [6, 14, 15, 16, 19, 51];
/// A broker may be away that long.
const LIMIT: Duration = Duration::from_secs(30);

/// The connections over which a producer sends; a client may have one for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// To the coordinator of its transactional id.
    Coordinator,
    /// To leaders of partitions, and coordinators of groups.
    Others,
}

/// An answer was lost, and the request is not sent again.
#[derive(Debug, Clone, Copy)]
pub struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer was lost")
    }
}

impl std::error::Error for Lost {}

/// A request was refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Kafka's name of the API.
    pub api: &'static str,
    /// The error code.
    pub code: i16,
    /// An earlier try of this request had no answer.
    pub again: bool,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let again = if self.again { " to a request that was sent again" } else { "" };
        write!(f, "{}: error {}{again}", self.api, self.code)
    }
}

impl std::error::Error for Refused {}

#[derive(Debug)]
pub(super) struct Link {
    address: SocketAddr,
    /// Requests to the coordinator have a connection of their own, as librdkafka's do.
    apart: bool,
    coordinator: Option<Client>,
    others: Option<Client>,
}

impl Link {
    pub(super) fn new(address: SocketAddr, apart: bool) -> Link {
        Link { address, apart, coordinator: None, others: None }
    }

    /// Closes all connections.
    pub(super) fn cut(&mut self) {
        (self.coordinator, self.others) = (None, None);
    }

    fn connection(&mut self, line: Line) -> &mut Option<Client> {
        match line {
            Line::Coordinator if self.apart => &mut self.coordinator,
            _ => &mut self.others,
        }
    }

    fn once<R: Request>(&mut self, line: Line, version: i16, request: &R) -> Result<R::Response> {
        let address = self.address;
        let connection = self.connection(line);
        let client = match connection {
            Some(client) => client,
            None => connection.insert(Client::connect(address)?),
        };
        let answer = client.call(version, request);
        if answer.is_err() {
            *connection = None;
        }
        answer
    }

    /// Sends a request until it is answered for good. `again` decides whether it is sent again after an answer was lost.
    ///
    /// # Errors
    /// [`Refused`], or [`Lost`] if it is not sent again or the broker is away for too long.
    pub(super) fn ask<R: Request>(
        &mut self,
        line: Line,
        version: i16,
        request: &R,
        code: impl Fn(&R::Response) -> i16,
        mut again: impl FnMut() -> bool,
    ) -> Result<R::Response> {
        let (since, mut lost) = (Instant::now(), false);
        loop {
            match self.once(line, version, request) {
                Ok(answer) => match code(&answer) {
                    0 => return Ok(answer),
                    code if !LATER.contains(&code) || since.elapsed() > LIMIT => {
                        return Err(Refused { api: R::NAME, code, again: lost }.into());
                    }
                    _ => thread::sleep(Duration::from_millis(10)),
                },
                Err(_) => {
                    lost = true;
                    if !again() || since.elapsed() > LIMIT {
                        return Err(Lost.into());
                    }
                    thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }
}
