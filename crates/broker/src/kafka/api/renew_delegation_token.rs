//! RenewDelegationToken, key 39: has a token live longer (KIP-48). Refused: see
//! `describe_delegation_token.rs`.
//!
//! Versions 0–2:
//! - v1: as v0 (KIP-219).
//! - v2: flexible.
//!
//! Gaps: as DescribeDelegationToken.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::{RenewDelegationTokenRequest, RenewDelegationTokenResponse};

use super::describe_delegation_token::NEVER;
use crate::kafka::access::Access;
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;

/// See the file's header.
pub(crate) struct RenewDelegationToken;

impl Api for RenewDelegationToken {
    type Request = RenewDelegationTokenRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const ACCESS: Access = Access::Open("There are no tokens yet: each request is refused.");

    async fn handle(_: &Context, _: Self::Request) -> Answer<Self> {
        let response = RenewDelegationTokenResponse::default()
            .with_error_code(ErrorCode::DelegationTokenRequestNotAllowed.code())
            .with_expiry_timestamp_ms(NEVER);
        Ok(Reply::Response(response))
    }

    fn first_error(response: &RenewDelegationTokenResponse) -> i16 {
        response.error_code
    }
}
