//! The use of each client that has a quota.
//!
//! Guarantees that there are at most [`Accounts::new`]'s many, and that one which is not used for an hour is gone, as in Kafka
//! (`INACTIVE_SENSOR_EXPIRATION_TIME_SECONDS`). Where there are too many the sixteenth part that was idle longest goes at once, so that
//! clients with ever new names cost little. Names that are new need an allocation, known ones none.

use std::collections::HashMap;

use super::Scope;

/// After that long without use an account is gone.
const IDLE_MS: i64 = 3_600_000;
/// Idle accounts are looked for that often.
const SWEEP_MS: i64 = 60_000;

/// The owner of an account: what its scope tells apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user, if each has an account.
    pub user: Option<Box<str>>,
    /// The client id, if each has an account.
    pub client_id: Option<Box<str>>,
}

/// The use of one owner.
#[derive(Debug, Clone)]
pub struct Account<M> {
    /// The owner.
    pub owner: Identity,
    /// The use.
    pub meter: M,
    used_ms: i64,
}

/// See the module.
#[derive(Debug)]
pub struct Accounts<M> {
    // Keyed by names that clients choose: the hasher of the standard library resists collisions on purpose.
    by_owner: HashMap<Box<str>, Account<M>>,
    /// The key of the look-up under way.
    key: String,
    most: usize,
    swept_ms: i64,
}

impl<M: Default> Accounts<M> {
    /// None yet, and at most that many.
    pub fn new(most: usize) -> Self {
        Self { by_owner: HashMap::new(), key: String::new(), most: most.max(1), swept_ms: 0 }
    }

    /// The account of a client, which is used now.
    pub fn of(&mut self, scope: Scope, user: &str, client_id: &str, now_ms: i64) -> &mut M {
        self.sweep(now_ms);
        let (user, client_id) = (scope.user.then_some(user), scope.client_id.then_some(client_id));
        write_key(&mut self.key, user, client_id);
        if !self.by_owner.contains_key(&*self.key) {
            self.make_room();
            let owner = Identity { user: user.map(Into::into), client_id: client_id.map(Into::into) };
            let account = Account { owner, meter: M::default(), used_ms: now_ms };
            self.by_owner.insert(self.key.as_str().into(), account);
        }
        let account = self.by_owner.get_mut(&*self.key).expect("it was inserted above if it was missing");
        account.used_ms = now_ms;
        &mut account.meter
    }

    /// Forgets the accounts that are idle for too long.
    pub fn sweep(&mut self, now_ms: i64) {
        if now_ms - self.swept_ms >= SWEEP_MS {
            self.swept_ms = now_ms;
            self.by_owner.retain(|_, account| now_ms - account.used_ms < IDLE_MS);
        }
    }

    /// Forgets those that were idle longest, if there is no room for another one.
    fn make_room(&mut self) {
        if self.by_owner.len() < self.most {
            return;
        }
        let mut used: Vec<i64> = self.by_owner.values().map(|account| account.used_ms).collect();
        let leave = (used.len() / 16).max(1);
        let (_, newest_that_leaves, _) = used.select_nth_unstable(leave - 1);
        let limit_ms = *newest_that_leaves;
        let mut left = 0;
        // Of those that were used in the same millisecond only as many as have to.
        self.by_owner.retain(|_, account| {
            let leaves = account.used_ms <= limit_ms && left < leave;
            left += usize::from(leaves);
            !leaves
        });
    }

    /// All of them, in no order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Account<M>> {
        self.by_owner.values_mut()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_owner.len()
    }

    /// Returns true if there is none.
    pub fn is_empty(&self) -> bool {
        self.by_owner.is_empty()
    }
}

/// A key that no two owners share: which parts there are, the parts, and of two the length of the first. Each
/// request writes one, so nothing is formatted without need.
fn write_key(key: &mut String, user: Option<&str>, client_id: Option<&str>) {
    use std::fmt::Write as _;
    key.clear();
    key.push(match (user, client_id) {
        (Some(_), Some(_)) => 'b',
        (Some(_), None) => 'u',
        (None, Some(_)) => 'c',
        (None, None) => 'n',
    });
    [user, client_id].into_iter().flatten().for_each(|part| key.push_str(part));
    if let (Some(user), Some(_)) = (user, client_id) {
        let written = write!(key, ":{}", user.len());
        debug_assert!(written.is_ok(), "a string takes whatever is written to it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Scope = Scope { user: true, client_id: true };
    const USER: Scope = Scope { user: true, client_id: false };
    const CLIENT: Scope = Scope { user: false, client_id: true };

    #[test]
    fn owners_are_told_apart_by_the_scope() {
        let mut accounts = Accounts::<u32>::new(100);
        *accounts.of(USER, "u", "a", 0) += 1;
        *accounts.of(USER, "u", "b", 0) += 1;
        assert_eq!(*accounts.of(USER, "u", "c", 0), 2, "all clients of a user share one");
        for (scope, user, client_id) in
            [(BOTH, "u", "a"), (BOTH, "ua", ""), (BOTH, "", "ua"), (CLIENT, "x", "u"), (CLIENT, "x", "1:ua")]
        {
            assert_eq!(*accounts.of(scope, user, client_id, 0), 0, "{user} {client_id}");
            *accounts.of(scope, user, client_id, 0) = 7;
        }
        assert_eq!(*accounts.of(CLIENT, "y", "u", 0), 7, "without a part for users they share it");
    }

    #[test]
    fn an_account_that_is_not_used_leaves_after_an_hour() {
        let mut accounts = Accounts::<u32>::new(100);
        *accounts.of(USER, "idle", "", 0) = 1;
        *accounts.of(USER, "busy", "", 3_000_000) = 1;
        assert_eq!(accounts.len(), 2);
        assert_eq!(*accounts.of(USER, "busy", "", IDLE_MS), 1);
        assert_eq!(accounts.len(), 1);
        assert_eq!(*accounts.of(USER, "idle", "", IDLE_MS), 0);
    }

    #[test]
    fn there_are_never_more_than_allowed_and_the_idle_leave_first() {
        let mut accounts = Accounts::<u32>::new(32);
        for number in 0..1000 {
            *accounts.of(USER, "busy", "", number) += 1;
            accounts.of(CLIENT, "", &number.to_string(), number);
            assert!(accounts.len() <= 32);
        }
        assert_eq!(*accounts.of(USER, "busy", "", 1000), 1000, "it was never among the idle");
    }
}
