//! S12: permissions that change while a Fetch waits, and between the requests of a fetch session.

use std::time::{Duration, Instant};

use codec::FetchResponse;
use codec::messages::FetchRequest;
use codec::messages::delete_acls_request::DeleteAclsFilter;
use codec::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_tests::producer::produce;

use super::*;

/// Longer than any of these fetches may take.
const LONG_MS: i32 = 20_000;

struct Reader {
    client: Client,
    session: i32,
    epoch: i32,
}

impl Reader {
    fn send(&mut self, offset: i64, wait_ms: i32) -> Result<()> {
        let partition = FetchPartition::default()
            .with_current_leader_epoch(-1)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default().with_topic(admin::topic_name("t")).with_partitions(vec![partition]);
        // In a session a partition is named once.
        let topics = if self.epoch > 0 { Vec::new() } else { vec![topic] };
        let request = FetchRequest::default()
            .with_max_wait_ms(wait_ms)
            .with_min_bytes(1)
            .with_max_bytes(1 << 20)
            .with_session_id(self.session)
            .with_session_epoch(self.epoch)
            .with_topics(topics);
        self.client.set_patience(Duration::from_secs(30))?;
        self.client.send(12, &request)
    }

    /// The code of the partition and the number of bytes of its records; `None` if the answer does not name it.
    fn receive(&mut self) -> Result<Option<(i16, usize)>> {
        let answer: FetchResponse = self.client.receive::<FetchRequest>()?;
        ensure!(answer.message.error_code == 0, "{answer:?}");
        if self.epoch >= 0 {
            (self.session, self.epoch) = (answer.message.session_id, self.epoch + 1);
        }
        let first = answer.message.responses.first().and_then(|topic| topic.partitions.first());
        Ok(first.map(|data| (data.error_code, data.records.as_ref().map_or(0, bytes::Bytes::len))))
    }
}

fn revoke(administrator: &mut Client, host: IpAddr) -> Result<()> {
    let filter = DeleteAclsFilter::default()
        .with_resource_type_filter(TOPIC)
        .with_resource_name_filter(None)
        .with_pattern_type_filter(1)
        .with_principal_filter(None)
        .with_host_filter(Some(text(&host.to_string())))
        .with_operation(1)
        .with_permission_type(1);
    let gone = administrator.call(3, &DeleteAclsRequest::default().with_filters(vec![filter]))?;
    ensure!(gone.filter_results[0].matching_acls.len() == 1, "{gone:?}");
    Ok(())
}

/// A broker with the topic `t`, and a reader that may read it. Epoch -1: without a session; 0: with one.
fn start(epoch: i32) -> Result<(TestBroker, TempDir, Client, Reader, IpAddr)> {
    let host = IpAddr::from(Ipv4Addr::new(127, 0, 1, 7));
    let (broker, folder) = broker_with(vec![allow(TOPIC, "t", READ, host)])?;
    let mut administrator = Client::connect(broker.address())?;
    admin::create_topic(&mut administrator, "t", 1)?;
    let client = Client::connect_from(host, broker.address())?;
    Ok((broker, folder, administrator, Reader { client, session: 0, epoch }, host))
}

#[test]
fn a_fetch_that_waited_through_a_revocation_gets_no_record() -> Result<()> {
    for epoch in [-1, 0] {
        let (broker, _folder, mut administrator, mut reader, host) = start(epoch)?;
        if epoch == 0 {
            reader.send(0, 0)?;
            ensure!(reader.receive()? == Some((0, 0)));
        }
        // It waits, and an append wakes it.
        for (revoked, offset) in [(false, 0), (true, 1)] {
            if epoch == 0 && revoked {
                // The position that the session does not know yet.
                reader =
                    Reader { client: Client::connect_from(host, broker.address())?, session: 0, epoch: 0 };
                reader.send(offset, 0)?;
                ensure!(reader.receive()? == Some((0, 0)));
            }
            reader.send(offset, LONG_MS)?;
            std::thread::sleep(Duration::from_millis(300));
            if revoked {
                revoke(&mut administrator, host)?;
            }
            let begun = Instant::now();
            produce(&mut administrator, "t", 0, -1, samples::one_record())?;
            let (code, bytes) = reader.receive()?.context("the partition is answered")?;
            ensure!(begun.elapsed() < Duration::from_secs(10), "it was not woken");
            ensure!(
                (code, bytes > 0) == if revoked { (29, false) } else { (0, true) },
                "{code}, {bytes} bytes"
            );
        }
    }
    Ok(())
}

/// Kafka asks about all partitions of a session at each request, also about those without news.
#[test]
fn a_session_tells_at_once_that_a_permission_came_or_went() -> Result<()> {
    let (_broker, _folder, mut administrator, mut reader, host) = start(0)?;
    let mut next = |administrator: &mut Client, granted: Option<bool>| {
        match granted {
            Some(true) => create(administrator, vec![allow(TOPIC, "t", READ, host)])?,
            Some(false) => revoke(administrator, host)?,
            None => {}
        }
        reader.send(0, 0)?;
        reader.receive()
    };
    ensure!(next(&mut administrator, None)? == Some((0, 0)), "the first answer names all");
    ensure!(next(&mut administrator, None)?.is_none(), "nothing is new");
    ensure!(next(&mut administrator, Some(false))? == Some((29, 0)));
    ensure!(next(&mut administrator, Some(true))? == Some((0, 0)));
    ensure!(next(&mut administrator, None)?.is_none(), "nothing is new");
    Ok(())
}

/// A session is no right: another connection that names it gets what its own client may read.
#[test]
fn a_session_lends_no_permission_to_another_connection() -> Result<()> {
    let (broker, _folder, mut administrator, mut reader, _) = start(0)?;
    reader.send(0, 0)?;
    ensure!(reader.receive()? == Some((0, 0)));
    produce(&mut administrator, "t", 0, -1, samples::one_record())?;
    let stranger = IpAddr::from(Ipv4Addr::new(127, 0, 1, 8));
    let client = Client::connect_from(stranger, broker.address())?;
    let mut thief = Reader { client, ..reader };
    thief.send(0, 0)?;
    ensure!(thief.receive()? == Some((29, 0)));
    Ok(())
}
