//! TLS sessions that clients can resume, of one listener and one generation of its settings.
//!
//! Guarantees that they are bounded in number and that all can be ended at once. Sessions of version 1.2 stay until others take their
//! place; those of 1.3 are used once.

use arc_swap::ArcSwap;
use rustls::server::{ServerSessionMemoryCache, StoresServerSessions};

/// Sessions kept at a time, as in rustls by default. The oldest give way.
const MAX_SESSIONS: usize = 256;

/// See the module.
#[derive(Debug)]
pub struct Sessions(ArcSwap<ServerSessionMemoryCache>);

impl Sessions {
    pub(super) fn new() -> Self {
        Self(ArcSwap::new(ServerSessionMemoryCache::new(MAX_SESSIONS)))
    }

    /// Ends all: the next handshake of each client is a full one.
    pub fn end_all(&self) {
        self.0.store(ServerSessionMemoryCache::new(MAX_SESSIONS));
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.0.load().put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.load().get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.load().take(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_left_after_the_end_of_all() {
        let sessions = Sessions::new();
        assert!(sessions.put(vec![1], vec![2]));
        assert_eq!(sessions.get(&[1]), Some(vec![2]));
        sessions.end_all();
        assert_eq!((sessions.get(&[1]), sessions.take(&[1])), (None, None));
    }
}
