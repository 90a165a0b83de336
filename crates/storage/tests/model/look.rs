//! The folder that a crash left, looked at before it is opened: the next start must find what was shown, and a walk that fails
//! prints it.

use storage::{
    Storage,
    inspect::{Inspector, JournalRole, Report},
};

use crate::Walk;

impl Walk {
    /// The folder, with all checksums verified; `None` if it is new or not to be looked at.
    pub(crate) fn look(&self) -> Option<Report> {
        if !self.looks {
            return None;
        }
        let inspector = Inspector::open(self.folder.path()).ok()?;
        let mut report = inspector.report().unwrap();
        inspector.check(&mut report, |_, _| {}).unwrap();
        report.cluster.is_some().then_some(report)
    }

    /// The storage was opened on a folder that was looked at before.
    pub(crate) fn is_as_it_looked(&self, storage: &Storage, report: &Report) {
        let context = &self.context;
        assert!(report.damage.is_empty(), "{context}: {:#?}", report.damage);
        assert_eq!(report.next_start.unclean, Some(storage.recovery().unclean), "{context}");
        let catalog = storage.cluster().catalog();
        let mut opened = catalog.topics().flat_map(|topic| topic.led_here());
        for shown in &report.partitions {
            let partition = opened.next().unwrap_or_else(|| panic!("{context}: no {shown:?}"));
            let found = (
                partition.number().0,
                partition.log_start_offset(),
                partition.log_end_offset(),
                partition.leader_epoch(),
                partition.size_bytes(),
                partition.last_stable_offset(),
            );
            let seen = (
                shown.number,
                shown.log_start_offset,
                shown.log_end_offset,
                shown.leader_epoch,
                shown.size_bytes,
                shown.last_stable_offset,
            );
            assert_eq!(found, seen, "{context} {}-{}", shown.topic, shown.partition);
        }
        assert!(opened.next().is_none(), "{context}: more partitions than were shown");
        for journal in &report.journals {
            let exists = self.folder.path().join(&journal.name).exists();
            let expected = journal.role != JournalRole::Deleted;
            assert_eq!(exists, expected, "{context}: {journal:?}");
        }
        for file in &report.settled_files {
            let exists = self.folder.path().join(&file.name).exists();
            assert_eq!(Some(exists), file.named, "{context}: {file:?}");
            assert!(file.live_bytes.is_some_and(|bytes| bytes <= file.bytes), "{context}: {file:?}");
        }
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        if !std::thread::panicking() || self.skips_syncs {
            return;
        }
        if let Some(storage) = self.storage.take() {
            storage.close().ok();
        }
        match Inspector::open(self.folder.path()).and_then(|inspector| inspector.report()) {
            Ok(Report { next_start, families, journals, settled_files, damage, .. }) => {
                eprintln!(
                    "{}: {next_start:#?}\n{families:#?}\n{journals:#?}\n{settled_files:#?}\n{damage:#?}",
                    self.context
                );
            }
            Err(error) => eprintln!("{}: {error}", self.context),
        }
    }
}
