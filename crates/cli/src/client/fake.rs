//! A broker of tests: on a port of this machine, with the answers that a test chooses.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use codec::frame::{RequestHeader, response_header};
use codec::messages::api_versions_response::ApiVersion;
use codec::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use codec::messages::{ApiVersionsRequest, ApiVersionsResponse, BrokerId, MetadataResponse, StrBytes};
use codec::{Chain, Request, Response};

use super::{Address, Cluster, Leaders, Settings, topic_name};

/// A request that a fake broker got.
pub(crate) struct Asked {
    pub(crate) key: i16,
    pub(crate) version: i16,
    pub(crate) body: Bytes,
    /// Number of its connection, from 0 on.
    pub(crate) connection: usize,
    /// Port of the broker.
    pub(crate) port: u16,
}

impl Asked {
    /// The request, if it is of this type.
    pub(crate) fn of<R: Request>(&self) -> Option<R> {
        (self.key == R::KEY).then(|| R::decode(self.body.clone(), self.version).unwrap())
    }

    /// The bytes of an answer.
    pub(crate) fn answer<R: Response>(&self, answer: &R) -> Option<Chain> {
        let mut chain = Chain::new();
        answer.encode(self.version, &mut chain).unwrap();
        Some(chain)
    }
}

/// Starts a broker that serves every API of `apis` up to a version; returns its address. `answer` has the answer to each request; `None` closes the
/// connection.
pub(crate) fn start(
    apis: &'static [(i16, i16)],
    answer: impl Fn(&Asked) -> Option<Chain> + Send + Sync + 'static,
) -> Address {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    let accept = move || {
        for (connection, stream) in listener.incoming().enumerate() {
            let answer = Arc::clone(&answer);
            let serve = move || serve(stream.unwrap(), connection, port, apis, answer.as_ref());
            thread::Builder::new().name("fake-connection".to_owned()).spawn(serve).unwrap();
        }
    };
    // It ends with the tests.
    thread::Builder::new().name("fake-broker".to_owned()).spawn(accept).unwrap();
    Address { host: "127.0.0.1".to_owned(), port }
}

/// A client of such a broker.
pub(crate) fn leaders(address: &Address) -> Leaders {
    patient(address, Duration::from_secs(20))
}

/// As [`leaders`], with this time for an answer.
pub(crate) fn patient(address: &Address, timeout: Duration) -> Leaders {
    let settings = Settings { client_id: "test".to_owned(), timeout, tls: None, login: None };
    Leaders::of(Cluster::open(vec![address.clone()], settings).unwrap())
}

/// Metadata of this broker as the only one, and a topic with these leaders and this id.
pub(crate) fn metadata(port: u16, name: &str, leaders: &[i32], id: u128) -> MetadataResponse {
    let host = StrBytes::from_static_str("127.0.0.1");
    let broker =
        MetadataResponseBroker::default().with_node_id(BrokerId(1)).with_host(host).with_port(port.into());
    let partition = |(index, leader): (usize, &i32)| {
        MetadataResponsePartition::default()
            .with_partition_index(i32::try_from(index).unwrap())
            .with_leader_id(BrokerId(*leader))
    };
    let mut topic = MetadataResponseTopic::default()
        .with_name(Some(topic_name(name)))
        .with_partitions(leaders.iter().enumerate().map(partition).collect());
    topic.topic_id = uuid::Uuid::from_u128(id);
    MetadataResponse::default().with_brokers(vec![broker]).with_topics(vec![topic])
}

fn serve(
    mut stream: TcpStream,
    connection: usize,
    port: u16,
    apis: &[(i16, i16)],
    answer: &(dyn Fn(&Asked) -> Option<Chain> + Send + Sync),
) {
    loop {
        let mut length = [0; 4];
        if stream.read_exact(&mut length).is_err() {
            return;
        }
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut frame).unwrap();
        let mut body = Bytes::from(frame);
        let header = RequestHeader::parse(&mut body).unwrap();
        let (key, version) = (header.api_key, header.api_version);
        let asked = Asked { key, version, body, connection, port };
        let api = |(key, last): &(i16, i16)| ApiVersion::default().with_api_key(*key).with_max_version(*last);
        let found = match key {
            ApiVersionsRequest::KEY => {
                asked.answer(&ApiVersionsResponse::default().with_api_keys(apis.iter().map(api).collect()))
            }
            _ => answer(&asked),
        };
        let Some(found) = found else { return };
        let mut chain = Chain::new();
        response_header(header.correlation_id, key, version, &mut chain);
        let body = [chain.into_bytes(), found.into_bytes()].concat();
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        if stream.write_all(&[&length, body.as_slice()].concat()).is_err() {
            return;
        }
    }
}
