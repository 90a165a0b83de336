//! File descriptors: how many the process may have, and how they are divided.
//!
//! Guarantees that connections cannot use up what the storage needs: HTTP has a share of its own, and Kafka clients get
//! what is left after that, the storage's share and a reserve for everything else. Holding to it is left to `admission.rs`,
//! to `http/slots.rs` and to the storage.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thiserror::Error;

use crate::config::BrokerConfig;

/// For everything except table files and clients: listening sockets, the runtime, log and manifest of the storage (about
/// 25 after a start), files that a flush or a compaction writes, and a connection for each listener before it is refused.
const OWN: usize = 96;
/// Most connections of HTTP; a limit below 1 024 files leaves fewer.
const MAX_HTTP: usize = 64;
const MIN_HTTP: usize = 16;
/// Most table files that the storage keeps open.
const MAX_TABLES: usize = 1000;
/// Below this limit the storage could not go on while clients are connected: a start that would end later is refused now.
const LEAST: usize = 256;

/// The descriptors of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptors {
    /// The soft limit, raised to the hard one; `usize::MAX` for none.
    limit: usize,
}

/// The process may have fewer files open than a broker needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the limit of {limit} file descriptors is too low: a broker needs at least {LEAST}; raise the hard limit \
     (`ulimit -Hn {LEAST}`, systemd's LimitNOFILE, `docker run --ulimit nofile={LEAST}`)"
)]
pub struct TooFewDescriptors {
    /// The hard limit.
    limit: usize,
}

impl Descriptors {
    /// Raises the soft limit to the hard one, as Java does. Shells and systemd set a soft limit of 1024, for programs
    /// that still use select(2).
    ///
    /// # Errors
    /// The limit is lower than a broker needs.
    pub(crate) fn raise() -> Result<Self, TooFewDescriptors> {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        // Up to the hard limit no privilege is needed. If it fails all the same, connections get fewer
        // descriptors.
        if current != maximum
            && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        {
            tracing::warn!(%error, "the soft limit of file descriptors stays as it is");
        }
        // No limit at all is none that a process reaches.
        let limit = getrlimit(Resource::Nofile).current;
        Self::new(limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX))
    }

    /// Accepts a limit that leaves each part its share.
    fn new(limit: usize) -> Result<Self, TooFewDescriptors> {
        if limit < LEAST { Err(TooFewDescriptors { limit }) } else { Ok(Self { limit }) }
    }

    /// Connections of HTTP clients, over all its sockets.
    pub(crate) fn http(self) -> usize {
        (self.limit / 16).clamp(MIN_HTTP, MAX_HTTP)
    }

    /// Table files that the storage may keep open.
    pub(crate) fn tables(self) -> usize {
        // Half at most, as clients need some too. It cannot underflow: LEAST is more than OWN and the share
        // of HTTP.
        MAX_TABLES.min((self.limit - OWN - self.http()) / 2)
    }

    /// Connections of Kafka clients that there is room for, over all listeners.
    pub(crate) fn connections(self) -> usize {
        self.limit - OWN - self.http() - self.tables()
    }

    /// Says in the log how the descriptors are divided.
    pub(crate) fn log(self, config: &BrokerConfig) {
        let (limit, tables, connections, http) = (self.limit, self.tables(), self.connections(), self.http());
        tracing::info!(limit, tables, connections, http, "file descriptors");
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

    fn divided(limit: usize) -> (usize, usize, usize) {
        let descriptors = Descriptors::new(limit).unwrap();
        assert!(descriptors.tables() + descriptors.connections() + descriptors.http() + OWN <= limit);
        (descriptors.http(), descriptors.tables(), descriptors.connections())
    }

    #[test]
    fn storage_and_reserve_come_before_connections() {
        assert_eq!(divided(1_048_576), (64, 1000, 1_047_416));
        assert_eq!(divided(4096), (64, 1000, 2936));
        assert_eq!(divided(1024), (64, 432, 432));
        assert_eq!(divided(300), (18, 93, 93));
        assert_eq!(divided(LEAST), (16, 72, 72));
    }

    #[test]
    fn too_few_are_refused_in_words_that_say_how_many_are_needed() {
        let error = Descriptors::new(64).unwrap_err().to_string();
        assert!(
            error.starts_with("the limit of 64 file descriptors is too low: a broker needs at least 256")
        );
    }

    #[test]
    fn soft_limit_becomes_the_hard_one() {
        let raised = Descriptors::raise().unwrap();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
        assert_eq!(current.map(|limit| limit as usize), Some(raised.limit));
    }
}
