//! File descriptors: how many the process may have, and how they are divided.
//!
//! Guarantees that connections cannot use up what the storage needs: they get what is left after the storage's share and
//! a reserve for everything else. Holding to it is left to `admission.rs` and to the storage.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::BrokerConfig;

/// For everything except table files and Kafka clients: HTTP, listening sockets, logs and manifests of the storage.
const RESERVE: usize = 160;
/// Most table files that the storage keeps open.
const MAX_TABLES: usize = 1000;

/// The descriptors of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptors {
    limit: usize,
}

impl Descriptors {
    /// Raises the soft limit to the hard one, as Java does. Shells and systemd set a soft limit of 1024, for programs
    /// that still use select(2).
    pub(crate) fn raise() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        if current != maximum
            && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        {
            tracing::warn!(%error, "the soft limit of file descriptors stays as it is");
        }
        // No limit at all is none that a process reaches.
        let limit = getrlimit(Resource::Nofile).current;
        Self { limit: limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX) }
    }

    fn reserve(self) -> usize {
        RESERVE.min(self.limit / 4)
    }

    /// Table files that the storage may keep open.
    pub(crate) fn tables(self) -> usize {
        MAX_TABLES.min((self.limit - self.reserve()) / 2)
    }

    /// Connections of Kafka clients that there is room for.
    pub(crate) fn connections(self) -> usize {
        self.limit - self.reserve() - self.tables()
    }

    /// Says in the log how the descriptors are divided.
    pub(crate) fn log(self, config: &BrokerConfig) {
        let (limit, tables, connections) = (self.limit, self.tables(), self.connections());
        tracing::info!(limit, tables, connections, "file descriptors");
        if config.max_connections > connections {
            tracing::warn!(
                "max.connections is {}, but the limit of {limit} file descriptors leaves room for {connections}; \
                 raise the hard limit (`ulimit -Hn`, systemd's LimitNOFILE) or lower max.connections",
                config.max_connections
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided(limit: usize) -> (usize, usize) {
        let descriptors = Descriptors { limit };
        assert!(descriptors.tables() + descriptors.connections() + descriptors.reserve() <= limit);
        (descriptors.tables(), descriptors.connections())
    }

    #[test]
    fn storage_and_reserve_come_before_connections() {
        assert_eq!(divided(1_048_576), (1000, 1_047_416));
        assert_eq!(divided(4096), (1000, 2936));
        assert_eq!(divided(1024), (432, 432));
        assert_eq!(divided(64), (24, 24));
        assert_eq!(divided(0), (0, 0));
    }

    #[test]
    fn soft_limit_becomes_the_hard_one() {
        let raised = Descriptors::raise();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
        assert_eq!(current.map(|limit| limit as usize), Some(raised.limit));
    }
}
