//! The entries of one pattern, as the operations that each principal is denied and allowed at each host.
//!
//! Most patterns have one or two entries, and there can be a hundred thousand patterns: a row holds all entries of a principal at a
//! host, and entries are made from rows when they are listed.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use rustc_hash::FxHasher;

use super::entry::{Entry, Hosts};
use super::kinds::{ANY, Operation, Permission};
use super::rules::{Asker, Decision, EVERY_PRINCIPAL};

/// See the module. There is at least one entry.
#[derive(Debug, Default)]
pub(super) struct PatternRules {
    /// Ordered by principal, then by hosts.
    rows: Box<[Row]>,
    /// The rows of each principal, where there are more than [`FEW_ROWS`].
    by_principal: Option<Box<ByPrincipal>>,
}

type ByPrincipal = HashMap<Arc<str>, Range<u32>, BuildHasherDefault<FxHasher>>;

/// Up to this many rows, a binary search costs about as much as a hash, and no memory.
const FEW_ROWS: usize = 8;

/// The entries of one principal at one host.
#[derive(Debug)]
struct Row {
    principal: Arc<str>,
    /// As it was written.
    host: Arc<str>,
    /// The meaning of `host`.
    hosts: Hosts,
    operations: Operations,
}

/// Operations as bits, each at the place of its code, as entries name them: [`Operation::All`] is a bit of its own.
#[derive(Debug, Clone, Copy, Default)]
struct Operations {
    denied: u16,
    allowed: u16,
}

/// The host of most entries, once.
static ANY_HOST: LazyLock<Arc<str>> = LazyLock::new(|| ANY.into());

impl PatternRules {
    /// The rules of these entries, which may be in any order and may repeat.
    pub(super) fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let row = |Entry { principal, host, operation, permission }: Entry| {
            // Where hosts are all, the text is one and the same.
            let (hosts, mut operations) = (Hosts::of(&host), Operations::default());
            let host = if hosts == Hosts::Any { Arc::clone(&ANY_HOST) } else { host };
            *operations.of(permission) |= bit(operation);
            Row { principal, host, hosts, operations }
        };
        let mut rows: Vec<Row> = entries.into_iter().map(row).collect();
        rows.sort_unstable_by(|one, other| one.place().cmp(&other.place()));
        rows.dedup_by(|row, kept| {
            let same = row.place() == kept.place();
            if same {
                kept.operations.denied |= row.operations.denied;
                kept.operations.allowed |= row.operations.allowed;
            }
            same
        });
        let by_principal = (rows.len() > FEW_ROWS).then(|| Box::new(ranges(&rows)));
        Self { rows: rows.into_boxed_slice(), by_principal }
    }

    /// The entries, in no order.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.rows.iter().flat_map(|row| {
            let named = Operation::ALL.into_iter().flat_map(|operation| {
                [Permission::Deny, Permission::Allow].map(|permission| (operation, permission))
            });
            let of_row = named.filter(|(operation, permission)| row.names(*operation, *permission));
            of_row.map(|(operation, permission)| Entry {
                principal: Arc::clone(&row.principal),
                host: Arc::clone(&row.host),
                operation,
                permission,
            })
        })
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        let bits = |row: &Row| row.operations.denied.count_ones() + row.operations.allowed.count_ones();
        self.rows.iter().map(|row| bits(row) as usize).sum()
    }

    /// The principals, each once.
    pub(super) fn principals(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rows.chunk_by(|row, next| row.principal == next.principal).map(|rows| &rows[0].principal)
    }

    /// Returns true if this very entry is among them.
    pub(super) fn contains(&self, entry: &Entry) -> bool {
        let place = (&*entry.principal, Hosts::of(&entry.host), &*entry.host);
        let row = self.rows.binary_search_by(|row| row.place().cmp(&place));
        row.is_ok_and(|row| self.rows[row].names(entry.operation, entry.permission))
    }

    /// The decision of these entries alone, never [`Decision::NoEntry`].
    pub(super) fn decide(&self, asker: Asker<'_>, operation: Operation) -> Decision {
        let about = self.about(asker);
        if about.denied & naming(operation) != 0 {
            Decision::Denied
        } else if about.allowed & (naming(operation) | implying(operation)) != 0 {
            Decision::Allowed
        } else {
            Decision::NotMentioned
        }
    }

    /// Returns true if an entry denies the operation.
    pub(super) fn denies(&self, asker: Asker<'_>, operation: Operation) -> bool {
        self.about(asker).denied & naming(operation) != 0
    }

    /// Returns true if an entry allows the operation by its name, or all; one that follows from another does not count.
    pub(super) fn names_allowed(&self, asker: Asker<'_>, operation: Operation) -> bool {
        self.about(asker).allowed & naming(operation) != 0
    }

    /// The operations that entries about this client name.
    fn about(&self, asker: Asker<'_>) -> Operations {
        let mut all = Operations::default();
        for principal in [asker.principal, EVERY_PRINCIPAL] {
            let rows = self.rows_of(principal);
            // Few texts mean the same address.
            let here = Hosts::One(asker.address);
            let first = rows.partition_point(|row| row.hosts < here);
            let at_address = rows[first..].iter().take_while(|row| row.hosts == here);
            let anywhere = rows.first().filter(|row| row.hosts == Hosts::Any);
            for Row { operations, .. } in at_address.chain(anywhere) {
                all.denied |= operations.denied;
                all.allowed |= operations.allowed;
            }
        }
        all
    }

    fn rows_of(&self, principal: &str) -> &[Row] {
        if let Some(by_principal) = &self.by_principal {
            return by_principal
                .get(principal)
                .map_or(&[], |Range { start, end }| &self.rows[*start as usize..*end as usize]);
        }
        let first = self.rows.partition_point(|row| &*row.principal < principal);
        let rows = &self.rows[first..];
        &rows[..rows.partition_point(|row| &*row.principal == principal)]
    }
}

/// The rows of each principal in rows that are ordered by it. There are fewer than 2^32: each is a record of its own on the disk.
fn ranges(rows: &[Row]) -> ByPrincipal {
    let mut end = 0;
    let range = |rows: &[Row]| {
        let start = end;
        end += u32::try_from(rows.len()).expect("four billion rows would not fit into memory");
        (Arc::clone(&rows[0].principal), start..end)
    };
    rows.chunk_by(|row, next| row.principal == next.principal).map(range).collect()
}

impl Row {
    /// Rows are ordered by this, and there is one for each. A principal's row for all hosts is its first.
    fn place(&self) -> (&str, Hosts, &str) {
        (&self.principal, self.hosts, &self.host)
    }

    /// Returns true if an entry of the row is about exactly this operation.
    fn names(&self, operation: Operation, permission: Permission) -> bool {
        let Operations { denied, allowed } = self.operations;
        let operations = match permission {
            Permission::Deny => denied,
            Permission::Allow => allowed,
        };
        operations & bit(operation) != 0
    }
}

impl Operations {
    fn of(&mut self, permission: Permission) -> &mut u16 {
        match permission {
            Permission::Deny => &mut self.denied,
            Permission::Allow => &mut self.allowed,
        }
    }
}

/// The bit of an operation.
const fn bit(operation: Operation) -> u16 {
    1 << operation.code()
}

/// The operations by which an entry names this one: itself, and all.
const fn naming(operation: Operation) -> u16 {
    bit(operation) | bit(Operation::All)
}

/// The operations from whose permission this one follows; nothing follows from a denial
/// (`StandardAuthorizerData.IMPLIES_DESCRIBE`, `IMPLIES_DESCRIBE_CONFIGS`).
const fn implying(operation: Operation) -> u16 {
    match operation {
        Operation::Describe => {
            bit(Operation::Read) | bit(Operation::Write) | bit(Operation::Delete) | bit(Operation::Alter)
        }
        Operation::DescribeConfigs => bit(Operation::AlterConfigs),
        _ => 0,
    }
}
