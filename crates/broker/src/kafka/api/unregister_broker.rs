//! UnregisterBroker, key 64: forgets a broker that is gone for good (KIP-500).
//!
//! Version 0. There is one broker, and it is there: any other id is BROKER_ID_NOT_REGISTERED.
//!
//! Deliberate differences from Kafka 4.3: the only broker cannot be unregistered by asking it; it is
//! INVALID_REQUEST.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::error_text;

/// See the file's header.
pub(crate) struct UnregisterBroker;

impl Api for UnregisterBroker {
    type Request = UnregisterBrokerRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const ACCESS: Access = Access::Needs(&[whole(CLUSTER, Operation::Alter)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let asked = request.broker_id.0;
        let (error, message) = if let Err(code) = cx.authorize_cluster(Operation::Alter) {
            (code, code.message().to_owned())
        } else if asked == cx.node_id() {
            let text = format!("Broker ID {asked} is this broker, which is running; there is no other.");
            (ErrorCode::InvalidRequest, text)
        } else {
            // As `ReplicationControlManager.unregisterBroker`.
            (ErrorCode::BrokerIdNotRegistered, format!("Broker ID {asked} is not currently registered"))
        };
        let response = UnregisterBrokerResponse::default()
            .with_error_code(error.code())
            .with_error_message(Some(error_text(message)));
        Ok(Reply::Response(response))
    }

    fn first_error(response: &UnregisterBrokerResponse) -> i16 {
        response.error_code
    }
}

#[cfg(test)]
mod tests {
    use codec::messages::BrokerId;

    use super::super::produce::tests::broker_with;
    use super::*;

    #[tokio::test]
    async fn there_is_nobody_to_unregister() {
        let running = broker_with(&[]).await;
        let mut client = running.client().await;
        for (id, code) in [(7, 102), (-1, 102), (1, 42)] {
            let request = UnregisterBrokerRequest::default().with_broker_id(BrokerId(id));
            assert_eq!(client.call(0, &request).await.error_code, code, "{id}");
        }
    }
}
