//! Delegation tokens (KIP-48): what logins by a token are checked against, and the sessions that end with it.
//!
//! Guarantees that an expired token is found by no login, to the millisecond, and that the end of a token ends its sessions at
//! their next request. What may change and how it is kept is left to `services/delegation_tokens.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use security::sasl::Identity;
use security::sasl::scram::{Credential, Hash};
use security::{Principal, Secret, delegation_token};
use tokio::sync::Notify;

use crate::session::credentials::CredentialSession;

/// How long tokens live, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetimes {
    /// The longest, renewed or not (`delegation.token.max.lifetime.ms`).
    pub(crate) max_ms: i64,
    /// Until it has to be renewed (`delegation.token.expiry.time.ms`).
    pub(crate) renewal_ms: i64,
}

/// The tokens of a broker that has a secret for them.
pub(crate) struct DelegationTokens {
    pub(crate) lifetimes: Lifetimes,
    secret: Secret,
    /// Of this process: HMACs are looked up by what it makes of them, so that the time of a look-up tells nothing of them.
    index_key: Secret,
    tokens: RwLock<Tokens>,
    changing: tokio::sync::Mutex<()>,
    changed: Notify,
}

#[derive(Default)]
struct Tokens {
    by_id: BTreeMap<String, Arc<Token>>,
    ids: HashMap<Vec<u8>, String>,
}

/// One token as of now.
pub(crate) struct Token {
    pub(crate) facts: TokenFacts,
    /// A client that has it may log in.
    pub(crate) hmac: Secret,
    session: CredentialSession,
    credentials: Arc<[OnceLock<Credential>; 2]>,
}

/// A token without what a client logs in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenFacts {
    pub(crate) id: String,
    /// The principal of those that log in with it.
    pub(crate) owner: Principal,
    /// The principal that asked for it.
    pub(crate) requester: Principal,
    pub(crate) renewers: Vec<Principal>,
    /// Times in Unix milliseconds.
    pub(crate) issued_ms: i64,
    /// When it ends unless it is renewed.
    pub(crate) expires_ms: i64,
    /// When it ends for good.
    pub(crate) max_ms: i64,
}

impl TokenFacts {
    /// Returns true from its end on.
    pub(crate) fn is_over(&self, now_ms: i64) -> bool {
        now_ms >= self.expires_ms.min(self.max_ms)
    }

    /// Returns true for those that may renew and end it.
    pub(crate) fn may_be_changed_by(&self, principal: &Principal) -> bool {
        self.owner == *principal || self.renewers.contains(principal)
    }

    /// Returns true for those that may see it without further permission (`TokenInformation.ownerOrRenewer`).
    pub(crate) fn may_be_seen_by(&self, principal: &Principal) -> bool {
        self.seen_by().any(|one| one == principal)
    }

    /// All of those.
    pub(crate) fn seen_by(&self) -> impl Iterator<Item = &Principal> {
        [&self.owner, &self.requester].into_iter().chain(&self.renewers)
    }
}

impl DelegationTokens {
    /// The tokens that the data folder holds. `index_key` is random, and the same in no other process.
    pub(crate) fn new(
        kept: impl IntoIterator<Item = TokenFacts>,
        secret: Secret,
        index_key: [u8; 32],
        lifetimes: Lifetimes,
    ) -> Self {
        let (tokens, changing, changed) = (RwLock::default(), tokio::sync::Mutex::default(), Notify::new());
        let made = Self { lifetimes, secret, index_key: Secret::new(index_key), tokens, changing, changed };
        kept.into_iter().for_each(|facts| drop(made.put(facts)));
        made
    }

    /// The right to change tokens, from the first look at them until the change is in force.
    pub(crate) async fn changing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Puts a token in force, or gives one other times; its sessions go on.
    pub(crate) fn put(&self, facts: TokenFacts) -> Arc<Token> {
        let hmac = delegation_token::hmac(&self.secret, &facts.id);
        let index = self.index(hmac.expose());
        let mut tokens = self.tokens.write();
        let known = tokens.by_id.get(&facts.id);
        let token = Arc::new(Token {
            // Those of a token that was over, and is renewed after a step back of the clock, have ended.
            session: known
                .map(|known| known.session.clone())
                .filter(|one| !one.is_over())
                .unwrap_or_default(),
            credentials: known.map(|known| Arc::clone(&known.credentials)).unwrap_or_default(),
            hmac,
            facts,
        });
        tokens.ids.insert(index, token.facts.id.clone());
        tokens.by_id.insert(token.facts.id.clone(), Arc::clone(&token));
        drop(tokens);
        // The one that waits for the next end may have to wait for a shorter time.
        self.changed.notify_one();
        token
    }

    /// Ends a token and its sessions.
    pub(crate) fn remove(&self, id: &str) {
        let mut tokens = self.tokens.write();
        if let Some(token) = tokens.by_id.remove(id) {
            tokens.ids.remove(&self.index(token.hmac.expose()));
            token.session.end();
        }
    }

    /// Ends the sessions of tokens that are over: nothing of it waits for the disk.
    pub(crate) fn end_sessions(&self, now_ms: i64) {
        let tokens = self.tokens.read();
        tokens
            .by_id
            .values()
            .filter(|token| token.facts.is_over(now_ms))
            .for_each(|token| token.session.end());
    }

    /// The token with that HMAC, also one that is over; `None` if there is none.
    pub(crate) fn by_hmac(&self, hmac: &[u8]) -> Option<Arc<Token>> {
        let tokens = self.tokens.read();
        let token = tokens.by_id.get(tokens.ids.get(&self.index(hmac))?)?;
        token.hmac.equals(hmac).then(|| Arc::clone(token))
    }

    /// The tokens that are not over, in the order of their ids.
    pub(crate) fn all(&self, now_ms: i64) -> Vec<Arc<Token>> {
        let tokens = self.tokens.read();
        tokens.by_id.values().filter(|token| !token.facts.is_over(now_ms)).cloned().collect()
    }

    /// How many there are, with those that are over and not removed yet.
    pub(crate) fn len(&self) -> usize {
        self.tokens.read().by_id.len()
    }

    /// How many a principal has made. Walks all.
    pub(crate) fn made_by(&self, requester: &Principal) -> usize {
        self.tokens.read().by_id.values().filter(|token| token.facts.requester == *requester).count()
    }

    /// Ids of those that are over, and when the next one will be.
    pub(crate) fn over(&self, now_ms: i64) -> (Vec<String>, Option<i64>) {
        let tokens = self.tokens.read();
        let facts = || tokens.by_id.values().map(|token| &token.facts);
        let over = facts().filter(|facts| facts.is_over(now_ms)).map(|facts| facts.id.clone()).collect();
        let next =
            facts().filter(|facts| !facts.is_over(now_ms)).map(|facts| facts.expires_ms.min(facts.max_ms));
        (over, next.min())
    }

    /// Waits until a token was put in force.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The credential of a token that is not over, with the salt that an unknown id appears to have.
    pub(crate) fn credential(&self, hash: Hash, id: &str, salt: Vec<u8>, now_ms: i64) -> Option<Credential> {
        let token = self.living(id, now_ms)?;
        let [of_256, of_512] = &*token.credentials;
        let made = match hash {
            Hash::Sha256 => of_256,
            Hash::Sha512 => of_512,
        };
        Some(made.get_or_init(|| delegation_token::credential(hash, salt, &token.hmac)).clone())
    }

    /// The client that logged in with a token; `None` if that is over.
    pub(crate) fn identity(&self, id: &str, now_ms: i64) -> Option<Identity> {
        let facts = &self.living(id, now_ms)?.facts;
        // Others are not made, and would log in as the user of that name.
        if facts.owner.principal_type() != security::principal::USER {
            return None;
        }
        Some(Identity {
            user: facts.owner.name().to_owned(),
            ends_ms: Some(facts.expires_ms.min(facts.max_ms)),
            delegation_token: Some(id.to_owned()),
        })
    }

    /// The end of the sessions of a token; one that is over already if there is no such token any more.
    pub(crate) fn session(&self, id: &str) -> CredentialSession {
        let tokens = self.tokens.read();
        tokens.by_id.get(id).map_or_else(CredentialSession::ended, |token| token.session.clone())
    }

    fn living(&self, id: &str, now_ms: i64) -> Option<Arc<Token>> {
        let token = Arc::clone(self.tokens.read().by_id.get(id)?);
        (!token.facts.is_over(now_ms)).then_some(token)
    }

    fn index(&self, hmac: &[u8]) -> Vec<u8> {
        // Any text that differs with the HMAC will do: the one that was found is compared below.
        let mut text = String::with_capacity(2 * hmac.len());
        for byte in hmac.iter() {
            text.push(char::from(b'a' + (byte >> 4)));
            text.push(char::from(b'a' + (byte & 15)));
        }
        delegation_token::hmac(&self.index_key, &text).expose().to_vec()
    }
}

/// Without the HMAC.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for DelegationTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DelegationTokens").field("tokens", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(id: &str, expires_ms: i64) -> TokenFacts {
        let alice = Principal::user("alice");
        TokenFacts {
            id: id.to_owned(),
            owner: alice.clone(),
            requester: alice,
            renewers: vec![Principal::user("bob")],
            issued_ms: 0,
            expires_ms,
            max_ms: 100,
        }
    }

    fn tokens(kept: &[TokenFacts]) -> DelegationTokens {
        let lifetimes = Lifetimes { max_ms: 100, renewal_ms: 50 };
        DelegationTokens::new(kept.to_vec(), Secret::new("secret"), [1; 32], lifetimes)
    }

    #[test]
    fn a_token_is_found_until_its_end() {
        let tokens = tokens(&[facts("a", 50), facts("b", 200)]);
        let logs_in = |id: &str, now_ms| {
            let credential = tokens.credential(Hash::Sha256, id, vec![1], now_ms);
            let identity = tokens.identity(id, now_ms);
            assert_eq!(credential.is_some(), identity.is_some());
            identity.map(|identity| (identity.user, identity.ends_ms.unwrap()))
        };
        assert_eq!(logs_in("a", 49), Some(("alice".to_owned(), 50)));
        assert_eq!(logs_in("a", 50), None);
        assert_eq!(logs_in("b", 99), Some(("alice".to_owned(), 100)), "the end for good counts, too");
        assert_eq!(logs_in("b", 100), None);
        assert_eq!(logs_in("c", 0), None);
        assert_eq!(tokens.over(50), (vec!["a".to_owned()], Some(100)));
        assert_eq!(tokens.all(50).len(), 1);
    }

    #[test]
    fn only_the_whole_hmac_is_a_token() {
        let tokens = tokens(&[facts("a", 50), facts("b", 50)]);
        let token = tokens.put(facts("c", 50));
        let hmac = token.hmac.expose().to_vec();
        assert_eq!(tokens.by_hmac(&hmac).unwrap().facts.id, "c");
        for end in 0..hmac.len() {
            assert!(tokens.by_hmac(&hmac[..end]).is_none(), "{end}");
        }
        let mut changed = hmac.clone();
        changed[63] ^= 1;
        assert!(tokens.by_hmac(&changed).is_none() && tokens.by_hmac(&[&hmac[..], &[0]].concat()).is_none());
        tokens.remove("c");
        assert!(tokens.by_hmac(&hmac).is_none());
    }

    #[test]
    fn a_token_that_is_over_ends_its_sessions_before_it_is_removed() {
        let tokens = tokens(&[facts("a", 50), facts("b", 60)]);
        let [a, b] = ["a", "b"].map(|id| tokens.session(id));
        tokens.end_sessions(50);
        assert!(a.is_over() && !b.is_over());
        assert!(
            tokens.identity("a", 49).is_some(),
            "the token itself is there until its removal is on the disk"
        );
        // Renewed after a step back of the clock: later logins are not those that have ended.
        tokens.put(facts("a", 70));
        assert!(a.is_over() && !tokens.session("a").is_over());
    }

    /// S7: a session went on after its token was deleted, or was ended by a renewal.
    #[test]
    fn removal_ends_sessions_and_renewal_does_not() {
        let tokens = tokens(&[facts("a", 50)]);
        let session = tokens.session("a");
        let first = tokens.credential(Hash::Sha512, "a", vec![1], 0).unwrap();
        tokens.put(facts("a", 70));
        assert!(!session.is_over() && tokens.identity("a", 60).is_some());
        let again = tokens.credential(Hash::Sha512, "a", vec![1], 0).unwrap();
        assert!(first.stored_key.equals(again.stored_key.expose()));
        tokens.remove("a");
        assert!(session.is_over() && tokens.session("a").is_over());
    }

    #[test]
    fn owner_renewer_and_requester_may_do_different_things() {
        let token = TokenFacts { requester: Principal::user("carol"), ..facts("a", 1) };
        for (name, changes, sees) in
            [("alice", true, true), ("bob", true, true), ("carol", false, true), ("dave", false, false)]
        {
            let principal = Principal::user(name);
            let may = (token.may_be_changed_by(&principal), token.may_be_seen_by(&principal));
            assert_eq!(may, (changes, sees), "{name}");
        }
        assert!(!token.may_be_changed_by(&Principal::new("Group", "alice")));
    }

    #[test]
    fn debug_shows_no_hmac() {
        let tokens = tokens(&[]);
        let shown = format!("{:?} {tokens:?}", tokens.put(facts("a", 1)));
        assert!(shown.contains("alice") && !shown.contains("secret") && !shown.contains("hmac"), "{shown}");
    }
}
