//! The permissions that an API needs, as its file declares them.
//!
//! Guarantees that no API is without a declaration (`Api::ACCESS` has no default), that the table in `docs/protocol.md` says what
//! the declarations say, and that they are the ones of Kafka 4.3 (the test below states those in a form of its own). How a
//! request asks for them is left to `context.rs`, the decisions to the security crate.

use codec::ErrorCode;
use security::acl::ResourceType;

pub(crate) use security::acl::Operation;

/// Resources by name; the names that declarations are written with.
pub(crate) const TOPIC: ResourceType = ResourceType::Topic;
/// See [`TOPIC`].
pub(crate) const GROUP: ResourceType = ResourceType::Group;
/// See [`TOPIC`].
pub(crate) const CLUSTER: ResourceType = ResourceType::Cluster;
/// See [`TOPIC`].
pub(crate) const TRANSACTIONAL_ID: ResourceType = ResourceType::TransactionalId;

/// See [`TOPIC`].
pub(crate) const DELEGATION_TOKEN: ResourceType = ResourceType::DelegationToken;
/// See [`TOPIC`]. Its name is a principal, such as `User:alice`.
pub(crate) const USER: ResourceType = ResourceType::User;

/// The permissions that an API needs.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(test), expect(dead_code, reason = "read by tests, which make docs/protocol.md and compare"))]
pub(crate) enum Access {
    /// None, for this reason.
    Open(&'static str),
    /// Each of these, asked for in this order.
    Needs(&'static [Need]),
}

/// An operation on a kind of resource.
pub(crate) type Pair = (ResourceType, Operation);

/// One permission that requests of an API need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    /// The operation, and the resource that it is done to.
    pub(crate) pair: Pair,
    /// Another pair that is enough by itself.
    pub(crate) or: Option<Pair>,
    /// The answer to a client without the permission.
    pub(crate) refusal: Refusal,
    /// The requests or items that need it; empty for all.
    pub(crate) when: &'static str,
}

/// The answer to a client without a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The code is the answer to the whole request; nothing of it is done.
    Request(ErrorCode),
    /// The item alone has the code; the others are served.
    Item(ErrorCode),
    /// As `Item` where the request names it, as `LeftOut` where the request asks for all there are.
    ItemOrLeftOut(ErrorCode),
    /// The answer does not mention it.
    LeftOut,
    /// A field of the answer has no value.
    Field,
}

/// A need of the whole request.
pub(crate) const fn whole(resource: ResourceType, operation: Operation) -> Need {
    let refusal = Refusal::Request(failed(resource));
    Need { pair: (resource, operation), or: None, refusal, when: "" }
}

/// A need of each item.
pub(crate) const fn each(resource: ResourceType, operation: Operation) -> Need {
    Need { refusal: Refusal::Item(failed(resource)), ..whole(resource, operation) }
}

/// A need of each item that is named, and of each that is listed where all are asked for.
pub(crate) const fn each_or_left_out(resource: ResourceType, operation: Operation) -> Need {
    Need { refusal: Refusal::ItemOrLeftOut(failed(resource)), ..whole(resource, operation) }
}

/// A need without which something is not in the answer.
pub(crate) const fn left_out(resource: ResourceType, operation: Operation) -> Need {
    Need { refusal: Refusal::LeftOut, ..whole(resource, operation) }
}

/// A need of one field of the answer.
pub(crate) const fn field(resource: ResourceType, operation: Operation) -> Need {
    Need { refusal: Refusal::Field, ..whole(resource, operation) }
}

impl Need {
    /// The same, where another pair is enough, too. The refusal stays that of the first pair.
    pub(crate) const fn or(self, resource: ResourceType, operation: Operation) -> Self {
        Self { or: Some((resource, operation)), ..self }
    }

    /// The same, needed only at these times.
    pub(crate) const fn when(self, when: &'static str) -> Self {
        Self { when, ..self }
    }
}

/// The code for a client that may not do an operation to a resource of this type.
pub(crate) const fn failed(resource: ResourceType) -> ErrorCode {
    match resource {
        ResourceType::Topic => ErrorCode::TopicAuthorizationFailed,
        ResourceType::Group => ErrorCode::GroupAuthorizationFailed,
        ResourceType::Cluster | ResourceType::User => ErrorCode::ClusterAuthorizationFailed,
        ResourceType::TransactionalId => ErrorCode::TransactionalIdAuthorizationFailed,
        ResourceType::DelegationToken => ErrorCode::DelegationTokenAuthorizationFailed,
    }
}

/// Compares what a request asked for with what its API declares. Test builds call it for each request of a broker with an
/// authorizer.
///
/// # Panics
/// The request asked for something undeclared, or was answered without the first question that each request of the API has.
#[cfg(test)]
pub(crate) fn compare(api: &str, access: Access, asked: &[Pair]) {
    let needs = match access {
        Access::Open(_) => &[],
        Access::Needs(needs) => needs,
    };
    let declared: Vec<Pair> = needs.iter().flat_map(|need| [Some(need.pair), need.or]).flatten().collect();
    for pair in asked {
        assert!(declared.contains(pair), "{api} asked for {pair:?}, which it does not declare");
    }
    let always = |need: &&Need| need.when.is_empty() && matches!(need.refusal, Refusal::Request(_));
    if let Some(need) = needs.first().filter(always) {
        let was_asked = |pair| asked.contains(&pair);
        assert!(was_asked(need.pair) || need.or.is_some_and(was_asked), "{api} did not ask for {need:?}");
    }
}

#[cfg(test)]
mod tests;
