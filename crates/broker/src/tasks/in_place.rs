//! Work that holds a core for a while inside of a task, where the task cannot wait for it.
//!
//! A Produce request takes its place in its partitions' order before its first wait, so its batches cannot be
//! decompressed elsewhere. Instead the other tasks of the thread move to another one. Leaves small work where it is.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

/// Threads that may be left by their tasks at the same time. More such work runs as if it were small, so that memory and
/// threads stay bounded however many clients send.
const THREADS: usize = 4;
/// One set for the whole process.
static PERMITS: Semaphore = Semaphore::const_new(THREADS);

/// Runs `work` on this thread. If it is `long`, the thread's other tasks go on elsewhere meanwhile.
pub(crate) fn in_place<T>(long: bool, work: impl FnOnce() -> T) -> T {
    // Runtimes of one thread, as in tests, have no other to go on with.
    let has_threads =
        || Handle::try_current().is_ok_and(|it| it.runtime_flavor() == RuntimeFlavor::MultiThread);
    // Small work takes no permit: it would keep long work from moving.
    if !long || !has_threads() {
        return work();
    }
    match PERMITS.try_acquire() {
        // The tasks of this worker move to another thread; only this task waits.
        Ok(_permit) => tokio::task::block_in_place(work),
        // Not waited for: the request would lose its place in its partitions' order.
        Err(_) => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    /// True if another task of a runtime with one worker runs while `in_place` is at work.
    async fn lets_others_run(long: bool, patience: Duration) -> bool {
        let (sender, receiver) = mpsc::sync_channel(1);
        let worker = crate::tasks::Tasks::new();
        let outer = worker.clone();
        let (done, outcome) = tokio::sync::oneshot::channel();
        worker.spawn("work", async move {
            // Beside small work the receiver has given up by then.
            outer.spawn("other", async move { sender.send(()).unwrap_or_default() });
            let waited = in_place(long, || receiver.recv_timeout(patience).is_ok());
            assert!(done.send(waited).is_ok(), "the test waits for it");
        });
        outcome.await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn tasks_go_on_beside_long_work() {
        assert!(lets_others_run(true, LONG).await);
        assert!(!lets_others_run(false, Duration::from_millis(50)).await);
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_just_does_the_work() {
        assert_eq!(in_place(true, || 7), 7);
    }
}
