//! SaslHandshake, key 17: names the mechanism of a login (KIP-43, KIP-152).
//!
//! Versions 0–1:
//! - v1: the messages of the login come in SaslAuthenticate; after v0 they come bare.
//!
//! Before the login, `login.rs` answers it. Here it begins another login on a connection whose login ends at some time
//! (KIP-368); where none is due it is answered with ILLEGAL_SASL_STATE, as in Kafka.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::{SaslHandshakeRequest, SaslHandshakeResponse, StrBytes};

use crate::kafka::access::Access;
use crate::kafka::api::{Answer, Api, Disconnect, Phase, Reply};
use crate::kafka::context::Context;
use crate::kafka::reauthentication::Handshake;

/// See the file's header.
pub(crate) struct SaslHandshake;

impl Api for SaslHandshake {
    type Request = SaslHandshakeRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const ACCESS: Access = Access::Open("It is part of a login.");
    const PHASE: Phase = Phase::Login;

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let now = cx.clock().monotonic();
        let response = SaslHandshakeResponse::default();
        match cx.reauthentication().handshake(cx.peer(), cx.api_version(), &request.mechanism, now) {
            Handshake::Accepted(login) => {
                let mechanisms = login.mechanisms().map(StrBytes::from_static_str).collect();
                Ok(Reply::Response(response.with_mechanisms(mechanisms)))
            }
            Handshake::NotDue | Handshake::UnderWay => {
                Ok(Reply::Response(response.with_error_code(ErrorCode::IllegalSaslState.code())))
            }
            Handshake::OtherMechanism => Err(Disconnect::Refused(
                "re-authentication by another mechanism than that of the first login".to_owned(),
            )),
        }
    }

    fn first_error(response: &SaslHandshakeResponse) -> i16 {
        response.error_code
    }
}
