//! Faults on purpose, compiled in only with the feature `fault`: a test that cannot see one of these is no test.
//!
//! `OTTLA_FAULT` names one of them:
//! - `skip-sync`: syncs report success and do nothing, so a power cut must lose acknowledged records;
//! - `fail-sync=N`: the N-th sync fails;
//! - `fail-write=N`: the N-th write fails.

#[cfg(not(feature = "fault"))]
mod switch {
    use crate::StorageError;

    #[inline]
    pub(crate) fn before_write() -> Result<(), StorageError> {
        Ok(())
    }

    #[inline]
    pub(crate) fn sync_is_skipped() -> Result<bool, StorageError> {
        Ok(false)
    }
}

#[cfg(feature = "fault")]
mod switch {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    };

    use crate::StorageError;

    #[derive(Clone, Copy, PartialEq)]
    enum Fault {
        None,
        SkipSync,
        FailSync(u64),
        FailWrite(u64),
    }

    static WRITES: AtomicU64 = AtomicU64::new(0);
    static SYNCS: AtomicU64 = AtomicU64::new(0);

    fn chosen() -> Fault {
        static CHOSEN: OnceLock<Fault> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let text = std::env::var("OTTLA_FAULT").unwrap_or_default();
            match text.split_once('=').map(|(name, number)| (name, number.parse())) {
                Some(("fail-sync", Ok(number))) => Fault::FailSync(number),
                Some(("fail-write", Ok(number))) => Fault::FailWrite(number),
                _ if text == "skip-sync" => Fault::SkipSync,
                _ => Fault::None,
            }
        })
    }

    fn fail_at(count: &AtomicU64, number: u64) -> Result<(), StorageError> {
        if count.fetch_add(1, Ordering::Relaxed) + 1 < number {
            return Ok(());
        }
        let source = std::io::Error::other("injected fault");
        Err(StorageError::Io { context: "injected", source: source.into() })
    }

    pub(crate) fn before_write() -> Result<(), StorageError> {
        match chosen() {
            Fault::FailWrite(number) => fail_at(&WRITES, number),
            _ => Ok(()),
        }
    }

    pub(crate) fn sync_is_skipped() -> Result<bool, StorageError> {
        match chosen() {
            Fault::SkipSync => Ok(true),
            Fault::FailSync(number) => fail_at(&SYNCS, number).map(|()| false),
            _ => Ok(false),
        }
    }
}

pub(crate) use switch::{before_write, sync_is_skipped};
