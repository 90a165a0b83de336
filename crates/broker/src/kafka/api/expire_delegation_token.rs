//! ExpireDelegationToken, key 40: ends a token's life (KIP-48). Refused: see `describe_delegation_token.rs`.
//!
//! Versions 0–2:
//! - v1: as v0 (KIP-219).
//! - v2: flexible.
//!
//! Gaps: as DescribeDelegationToken.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::{ExpireDelegationTokenRequest, ExpireDelegationTokenResponse};

use super::describe_delegation_token::NEVER;
use crate::kafka::access::Access;
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;

/// See the file's header.
pub(crate) struct ExpireDelegationToken;

impl Api for ExpireDelegationToken {
    type Request = ExpireDelegationTokenRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const ACCESS: Access = Access::Open("There are no tokens yet: each request is refused.");

    async fn handle(_: &Context, _: Self::Request) -> Answer<Self> {
        let response = ExpireDelegationTokenResponse::default()
            .with_error_code(ErrorCode::DelegationTokenRequestNotAllowed.code())
            .with_expiry_timestamp_ms(NEVER);
        Ok(Reply::Response(response))
    }

    fn first_error(response: &ExpireDelegationTokenResponse) -> i16 {
        response.error_code
    }
}
