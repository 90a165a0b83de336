//! Expiry of transactional ids that rest: their records are looked at in slices, by a timer. Ids in memory have timers of their own.
//!
//! A slice holds no lock, and an id that is due takes one step like any other. So no request waits for longer than that step, however
//! many ids there are.

use std::sync::Arc;
use std::time::Duration;

use coordinator::record_kinds::RecordKind;
use coordinator::state_machine::StateMachine as _;
use coordinator::transaction::{Env, TransactionalId, resting};
use storage::StorageError;

use super::{OWN_SHARD, TransactionService};
use crate::telemetry::line_limit::FAULTS;

/// Records of a slice: some milliseconds of work.
const SLICE: usize = 1_000;
/// Time between two slices of a pass: a million ids are looked at in less than two minutes.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest time before a pass, as Kafka's (`transaction.remove.expired.transaction.cleanup.interval.ms`).
const LONGEST: Duration = Duration::from_secs(3_600);
/// The longest time before the first one: a broker that is started often expires ids all the same.
const LONGEST_FIRST: Duration = Duration::from_secs(60);

/// A slice of the records.
#[derive(Default)]
struct Slice {
    /// Ids whose deadline is over.
    due: Vec<TransactionalId>,
    /// First key of the next one; `None`: this was the last.
    next: Option<Vec<u8>>,
}

/// Starts the task. It ends when the broker's tasks are told to.
pub(super) fn start(service: &Arc<TransactionService>) {
    let service = Arc::clone(service);
    let tasks = service.shell.tasks().clone();
    let stop = tasks.token().clone();
    let expiration = Duration::from_millis(service.shell.kind().config.id_expiration_ms);
    // An id is forgotten at most a tenth of its time too late.
    let interval = (expiration / 10).clamp(Duration::from_secs(1), LONGEST);
    tasks.spawn("expire-transactional-ids", async move {
        let mut wait = interval.min(LONGEST_FIRST);
        let mut from = Vec::new();
        while stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
            let slice = service.slice(from).await;
            for id in &slice.due {
                // One that is used meanwhile is not due any more, as its machine says.
                drop(service.shell.step(id, false, |machine, env, out| machine.tick(env, out)));
            }
            wait = if slice.next.is_some() { PAUSE } else { interval };
            from = slice.next.unwrap_or_default();
        }
    });
}

impl TransactionService {
    /// The slice that begins at a key. The last one, if the records cannot be read.
    async fn slice(self: &Arc<Self>, from: Vec<u8>) -> Slice {
        let service = Arc::clone(self);
        let read =
            self.shell.tasks().blocking("read-transactional-ids", move || service.read_slice(&from)).await;
        match read {
            Some(Ok(slice)) => slice,
            // Given up meanwhile, or not taken over yet.
            None | Some(Err(StorageError::NotLeader | StorageError::Unavailable)) => Slice::default(),
            Some(Err(error)) => {
                if let Some(suppressed) = FAULTS.take("expiry of transactional ids") {
                    tracing::error!(%error, suppressed, "transactional ids cannot be read: none expires for now");
                }
                Slice::default()
            }
        }
    }

    fn read_slice(&self, from: &[u8]) -> Result<Slice, StorageError> {
        let env = Env { now: self.shell.now(), config: &self.shell.kind().config, shard: OWN_SHARD };
        let (mut slice, mut left) = (Slice::default(), SLICE);
        self.shell.log.scan(&[RecordKind::Transaction.number()], from, &mut |key, value| {
            if left == 0 {
                slice.next = Some(key.to_vec());
                return false;
            }
            left -= 1;
            // A record that cannot be read is reported where it is loaded.
            slice.due.extend(resting::due(env, key, value).ok().flatten());
            true
        })?;
        Ok(slice)
    }
}
