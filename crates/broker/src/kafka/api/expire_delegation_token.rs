//! ExpireDelegationToken, key 40: has a token end earlier, or at once (KIP-48). The answer is sent once that is on the disk and in
//! force.
//!
//! Versions 0–2:
//! - v1: as v0 (KIP-219).
//! - v2: flexible.
//!
//! Differences from Kafka: the end of a token ends its connections at their next request.

use std::ops::RangeInclusive;

use codec::messages::{ExpireDelegationTokenRequest, ExpireDelegationTokenResponse};

use super::describe_delegation_token::new_end;
use crate::kafka::access::Access;
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::services::delegation_tokens;

/// See the file's header.
pub(crate) struct ExpireDelegationToken;

impl Api for ExpireDelegationToken {
    type Request = ExpireDelegationTokenRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const ACCESS: Access = Access::Open("The owner of a token and its renewers may, and no other.");

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let change = |reach, principal, hmac| {
            delegation_tokens::expire(reach, principal, hmac, request.expiry_time_period_ms)
        };
        let (code, ends_ms) = new_end(cx, &request.hmac, change).await;
        let response = ExpireDelegationTokenResponse::default().with_error_code(code);
        Ok(Reply::Response(response.with_expiry_timestamp_ms(ends_ms)))
    }

    fn first_error(response: &ExpireDelegationTokenResponse) -> i16 {
        response.error_code
    }
}
