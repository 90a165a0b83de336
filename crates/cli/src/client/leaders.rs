//! Brokers by partition: a request about partitions goes to the leader of each.
//!
//! Leaders come from Metadata and are remembered. Each node gets one connection, which is opened when it is needed and dropped when it fails.
//! [`Leaders::ask`] does all of it for requests with one answer per partition; a producer or a consumer uses [`Leaders::leader`],
//! [`Leaders::node`] and [`Leaders::refresh`] by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use codec::messages::metadata_request::MetadataRequestTopic;
use codec::messages::metadata_response::MetadataResponseTopic;
use codec::messages::{MetadataRequest, MetadataResponse, StrBytes, TopicName};
use codec::{ErrorCode, Request};
use uuid::Uuid;

use super::connection::Connection;
use super::error::ClientError;
use super::{Address, Cluster};
use crate::failure::Failure;

/// Rounds in which leaders are asked: an election takes a moment.
const ROUNDS: usize = 20;
/// Time before the next round.
const PAUSE: Duration = Duration::from_millis(100);

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Partition {
    pub(crate) topic: String,
    pub(crate) index: i32,
}

/// A cluster, the leaders of partitions in it, and connections to them.
pub(crate) struct Leaders {
    cluster: Cluster,
    known: Known,
    connections: BTreeMap<i32, Connection>,
    moves: u64,
    creates_topics: bool,
}

/// The part of a cluster's metadata that is remembered.
#[derive(Default)]
struct Known {
    addresses: BTreeMap<i32, Address>,
    leaders: BTreeMap<Partition, i32>,
    /// Those of brokers since Kafka 2.8.
    ids: BTreeMap<String, Uuid>,
}

impl Leaders {
    pub(crate) fn of(cluster: Cluster) -> Self {
        let (known, connections) = (Known::default(), BTreeMap::new());
        Self { cluster, known, connections, moves: 0, creates_topics: false }
    }

    /// From now on the broker creates a topic that is asked for, where it has `auto.create.topics.enable`.
    pub(crate) fn creating_topics(self) -> Self {
        Self { creates_topics: true, ..self }
    }

    /// True if the broker may create a topic that is asked for.
    pub(crate) fn creates_topics(&self) -> bool {
        self.creates_topics
    }

    /// The connection for requests that any broker answers.
    pub(crate) fn cluster(&mut self) -> &mut Cluster {
        &mut self.cluster
    }

    /// Asks for topics, or for all (`None`), and remembers the leaders of their partitions. No topic is created by it, unless [asked for](Self::creating_topics).
    ///
    /// # Errors
    /// The connection fails.
    pub(crate) fn refresh(&mut self, topics: Option<&[String]>) -> Result<MetadataResponse, Failure> {
        let topic = |name: &String| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request = MetadataRequest::default()
            .with_topics(topics.map(|topics| topics.iter().map(topic).collect()))
            .with_allow_auto_topic_creation(self.creates_topics);
        // Before version 4 a topic is created by being asked for; in version 0 no topic can be asked for.
        let answer = self.cluster.call_from(if topics.is_some() { 4 } else { 1 }, &request)?;
        if answer.error_code != 0 {
            return Err(super::refused("read metadata", answer.error_code, None));
        }
        for moved in self.known.remember(&answer) {
            self.forget(moved);
        }
        Ok(answer)
    }

    /// The node that leads a partition, as far as the last answer of [`Self::refresh`] tells.
    pub(crate) fn leader(&self, partition: &Partition) -> Option<i32> {
        self.known.leaders.get(partition).copied()
    }

    /// The id of a topic, as far as the last answer of [`Self::refresh`] tells: another topic of the same name has another one.
    pub(crate) fn topic_id(&self, name: &str) -> Option<Uuid> {
        self.known.ids.get(name).copied()
    }

    /// The connection to a node; another one if the broker has closed it, or its session ends soon.
    ///
    /// # Errors
    /// It cannot be reached at the address that it advertises.
    pub(crate) fn node(&mut self, node: i32) -> Result<&mut Connection, ClientError> {
        if self.connections.get_mut(&node).is_none_or(Connection::is_closed) {
            let connection = self.open(node)?;
            self.connections.insert(node, connection);
        }
        self.connections
            .get_mut(&node)
            .ok_or_else(|| ClientError::Other(format!("no connection to broker {node}")))
    }

    /// Another connection to a node, for a thread of its own.
    ///
    /// # Errors
    /// As [`Self::node`].
    pub(crate) fn open(&self, node: i32) -> Result<Connection, ClientError> {
        let unknown =
            || ClientError::Other(format!("broker {node} has no address in the cluster's metadata"));
        let address = self.known.addresses.get(&node).ok_or_else(unknown)?;
        Connection::open(address, self.cluster.settings())
    }

    /// A number that grows when [`Self::ask`] learns that a partition has moved.
    pub(crate) fn moves(&self) -> u64 {
        self.moves
    }

    /// The time that an answer may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.cluster.settings().timeout
    }

    /// Closes the connection to a node; the next use opens another.
    pub(crate) fn forget(&mut self, node: i32) {
        self.connections.remove(&node);
    }

    /// Sends one request to each leader, and again for the partitions whose error says that they [have moved](has_moved). `build` makes the
    /// request for some partitions, `read` takes error code and value of each out of its answer. `versions` are the first and the last that may be used.
    ///
    /// A request that must not be done twice is safe if `read` reports such a code only where the broker did nothing. A request without an
    /// answer is not sent again.
    pub(crate) fn ask<R: Request, A>(
        &mut self,
        partitions: &[Partition],
        versions: (i16, i16),
        build: impl Fn(&[Partition]) -> R,
        read: impl Fn(R::Response) -> Vec<(Partition, Result<A, i16>)>,
    ) -> Answers<A> {
        let mut answers = Answers { results: BTreeMap::new(), unanswered: Vec::new(), failure: None };
        let mut left = partitions.to_vec();
        for round in 0..ROUNDS {
            if let Err(failure) = self.ask_once(&left, versions, &build, &read, &mut answers) {
                // These were to be asked again.
                answers.results.retain(|_, result| !is_moved(result));
                answers.failure = Some(failure);
                break;
            }
            left.retain(|partition| answers.results.get(partition).is_some_and(is_moved));
            if left.is_empty() || round + 1 == ROUNDS {
                break;
            }
            self.moves += 1;
            std::thread::sleep(PAUSE);
            for partition in &left {
                self.known.leaders.remove(partition);
            }
        }
        answers
    }

    /// One round of [`Self::ask`], about the partitions that are left.
    fn ask_once<R: Request, A>(
        &mut self,
        left: &[Partition],
        versions: (i16, i16),
        build: impl Fn(&[Partition]) -> R,
        read: impl Fn(R::Response) -> Vec<(Partition, Result<A, i16>)>,
        answers: &mut Answers<A>,
    ) -> Result<(), Failure> {
        if left.iter().any(|partition| self.leader(partition).is_none()) {
            self.refresh(Some(&topics_of(left)))?;
        }
        for (node, asked) in self.known.by_leader(left) {
            let Some(node) = node else {
                let without = ErrorCode::LeaderNotAvailable as i16;
                answers.results.extend(asked.into_iter().map(|partition| (partition, Err(without))));
                continue;
            };
            let answer = match self.node(node)?.call_between(versions.0, versions.1, &build(&asked)) {
                Ok(answer) => answer,
                Err(error) => {
                    self.forget(node);
                    if error.is_of_stream() {
                        answers.unanswered = asked;
                    }
                    return Err(error.into());
                }
            };
            // An answer may lack a partition that was asked for.
            let missing = ErrorCode::UnknownServerError as i16;
            answers.results.extend(asked.into_iter().map(|partition| (partition, Err(missing))));
            for (partition, result) in read(answer) {
                answers.results.entry(partition).and_modify(|known| *known = result);
            }
        }
        Ok(())
    }
}

/// The answers to [`Leaders::ask`], as far as they came.
pub(crate) struct Answers<A> {
    /// A value or an error code for each partition; without a failure, of all.
    pub(crate) results: BTreeMap<Partition, Result<A, i16>>,
    /// Partitions of a request that was sent, at least in part, and has no answer: the broker may have done it.
    pub(crate) unanswered: Vec<Partition>,
    /// The failure before which these came.
    pub(crate) failure: Option<Failure>,
}

impl<A> Answers<A> {
    /// The results of all partitions.
    ///
    /// # Errors
    /// A connection failed.
    pub(crate) fn whole(self) -> Result<BTreeMap<Partition, Result<A, i16>>, Failure> {
        self.failure.map_or(Ok(self.results), Err)
    }
}

fn is_moved<A>(result: &Result<A, i16>) -> bool {
    matches!(result, Err(code) if has_moved(*code))
}

impl Known {
    /// Returns the nodes that have another address than before.
    fn remember(&mut self, answer: &MetadataResponse) -> Vec<i32> {
        let mut moved = Vec::new();
        for broker in &answer.brokers {
            let Ok(port) = u16::try_from(broker.port) else { continue };
            let address = Address { host: broker.host.to_string(), port };
            if self.addresses.insert(broker.node_id.0, address.clone()).is_some_and(|old| old != address) {
                moved.push(broker.node_id.0);
            }
        }
        let name = |topic: &MetadataResponseTopic| topic.name.as_ref().map(|name| name.to_string());
        let names: BTreeSet<_> = answer.topics.iter().filter_map(name).collect();
        self.leaders.retain(|partition, _| !names.contains(&partition.topic));
        self.ids.retain(|name, _| !names.contains(name));
        for topic in &answer.topics {
            let Some(name) = name(topic) else { continue };
            if !topic.topic_id.is_nil() {
                self.ids.insert(name.clone(), topic.topic_id);
            }
            // A partition without a leader has -1.
            for partition in topic.partitions.iter().filter(|partition| partition.leader_id.0 >= 0) {
                let key = Partition { topic: name.clone(), index: partition.partition_index };
                self.leaders.insert(key, partition.leader_id.0);
            }
        }
        moved
    }

    /// Partitions by the node that leads them; `None` for those without a known leader.
    fn by_leader(&self, partitions: &[Partition]) -> BTreeMap<Option<i32>, Vec<Partition>> {
        let mut nodes: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for partition in partitions {
            nodes.entry(self.leaders.get(partition).copied()).or_default().push(partition.clone());
        }
        nodes
    }
}

/// Partitions by topic, as requests have them.
pub(crate) fn by_topic(partitions: &[Partition]) -> BTreeMap<&str, Vec<i32>> {
    let mut topics: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for Partition { topic, index } in partitions {
        topics.entry(topic.as_str()).or_default().push(*index);
    }
    topics
}

/// A topic's name as messages have it.
pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

fn topics_of(partitions: &[Partition]) -> Vec<String> {
    by_topic(partitions).into_keys().map(str::to_owned).collect()
}

/// True for an error that another leader, or the same one a moment later, may not have.
pub(crate) fn has_moved(code: i16) -> bool {
    use ErrorCode as Of;
    ErrorCode::from_code(code).is_some_and(|code| {
        matches!(
            code,
            Of::NotLeaderOrFollower
                | Of::LeaderNotAvailable
                | Of::UnknownTopicOrPartition
                | Of::ReplicaNotAvailable
                | Of::ListenerNotFound
                | Of::KafkaStorageError
                | Of::OffsetNotAvailable
        )
    })
}

#[cfg(test)]
mod tests {
    use codec::messages::BrokerId;
    use codec::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition};

    use super::*;

    fn broker(node: i32, port: i32) -> MetadataResponseBroker {
        let host = StrBytes::from_static_str("a");
        MetadataResponseBroker::default().with_node_id(BrokerId(node)).with_host(host).with_port(port)
    }

    /// A topic whose partitions have these leaders.
    fn topic(name: &str, leaders: &[i32]) -> MetadataResponseTopic {
        let partition = |(index, leader): (usize, &i32)| {
            MetadataResponsePartition::default()
                .with_partition_index(i32::try_from(index).unwrap())
                .with_leader_id(BrokerId(*leader))
        };
        MetadataResponseTopic::default()
            .with_name(Some(topic_name(name)))
            .with_partitions(leaders.iter().enumerate().map(partition).collect())
    }

    fn partition(topic: &str, index: i32) -> Partition {
        Partition { topic: topic.to_owned(), index }
    }

    #[test]
    fn partitions_are_grouped_by_their_last_known_leader() {
        let mut known = Known::default();
        let answer = MetadataResponse::default()
            .with_brokers(vec![broker(1, 9092), broker(2, 9093), broker(3, 70_000)])
            .with_topics(vec![topic("t", &[1, 2, -1]), topic("u", &[1])]);
        assert!(known.remember(&answer).is_empty());
        let all = [partition("t", 0), partition("t", 1), partition("t", 2), partition("u", 0)];
        let found = known.by_leader(&all);
        assert_eq!(found.get(&Some(1)), Some(&vec![partition("t", 0), partition("u", 0)]));
        assert_eq!(found.get(&Some(2)), Some(&vec![partition("t", 1)]));
        assert_eq!(found.get(&None), Some(&vec![partition("t", 2)]));
        // A later answer about one topic replaces what was known of that topic alone.
        let answer = MetadataResponse::default()
            .with_brokers(vec![broker(1, 9092), broker(2, 9094)])
            .with_topics(vec![topic("t", &[2])]);
        assert_eq!(known.remember(&answer), [2], "its connection leads elsewhere");
        assert_eq!(known.by_leader(&all).get(&Some(2)), Some(&vec![partition("t", 0)]));
        assert_eq!(known.by_leader(&all).get(&None), Some(&vec![partition("t", 1), partition("t", 2)]));
        assert_eq!(known.by_leader(&all).get(&Some(1)), Some(&vec![partition("u", 0)]));
    }

    #[test]
    fn errors_of_a_moved_partition_are_tried_again() {
        for code in [ErrorCode::NotLeaderOrFollower, ErrorCode::LeaderNotAvailable] {
            assert!(has_moved(code as i16));
        }
        for code in [ErrorCode::None, ErrorCode::TopicAuthorizationFailed, ErrorCode::OffsetOutOfRange] {
            assert!(!has_moved(code as i16));
        }
        assert!(!has_moved(i16::MAX));
    }
}
