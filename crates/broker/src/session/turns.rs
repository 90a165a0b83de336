//! The work for clients that are not known yet, done in turn by address.
//!
//! A handshake takes up to milliseconds of a core, and a flood of them makes thousands of tasks ready at once. Guarantees that of this work no more
//! pieces run at a time than there are threads, and that each address waits for one piece of every other address at most: a
//! flood from one address delays a client of another by one piece, and requests of known clients by as many as there are threads.
//! `net/client.rs` and `http/server.rs` decide which work that is.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::{Mutex, MutexGuard};

use crate::session::by_address::ByAddress;

/// See the module.
pub(crate) struct Turns {
    at_once: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: ByAddress<Waiting>,
    /// Turns that were given and have not ended.
    given: usize,
}

struct Waiting {
    is_given: Arc<AtomicBool>,
    waker: Waker,
}

impl Turns {
    /// With that many pieces of work at a time.
    pub(crate) fn new(at_once: usize) -> Arc<Self> {
        Arc::new(Self { at_once: at_once.max(1), state: Mutex::default() })
    }

    /// Runs a future each of whose polls waits for a turn of that address. It must stay in one task.
    pub(crate) async fn run<F: Future>(&self, address: IpAddr, future: F) -> F::Output {
        let mut future = pin!(future);
        let mut turn = Turn { turns: self, address, asked: None };
        poll_fn(|cx| turn.poll(cx, |cx| future.as_mut().poll(cx))).await
    }

    /// Waits for a turn of that address, which lasts until it is dropped: for work that is no future. Must be awaited in one task.
    pub(crate) async fn take(self: &Arc<Self>, address: IpAddr) -> Taken {
        let mut turn = Turn { turns: self, address, asked: None };
        poll_fn(|cx| turn.poll_taken(cx)).await;
        Taken(Arc::clone(self))
    }

    /// Gives turns while there are any, and wakes those that have them.
    fn give(&self, mut state: MutexGuard<'_, State>) {
        let mut woken = Vec::new();
        while state.given < self.at_once
            && let Some(Waiting { is_given, waker }) = state.waiting.pop()
        {
            state.given += 1;
            is_given.store(true, Ordering::Relaxed);
            woken.push(waker);
        }
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }
}

/// The place of one future in the order.
struct Turn<'a> {
    turns: &'a Turns,
    address: IpAddr,
    /// The number in the queue, and a flag that is set once the turn has come.
    asked: Option<(u64, Arc<AtomicBool>)>,
}

impl Turn<'_> {
    fn poll<R>(&mut self, cx: &mut Context<'_>, work: impl FnOnce(&mut Context<'_>) -> Poll<R>) -> Poll<R> {
        match &self.asked {
            // Never at once, though a turn may be free: all tasks that are ready have to ask before the order is fair.
            None => self.ask(cx.waker().clone()),
            Some((_, is_given)) if is_given.load(Ordering::Relaxed) => {
                let done = work(cx);
                self.end();
                return done;
            }
            // Woken by its socket or a timer.
            Some(_) => {}
        }
        Poll::Pending
    }

    /// Ready once the turn has come; it then is the caller's to end.
    fn poll_taken(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.asked {
            None => self.ask(cx.waker().clone()),
            Some((_, is_given)) if is_given.load(Ordering::Relaxed) => {
                self.asked = None;
                return Poll::Ready(());
            }
            Some(_) => {}
        }
        Poll::Pending
    }

    fn ask(&mut self, waker: Waker) {
        let is_given = Arc::new(AtomicBool::new(false));
        let mut state = self.turns.state.lock();
        let number = state.waiting.push(self.address, Waiting { is_given: Arc::clone(&is_given), waker });
        self.asked = Some((number, is_given));
        self.turns.give(state);
    }

    /// Ends the turn, or leaves the queue.
    fn end(&mut self) {
        let Some((number, is_given)) = self.asked.take() else { return };
        let mut state = self.turns.state.lock();
        // Under the lock, as it is set.
        if is_given.load(Ordering::Relaxed) {
            state.given -= 1;
        } else {
            state.waiting.remove(self.address, number);
        }
        self.turns.give(state);
    }
}

/// A turn that lasts until it is dropped.
pub(crate) struct Taken(Arc<Turns>);

impl Drop for Taken {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.given -= 1;
        self.0.give(state);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tasks::Tasks;

    fn address(number: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, number])
    }

    /// A flood from one address made a client of another wait for all of it.
    #[tokio::test]
    async fn a_flood_from_one_address_delays_another_by_one_piece() {
        let (turns, done, tasks) = (Turns::new(1), Arc::new(Mutex::new(Vec::new())), Tasks::new());
        for number in [1, 1, 1, 1, 1, 2] {
            let (turns, done) = (Arc::clone(&turns), Arc::clone(&done));
            tasks.spawn("work", async move {
                turns.run(address(number), async { done.lock().push(number) }).await;
            });
        }
        tasks.drain(Duration::from_secs(60)).await;
        // The first asks before any other has, and so does the second of those that are spawned together.
        let place = done.lock().iter().position(|number| *number == 2);
        assert!(place.is_some_and(|place| place <= 2), "{:?}", done.lock());
        let state = turns.state.lock();
        assert!(state.given == 0 && state.waiting.is_empty());
    }

    #[tokio::test]
    async fn one_that_leaves_gives_its_turn_on() {
        let turns = Turns::new(1);
        let forever = turns.run(address(1), std::future::pending::<()>());
        assert!(tokio::time::timeout(Duration::from_millis(50), forever).await.is_err());
        // Asked, and gone before its turn.
        let mut gone = Box::pin(turns.run(address(1), async {}));
        poll_fn(|cx| {
            assert!(gone.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(gone);
        let next = turns.run(address(1), async { 7 });
        assert_eq!(tokio::time::timeout(Duration::from_secs(60), next).await, Ok(7));
        assert_eq!(turns.state.lock().given, 0);
    }

    /// Two addresses wait behind a taken turn, the second with one piece: it comes after one of the first, not after all.
    #[tokio::test]
    async fn a_taken_turn_is_kept_until_it_is_dropped_and_then_given_by_address() {
        let (turns, done, tasks) = (Turns::new(1), Arc::new(Mutex::new(Vec::new())), Tasks::new());
        let taken = turns.take(address(9)).await;
        for number in [1, 1, 1, 1, 2] {
            let (turns, done) = (Arc::clone(&turns), Arc::clone(&done));
            tasks.spawn("work", async move {
                let _taken = turns.take(address(number)).await;
                done.lock().push(number);
            });
        }
        // All of them ask: this runtime has one thread.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert!(done.lock().is_empty(), "the turn is taken");
        // One that leaves while it waits takes no turn with it.
        assert!(tokio::time::timeout(Duration::from_millis(20), turns.take(address(3))).await.is_err());
        drop(taken);
        tasks.drain(Duration::from_secs(60)).await;
        let place = done.lock().iter().position(|number| *number == 2);
        assert!(place.is_some_and(|place| place <= 1), "{:?}", done.lock());
        let state = turns.state.lock();
        assert!(state.given == 0 && state.waiting.is_empty());
    }

    /// Waiting for its client, work holds no turn.
    #[tokio::test]
    async fn work_that_waits_holds_no_turn() {
        let (turns, (send, receive)) = (Turns::new(1), tokio::sync::oneshot::channel());
        let waits = turns.run(address(1), receive);
        let other = async {
            turns.run(address(1), async {}).await;
            send.send(5).expect("it waits");
        };
        let (received, ()) = tokio::join!(waits, other);
        assert_eq!(received, Ok(5));
    }
}
