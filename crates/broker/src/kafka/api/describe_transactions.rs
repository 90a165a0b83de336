//! DescribeTransactions, key 65: the state of transactional ids (KIP-664).
//!
//! Version 0. An id that is unknown is TRANSACTIONAL_ID_NOT_FOUND, an empty one INVALID_REQUEST. An
//! id that is named twice is described once. Partitions are those of the
//! open transaction; Kafka lists those of `__consumer_offsets`, too, when groups take part.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::describe_transactions_response::{TopicData, TransactionState};
use codec::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, StrBytes, TopicName,
};
use coordinator::transaction::{Description, TransactionalId};

use crate::kafka::access::{Access, Operation, TOPIC, TRANSACTIONAL_ID, each, left_out};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::{TransactionCodes, transaction_error_code};

/// See the file's header.
pub(crate) struct DescribeTransactions;

impl Api for DescribeTransactions {
    type Request = DescribeTransactionsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const ACCESS: Access =
        Access::Needs(&[each(TRANSACTIONAL_ID, Operation::Describe), left_out(TOPIC, Operation::Describe)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let mut states = Vec::new();
        for asked in super::each_once(request.transactional_ids) {
            let permit = match cx.authorize(TRANSACTIONAL_ID, Operation::Describe, &asked) {
                Ok(permit) => permit,
                Err(code) => {
                    let refused = TransactionState::default().with_error_code(code.code());
                    states.push(refused.with_transactional_id(asked));
                    continue;
                }
            };
            let described = cx.transactions(&permit).describe(&TransactionalId::from(asked.as_str())).await;
            let answer = match described {
                Ok(mut description) => {
                    let visible = |topic: &str| cx.may(TOPIC, Operation::Describe, topic).is_ok();
                    description.partitions.retain(|partition| visible(&partition.topic));
                    state(description)
                }
                Err(error) => {
                    let known = TransactionCodes { fenced: true, abortable: true };
                    // The rest is 0 then, not -1: so Kafka answers.
                    TransactionState::default().with_error_code(transaction_error_code(error, known).code())
                }
            };
            states.push(answer.with_transactional_id(asked));
        }
        Ok(Reply::Response(DescribeTransactionsResponse::default().with_transaction_states(states)))
    }

    fn first_error(response: &DescribeTransactionsResponse) -> i16 {
        super::first_code(response.transaction_states.iter().map(|state| state.error_code))
    }
}

fn state(description: Description) -> TransactionState {
    let mut topics: Vec<TopicData> = Vec::new();
    for partition in description.partitions {
        // They come topic by topic: the last one is the only one that can be the same.
        match topics.last_mut().filter(|topic| topic.topic.as_str() == &*partition.topic) {
            Some(topic) => topic.partitions.push(partition.partition),
            None => {
                let name = TopicName(StrBytes::from_string(partition.topic.to_string()));
                topics.push(TopicData::default().with_topic(name).with_partitions(vec![partition.partition]));
            }
        }
    }
    TransactionState::default()
        .with_error_code(ErrorCode::None.code())
        .with_transaction_state(StrBytes::from_static_str(description.state.name()))
        .with_transaction_timeout_ms(i32::try_from(description.timeout_ms).unwrap_or(i32::MAX))
        .with_transaction_start_time_ms(description.started_at_ms)
        .with_producer_id(ProducerId(description.producer.id.0))
        .with_producer_epoch(description.producer.epoch)
        .with_topics(topics)
}
