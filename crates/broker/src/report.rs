//! A summary of the broker's state in the log, when an operator asks for it (SIGQUIT).
//!
//! Guarantees a few lines, however much there is, and that nothing a client named is in them.

use crate::Broker;

impl Broker {
    /// Writes the summary.
    /// A line for the broker, one for each listener, one for each kind of task.
    pub fn report(&self) {
        let services = &*self.services;
        let catalog = services.io.cluster().catalog();
        let partitions: u32 = catalog.topics().map(|topic| topic.partition_count()).sum();
        let shutdown = &services.shutdown;
        tracing::info!(
            uptime_s = services.clock.monotonic().as_secs(),
            stopping = shutdown.accepting.is_cancelled(),
            storage_failed = self.fatal.happened.is_cancelled(),
            topics = catalog.topics().count(),
            partitions,
            groups = services.groups.snapshot().len(),
            task_panics = services.tasks.panics(),
            "state of the broker"
        );
        for (name, listener) in services.metrics.listeners() {
            tracing::info!(
                listener = name,
                open = listener.open.value(),
                accepted = listener.accepted.value(),
                refused = listener.refused.value(),
                malformed = listener.malformed.value(),
                "state of the connections"
            );
        }
        for (name, running) in services.tasks.running() {
            tracing::info!(task = name, running, "state of the tasks");
        }
    }
}
