//! DescribeDelegationToken, key 41: the delegation tokens that exist (KIP-48). Answers as Kafka does to a
//! client that has not logged in, since no client can log in here.
//!
//! Versions 0–3:
//! - v1: as v0 (KIP-219).
//! - v2: flexible.
//! - v3: who asked for a token (KIP-373).
//!
//! Gaps: there are no logins yet, so every request is answered with DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as
//! by a Kafka over a connection without one.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::{DescribeDelegationTokenRequest, DescribeDelegationTokenResponse};

use crate::kafka::access::Access;
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;

/// The time at which a token that is not given ends.
pub(super) const NEVER: i64 = -1;

/// See the file's header.
pub(crate) struct DescribeDelegationToken;

impl Api for DescribeDelegationToken {
    type Request = DescribeDelegationTokenRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=3;
    const ACCESS: Access = Access::Open("There are no tokens yet: each request is refused.");

    async fn handle(_: &Context, _: Self::Request) -> Answer<Self> {
        let code = ErrorCode::DelegationTokenRequestNotAllowed.code();
        Ok(Reply::Response(DescribeDelegationTokenResponse::default().with_error_code(code)))
    }

    fn first_error(response: &DescribeDelegationTokenResponse) -> i16 {
        response.error_code
    }
}

#[cfg(test)]
mod tests {
    use codec::messages::{
        CreateDelegationTokenRequest, ExpireDelegationTokenRequest, RenewDelegationTokenRequest, StrBytes,
    };

    use super::super::produce::tests::broker_with;
    use super::*;

    #[tokio::test]
    async fn nobody_has_logged_in() {
        let running = broker_with(&[]).await;
        let mut client = running.client().await;
        for version in 0..=3 {
            let described = client.call(version, &DescribeDelegationTokenRequest::default()).await;
            assert_eq!((described.error_code, described.tokens.len()), (64, 0));
            let created = client.call(version, &CreateDelegationTokenRequest::default()).await;
            assert_eq!((created.error_code, created.expiry_timestamp_ms), (64, -1));
            assert_eq!((created.principal_name.as_str(), created.hmac.len()), ("ANONYMOUS", 0));
        }
        let for_another = CreateDelegationTokenRequest::default()
            .with_owner_principal_type(Some(StrBytes::from_static_str("User")))
            .with_owner_principal_name(Some(StrBytes::from_static_str("other")));
        let created = client.call(3, &for_another).await;
        let names = (created.principal_name.as_str(), created.token_requester_principal_name.as_str());
        assert_eq!((created.error_code, names), (64, ("other", "ANONYMOUS")));
        for version in 0..=2 {
            let renewed = client.call(version, &RenewDelegationTokenRequest::default()).await;
            assert_eq!((renewed.error_code, renewed.expiry_timestamp_ms), (64, -1));
            let expired = client.call(version, &ExpireDelegationTokenRequest::default()).await;
            assert_eq!((expired.error_code, expired.expiry_timestamp_ms), (64, -1));
        }
    }
}
