//! DescribeDelegationToken, key 41: the delegation tokens that the client may see, with what a login by each needs (KIP-48).
//!
//! Versions 0–3:
//! - v1: as v0 (KIP-219).
//! - v2: flexible.
//! - v3: who asked for a token (KIP-373).
//!
//! Differences from Kafka: tokens that are over are not listed, which Kafka removes by the hour.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::describe_delegation_token_response::{
    DescribedDelegationToken, DescribedDelegationTokenRenewer,
};
use codec::messages::{DescribeDelegationTokenRequest, DescribeDelegationTokenResponse, StrBytes};
use security::Principal;

use crate::kafka::access::{Access, DELEGATION_TOKEN, Operation, USER, left_out};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::services::delegation_tokens::{Reach, TokenError};
use crate::session::delegation_tokens::{Token, TokenFacts};

/// The time at which a token that is not given ends.
pub(super) const NEVER: i64 = -1;

/// Returns true if the client may ask about tokens at all: it has shown who it is, and not by a token, which could otherwise be
/// exchanged for ever (`KafkaApis.allowTokenRequests`).
pub(super) fn may_ask(cx: &Context) -> bool {
    cx.peer().is_identified() && !cx.peer().is_by_token()
}

/// A change of the end of a token by its HMAC, if the client may ask for one: the error code and the time in ms of the answer.
pub(super) async fn new_end<Changed: Future<Output = Result<i64, TokenError>>>(
    cx: &Context,
    hmac: &[u8],
    change: impl FnOnce(Reach, Principal, Vec<u8>) -> Changed,
) -> (i16, i64) {
    if !may_ask(cx) {
        return (ErrorCode::DelegationTokenRequestNotAllowed.code(), NEVER);
    }
    let Some(reach) = cx.token_reach() else {
        return (ErrorCode::DelegationTokenAuthDisabled.code(), 0);
    };
    match change(reach, cx.peer().principal().clone(), hmac.to_vec()).await {
        Ok(ends_ms) => (ErrorCode::None.code(), ends_ms),
        Err(error) => (ErrorCode::from(&error).code(), 0),
    }
}

/// See the file's header.
pub(crate) struct DescribeDelegationToken;

impl Api for DescribeDelegationToken {
    type Request = DescribeDelegationTokenRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=3;
    const ACCESS: Access = Access::Needs(&[left_out(DELEGATION_TOKEN, Operation::Describe)
        .or(USER, Operation::DescribeTokens)
        .when("for tokens of which the client is not owner, requester or renewer")]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let response = DescribeDelegationTokenResponse::default();
        if !may_ask(cx) {
            let code = ErrorCode::DelegationTokenRequestNotAllowed.code();
            return Ok(Reply::Response(response.with_error_code(code)));
        }
        let Some(reach) = cx.token_reach() else {
            let code = ErrorCode::DelegationTokenAuthDisabled.code();
            return Ok(Reply::Response(response.with_error_code(code)));
        };
        // Null: of all owners. An empty list: of none.
        let owner =
            |one: codec::messages::describe_delegation_token_request::DescribeDelegationTokenOwner| {
                Principal::new(&one.principal_type, &one.principal_name)
            };
        // A set: a request may name hundreds of thousands, and there may be as many tokens.
        let owners: Option<HashSet<Principal>> =
            request.owners.map(|owners| owners.into_iter().map(owner).collect());
        let is_asked_for = |facts: &TokenFacts| {
            owners.as_ref().is_none_or(|owners| facts.seen_by().any(|principal| owners.contains(principal)))
        };
        let tokens = reach.tokens.all(cx.clock().now_ms());
        let seen = tokens.iter().filter(|token| may_see(cx, &token.facts) && is_asked_for(&token.facts));
        let described = seen.map(|token| described(token, cx.api_version())).collect();
        Ok(Reply::Response(response.with_tokens(described)))
    }

    fn first_error(response: &DescribeDelegationTokenResponse) -> i16 {
        response.error_code
    }
}

fn may_see(cx: &Context, facts: &TokenFacts) -> bool {
    facts.may_be_seen_by(cx.peer().principal())
        || cx.may(DELEGATION_TOKEN, Operation::Describe, &facts.id).is_ok()
        || cx.may(USER, Operation::DescribeTokens, &facts.owner.to_string()).is_ok()
}

fn described(token: &Token, version: i16) -> DescribedDelegationToken {
    let facts = &token.facts;
    let renewer = |renewer: &Principal| {
        DescribedDelegationTokenRenewer::default()
            .with_principal_type(text(renewer.principal_type()))
            .with_principal_name(text(renewer.name()))
    };
    let described = DescribedDelegationToken::default()
        .with_principal_type(text(facts.owner.principal_type()))
        .with_principal_name(text(facts.owner.name()))
        .with_issue_timestamp(facts.issued_ms)
        .with_expiry_timestamp(facts.expires_ms)
        .with_max_timestamp(facts.max_ms)
        .with_token_id(text(&facts.id))
        .with_hmac(token.hmac.expose().to_vec().into())
        .with_renewers(facts.renewers.iter().map(renewer).collect());
    // Not to be said before.
    if version < 3 {
        return described;
    }
    described
        .with_token_requester_principal_type(text(facts.requester.principal_type()))
        .with_token_requester_principal_name(text(facts.requester.name()))
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

#[cfg(test)]
mod tests;
