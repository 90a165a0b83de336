//! Takes the answers to a producer's requests: what each changes, and which are repeated.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use codec::ErrorCode;

use super::{Phase, Producer, Sent, Transaction, What};
use crate::clock::SECOND;
use crate::responses;
use crate::tally::{Counts, Tally};
use crate::transactions::batches::Identity;
use crate::transactions::{backoff, calls, copier};

impl Producer {
    /// The batch that a copier fetched has arrived.
    pub(in crate::transactions) fn fetched(&mut self, now: u64, tally: &mut Tally) -> Result<()> {
        ensure!(self.phase == Phase::Fetching, "a fetch that was not asked for");
        self.begin_transaction(now, tally)
    }

    /// Takes the answers that arrived; [`Producer::advance`] then sends what they allow.
    ///
    /// # Errors
    /// A request was refused with an error after which Java's client does not repeat it, or an answer comes out of order.
    pub(in crate::transactions) fn receive(&mut self, now: u64, tally: &mut Tally) -> Result<()> {
        self.connection.fill()?;
        while let Some(range) = self.connection.next_frame()? {
            let frame = self.connection.frame(range);
            let sent = self.unanswered.pop_front().context("an answer to no request")?;
            let correlation = frame.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes));
            let expected = sent.correlation;
            ensure!(correlation == Some(expected), "answer {correlation:?}, expected {expected}");
            if let What::Batches(number, partitions) = &sent.what {
                let (_, error) = responses::produced_all(frame, partitions.len())?;
                let counts = self.requests.counts(*number);
                self.produced(error, counts, sent, now, tally)?;
            } else {
                let answer = Bytes::copy_from_slice(frame);
                self.answered(answer, sent, now, tally)?;
            }
        }
        self.advance(now, tally)
    }

    fn produced(
        &mut self,
        error: i16,
        counts: Counts,
        sent: Sent,
        now: u64,
        tally: &mut Tally,
    ) -> Result<()> {
        if error != 0 {
            let again = backoff::is_batch_repeated(error, !self.again.is_empty());
            ensure!(again, "Produce: {:?} ({error})", ErrorCode::from_code(error));
            // One wait for all that are refused together.
            if self.again.is_empty() {
                self.attempts += 1;
                self.wake = now + self.backoff.wait(self.attempts);
            }
            self.again.push_back(sent);
            return Ok(());
        }
        self.attempts = 0;
        let What::Batches(_, partitions) = sent.what else { return Ok(()) };
        // Where others produce beside it, their latency is reported.
        if self.load.beside == 0 {
            tally.ack(sent.due, now, counts);
        }
        self.transaction.counts.add(counts);
        for (partition, _) in partitions {
            tally.transactions.records[partition as usize] += u64::from(self.load.records);
            // Its transaction decides, if there is one.
            if self.load.producer.is_transactional() {
                self.transaction.written.push(partition);
            } else {
                tally.transactions.committed[partition as usize] += u64::from(self.load.records);
            }
        }
        Ok(())
    }

    /// Takes an answer of the coordinator.
    fn answered(&mut self, answer: Bytes, sent: Sent, now: u64, tally: &mut Tally) -> Result<()> {
        let (name, error) = match sent.what {
            What::Announce => ("AddPartitionsToTxn", calls::announced(answer)?),
            What::Offsets => ("TxnOffsetCommit", copier::committed(answer)?),
            What::Describe => return self.described(answer, now, tally),
            _ => {
                let (error, identity) = calls::ended(answer, self.load.producer, self.identity)?;
                if error == 0 {
                    self.ended(identity, now, tally);
                }
                ("EndTxn", error)
            }
        };
        if error != 0 {
            let again = backoff::is_repeated(error);
            ensure!(again, "{name}: {:?} ({error})", ErrorCode::from_code(error));
            let first = matches!(sent.what, What::Announce);
            let wait = if first { backoff::FIRST_ANNOUNCEMENT } else { backoff::COORDINATOR };
            self.wake = if self.again.is_empty() { now + wait } else { self.wake.max(now + wait) };
            self.again.push_back(sent);
        } else if self.phase == Phase::Announcing {
            self.phase = Phase::Producing;
        } else if self.phase == Phase::Settling {
            return self.send(What::Describe, now);
        }
        Ok(())
    }

    /// The end was answered.
    fn ended(&mut self, identity: Identity, now: u64, tally: &mut Tally) {
        let Transaction { began, end_sent, committed, counts, .. } = self.transaction;
        tally.end(began, end_sent, now, Counts { requests: 1, ..counts });
        let mut marked = std::mem::take(&mut self.transaction.written);
        for partition in marked.iter().filter(|_| committed) {
            tally.transactions.committed[*partition as usize] += u64::from(self.load.records);
        }
        marked.append(&mut self.transaction.announced);
        marked.sort_unstable();
        marked.dedup();
        for partition in marked {
            tally.transactions.markers[partition as usize] += 1;
        }
        // A new epoch begins its sequence numbers anew.
        if (identity.producer_id, identity.producer_epoch)
            != (self.identity.producer_id, self.identity.producer_epoch)
        {
            self.sequences.fill(0);
        }
        self.identity = identity;
        self.phase = if self.load.pause_ms > 0 { Phase::Settling } else { Phase::Idle(now) };
    }

    fn described(&mut self, answer: Bytes, now: u64, tally: &mut Tally) -> Result<()> {
        if !calls::is_complete(answer)? {
            return self.send(What::Describe, now);
        }
        tally.visible(self.transaction.end_sent, now);
        self.phase = Phase::Idle(now + u64::from(self.load.pause_ms) * (SECOND / 1000));
        Ok(())
    }
}
