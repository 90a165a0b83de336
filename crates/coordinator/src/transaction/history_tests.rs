//! Thousands of random lives of a transactional id, each from a seed: producers of both protocols begin,
//! write, commit and abort; requests and answers are lost, or come late and more than once; producers are
//! replaced and come back; transactions time out, ids expire, epochs wrap; the broker is killed, before or
//! after its last write. In half of them partitions and groups lie in three shards (`network.rs`): an end reaches those
//! that are not the id's own late, more than once, or after a loss only, over restarts too. After each request the answer, the state and the ends are compared with a plain
//! model (`model.rs`), and what was stored with what a restart would build. What must hold besides (by the
//! names of the reference):
//!
//! - T4, T12: exactly one marker for each transaction in each partition that it touched, after all its
//!   batches; none elsewhere.
//! - T6, T8: an answered end is what happened, whatever is sent again.
//! - T7: once a producer owns the id, no request of an earlier one changes anything.
//! - T9: what was sent for one transaction neither ends nor joins another.
//! - T10: no producer id and epoch is given to two owners.
//! - T11: nothing stays open for longer than its timeout, over restarts too.
//! - An end that is decided reaches every shard, and no id takes another one before that.
//! - T16: a restart finds what was stored (`testing.rs`).
//! - No producer is refused for ever unless another has taken the id, or its transaction was aborted without
//!   it.

mod client;
mod log;
mod model;
mod network;
mod requests;
mod strangers;
mod world;

use super::testing::{FIRST_ID, producer};
use crate::histories::{Random, count, play_all};

/// The number of histories of a run; `OTTLA_TRANSACTION_HISTORIES` asks for more.
const HISTORIES: u64 = 1_000;

#[test]
fn random_histories_keep_every_promise() {
    play_all("TRANSACTION", count("TRANSACTION").unwrap_or(HISTORIES), |seed| {
        let mut random = Random(seed);
        // Some begin shortly before the last epoch.
        let epoch = random.one_in(3).then(|| i16::try_from(32_766 - random.below(6)).unwrap());
        let begins_at = epoch.map(|epoch| producer(FIRST_ID, epoch));
        let mut history = client::History::new(random, begins_at);
        history.play();
        history.calm_down();
    });
}

/// Requests that no client sends: of all producers, in all states, of all protocols.
#[test]
fn random_requests_get_the_answers_of_the_model() {
    play_all("TRANSACTION", count("TRANSACTION").unwrap_or(HISTORIES), |seed| {
        strangers::play(Random(seed));
    });
}
