//! SaslAuthenticate, key 36: one message of a login (KIP-152).
//!
//! Versions 0–2:
//! - v1: how long the login lasts (KIP-368).
//! - v2: flexible.
//!
//! Before the login, `login.rs` answers it. Here it is a message of another login, after SaslHandshake; without that it is
//! answered with ILLEGAL_SASL_STATE, as in Kafka.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse, StrBytes};

use crate::clock;
use crate::kafka::access::Access;
use crate::kafka::api::{Answer, Api, Phase, Reply};
use crate::kafka::context::Context;
use crate::kafka::reauthentication::{Authenticated, Refusal, millis};

/// See the file's header.
pub(crate) struct SaslAuthenticate;

impl Api for SaslAuthenticate {
    type Request = SaslAuthenticateRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const ACCESS: Access = Access::Open("It is part of a login.");
    const PHASE: Phase = Phase::Login;

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let now = cx.clock().monotonic();
        let reauthentication = cx.reauthentication();
        let response = SaslAuthenticateResponse::default();
        let outcome = reauthentication.authenticate(cx.peer(), &request.auth_bytes, now, clock::now());
        Ok(Reply::Response(match outcome {
            Authenticated::NotDue => {
                let text = "SaslAuthenticate request received after successful authentication";
                response
                    .with_error_code(ErrorCode::IllegalSaslState.code())
                    .with_error_message(Some(StrBytes::from_static_str(text)))
            }
            Authenticated::Challenge(challenge) => response.with_auth_bytes(challenge.into()),
            Authenticated::TokenRefused { challenge, refusal } => {
                refused(cx, refusal).await;
                response.with_auth_bytes(challenge.into())
            }
            Authenticated::LoggedIn { last, lifetime } => {
                cx.metrics().listener(&cx.peer().listener).logged_in_again.inc();
                // Version 0 has no field for it.
                let lifetime_ms = if cx.api_version() == 0 { 0 } else { millis(lifetime) };
                response.with_auth_bytes(last.into()).with_session_lifetime_ms(lifetime_ms)
            }
            Authenticated::Failed { text, refusal } => {
                if let Some(refusal) = refusal {
                    refused(cx, refusal).await;
                }
                // The session has ended: once this is written, the connection is closed.
                response
                    .with_error_code(ErrorCode::SaslAuthenticationFailed.code())
                    .with_error_message(Some(StrBytes::from_string(text)))
            }
        }))
    }

    fn first_error(response: &SaslAuthenticateResponse) -> i16 {
        response.error_code
    }
}

/// Counts a failed login and waits before it is answered.
async fn refused(cx: &Context, Refusal { reason, delay }: Refusal) {
    cx.metrics().listener(&cx.peer().listener).further_logins_failed.inc();
    cx.tell_refused_login(&reason);
    tokio::time::sleep(delay).await;
}
