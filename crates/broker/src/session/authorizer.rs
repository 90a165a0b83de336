//! Decisions about what a client may do, by one snapshot of the rules for each request.
//!
//! Guarantees that a change which was answered governs every request that begins after it, that a request is judged by one
//! snapshot except where it waits, and that a [`Permit`] comes from a decision or names the reason why none was needed. The
//! decision itself is in the security crate, the codes of refusals are left to `kafka/`.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use security::acl::{Asker, Operation, Policy, ResourceType, Rules};

use super::grants::Grants;
use super::peer::Peer;
use crate::telemetry::line_limit::LineLimit;

/// The most characters that a line shows of a text of a client.
const MAX_LOGGED_CHARACTERS: usize = 64;

/// The authorizer of a broker that has one.
#[derive(Debug)]
pub(crate) struct Authorizer {
    policy: Policy,
    in_force: ArcSwap<InForce>,
    denials: LineLimit,
    changing: tokio::sync::Mutex<()>,
}

/// The rules as of one moment.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) rules: Rules,
    /// One more with each change; from 1.
    generation: u64,
}

impl Authorizer {
    /// An authorizer with the rules that the data folder holds.
    pub(crate) fn new(policy: Policy, rules: Rules) -> Self {
        let in_force = ArcSwap::from_pointee(InForce { rules, generation: 1 });
        Self { policy, in_force, denials: LineLimit::new(), changing: tokio::sync::Mutex::default() }
    }

    /// The rules as of now.
    pub(crate) fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// The number of the rules as of now: two times with the same number had the same rules.
    pub(crate) fn generation(&self) -> u64 {
        self.in_force.load().generation
    }

    /// The right to change the rules, from the first look at them until the change is in force.
    pub(crate) async fn changing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Puts other rules in force. `_changing` is the right to change them ([`Self::changing`]).
    pub(crate) fn replace(&self, _changing: &tokio::sync::MutexGuard<'_, ()>, rules: Rules) {
        let generation = self.generation() + 1;
        self.in_force.store(Arc::new(InForce { rules, generation }));
    }

    /// The questions of one request, judged by the rules as of now.
    pub(crate) fn questions(self: &Arc<Self>, peer: &Peer) -> Questions {
        Questions {
            in_force: self.in_force(),
            authorizer: Arc::clone(self),
            principal: peer.principal_text(),
            // An IPv4 client on a socket of both families is known by its IPv4 address.
            address: peer.address.ip().to_canonical(),
            connection: peer.number,
            grants: Arc::clone(&peer.grants),
            #[cfg(test)]
            asked: parking_lot::Mutex::default(),
        }
    }
}

/// A decision that said yes, for one kind of question about one resource that its holder knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    connection: u64,
    generation: u64,
}

/// The client of one request, and the rules by which it is judged.
#[derive(Debug)]
pub(crate) struct Questions {
    authorizer: Arc<Authorizer>,
    in_force: Arc<InForce>,
    principal: Arc<str>,
    address: IpAddr,
    /// The number of the connection: its principal and address never change.
    connection: u64,
    grants: Arc<Grants>,
    /// Every pair that was asked for.
    #[cfg(test)]
    asked: parking_lot::Mutex<Vec<(ResourceType, Operation)>>,
}

impl Questions {
    /// Returns true if the client may do this.
    pub(crate) fn allows(&self, resource: ResourceType, operation: Operation, name: &str) -> bool {
        self.record(resource, operation);
        self.grants(&self.in_force, resource, operation, name)
    }

    /// As [`Self::allows`], by the rules as of now: for requests that waited.
    pub(crate) fn allows_now(&self, resource: ResourceType, operation: Operation, name: &str) -> bool {
        self.grant_now(resource, operation, name).is_some()
    }

    /// A grant by the rules as of now, for callers that keep it; `None` if the client may not do this.
    pub(crate) fn grant_now(
        &self,
        resource: ResourceType,
        operation: Operation,
        name: &str,
    ) -> Option<Grant> {
        self.record(resource, operation);
        let in_force = self.authorizer.in_force.load();
        let grant = Grant { connection: self.connection, generation: in_force.generation };
        self.grants(&in_force, resource, operation, name).then_some(grant)
    }

    /// Returns true if a grant is this client's, and the rules have not changed since.
    pub(crate) fn still_holds(&self, grant: Grant) -> bool {
        grant == Grant { connection: self.connection, generation: self.authorizer.generation() }
    }

    /// Writes a line about a refusal, unless there were many of its kind. Texts of the client are escaped and cut.
    pub(crate) fn log_denial(
        &self,
        api: &'static str,
        client_id: &str,
        (resource, operation, name): (ResourceType, Operation, &str),
    ) {
        let (principal, address) = (cut(&self.principal), self.address);
        if let Some(suppressed) = self.authorizer.denials.take(resource.name()) {
            tracing::info!(
                ?principal, %address, client_id = ?cut(client_id), api, operation = operation.name(),
                resource = resource.name(), name = ?cut(name), suppressed, "denied"
            );
        }
    }

    /// The number of the rules as of now.
    pub(crate) fn generation_now(&self) -> u64 {
        self.authorizer.generation()
    }

    /// Decides by these rules, or remembers that they said yes before.
    fn grants(&self, in_force: &InForce, resource: ResourceType, operation: Operation, name: &str) -> bool {
        let generation = in_force.generation;
        self.grants.hold(generation, resource, operation, name) || {
            let allows = self.decides(&in_force.rules, resource, operation, name);
            if allows {
                self.grants.remember(generation, resource, operation, name);
            }
            allows
        }
    }

    /// Returns true if the client may do this to some resource of the type.
    pub(crate) fn allows_some(&self, resource: ResourceType, operation: Operation) -> bool {
        self.record(resource, operation);
        self.authorizer.policy.allows_by_type(&self.in_force.rules, self.asker(), operation, resource)
    }

    /// The operations that the client may do to a resource, each a bit at the place of its code (KIP-430). These decisions tell
    /// the client about itself, and are no need of an API.
    pub(crate) fn operations(&self, resource: ResourceType, name: &str) -> i32 {
        let allowed =
            |operation: &&Operation| self.decides(&self.in_force.rules, resource, **operation, name);
        bits(resource.operations().iter().filter(allowed))
    }

    /// The client of this request, for questions that come later than its answer.
    pub(crate) fn describes(&self) -> Describes {
        Describes {
            authorizer: Arc::clone(&self.authorizer),
            principal: Arc::clone(&self.principal),
            address: self.address,
        }
    }

    fn decides(&self, rules: &Rules, resource: ResourceType, operation: Operation, name: &str) -> bool {
        self.authorizer.policy.allows(rules, self.asker(), operation, resource, name)
    }

    fn asker(&self) -> Asker<'_> {
        Asker { principal: &self.principal, address: self.address }
    }

    #[cfg(test)]
    fn record(&self, resource: ResourceType, operation: Operation) {
        self.asked.lock().push((resource, operation));
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "test builds note the question")]
    fn record(&self, _: ResourceType, _: Operation) {}

    /// Every pair that was asked for so far.
    #[cfg(test)]
    pub(crate) fn asked(&self) -> Vec<(ResourceType, Operation)> {
        self.asked.lock().clone()
    }
}

/// A client, and whether it may describe topics, by the rules as of the time of each question.
#[derive(Debug)]
pub(crate) struct Describes {
    authorizer: Arc<Authorizer>,
    principal: Arc<str>,
    address: IpAddr,
}

impl Describes {
    /// The same text for clients about which every question has the same answer.
    pub(crate) fn client(&self) -> String {
        format!("{} {}", self.address, self.principal)
    }

    /// Returns true if the client may describe the topic.
    pub(crate) fn topic(&self, name: &str) -> bool {
        let Self { authorizer, principal, address } = self;
        let asker = Asker { principal, address: *address };
        let rules = &authorizer.in_force.load().rules;
        authorizer.policy.allows(rules, asker, Operation::Describe, ResourceType::Topic, name)
    }
}

/// The beginning of a text that a client chose.
fn cut(text: &str) -> &str {
    text.char_indices().nth(MAX_LOGGED_CHARACTERS).map_or(text, |(end, _)| &text[..end])
}

/// All operations of a type of resource: what a broker without an authorizer answers.
pub(crate) fn all_operations(resource: ResourceType) -> i32 {
    bits(resource.operations().iter())
}

fn bits<'a>(operations: impl Iterator<Item = &'a Operation>) -> i32 {
    operations.fold(0, |bits, operation| bits | 1 << operation.code())
}

/// The proof that a client was asked about, without which `Context` gives no handler a service. Only a decision makes
/// one, or [`Permit::internal`], whose uses a test lists.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permit {
    _made_here: (),
}

/// A reason why a call needs no decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Internal {
    /// The topics' names are needed to ask about each; those that are refused are not told.
    Names,
    /// The service asks by itself, for each part of the request.
    AsksItself,
}

impl Permit {
    /// A permit without a decision, for this reason.
    pub(crate) fn internal(_reason: Internal) -> Self {
        Self { _made_here: () }
    }

    /// A permit if the decision is yes. `None`: there is no authorizer, so every client may do everything.
    pub(crate) fn of(questions: Option<&Questions>, decide: impl FnOnce(&Questions) -> bool) -> Option<Self> {
        questions.is_none_or(decide).then_some(Self { _made_here: () })
    }
}
