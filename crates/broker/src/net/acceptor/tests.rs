//! Connections to a broker with limits: which are let in, and whom those that are not hold up.

use codec::messages::ApiVersionsRequest;
use security::quota::{Change, Entity, Key};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::testing::{Client, Running, SOON};

/// The broker has two listeners, A and B.
const TWO: [(&str, &str); 2] = [
    ("listeners", "A://127.0.0.1:0,B://127.0.0.1:0"),
    ("listener.security.protocol.map", "A:PLAINTEXT,B:PLAINTEXT"),
];

async fn start(more: &[(&str, &str)]) -> Running {
    Running::start(&[&TWO[..], more].concat()).await.unwrap()
}

async fn client_of_b(running: &Running) -> Client<TcpStream> {
    Client::new(TcpStream::connect(running.broker.addresses()[1]).await.unwrap())
}

/// Waits for an answer; false if the connection is closed.
async fn is_served(client: &mut Client<TcpStream>) -> bool {
    client.send(0, &ApiVersionsRequest::default()).await;
    client.receive_frame().await.is_some()
}

#[tokio::test]
async fn a_listener_with_all_its_connections_holds_up_no_other() {
    let running = start(&[("listener.name.a.max.connections", "2")]).await;
    let (mut first, mut second) = (running.client().await, running.client().await);
    assert!(is_served(&mut first).await && is_served(&mut second).await);
    let mut third = running.client().await;
    third.send(0, &ApiVersionsRequest::default()).await;
    assert!(is_served(&mut client_of_b(&running).await).await);
    // It is served once another has left, and no sooner.
    let mut byte = [0];
    assert!(third.stream.try_read(&mut byte).is_err(), "nothing came yet");
    drop(first);
    assert!(third.receive_frame().await.is_some());
}

#[tokio::test]
async fn an_address_may_have_other_numbers_of_connections() {
    let pairs = [("max.connections.per.ip", "1"), ("max.connections.per.ip.overrides", "127.0.0.2:2")];
    let running = start(&pairs).await;
    let (mut one, mut refused) = (running.client().await, running.client().await);
    assert!(is_served(&mut one).await && !is_served(&mut refused).await);
    let mut others = Vec::new();
    for expected in [true, true, false] {
        let mut other = running.client_from([127, 0, 0, 2]).await;
        assert_eq!(is_served(&mut other).await, expected);
        others.push(other);
    }
}

/// The listener's acceptor waited for each connection in turn: those of other addresses waited for all of a flood.
#[tokio::test]
async fn connections_that_come_too_fast_hold_up_no_other_address_and_no_other_listener() {
    let running = start(&[("listener.name.a.max.connection.creation.rate", "1")]).await;
    let mut flood = Vec::new();
    for _ in 0..60 {
        flood.push(running.client().await);
    }
    assert!(is_served(&mut flood[0]).await);
    assert!(is_served(&mut client_of_b(&running).await).await);
    // In its turn, which is the second at most: the whole flood takes a minute.
    assert!(is_served(&mut running.client_from([127, 0, 0, 2]).await).await);
    assert!(!is_served(&mut flood[59]).await, "it waited for 10 s");
    assert!(running.broker.services.metrics.listener("A").refused.value() > 0, "it is counted");
}

/// They were held outside the limit for strangers, so that the quota of one address filled the places of all.
#[tokio::test]
async fn connections_that_are_held_for_a_quota_leave_room_for_other_addresses() {
    let running =
        start(&[("listener.name.a.max.connections", "8"), ("quota.window.size.seconds", "3600")]).await;
    let (entity, key) = (Entity::of([("ip", Some("127.0.0.1"))]).unwrap(), Key::ConnectionCreationRate);
    // Three within the ten hours that count.
    running.broker.services.quotas.change(vec![Change { entity, key, value: Some(0.0001) }]);
    let mut flood = Vec::new();
    for _ in 0..30 {
        flood.push(running.client().await);
    }
    let mut other = running.client_from([127, 0, 0, 2]).await;
    assert!(timeout(SOON, is_served(&mut other)).await.is_ok_and(|served| served));
}
