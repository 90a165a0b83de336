//! CreateDelegationToken, key 38: makes a token to log in with instead of a password (KIP-48). The answer is sent once the token is
//! on the disk and in force.
//!
//! Versions 0–3:
//! - v1: as v0 (KIP-219).
//! - v2: flexible.
//! - v3: tokens for other principals (KIP-373).
//!
//! A refusal still names principals: the owner that was asked for and, since v3, the one that asked.
//!
//! Differences from Kafka: an owner that is no user is refused with INVALID_PRINCIPAL_TYPE, as a client would log in as the user
//! of that name; there are at most 100 000 tokens, 1 000 of one requester, each of 1 000 renewers and 16 KiB of names.

use std::ops::RangeInclusive;
use std::sync::Arc;

use codec::ErrorCode;
use codec::messages::{CreateDelegationTokenRequest, CreateDelegationTokenResponse, StrBytes};
use security::Principal;

use super::describe_delegation_token::{NEVER, may_ask};
use crate::kafka::access::{Access, Operation, Refusal, USER, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::services::delegation_tokens::{self, Wanted};
use crate::session::delegation_tokens::Token;

/// See the file's header.
pub(crate) struct CreateDelegationToken;

impl Api for CreateDelegationToken {
    type Request = CreateDelegationTokenRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=3;
    const ACCESS: Access = Access::Needs(&[crate::kafka::access::Need {
        refusal: Refusal::Request(ErrorCode::DelegationTokenAuthorizationFailed),
        ..whole(USER, Operation::CreateTokens).when("for another owner")
    }]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let requester = cx.peer().principal().clone();
        let owner = owner(&request).unwrap_or_else(|| requester.clone());
        let response = CreateDelegationTokenResponse::default()
            .with_principal_type(text(owner.principal_type()))
            .with_principal_name(text(owner.name()));
        // Not to be said before.
        let response = if cx.api_version() < 3 {
            response
        } else {
            response
                .with_token_requester_principal_type(text(requester.principal_type()))
                .with_token_requester_principal_name(text(requester.name()))
        };
        // In the order of Kafka: its broker asks the first two, its controller the rest, with other times.
        let refused = |code: ErrorCode, time| {
            let response = response.clone().with_error_code(code.code());
            let response = response.with_issue_timestamp_ms(time).with_expiry_timestamp_ms(time);
            Ok(Reply::Response(response.with_max_timestamp_ms(time)))
        };
        if !may_ask(cx) {
            return refused(ErrorCode::DelegationTokenRequestNotAllowed, NEVER);
        }
        if owner != requester && cx.authorize(USER, Operation::CreateTokens, &owner.to_string()).is_err() {
            return refused(ErrorCode::DelegationTokenAuthorizationFailed, NEVER);
        }
        let Some(reach) = cx.token_reach() else {
            return refused(ErrorCode::DelegationTokenAuthDisabled, 0);
        };
        let renewer = |one: &codec::messages::create_delegation_token_request::CreatableRenewers| {
            Principal::new(&one.principal_type, &one.principal_name)
        };
        let renewers = request.renewers.iter().map(renewer).collect();
        let wanted = Wanted { owner, requester, renewers, max_lifetime_ms: request.max_lifetime_ms };
        match delegation_tokens::create(reach, wanted).await {
            Ok(token) => Ok(Reply::Response(made(response, &token))),
            Err(error) => refused(ErrorCode::from(&error), 0),
        }
    }

    fn first_error(response: &CreateDelegationTokenResponse) -> i16 {
        response.error_code
    }
}

/// The owner that is asked for; `None`: the client itself. Kafka fails at an owner that has a name and no type.
fn owner(request: &CreateDelegationTokenRequest) -> Option<Principal> {
    let name = request.owner_principal_name.as_ref().filter(|name| !name.is_empty())?;
    Some(Principal::new(request.owner_principal_type.as_ref()?, name))
}

fn made(response: CreateDelegationTokenResponse, token: &Arc<Token>) -> CreateDelegationTokenResponse {
    let facts = &token.facts;
    response
        .with_issue_timestamp_ms(facts.issued_ms)
        .with_expiry_timestamp_ms(facts.expires_ms)
        .with_max_timestamp_ms(facts.max_ms)
        .with_token_id(text(&facts.id))
        .with_hmac(token.hmac.expose().to_vec().into())
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
