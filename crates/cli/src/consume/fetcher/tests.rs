//! A fetcher and a broker of tests.

use std::sync::mpsc::sync_channel;
use std::thread;

use codec::Request as _;
use codec::messages::fetch_response::FetchableTopicResponse;
use codec::messages::{FetchResponse, MetadataRequest, ProducerId};
use codec::records::{BatchBuilder, ControlType, EndTransactionMarker};

use super::*;
use crate::client::fake::{self, Asked};
use crate::clock;

const APIS: &[(i16, i16)] = &[(MetadataRequest::KEY, 12), (FetchRequest::KEY, 12)];

fn share(index: i32, until: i64) -> Share {
    let partition = Partition { topic: "t".to_owned(), index };
    let lost_since = Some(clock::instant());
    Share { partition, topic_id: None, position: 0, until: Some(until), lost_since }
}

/// The answer for each partition that a Fetch asks for.
fn answer(asked: &Asked, of: impl Fn(&FetchPartition) -> PartitionData) -> Option<codec::Chain> {
    let Some(request) = asked.of::<FetchRequest>() else {
        return asked.answer(&fake::metadata(asked.port, "t", &[1, 1], 0));
    };
    let topic = request.topics.first()?;
    let partitions = topic.partitions.iter().map(|one| of(one).with_partition_index(one.partition));
    let topic = FetchableTopicResponse::default()
        .with_topic(topic.topic.clone())
        .with_partitions(partitions.collect());
    asked.answer(&codec::FetchResponse::from(FetchResponse::default().with_responses(vec![topic])))
}

/// A fetcher, the sender of its inbox, and its events.
fn fetcher(address: &crate::client::Address) -> (Fetcher, SyncSender<Share>, Receiver<Event>) {
    let mut leaders = fake::leaders(address);
    leaders.refresh(Some(&["t".to_owned()])).unwrap();
    let (sender, inbox) = sync_channel(10);
    let (events, received) = sync_channel(10);
    let connection = leaders.open(1).unwrap();
    let timeout = Duration::from_secs(20);
    (Fetcher { node: 1, connection, isolation_level: 1, timeout, inbox, events }, sender, received)
}

#[test]
fn a_topic_that_is_gone_is_looked_up_again_and_a_refusal_ends() {
    let moved =
        [ErrorCode::NotLeaderOrFollower, ErrorCode::UnknownTopicId, ErrorCode::UnknownTopicOrPartition];
    for code in moved {
        assert_eq!(judge(code as i16), Judgement::Moved);
    }
    assert_eq!(judge(0), Judgement::Good);
    assert_eq!(judge(ErrorCode::OffsetOutOfRange as i16), Judgement::OutOfRange);
    assert_eq!(judge(ErrorCode::TopicAuthorizationFailed as i16), Judgement::Refused);
    assert_eq!(judge(i16::MAX), Judgement::Refused);
}

/// Each partition is at the head of every second request, so that one alone cannot fill all answers.
#[test]
fn partitions_take_turns_and_the_isolation_level_is_asked_for() {
    let (sender, orders) = sync_channel(100);
    let address = fake::start(APIS, move |asked| {
        if let Some(request) = asked.of::<FetchRequest>() {
            let order: Vec<i32> =
                request.topics.first()?.partitions.iter().map(|one| one.partition).collect();
            sender.send((request.isolation_level, order)).ok()?;
        }
        answer(asked, |_| PartitionData::default())
    });
    let (fetcher, inbox, _events) = fetcher(&address);
    inbox.send(share(0, 1)).unwrap();
    inbox.send(share(1, 1)).unwrap();
    thread::Builder::new().spawn(move || fetcher.run()).unwrap();
    let seen: Vec<_> = (0..3).map(|_| orders.recv().unwrap()).collect();
    assert_eq!(seen, [(1, vec![0, 1]), (1, vec![1, 0]), (1, vec![0, 1])]);
}

#[test]
fn a_batch_that_is_not_seen_is_passed_over() {
    let address = fake::start(APIS, |asked| {
        answer(asked, |one| {
            let marker = EndTransactionMarker { control_type: ControlType::Commit, coordinator_epoch: 0 };
            let records = match one.fetch_offset {
                0 => marker.batch(ProducerId(7).0, 0, 0),
                _ => BatchBuilder::new().base_offset(1).record(0, None, Some(b"v")).build(),
            };
            PartitionData::default().with_records(Some(records))
        })
    });
    let (fetcher, inbox, events) = fetcher(&address);
    inbox.send(share(0, 2)).unwrap();
    thread::Builder::new().spawn(move || fetcher.run()).unwrap();
    let patience = Duration::from_secs(20);
    let Ok(Event::Batches { from, batches, .. }) = events.recv_timeout(patience) else { panic!() };
    assert_eq!((from, batches.len()), (1, 1));
    assert!(matches!(events.recv_timeout(patience), Ok(Event::Done)));
}

#[test]
fn an_answer_ends_the_time_in_which_a_partition_was_lost() {
    let address = fake::start(APIS, |asked| answer(asked, |_| PartitionData::default()));
    let (fetcher, _inbox, _events) = fetcher(&address);
    let mut shares = vec![share(0, 1)];
    assert!(fetcher.take(&mut shares, |_| true, PartitionData::default()).is_ok());
    assert_eq!(shares.first().and_then(|share| share.lost_since), None);
}

#[test]
fn no_partition_is_forgotten_by_a_connection_that_fails() {
    let address = fake::start(APIS, |asked| answer(asked, |_| PartitionData::default()));
    let (fetcher, inbox, events) = fetcher(&address);
    // Assigned while the connection failed.
    inbox.send(share(1, 1)).unwrap();
    drop(inbox);
    fetcher.give_up(vec![share(0, 1)], "closed");
    assert!(matches!(events.recv(), Ok(Event::Broken(1))));
    for index in [0, 1] {
        let Ok(Event::Lost(share, reason)) = events.recv() else { panic!() };
        assert_eq!((share.partition.index, reason.as_str()), (index, "closed"));
    }
}
