//! Quotas set, described and removed by requests.

use codec::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use codec::messages::describe_client_quotas_request::ComponentData;
use codec::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};
use security::quota::{Change, Entity, Key};
use tokio::net::TcpStream;

use crate::services::quotas::MAX_ENTITIES;
use crate::testing::{Client, Running};

type Part = (&'static str, Option<&'static str>);

/// Changes of one entity; a quota of 0 is removed.
fn entry(parts: &[Part], quotas: &[(&'static str, f64)]) -> EntryData {
    let part = |(kind, name): &Part| {
        EntityData::default().with_entity_type((*kind).into()).with_entity_name(name.map(Into::into))
    };
    let op = |(key, value): &(&'static str, f64)| {
        OpData::default().with_key((*key).into()).with_value(*value).with_remove(*value == 0.0)
    };
    EntryData::default()
        .with_entity(parts.iter().map(part).collect())
        .with_ops(quotas.iter().map(op).collect())
}

async fn alter(client: &mut Client<TcpStream>, entries: Vec<EntryData>, validate_only: bool) -> Vec<i16> {
    let request = AlterClientQuotasRequest::default().with_entries(entries).with_validate_only(validate_only);
    client.call(1, &request).await.entries.into_iter().map(|one| one.error_code).collect()
}

/// Each entity found, as text.
async fn described(
    client: &mut Client<TcpStream>,
    components: &[(&'static str, i8, Option<&'static str>)],
) -> Vec<String> {
    let component = |(kind, code, text): &(&'static str, i8, Option<&'static str>)| {
        ComponentData::default()
            .with_entity_type((*kind).into())
            .with_match_type(*code)
            .with_match(text.map(Into::into))
    };
    let request =
        DescribeClientQuotasRequest::default().with_components(components.iter().map(component).collect());
    let answer = client.call(1, &request).await;
    let Some(entries) = answer.entries else { return vec![answer.error_code.to_string()] };
    let text = |one: codec::messages::describe_client_quotas_response::EntryData| {
        let part = |part: &codec::messages::describe_client_quotas_response::EntityData| {
            format!("{}={}", &*part.entity_type, part.entity_name.as_deref().unwrap_or("<default>"))
        };
        let entity: Vec<String> = one.entity.iter().map(part).collect();
        let values: Vec<String> =
            one.values.iter().map(|one| format!("{}={}", &*one.key, one.value)).collect();
        format!("{}: {}", entity.join(" "), values.join(" "))
    };
    entries.into_iter().map(text).collect()
}

const USER: Part = ("user", Some("alice"));
const CLIENT: Part = ("client-id", Some("one"));

#[tokio::test]
async fn quotas_are_set_described_and_removed() {
    let broker = Running::start(&[]).await.unwrap();
    let mut client = broker.client().await;
    let entries = vec![
        entry(&[USER], &[("producer_byte_rate", 1000.0), ("request_percentage", 12.5)]),
        entry(&[USER, ("client-id", None)], &[("consumer_byte_rate", 5.0)]),
        entry(&[("ip", Some("::1"))], &[("connection_creation_rate", 3.0)]),
    ];
    assert_eq!(alter(&mut client, entries, false).await, [0, 0, 0]);
    let user = "user=alice: producer_byte_rate=1000 request_percentage=12.5";
    let both = "user=alice client-id=<default>: consumer_byte_rate=5";
    let address = "ip=::1: connection_creation_rate=3";
    assert_eq!(described(&mut client, &[]).await, [user, both, address]);
    assert_eq!(described(&mut client, &[("client-id", 1, None)]).await, [both]);
    let removal = entry(&[USER], &[("producer_byte_rate", 0.0), ("controller_mutation_rate", 0.0)]);
    assert_eq!(alter(&mut client, vec![removal], false).await, [0]);
    assert_eq!(
        described(&mut client, &[("user", 0, Some("alice"))]).await,
        ["user=alice: request_percentage=12.5", both]
    );
}

#[tokio::test]
async fn quotas_outlive_a_restart() {
    let broker = Running::start(&[]).await.unwrap();
    let mut client = broker.client().await;
    let entries = vec![
        entry(&[USER, CLIENT], &[("producer_byte_rate", 1000.0), ("controller_mutation_rate", 0.25)]),
        entry(&[("user", None)], &[("consumer_byte_rate", 7.0)]),
    ];
    assert_eq!(alter(&mut client, entries, false).await, [0, 0]);
    assert_eq!(
        alter(&mut client, vec![entry(&[("user", None)], &[("consumer_byte_rate", 0.0)])], false).await,
        [0]
    );
    let broker = broker.restart(&[]).await;
    let mut client = broker.client().await;
    let kept = "user=alice client-id=one: producer_byte_rate=1000 controller_mutation_rate=0.25";
    assert_eq!(described(&mut client, &[]).await, [kept]);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_by_itself() {
    let broker = Running::start(&[]).await.unwrap();
    let mut client = broker.client().await;
    let rate = [("producer_byte_rate", 1.0)];
    let entries = vec![
        entry(&[USER], &rate),
        entry(&[], &rate),
        entry(&[("user", Some(""))], &rate),
        entry(&[("topic", Some("a"))], &rate),
        entry(&[("ip", Some("localhost"))], &[("connection_creation_rate", 1.0)]),
        entry(&[("ip", None), CLIENT], &rate),
        entry(&[CLIENT], &[("producer_byte_rate", 1.5)]),
        entry(&[("client-id", Some("two"))], &[("producer_byte_rate", -1.0)]),
        entry(&[("client-id", Some("three"))], &[("request_percentage", f64::NAN)]),
        entry(&[("client-id", Some("twice"))], &rate),
        entry(&[("client-id", Some("twice"))], &rate),
    ];
    let codes = alter(&mut client, entries, false).await;
    assert_eq!(codes, [0, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42]);
    assert_eq!(described(&mut client, &[]).await, ["user=alice: producer_byte_rate=1"]);
}

#[tokio::test]
async fn what_is_only_validated_changes_nothing() {
    let broker = Running::start(&[]).await.unwrap();
    let mut client = broker.client().await;
    let entries = vec![
        entry(&[USER], &[("producer_byte_rate", 1.0)]),
        entry(&[CLIENT], &[("producer_byte_rate", -1.0)]),
    ];
    assert_eq!(alter(&mut client, entries, true).await, [0, 42]);
    assert!(described(&mut client, &[]).await.is_empty());
}

#[tokio::test]
async fn a_search_that_cannot_be_meant_is_refused() {
    let broker = Running::start(&[]).await.unwrap();
    let mut client = broker.client().await;
    assert_eq!(described(&mut client, &[("topic", 2, None)]).await, ["35"]);
    assert_eq!(described(&mut client, &[("user", 0, None)]).await, ["42"]);
    assert_eq!(described(&mut client, &[("user", 2, None), ("user", 2, None)]).await, ["42"]);
    assert_eq!(described(&mut client, &[("ip", 2, None), ("user", 2, None)]).await, ["42"]);
}

#[tokio::test]
async fn entities_are_bounded_in_number() {
    let broker = Running::start(&[]).await.unwrap();
    let quota = |number: usize| Change {
        entity: Entity::of([("user", Some(number.to_string().as_str()))]).unwrap(),
        key: Key::ProducerByteRate,
        value: Some(1.0),
    };
    broker.broker.services.quotas.change((0..MAX_ENTITIES).map(quota).collect());
    let mut client = broker.client().await;
    let one = |name| vec![entry(&[("user", Some(name))], &[("producer_byte_rate", 2.0)])];
    assert_eq!(alter(&mut client, one("alice"), false).await, [44]);
    assert_eq!(alter(&mut client, one("7"), false).await, [0], "a known one may be changed");
}
