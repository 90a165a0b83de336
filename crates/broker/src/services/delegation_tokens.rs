//! Changes of delegation tokens: on the disk before they are in force, in force before they are answered.
//!
//! Guarantees that changes do not overtake each other, that one which was begun is completed, whether its client waits or not, and
//! that tokens are removed when they end. Who may ask is decided by the APIs, except for owners and renewers; the logins
//! are in `session/`.

use std::sync::Arc;
use std::time::Duration;

use security::Principal;
use storage::{StorageError, StoredToken, TooLarge};
use thiserror::Error;

use crate::clock::Clock;
use crate::io::ClusterIo;
use crate::random;
use crate::session::delegation_tokens::{DelegationTokens, Token, TokenFacts};
use crate::tasks::Tasks;

/// The most tokens of a broker: each takes memory and a record.
pub(crate) const MAX_TOKENS: usize = 100_000;
/// The most renewers of a token.
pub(crate) const MAX_RENEWERS: usize = 1_000;
/// Tokens that one client makes: it needs no permission for its own, and must not use up those of all.
pub(crate) const MAX_OF_REQUESTER: usize = 1_000;
/// Bytes of the names in a token, which are kept in memory.
const MAX_NAMES_BYTES: usize = 16 << 10;
/// The longest wait for the next end: the wall clock may be set meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The wait after a failed removal.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Why a token is not made or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum TokenError {
    /// No token has that HMAC.
    #[error("the delegation token does not exist")]
    NotFound,
    /// It is over.
    #[error("the delegation token has expired")]
    Expired,
    /// The principal is neither owner nor renewer.
    #[error("the principal is neither owner nor renewer of the delegation token")]
    NotOwner,
    /// Owner or a renewer is no user.
    #[error("owner and renewers of a delegation token must be principals of type User")]
    PrincipalType,
    /// The requester has made [`MAX_OF_REQUESTER`].
    #[error("there are {MAX_OF_REQUESTER} delegation tokens of this requester already; expire some of them")]
    TooManyOfRequester,
    /// More than [`MAX_TOKENS`].
    #[error("there are {MAX_TOKENS} delegation tokens already")]
    TooMany,
    /// A part does not fit a record.
    #[error("the names of a delegation token are too long or too many")]
    TooLarge,
    /// The disk failed, or the broker stops.
    #[error("the storage failed")]
    Storage,
}

impl From<StorageError> for TokenError {
    fn from(_: StorageError) -> Self {
        Self::Storage
    }
}

impl From<TooLarge> for TokenError {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

/// The tokens that the data folder holds. A principal without a type cannot be read: `None`.
pub(crate) fn read(stored: Vec<StoredToken>) -> Option<Vec<TokenFacts>> {
    let read = |stored: StoredToken| {
        let StoredToken { id, owner, requester, renewers, issued_ms, expires_ms, max_ms } = stored;
        let renewers: Result<Vec<Principal>, _> = renewers.iter().map(|one| one.parse()).collect();
        let (owner, requester, renewers) = (owner.parse().ok()?, requester.parse().ok()?, renewers.ok()?);
        Some(TokenFacts { id, owner, requester, renewers, issued_ms, expires_ms, max_ms })
    };
    stored.into_iter().map(read).collect()
}

fn record(facts: &TokenFacts) -> StoredToken {
    StoredToken {
        id: facts.id.clone(),
        owner: facts.owner.to_string(),
        requester: facts.requester.to_string(),
        renewers: facts.renewers.iter().map(ToString::to_string).collect(),
        issued_ms: facts.issued_ms,
        expires_ms: facts.expires_ms,
        max_ms: facts.max_ms,
    }
}

/// The parts of the broker that a change of tokens reaches.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) tokens: Arc<DelegationTokens>,
    pub(crate) cluster: ClusterIo,
    pub(crate) tasks: Tasks,
    pub(crate) clock: Clock,
}

/// A token that is asked for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) owner: Principal,
    pub(crate) requester: Principal,
    pub(crate) renewers: Vec<Principal>,
    /// In milliseconds; 0 and less: the longest.
    pub(crate) max_lifetime_ms: i64,
}

/// Makes a token.
///
/// # Errors
/// See [`TokenError`].
pub(crate) async fn create(reach: Reach, wanted: Wanted) -> Result<Arc<Token>, TokenError> {
    let Wanted { owner, requester, renewers, max_lifetime_ms } = wanted;
    // An owner of another type would log in as the user of that name.
    let is_user = |principal: &Principal| principal.principal_type() == security::principal::USER;
    if !is_user(&owner) || !renewers.iter().all(is_user) {
        return Err(TokenError::PrincipalType);
    }
    let names = renewers.iter().chain([&owner, &requester]);
    let bytes: usize = names.map(|principal| principal.name().len()).sum();
    if renewers.len() > MAX_RENEWERS || bytes > MAX_NAMES_BYTES {
        return Err(TokenError::TooLarge);
    }
    change(reach, move |tokens, now_ms| {
        if tokens.len() >= MAX_TOKENS {
            return Err(TokenError::TooMany);
        }
        if tokens.made_by(&requester) >= MAX_OF_REQUESTER {
            return Err(TokenError::TooManyOfRequester);
        }
        let lifetimes = tokens.lifetimes;
        let lifetime_ms =
            if max_lifetime_ms > 0 { max_lifetime_ms.min(lifetimes.max_ms) } else { lifetimes.max_ms };
        let max_ms = now_ms.saturating_add(lifetime_ms);
        let expires_ms = max_ms.min(now_ms.saturating_add(lifetimes.renewal_ms));
        let id = random::token_id();
        Ok(Change::Put(TokenFacts { id, owner, requester, renewers, issued_ms: now_ms, expires_ms, max_ms }))
    })
    .await
    .and_then(|changed| changed.token.ok_or(TokenError::Storage))
}

/// Gives a token until `period_ms` from now, at most the usual time, which 0 and less ask for; returns its end, in Unix milliseconds.
///
/// # Errors
/// See [`TokenError`].
pub(crate) async fn renew(
    reach: Reach,
    principal: Principal,
    hmac: Vec<u8>,
    period_ms: i64,
) -> Result<i64, TokenError> {
    let changed = change(reach, move |tokens, now_ms| {
        let token = tokens.by_hmac(&hmac).ok_or(TokenError::NotFound)?;
        // In the order of Kafka's `DelegationTokenControlManager`.
        if token.facts.is_over(now_ms) {
            return Err(TokenError::Expired);
        }
        if !token.facts.may_be_changed_by(&principal) {
            return Err(TokenError::NotOwner);
        }
        // The operator's time is the longest that a client may ask for, as in Kafka.
        let usual_ms = tokens.lifetimes.renewal_ms;
        let period_ms = if period_ms > 0 { period_ms.min(usual_ms) } else { usual_ms };
        let expires_ms = token.facts.max_ms.min(now_ms.saturating_add(period_ms));
        Ok(Change::Put(TokenFacts { expires_ms, ..token.facts.clone() }))
    });
    changed.await.map(|changed| changed.ends_ms)
}

/// Ends a token `period_ms` from now, or if that is negative at once; returns its end, in Unix milliseconds.
///
/// # Errors
/// See [`TokenError`].
pub(crate) async fn expire(
    reach: Reach,
    principal: Principal,
    hmac: Vec<u8>,
    period_ms: i64,
) -> Result<i64, TokenError> {
    let changed = change(reach, move |tokens, now_ms| {
        let token = tokens.by_hmac(&hmac).ok_or(TokenError::NotFound)?;
        // As in Kafka, the other way round than for a renewal.
        if !token.facts.may_be_changed_by(&principal) {
            return Err(TokenError::NotOwner);
        }
        if period_ms < 0 {
            return Ok(Change::Remove(vec![token.facts.id.clone()], now_ms));
        }
        if token.facts.is_over(now_ms) {
            return Err(TokenError::Expired);
        }
        let expires_ms = token.facts.max_ms.min(now_ms.saturating_add(period_ms));
        Ok(Change::Put(TokenFacts { expires_ms, ..token.facts.clone() }))
    });
    changed.await.map(|changed| changed.ends_ms)
}

/// A change that can be made.
enum Change {
    Put(TokenFacts),
    /// These, which end at that time.
    Remove(Vec<String>, i64),
}

/// A change that was made.
struct Changed {
    /// `None`: it was removed.
    token: Option<Arc<Token>>,
    ends_ms: i64,
}

/// Makes the change that `judge` decides on, by the tokens as of then.
async fn change(
    reach: Reach,
    judge: impl FnOnce(&DelegationTokens, i64) -> Result<Change, TokenError> + Send + 'static,
) -> Result<Changed, TokenError> {
    let Reach { tokens, cluster, tasks, clock } = reach;
    // In a task: a client that leaves between the write and its effect must not leave memory behind the disk.
    let changing = async move {
        // Held until the change is in force: the next one is judged by it.
        let _changing = tokens.changing().await;
        match judge(&tokens, clock.now_ms())? {
            Change::Put(facts) => {
                cluster.change_tokens(&[record(&facts)], &[]).await??;
                let ends_ms = facts.expires_ms;
                Ok(Changed { token: Some(tokens.put(facts)), ends_ms })
            }
            Change::Remove(ids, ends_ms) => {
                cluster.change_tokens(&[], &ids).await??;
                ids.iter().for_each(|id| tokens.remove(id));
                Ok(Changed { token: None, ends_ms })
            }
        }
    };
    // `None`: it panicked, or the broker ends by force: the outcome is unknown, as after a failed write.
    tasks.complete("change-token", changing).await.unwrap_or(Err(TokenError::Storage))
}

/// Removes tokens when they end, until the token of the tasks is cancelled.
pub(crate) fn end_in_time(reach: Reach) {
    let tasks = reach.tasks.clone();
    tasks.spawn("delegation-tokens", async move {
        let stop = reach.tasks.token().clone();
        while stop.run_until_cancelled(end_next(&reach)).await.is_some() {}
    });
}

/// Removes those that are over, and waits for the next end.
async fn end_next(reach: &Reach) {
    let tokens = &reach.tokens;
    let now_ms = reach.clock.now_ms();
    tokens.end_sessions(now_ms);
    let (over, next_ms) = tokens.over(now_ms);
    if !over.is_empty() {
        let removed = change(reach.clone(), |tokens, now_ms| {
            // Anew, as one of them may have been renewed meanwhile.
            Ok(Change::Remove(tokens.over(now_ms).0, now_ms))
        });
        if removed.await.is_err() {
            // Logins and requests go by the times of tokens: what is left is memory and records.
            tracing::warn!(
                tokens = over.len(),
                "expired delegation tokens could not be removed from the disk"
            );
            tokio::time::sleep(AFTER_FAILURE).await;
        }
        return;
    }
    let wait = next_ms.map_or(LONGEST_WAIT, |next_ms| {
        let left_ms = next_ms.saturating_sub(reach.clock.now_ms()).max(1);
        Duration::from_millis(u64::try_from(left_ms).unwrap_or(1)).min(LONGEST_WAIT)
    });
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = tokens.changed() => {}
    }
}
