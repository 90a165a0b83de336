use std::time::Duration;

use security::quota::{Change, Entity};

use super::*;
use crate::config::BrokerConfig;

const ALICE: Client<'_> = Client { user: "alice", client_id: "one" };
const BOB: Client<'_> = Client { user: "bob", client_id: "one" };

fn change(kind: &str, name: Option<&str>, key: Key, value: Option<f64>) -> Change {
    Change { entity: Entity::of([(kind, name)]).unwrap(), key, value }
}

/// Quotas on a clock that the test steps.
fn quotas(changes: Vec<Change>) -> (ClientQuotas, Clock) {
    let (clock, config) = (Clock::manual(0), BrokerConfig::from_pairs(&[]).unwrap());
    (ClientQuotas::new(Quotas::new(changes), config.start(), clock.clone()), clock)
}

#[test]
fn a_client_is_throttled_by_its_own_use() {
    let key = Key::ProducerByteRate;
    let (quotas, clock) = quotas(vec![change("user", None, key, Some(1000.0))]);
    assert_eq!(quotas.charge(key, ALICE, 10_000.0), 0);
    assert_eq!(quotas.charge(key, ALICE, 1000.0), 1000);
    assert_eq!(quotas.charge(key, BOB, 1000.0), 0, "the default is each user's own");
    assert_eq!(quotas.charge(Key::ConsumerByteRate, ALICE, 1e9), 0, "another kind has no quota");
    clock.advance(Duration::from_secs(11));
    assert_eq!(quotas.charge(key, ALICE, 1000.0), 0);
}

#[test]
fn a_change_governs_the_next_request() {
    let key = Key::ProducerByteRate;
    let (quotas, _) = quotas(vec![]);
    assert!(!quotas.exist(key));
    assert_eq!(quotas.charge(key, ALICE, 1e9), 0);
    let told = quotas.changes();
    quotas.change(vec![change("client-id", Some("one"), key, Some(1.0))]);
    assert!(told.has_changed().unwrap() && quotas.exist(key) && !quotas.exist(Key::RequestPercentage));
    assert!(quotas.charge(key, ALICE, 1000.0) > 0);
    quotas.change(vec![change("client-id", Some("one"), key, None)]);
    assert!(!quotas.exist(key));
    assert_eq!(quotas.charge(key, ALICE, 1e9), 0);
}

#[test]
fn time_of_threads_throttles_for_one_window_at_most() {
    let key = Key::RequestPercentage;
    let (quotas, _) = quotas(vec![change("user", None, key, Some(1.0))]);
    assert_eq!(quotas.charge(key, ALICE, 1e6), 1000);
}

#[test]
fn what_a_throttled_fetch_would_have_sent_is_taken_off() {
    let key = Key::ConsumerByteRate;
    let (quotas, _) = quotas(vec![change("user", None, key, Some(1000.0))]);
    assert_eq!(quotas.largest_fetch(ALICE), Some(10_000));
    assert!(quotas.charge(key, ALICE, 20_000.0) > 0);
    quotas.record(key, ALICE, -20_000.0);
    assert_eq!(quotas.charge(key, ALICE, 10_000.0), 0);
}

#[test]
fn accounts_are_shown_with_their_owners() {
    let key = Key::ProducerByteRate;
    let mutations = change("user", None, Key::ControllerMutationRate, Some(2.0));
    let (quotas, clock) = quotas(vec![change("user", None, key, Some(1000.0)), mutations]);
    assert_eq!(quotas.charge(key, ALICE, 22_000.0), 12_000);
    assert_eq!(quotas.take_mutations(BOB, 23.0), 500);
    let shown = |name: &str| {
        let family = quotas.families().into_iter().find(|family| family.name == name).unwrap();
        let text = |(labels, value): (Vec<(_, String)>, f64)| {
            let labels: Vec<String> = labels.into_iter().map(|(_, text)| text).collect();
            format!("{} {value}", labels.join(" "))
        };
        family.series.into_iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(shown("kafka_server_quota_byte_rate"), ["Produce alice  2200"]);
    assert_eq!(shown("ottla_quota_throttled_seconds_total"), ["Produce alice  12"]);
    assert_eq!(shown("kafka_server_quota_tokens"), ["ControllerMutation bob  -1"]);
    assert_eq!(shown("ottla_quota_accounts")[..2], ["Produce 1", "Fetch 0"]);
    clock.advance(Duration::from_secs(3600));
    assert_eq!(shown("ottla_quota_accounts")[0], "Produce 0");
    for number in 0..1001 {
        quotas.charge(key, Client { user: &number.to_string(), client_id: "" }, 1.0);
    }
    assert_eq!(shown("ottla_quota_accounts")[0], "Produce 1001");
    assert!(shown("kafka_server_quota_byte_rate").is_empty(), "too many to show");
}

#[test]
fn older_clients_are_throttled_newer_ones_refused() {
    let key = Key::ControllerMutationRate;
    let (quotas, _) = quotas(vec![change("user", None, key, Some(2.0))]);
    assert_eq!(quotas.accept_mutations(ALICE, 100.0), Ok(()));
    assert_eq!(quotas.accept_mutations(ALICE, 1.0), Err(39_000));
    assert_eq!(quotas.take_mutations(BOB, 24.0), 1000);
}

#[test]
fn an_address_above_its_quota_waits_and_is_not_counted() {
    let key = Key::ConnectionCreationRate;
    let (quotas, clock) = quotas(vec![change("ip", None, key, Some(1.0))]);
    let address = "10.0.0.1".parse().unwrap();
    for _ in 0..10 {
        assert_eq!(quotas.connect(address), Ok(()));
    }
    for _ in 0..100 {
        assert_eq!(quotas.connect(address), Err(Duration::from_secs(1)));
    }
    assert_eq!(quotas.connect("10.0.0.2".parse().unwrap()), Ok(()));
    clock.advance(Duration::from_secs(11));
    assert_eq!(quotas.connect(address), Ok(()), "those that were refused have no part in it");
}
