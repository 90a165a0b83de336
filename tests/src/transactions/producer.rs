//! A producer of either protocol, request by request.

use anyhow::{Result, ensure};
use codec::Request;

use super::requests::{ANNOUNCE_VERSION, Owner, Protocol, announce_code, content, produce_code, stage_code};
use crate::client::Client;

/// A producer that writes the number of each transaction to all its topics, and to the offset of its group.
#[derive(Debug)]
pub struct Producer {
    /// Transactional id.
    pub name: &'static str,
    /// KIP-890's protocol.
    pub v2: bool,
    /// Topics, of which partition 0 is written. The group's offset is one of the first.
    pub topics: &'static [&'static str],
    /// The group of its offsets.
    pub group: &'static str,
    /// Producer id; [`Producer::begin_anew`] sets it, and the epoch.
    pub id: i64,
    /// Producer epoch.
    pub epoch: i16,
    /// Sequence of its next batch in each topic.
    pub sequence: i32,
}

impl Producer {
    /// InitProducerId.
    ///
    /// # Errors
    /// It is refused, or the connection fails.
    pub fn begin_anew(&mut self, client: &mut Client) -> Result<()> {
        self.begin_with_timeout(client, 60_000)
    }

    /// As [`Producer::begin_anew`], with this `transaction.timeout.ms`.
    ///
    /// # Errors
    /// As [`Producer::begin_anew`].
    pub fn begin_with_timeout(&mut self, client: &mut Client, timeout_ms: i32) -> Result<()> {
        let request = Owner::new(self.name).init(timeout_ms, true);
        let version = self.protocol().init_producer_id();
        let answer = ask(client, version, &request, |answer| answer.error_code)?;
        (self.id, self.epoch, self.sequence) = (answer.producer_id.0, answer.producer_epoch, 0);
        Ok(())
    }

    fn protocol(&self) -> Protocol {
        if self.v2 { Protocol::V2 } else { Protocol::V1 }
    }

    fn owner(&self) -> Owner {
        Owner { id: self.name.to_owned(), producer_id: self.id, epoch: self.epoch }
    }

    /// One whole transaction.
    ///
    /// # Errors
    /// A request of it is refused, or the connection fails.
    pub fn transact(&mut self, client: &mut Client, number: u64, commit: bool) -> Result<()> {
        self.write(client, number)?;
        self.end(client, commit)
    }

    /// A transaction without its end.
    ///
    /// # Errors
    /// As [`Producer::transact`].
    pub fn write(&mut self, client: &mut Client, number: u64) -> Result<()> {
        if !self.v2 {
            self.announce(client)?;
        }
        for topic in self.topics {
            self.produce(client, topic, number)?;
        }
        self.stage(client, number)
    }

    fn announce(&self, client: &mut Client) -> Result<()> {
        self.announce_topics(client)?;
        self.announce_group(client)
    }

    /// AddPartitionsToTxn.
    ///
    /// # Errors
    /// As [`Producer::transact`].
    pub fn announce_topics(&self, client: &mut Client) -> Result<()> {
        for topic in self.topics {
            let request = self.owner().announce(topic, vec![0]);
            ask(client, ANNOUNCE_VERSION, &request, announce_code)?;
        }
        Ok(())
    }

    /// AddOffsetsToTxn.
    ///
    /// # Errors
    /// As [`Producer::transact`].
    pub fn announce_group(&self, client: &mut Client) -> Result<()> {
        let request = self.owner().announce_group(self.group);
        ask(client, ANNOUNCE_VERSION, &request, |answer| answer.error_code).map(drop)
    }

    /// The batch of one topic. With the older protocol it has to be announced before.
    ///
    /// # Errors
    /// As [`Producer::transact`].
    pub fn produce(&self, client: &mut Client, topic: &str, number: u64) -> Result<()> {
        let request = self.owner().produce(topic, 0, self.sequence, &[content(number.to_string())]);
        ask(client, self.protocol().produce(), &request, produce_code).map(drop)
    }

    /// TxnOffsetCommit of this offset.
    ///
    /// # Errors
    /// As [`Producer::transact`].
    pub fn stage(&self, client: &mut Client, number: u64) -> Result<()> {
        let request = self.owner().stage(self.group, self.topics[0], 0, i64::try_from(number)?);
        ask(client, self.protocol().txn_offset_commit(), &request, stage_code).map(drop)
    }

    /// EndTxn.
    ///
    /// # Errors
    /// It is refused, or the connection fails.
    pub fn end(&mut self, client: &mut Client, commit: bool) -> Result<()> {
        let version = self.protocol().end_txn();
        let answer = ask(client, version, &self.owner().end(commit), |answer| answer.error_code)?;
        if self.v2 {
            (self.id, self.epoch, self.sequence) = (answer.producer_id.0, answer.producer_epoch, 0);
        } else {
            self.sequence += 1;
        }
        Ok(())
    }
}

/// Sends a request, once. Any code is an error.
fn ask<R: Request>(
    client: &mut Client,
    version: i16,
    request: &R,
    code: impl Fn(&R::Response) -> i16,
) -> Result<R::Response> {
    let answer = client.call(version, request)?;
    ensure!(code(&answer) == 0, "{}: error {}", R::NAME, code(&answer));
    Ok(answer)
}
