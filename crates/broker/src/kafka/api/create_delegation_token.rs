//! CreateDelegationToken, key 38: asks for a token to log in with instead of a password (KIP-48). Refused as
//! by a Kafka over a connection without a login: see `describe_delegation_token.rs`.
//!
//! Versions 0–3:
//! - v1: as v0 (KIP-219).
//! - v2: flexible.
//! - v3: tokens for other principals (KIP-373).
//!
//! The refusal still names principals: the owner that was asked for and, since v3, the one that asked.
//!
//! Gaps: as DescribeDelegationToken.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::{CreateDelegationTokenRequest, CreateDelegationTokenResponse, StrBytes};

use super::describe_delegation_token::NEVER;
use crate::kafka::access::Access;
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;

/// The name of a client that has not logged in: Kafka's `KafkaPrincipal.ANONYMOUS`.
const ANONYMOUS: &str = "ANONYMOUS";
/// `KafkaPrincipal.USER_TYPE`: the type of a principal.
const USER: &str = "User";

/// See the file's header.
pub(crate) struct CreateDelegationToken;

impl Api for CreateDelegationToken {
    type Request = CreateDelegationTokenRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=3;
    const ACCESS: Access = Access::Open("No token is made yet: each request is refused.");

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let (user, nobody) = (StrBytes::from_static_str(USER), StrBytes::from_static_str(ANONYMOUS));
        // Both or none: Kafka fails at an owner that has a name and no type.
        let owner = request.owner_principal_type.zip(request.owner_principal_name);
        let (owner_type, owner_name) =
            owner.filter(|(_, name)| !name.is_empty()).unwrap_or_else(|| (user.clone(), nobody.clone()));
        let response = CreateDelegationTokenResponse::default()
            .with_error_code(ErrorCode::DelegationTokenRequestNotAllowed.code())
            .with_principal_type(owner_type)
            .with_principal_name(owner_name)
            .with_issue_timestamp_ms(NEVER)
            .with_expiry_timestamp_ms(NEVER)
            .with_max_timestamp_ms(NEVER);
        // Not to be said before.
        Ok(Reply::Response(if cx.api_version() < 3 {
            response
        } else {
            response.with_token_requester_principal_type(user).with_token_requester_principal_name(nobody)
        }))
    }

    fn first_error(response: &CreateDelegationTokenResponse) -> i16 {
        response.error_code
    }
}
