//! Background tasks: the one place that spawns them.
//!
//! Guarantees that every task has a name, is told to stop by a cancellation token, is waited for at shutdown, and that
//! its panic ends it alone: the panic is caught, counted and logged with the task's name, and nothing else notices.
//! What a task does with its token, and what a failed task means for the broker, is left to the code that spawned it.

mod in_place;
mod quiet;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

pub(crate) use in_place::in_place;
pub(crate) use quiet::Quiet;

/// How a task ended, as its [`TaskHandle`] tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The future ran to its end.
    Finished,
    /// The future panicked; the panic is logged and counted.
    Panicked,
    /// The task was given up: drained by force, or the runtime went away.
    Aborted,
}

/// Result of [`Tasks::drain`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drained {
    /// Every task ended before the deadline.
    Clean,
    /// The deadline passed first; what was left has been aborted.
    Forced {
        /// Names of the tasks that were still running, with how many of each.
        left: Vec<(&'static str, usize)>,
    },
}

/// A set of tasks: spawns them and waits for them. A clone is the same set; [`Tasks::child`] is a set within it.
#[derive(Clone)]
pub struct Tasks {
    set: Arc<Set>,
}

struct Set {
    /// The set this one is part of: its tasks are also that one's.
    parent: Option<Arc<Set>>,
    /// Waits for the tasks, those of children included.
    tracker: TaskTracker,
    /// Tells the tasks to stop.
    token: CancellationToken,
    /// Cancelled when a drain is forced; no task sees it, its future is dropped instead.
    abort: CancellationToken,
    /// Tasks that run, by name.
    running: Mutex<BTreeMap<&'static str, usize>>,
    /// Panics caught since the set was made.
    panics: AtomicU64,
}

impl Set {
    fn new(parent: Option<Arc<Self>>) -> Arc<Self> {
        let token = |of: fn(&Self) -> &CancellationToken| {
            parent.as_ref().map_or_else(CancellationToken::new, |parent| of(parent).child_token())
        };
        Arc::new(Self {
            tracker: TaskTracker::new(),
            token: token(|set| &set.token),
            abort: token(|set| &set.abort),
            running: Mutex::default(),
            panics: AtomicU64::new(0),
            parent,
        })
    }

    /// This set and those it is part of, inside out.
    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |set| set.parent.as_deref())
    }
}

/// A task that [`Tasks::spawn`] started. Dropping the handle leaves the task running.
pub struct TaskHandle {
    join: tokio::task::JoinHandle<Ended>,
}

impl TaskHandle {
    /// Waits for the task's end.
    pub async fn ended(self) -> Ended {
        // The join fails only if the runtime dropped the task: panics are caught inside of it.
        self.join.await.unwrap_or(Ended::Aborted)
    }

    /// Returns true if the task has ended, in any way.
    pub fn is_finished(&self) -> bool {
        self.join.is_finished()
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// An empty set whose token is not cancelled.
    pub fn new() -> Self {
        Self { set: Set::new(None) }
    }

    /// The token that tells this set's tasks to stop; cancelled with the parent's.
    pub fn token(&self) -> &CancellationToken {
        &self.set.token
    }

    /// Tells the tasks of this set, and of its children, to stop. They end on their own; see [`Tasks::drain`].
    pub fn cancel(&self) {
        self.set.token.cancel();
    }

    /// A set within this one, so that a part of the tasks (the connections of a listener, say) can be told to stop, and
    /// be waited for, before the rest. Its tasks, their panics included, count as this set's too.
    pub fn child(&self) -> Self {
        Self { set: Set::new(Some(Arc::clone(&self.set))) }
    }

    /// Runs `future` as a task called `name`. A panic in it ends this task alone.
    ///
    /// Names are few and fixed (`connection`, `session-expiry`): they appear in logs, never one per peer.
    /// Must be called on a tokio runtime.
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the one place that spawns: tracked, named, panics recorded"
    )]
    pub fn spawn<F>(&self, name: &'static str, future: F) -> TaskHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // Counted here and not in the task's first poll: a drain that begins before that must wait for it.
        let running = Running::enter(name, Arc::clone(&self.set));
        let abort = self.set.abort.clone();
        let work = async move {
            // Taken in first, hence dropped last: the task counts as running until its future is gone.
            let running = running;
            let mut caught = CatchPanic(Some(Box::pin(future)));
            let aborted = std::pin::pin!(abort.cancelled());
            let mut aborted = Quiet::new(aborted);
            std::future::poll_fn(|cx| {
                // In this order, a future is not polled again once the drain is forced.
                if aborted.poll(cx).is_ready() {
                    return Poll::Ready(Ended::Aborted);
                }
                Pin::new(&mut caught).poll(cx).map(|outcome| running.record(outcome))
            })
            .await
        };
        TaskHandle { join: tokio::spawn(work) }
    }

    /// Runs `future` as a task called `name` and waits for its result; none if it panicked or was aborted. If the caller
    /// goes away meanwhile, the task runs to its end all the same. For work of a request that must not stop halfway.
    pub async fn complete<T, F>(&self, name: &'static str, future: F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (sender, result) = tokio::sync::oneshot::channel();
        // A caller that has gone needs no result.
        self.spawn(name, async move { drop(sender.send(future.await)) });
        result.await.ok()
    }

    /// Runs `work` on a thread that may block and waits for its result; none if it panicked, which is recorded like a
    /// task's panic. For rare, short work (a scrape); storage has its own threads. Once begun it cannot be aborted.
    pub async fn blocking<T, F>(&self, name: &'static str, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let running = Running::enter(name, Arc::clone(&self.set));
        let caught = move || match std::panic::catch_unwind(AssertUnwindSafe(work)) {
            Ok(result) => Some(result),
            Err(panic) => {
                running.record(Err(message(&*panic)));
                None
            }
        };
        #[allow(clippy::disallowed_methods, reason = "the room of background work: tracked, panics recorded")]
        let running = tokio::task::spawn_blocking(caught);
        // The join fails only if the runtime goes away: `caught` returns a panic of the work.
        running.await.ok().flatten()
    }

    /// Panics caught so far in the tasks of this set.
    pub fn panics(&self) -> u64 {
        self.set.panics.load(Ordering::Relaxed)
    }

    /// Names of the tasks that run now, with how many of each, in the names' order.
    pub fn running(&self) -> Vec<(&'static str, usize)> {
        self.set.running.lock().iter().map(|(name, count)| (*name, *count)).collect()
    }

    /// Tells all tasks of this set to stop, waits until they have ended, at most `deadline`, then aborts what is left.
    ///
    /// An aborted task is dropped at its next await; one that blocks its thread cannot be stopped, and is in `left` like
    /// the others.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        self.cancel();
        // `wait` ends only for a tracker that is closed and empty.
        self.set.tracker.close();
        if tokio::time::timeout(deadline, self.set.tracker.wait()).await.is_ok() {
            return Drained::Clean;
        }
        // Before the abort, which empties the list. It is empty already if the last task ended just after the
        // deadline.
        let left = self.running();
        self.set.abort.cancel();
        if left.is_empty() { Drained::Clean } else { Drained::Forced { left } }
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("running", &self.running()).field("panics", &self.panics()).finish()
    }
}

/// Counts a task as running, in its set and those around it, for as long as it lives, however it ends.
struct Running {
    name: &'static str,
    set: Arc<Set>,
    _tracked: Vec<TaskTrackerToken>,
}

impl Running {
    /// Counts a task in, before it is spawned.
    fn enter(name: &'static str, set: Arc<Set>) -> Self {
        for each in set.chain() {
            *each.running.lock().entry(name).or_insert(0) += 1;
        }
        let _tracked = set.chain().map(|each| each.tracker.token()).collect();
        Self { name, set, _tracked }
    }

    /// Notes how the work ended; a panic is counted in every set around it and logged once.
    fn record(&self, outcome: Result<(), String>) -> Ended {
        let Err(panic) = outcome else { return Ended::Finished };
        for each in self.set.chain() {
            each.panics.fetch_add(1, Ordering::Relaxed);
        }
        tracing::error!(task = self.name, panic, "a task panicked; it ended alone");
        Ended::Panicked
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for each in self.set.chain() {
            let mut running = each.running.lock();
            if let Some(count) = running.get_mut(self.name) {
                *count -= 1;
                if *count == 0 {
                    running.remove(self.name);
                }
            }
        }
    }
}

/// Polls a future and turns its panic, also one while it is dropped, into an error that carries the message.
struct CatchPanic<F>(Option<Pin<Box<F>>>);

impl<F: Future<Output = ()>> Future for CatchPanic<F> {
    type Output = Result<(), String>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Nothing of the future is looked at after a panic except to drop it, so unwind safety holds.
        let Some(future) = self.0.as_mut() else { return Poll::Ready(Ok(())) };
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        let outcome = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => Ok(()),
            Err(panic) => Err(message(&*panic)),
        };
        // Dropped here, where a panic is caught: a value that the future owns may panic in its destructor. Of
        // two panics the first is reported.
        let gone = self.0.take();
        let dropped = std::panic::catch_unwind(AssertUnwindSafe(|| drop(gone)));
        Poll::Ready(outcome.and(dropped.map_err(|panic| message(&*panic))))
    }
}

/// The text of a panic, where it has one.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn drain_waits_for_tasks_that_honour_their_token() {
        let tasks = Tasks::new();
        let done = Arc::new(AtomicU64::new(0));
        for _ in 0..3 {
            let (token, done) = (tasks.token().clone(), Arc::clone(&done));
            tasks.spawn("waiter", async move {
                token.cancelled().await;
                tokio::task::yield_now().await;
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        assert_eq!(tasks.running(), [("waiter", 3)]);
        assert_eq!(tasks.drain(SOON).await, Drained::Clean);
        assert_eq!(done.load(Ordering::SeqCst), 3);
        assert!(tasks.running().is_empty());
    }

    #[tokio::test]
    async fn panicking_task_dies_alone() {
        let tasks = Tasks::new();
        let token = tasks.token().clone();
        let other = tasks.spawn("other", async move { token.cancelled().await });
        let broken = tasks.spawn("broken", async { panic!("number {}", 7) });
        assert_eq!(broken.ended().await, Ended::Panicked);
        assert_eq!((tasks.panics(), other.is_finished()), (1, false));
        assert_eq!(tasks.drain(SOON).await, Drained::Clean);
        assert_eq!(other.ended().await, Ended::Finished);
    }

    #[tokio::test]
    async fn panic_while_the_future_is_dropped_is_caught() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("in drop");
            }
        }
        let tasks = Tasks::new();
        let bomb = Bomb;
        let task = tasks.spawn("bomb", async move {
            let _bomb = bomb;
        });
        assert_eq!(task.ended().await, Ended::Panicked);
        assert_eq!(tasks.panics(), 1);
    }

    #[tokio::test]
    async fn drain_names_and_aborts_what_does_not_stop() {
        let tasks = Tasks::new();
        let stuck = tasks.spawn("stuck", std::future::pending());
        let forced = Drained::Forced { left: vec![("stuck", 1)] };
        assert_eq!(tasks.drain(Duration::from_millis(20)).await, forced);
        assert_eq!(stuck.ended().await, Ended::Aborted);
    }

    #[tokio::test]
    async fn child_stops_without_its_parent_and_with_it() {
        let tasks = Tasks::new();
        let (first, second) = (tasks.child(), tasks.child());
        first.cancel();
        assert!(
            first.token().is_cancelled() && !tasks.token().is_cancelled() && !second.token().is_cancelled()
        );
        tasks.cancel();
        assert!(second.token().is_cancelled());
    }

    #[tokio::test]
    async fn draining_a_child_leaves_the_rest_running() {
        let tasks = Tasks::new();
        let (inner, token) = (tasks.child(), tasks.token().clone());
        let outer = tasks.spawn("outer", async move { token.cancelled().await });
        let token = inner.token().clone();
        inner.spawn("inner", async move { token.cancelled().await });
        assert_eq!(tasks.running(), [("inner", 1), ("outer", 1)]);
        assert_eq!(inner.drain(SOON).await, Drained::Clean);
        assert_eq!((tasks.running(), outer.is_finished()), (vec![("outer", 1)], false));
        assert_eq!(tasks.drain(SOON).await, Drained::Clean);
    }

    #[tokio::test]
    async fn parent_waits_for_its_childrens_tasks_and_counts_their_panics() {
        let tasks = Tasks::new();
        let child = tasks.child();
        assert_eq!(child.spawn("broken", async { panic!("now") }).ended().await, Ended::Panicked);
        let stuck = child.spawn("stuck", std::future::pending());
        assert_eq!((tasks.panics(), child.panics()), (1, 1));
        let forced = Drained::Forced { left: vec![("stuck", 1)] };
        assert_eq!(tasks.drain(Duration::from_millis(20)).await, forced);
        assert_eq!(stuck.ended().await, Ended::Aborted);
    }

    #[tokio::test]
    async fn work_of_a_caller_that_goes_away_is_completed() {
        let tasks = Tasks::new();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let done = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&done);
        let work = tasks.complete("work", async move {
            gone.await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst)
        });
        tokio::select! { biased; _ = work => unreachable!("it waits"), () = std::future::ready(()) => {} }
        go.send(()).unwrap();
        assert_eq!(tasks.drain(SOON).await, Drained::Clean);
        assert_eq!(done.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn completed_work_gives_its_result_and_its_panic_is_recorded() {
        let tasks = Tasks::new();
        assert_eq!(tasks.complete("sum", async { 1 + 1 }).await, Some(2));
        assert_eq!(tasks.complete("broken", async { panic!("no") }).await, None::<u8>);
        assert_eq!((tasks.panics(), tasks.running()), (1, Vec::new()));
    }

    #[tokio::test]
    async fn blocking_work_gives_its_result_and_its_panic_is_recorded() {
        let tasks = Tasks::new();
        assert_eq!(tasks.blocking("sum", || 1 + 1).await, Some(2));
        assert_eq!(tasks.blocking("broken", || -> u8 { panic!("no") }).await, None);
        assert_eq!((tasks.panics(), tasks.running()), (1, Vec::new()));
    }

    #[test]
    fn message_reads_both_kinds_of_panic() {
        assert_eq!(message(&"text"), "text");
        assert_eq!(message(&String::from("owned")), "owned");
        assert_eq!(message(&7_i32), "(no message)");
    }
}
