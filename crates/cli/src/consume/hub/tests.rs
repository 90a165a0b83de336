//! The hub and a broker of tests.

use std::sync::atomic::{AtomicUsize, Ordering};

use codec::Request as _;
use codec::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use codec::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use codec::messages::{
    FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest,
};
use codec::records::BatchBuilder;

use super::*;
use crate::client::{Address, fake};

const OLD: u128 = 1;

/// Events of a reader of topic `t`, up to the first failure or the end. Each answer to a Fetch has these error codes and this number of
/// records, and the topic has this id from then on; `last` is the last version of Fetch.
fn read(last: &'static [(i16, i16)], code: ErrorCode, until: i64, new: u128) -> Result<i64, String> {
    let is_looked_up = std::sync::atomic::AtomicBool::new(false);
    let address = fake::start(last, move |asked| match asked.of::<FetchRequest>() {
        Some(request) => {
            let topic = request.topics.first()?;
            let position = topic.partitions.first()?.fetch_offset;
            let data = match position {
                0 => PartitionData::default()
                    .with_records(Some(BatchBuilder::new().record(0, None, Some(b"v")).build())),
                _ => PartitionData::default().with_error_code(code as i16),
            };
            let topic = FetchableTopicResponse::default()
                .with_topic(topic.topic.clone())
                .with_topic_id(topic.topic_id)
                .with_partitions(vec![data]);
            asked.answer(&codec::FetchResponse::from(FetchResponse::default().with_responses(vec![topic])))
        }
        None => {
            let was = is_looked_up.swap(true, std::sync::atomic::Ordering::Relaxed);
            let id = if was { new } else { OLD };
            asked.answer(&fake::metadata(asked.port, "t", &[1], id))
        }
    });
    all(&address, until)
}

/// A reader of partition 0 of topic `t` from offset 0 on.
fn hub(address: &Address, until: i64) -> Hub {
    let mut leaders = fake::leaders(address);
    leaders.refresh(Some(&["t".to_owned()])).unwrap();
    let partition = Partition { topic: "t".to_owned(), index: 0 };
    let topic_id = leaders.topic_id("t");
    let share = Share { partition, topic_id, position: 0, until: Some(until), lost_since: None };
    Hub::start(leaders, vec![share], 0).unwrap()
}

/// Reads from offset 0; returns the number of events with records.
fn all(address: &Address, until: i64) -> Result<i64, String> {
    let mut hub = hub(address, until);
    let mut batches = 0;
    while !hub.is_done() {
        match hub.next(true) {
            Ok(Some(_)) => batches += 1,
            Ok(None) => {}
            Err(failure) => return Err(failure.to_string()),
        }
    }
    Ok(batches)
}

const BY_ID: &[(i16, i16)] = &[(MetadataRequest::KEY, 12), (FetchRequest::KEY, 13)];
const BY_NAME: &[(i16, i16)] = &[(MetadataRequest::KEY, 12), (FetchRequest::KEY, 12)];
const OF_KAFKA_2: &[(i16, i16)] = &[(MetadataRequest::KEY, 9), (FetchRequest::KEY, 11)];

#[test]
fn a_partition_is_read_to_its_end() {
    for apis in [BY_ID, BY_NAME, OF_KAFKA_2] {
        assert_eq!(read(apis, ErrorCode::UnknownServerError, 1, OLD), Ok(1));
    }
}

/// Users saw: the first records of a topic that was deleted and made anew were left out.
#[test]
fn a_topic_that_was_made_anew_is_not_read_on() {
    let cases = [(BY_ID, ErrorCode::UnknownTopicId), (BY_NAME, ErrorCode::UnknownTopicOrPartition)];
    for (apis, code) in cases {
        let error = read(apis, code, 2, 2).unwrap_err();
        assert_eq!(
            error,
            "topic t was deleted and made anew while it was read; start again to read the new one"
        );
    }
    let error = read(BY_ID, ErrorCode::OffsetOutOfRange, 2, 2).unwrap_err();
    assert!(error.contains("made anew"), "{error}");
}

#[test]
fn a_refusal_ends_the_reader() {
    let error = read(BY_ID, ErrorCode::TopicAuthorizationFailed, 2, OLD).unwrap_err();
    assert!(error.starts_with("cannot read t partition 0: TOPIC_AUTHORIZATION_FAILED"), "{error}");
}

#[test]
fn a_partition_without_a_leader_is_waited_for_and_not_for_ever() {
    let address = fake::start(BY_ID, |asked| asked.answer(&fake::metadata(asked.port, "t", &[-1], OLD)));
    let mut hub = hub(&address, 1);
    assert!(hub.next(true).is_ok());
    let (share, _) = hub.waiting.first_mut().unwrap();
    // The time for an answer is 20 s.
    share.lost_since = clock::instant().checked_sub(Duration::from_secs(19));
    hub.looked_up = None;
    assert!(hub.next(true).is_ok());
    let (share, _) = hub.waiting.first_mut().unwrap();
    share.lost_since = share.lost_since.and_then(|since| since.checked_sub(Duration::from_secs(2)));
    hub.looked_up = None;
    let error = hub.next(true).map(drop).unwrap_err().to_string();
    assert_eq!(error, "t partition 0 cannot be read for 20 s: it has no leader for the moment");
}

/// A broker whose topic starts at offset 5 and ends at 6. It closes the connection in place of an answer where `is_away` is true for
/// the API and the number of its requests before.
fn shortened(is_away: fn(i16, usize) -> bool) -> Address {
    const APIS: &[(i16, i16)] =
        &[(MetadataRequest::KEY, 12), (FetchRequest::KEY, 13), (ListOffsetsRequest::KEY, 8)];
    let counts = [(); 4].map(|()| AtomicUsize::new(0));
    fake::start(APIS, move |asked| {
        let count = counts.get(usize::try_from(asked.key).ok()?)?.fetch_add(1, Ordering::Relaxed);
        if is_away(asked.key, count) {
            return None;
        }
        if let Some(request) = asked.of::<ListOffsetsRequest>() {
            let start = request.topics.first()?.partitions.first()?.timestamp == -2;
            let one = ListOffsetsPartitionResponse::default().with_offset(if start { 5 } else { 6 });
            let topic = ListOffsetsTopicResponse::default().with_name(crate::client::topic_name("t"));
            let topic = topic.with_partitions(vec![one]);
            return asked.answer(&ListOffsetsResponse::default().with_topics(vec![topic]));
        }
        let Some(request) = asked.of::<FetchRequest>() else {
            return asked.answer(&fake::metadata(asked.port, "t", &[1], OLD));
        };
        let topic = request.topics.first()?;
        let data = match topic.partitions.first()?.fetch_offset {
            0 => PartitionData::default().with_error_code(ErrorCode::OffsetOutOfRange as i16),
            5 => PartitionData::default()
                .with_records(Some(BatchBuilder::new().base_offset(5).record(0, None, Some(b"v")).build())),
            _ => PartitionData::default().with_error_code(ErrorCode::TopicAuthorizationFailed as i16),
        };
        let topic =
            FetchableTopicResponse::default().with_topic_id(topic.topic_id).with_partitions(vec![data]);
        asked.answer(&codec::FetchResponse::from(FetchResponse::default().with_responses(vec![topic])))
    })
}

/// Retention deletes records while they are read.
#[test]
fn reading_goes_on_at_the_new_start_of_a_log() {
    assert_eq!(all(&shortened(|_, _| false), 6), Ok(1));
}

/// Users saw: `consume` ended where a broker was restarted while retention deleted records.
#[test]
fn a_broker_that_is_away_is_waited_for_also_where_a_log_has_become_shorter() {
    let away: [fn(i16, usize) -> bool; 3] = [
        |api, count| api == ListOffsetsRequest::KEY && count == 0,
        |api, count| api == ListOffsetsRequest::KEY && count == 1,
        // Not in the first look-up, of the test itself; then in two.
        |api, count| api == MetadataRequest::KEY && (1..3).contains(&count),
    ];
    for is_away in away {
        assert_eq!(all(&shortened(is_away), 6), Ok(1));
    }
}
