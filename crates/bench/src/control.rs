//! The few typed calls around a load: create a topic, look up the ends of its partitions.
//!
//! One connection, one request at a time, through the codec's typed messages: what is not measured need not
//! be fast.

use crate::endpoint::Endpoint;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{BufMut as _, Bytes, BytesMut};
use codec::frame::{self, RequestHeader};
use codec::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use codec::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use codec::messages::{
    ApiVersionsRequest, CreateTopicsRequest, FindCoordinatorRequest, GroupId, ListOffsetsRequest,
    OffsetFetchRequest, StrBytes, TopicName,
};
use codec::{Request, Response as _};

use crate::connection::Connection;

/// The driver's client id.
const CLIENT_ID: &str = "ottla-bench";
/// Partitions asked for per request.
const PARTITIONS: usize = 1000;

/// A connection for blocking calls.
#[derive(Debug)]
pub(crate) struct Control(Connection);

impl Control {
    /// Connects.
    pub(crate) fn connect(endpoint: Endpoint) -> Result<Control> {
        Ok(Control(Connection::open(endpoint)?))
    }

    /// Goes on with a connection.
    pub(crate) fn over(connection: Connection) -> Control {
        Control(connection)
    }

    /// Gives its connection back.
    pub(crate) fn into_connection(self) -> Connection {
        self.0
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The connection fails, or the answer cannot be read at this version. An error code in the answer is the
    /// caller's.
    pub(crate) fn call<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response> {
        let answer = self.0.exchange(&encoded(version, 1, request)?)?;
        decoded::<R>(answer, version)
    }

    /// Creates a topic and waits until every partition answers. With `retention_mib` a partition keeps no more than
    /// about that much, in segments of a quarter of it; 0: as much as the broker is set to.
    ///
    /// # Errors
    /// The topic is refused, or a partition does not answer within a minute.
    pub(crate) fn create_topic(&mut self, name: &str, partitions: u32, retention_mib: u32) -> Result<()> {
        let config = |name: &'static str, mib: u64| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_static_str(name))
                .with_value(Some(StrBytes::from_string((mib << 20).to_string())))
        };
        let configs = match u64::from(retention_mib) {
            0 => Vec::new(),
            mib => vec![config("retention.bytes", mib), config("segment.bytes", mib.div_ceil(4))],
        };
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(i32::try_from(partitions)?)
            .with_replication_factor(1)
            .with_configs(configs);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(60_000);
        let response = self.call(5, &request)?;
        let result = response.topics.first().context("CreateTopics: no answer")?;
        ensure!(
            result.error_code == 0,
            "CreateTopics {name}: error {}: {:?}",
            result.error_code,
            result.error_message
        );
        // Apache Kafka answers before its partitions are ready.
        for _ in 0..1200 {
            if self.end_offsets(name, partitions).is_ok() {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        self.end_offsets(name, partitions).map(|_| ())
    }

    /// Waits until the broker coordinates the group and has loaded it. Apache Kafka creates the topic of offsets when it is
    /// asked for the first coordinator; a group of which this is not asked is refused as NOT_COORDINATOR.
    ///
    /// # Errors
    /// It does not within a minute.
    pub(crate) fn find_coordinator(&mut self, group: &str) -> Result<()> {
        let group = StrBytes::from_string(group.to_owned());
        let find = FindCoordinatorRequest::default().with_key(group.clone());
        // Offsets can be read once the group is loaded.
        let fetch = OffsetFetchRequest::default().with_group_id(GroupId(group.clone())).with_topics(None);
        let mut error = 0;
        for _ in 0..1200 {
            error = self.call(2, &find)?.error_code;
            if error == 0 {
                error = self.call(3, &fetch)?.error_code;
            }
            if error == 0 {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        bail!("no coordinator of group {group}: error {error}")
    }

    /// Waits until the broker coordinates a transactional id. Apache Kafka creates the topic of transactions when it is asked for
    /// the first coordinator.
    ///
    /// # Errors
    /// It does not within a minute.
    pub(crate) fn find_transaction_coordinator(&mut self, id: &str) -> Result<()> {
        let key = StrBytes::from_string(id.to_owned());
        // 1 is a transactional id (`FindCoordinatorRequest.CoordinatorType`).
        let find = FindCoordinatorRequest::default().with_key(key).with_key_type(1);
        let mut error = 0;
        for _ in 0..1200 {
            error = self.call(2, &find)?.error_code;
            if error == 0 {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        bail!("no coordinator of transactional id {id}: error {error}")
    }

    /// The next offset of every partition.
    ///
    /// # Errors
    /// A partition is refused.
    pub(crate) fn end_offsets(&mut self, name: &str, partitions: u32) -> Result<Vec<i64>> {
        // -1 asks for the end of the log (`ListOffsetsRequest.LATEST_TIMESTAMP`).
        self.offsets(name, partitions, -1, false)
    }

    /// The last stable offset of every partition: the end of what readers of committed records see.
    ///
    /// # Errors
    /// A partition is refused.
    pub(crate) fn stable_offsets(&mut self, name: &str, partitions: u32) -> Result<Vec<i64>> {
        self.offsets(name, partitions, -1, true)
    }

    /// The first offset of every partition.
    ///
    /// # Errors
    /// A partition is refused.
    pub(crate) fn first_offsets(&mut self, name: &str, partitions: u32) -> Result<Vec<i64>> {
        // -2 asks for the start of the log (`ListOffsetsRequest.EARLIEST_TIMESTAMP`).
        self.offsets(name, partitions, -2, false)
    }

    /// ListOffsets of every partition.
    fn offsets(
        &mut self,
        name: &str,
        partitions: u32,
        timestamp: i64,
        read_committed: bool,
    ) -> Result<Vec<i64>> {
        let mut ends = vec![0; partitions as usize];
        let indexes: Vec<i32> = (0..i32::try_from(partitions)?).collect();
        for some in indexes.chunks(PARTITIONS) {
            let asked = |index: &i32| {
                ListOffsetsPartition::default()
                    .with_partition_index(*index)
                    .with_timestamp(timestamp)
                    // No epoch: the broker compares nothing (KIP-320).
                    .with_current_leader_epoch(-1)
            };
            let topic = ListOffsetsTopic::default()
                .with_name(topic_name(name))
                .with_partitions(some.iter().map(asked).collect());
            let request = ListOffsetsRequest::default()
                .with_replica_id((-1).into())
                .with_isolation_level(i8::from(read_committed))
                .with_topics(vec![topic]);
            let response = self.call(6, &request)?;
            for partition in response.topics.iter().flat_map(|topic| &topic.partitions) {
                let index = partition.partition_index;
                ensure!(
                    partition.error_code == 0,
                    "ListOffsets {name}-{index}: error {}",
                    partition.error_code
                );
                *usize::try_from(index)
                    .ok()
                    .and_then(|index| ends.get_mut(index))
                    .context("ListOffsets")? = partition.offset;
            }
        }
        Ok(ends)
    }
}

/// The smallest request, which every broker answers: a whole frame.
pub(crate) fn api_versions() -> Result<BytesMut> {
    let mut body = BytesMut::new();
    ApiVersionsRequest::default().encode(0, &mut body)?;
    framed(ApiVersionsRequest::KEY, 0, 1, &body)
}

/// A name in the messages' type.
pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// A whole frame: length, header, body.
pub(crate) fn framed(api_key: i16, api_version: i16, correlation_id: i32, body: &[u8]) -> Result<BytesMut> {
    let mut frame = BytesMut::with_capacity(body.len() + 64);
    // Room for the length, which is known once the rest is written.
    frame.put_i32(0);
    let client_id = Some(StrBytes::from_static_str(CLIENT_ID));
    RequestHeader { api_key, api_version, correlation_id, client_id }.encode(&mut frame)?;
    frame.put_slice(body);
    let len = i32::try_from(frame.len() - 4)?;
    frame[..4].copy_from_slice(&len.to_be_bytes());
    Ok(frame)
}

/// A whole frame of a request.
pub(crate) fn encoded<R: Request>(version: i16, correlation_id: i32, request: &R) -> Result<BytesMut> {
    let mut body = BytesMut::new();
    request.encode(version, &mut body)?;
    framed(R::KEY, version, correlation_id, &body)
}

/// The body of an answer at a version.
pub(crate) fn decoded<R: Request>(mut answer: Bytes, version: i16) -> Result<R::Response> {
    frame::parse_response_header(&mut answer, R::KEY, version)?;
    Ok(R::Response::decode(answer, version)?)
}
