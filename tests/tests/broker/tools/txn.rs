//! `ottla txn` against a broker: an open transaction, and one that no coordinator knows.

use anyhow::{Result, ensure};
use ottla_tests::admin::create_topic;
use ottla_tests::broker::{Options, TestBroker};
use ottla_tests::client::Client;
use ottla_tests::transactions::requests::{Owner, Protocol, announce_code, content, produce_code};
use serde_json::{Value, json};

use super::{Ended, json as parsed, tool};

const TIMEOUT_MS: i32 = 600_000;

/// Runs a tool with the broker's address; it must end with this code.
fn run(broker: &TestBroker, code: i32, arguments: &[&str]) -> Result<Ended> {
    let address = broker.address().to_string();
    let ended = tool(&[arguments, &["--bootstrap-server", &address]].concat(), "")?;
    ensure!(ended.code == code, "{arguments:?}: {ended:?}");
    Ok(ended)
}

/// A producer that has written one record in a transaction; its coordinator knows of the partition if it was announced.
fn open(broker: &TestBroker, id: &str, is_announced: bool) -> Result<Owner> {
    let mut client = Client::connect(broker.address())?;
    let (mut owner, protocol) = (Owner::new(id), Protocol::V1);
    let answer = client.call(protocol.init_producer_id(), &owner.init(TIMEOUT_MS, true))?;
    (owner.producer_id, owner.epoch) = (answer.producer_id.0, answer.producer_epoch);
    if is_announced {
        let code = announce_code(&client.call(3, &owner.announce("ledger", vec![0]))?);
        ensure!(code == 0, "AddPartitionsToTxn: {code}");
    }
    let produce = owner.produce("ledger", 0, 0, &[content(format!("of {id}"))]);
    let code = produce_code(&client.call(protocol.produce(), &produce)?);
    ensure!(code == 0, "Produce: {code}");
    Ok(owner)
}

fn committed(broker: &TestBroker) -> Result<String> {
    Ok(run(broker, 0, &["consume", "ledger", "--isolation", "read-committed", "-e"])?.out)
}

#[test]
fn transactions_are_shown_found_and_ended() -> Result<()> {
    let broker = Options::default().set("transaction.partition.verification.enable", false).start()?;
    create_topic(&mut Client::connect(broker.address())?, "ledger", 1)?;
    assert_eq!(run(&broker, 0, &["txn", "list"])?.out, "no transactional ids\n");
    assert_eq!(run(&broker, 0, &["txn", "producers", "ledger"])?.out, "no producers with ids\n");
    let owner = open(&broker, "known", true)?;
    shown(&broker, &owner)?;
    let lost = open(&broker, "lost", false)?;
    hanging(&broker, &lost)?;
    terminate(&broker)
}

fn shown(broker: &TestBroker, owner: &Owner) -> Result<()> {
    let listed = parsed(&run(broker, 0, &["txn", "list", "k.*", "--state", "Ongoing", "-o", "json"])?)?;
    let expected = json!([{"transactional_id": "known", "producer_id": owner.producer_id, "state": "Ongoing", "coordinator": 1}]);
    assert_eq!(listed, expected);
    for nothing in [
        &["txn", "list", "now"][..],
        &["txn", "list", "--longer-than", "1h"],
        &["txn", "list", "--producer-id", "99"],
    ] {
        assert_eq!(run(broker, 0, nothing)?.out, "no transactional ids\n", "{nothing:?}");
    }
    let described = parsed(&run(broker, 0, &["txn", "describe", "known", "-o", "json"])?)?;
    let one = &described[0];
    assert_eq!(
        (&one["state"], &one["timeout_ms"], &one["partitions"]),
        (&json!("Ongoing"), &json!(TIMEOUT_MS), &json!([{"topic": "ledger", "partition": 0}]))
    );
    assert!(one["running_ms"].as_i64().is_some_and(|ms| (0..60_000).contains(&ms)), "{one}");
    let table = run(broker, 0, &["txn", "describe", "known"])?.out;
    assert!(table.contains("ledger-0"), "{table}");
    // One that is missing is named, and the others are shown.
    let ended = run(broker, 1, &["txn", "describe", "nobody", "known"])?;
    assert!(
        ended.err.contains("nobody: TRANSACTIONAL_ID_NOT_FOUND") && ended.out.contains("known"),
        "{ended:?}"
    );
    let producers = parsed(&run(broker, 0, &["txn", "producers", "ledger", "-p", "0", "-o", "json"])?)?;
    let of = |field: &str| producers[0][field].clone();
    assert_eq!((of("producer_id"), of("transaction_start")), (json!(owner.producer_id), json!(0)));
    let missing = run(broker, 1, &["txn", "producers", "ledger", "-p", "7"])?;
    assert!(missing.err.contains("has no partition 7"), "{missing:?}");
    Ok(())
}

fn hanging(broker: &TestBroker, lost: &Owner) -> Result<()> {
    let found = parsed(&run(broker, 0, &["txn", "hanging", "--older-than", "1ms", "-o", "json"])?)?;
    let ids: Vec<&Value> = found.as_array().into_iter().flatten().map(|one| &one["producer_id"]).collect();
    assert_eq!(ids, [&json!(lost.producer_id)], "the other one has a coordinator that knows it");
    assert_eq!(committed(broker)?, "");
    let unsure = run(broker, 2, &["txn", "abort", "ledger", "0", "--start", "1"])?;
    assert!(unsure.err.contains("--yes"), "{unsure:?}");
    let none = run(broker, 1, &["txn", "abort", "ledger", "0", "--start", "7", "--yes"])?;
    assert!(none.err.contains("no open transaction that begins at offset 7"), "{none:?}");
    let ended = run(broker, 0, &["txn", "abort", "ledger", "0", "--start", "1", "--yes"])?;
    assert!(ended.out.starts_with("aborted the transaction of producer"), "{ended:?}");
    let text = run(broker, 0, &["txn", "hanging", "ledger", "--older-than", "1ms"])?.out;
    assert_eq!(text, "no hanging transactions\n");
    Ok(())
}

fn terminate(broker: &TestBroker) -> Result<()> {
    let unknown = run(broker, 1, &["txn", "terminate", "nobody", "--yes"])?;
    assert!(unknown.err.contains("TRANSACTIONAL_ID_NOT_FOUND"), "{unknown:?}");
    run(broker, 0, &["txn", "terminate", "known", "--yes"])?;
    let producers = parsed(&run(broker, 0, &["txn", "producers", "ledger", "-o", "json"])?)?;
    assert!(
        producers.as_array().into_iter().flatten().all(|one| one["transaction_start"].is_null()),
        "{producers}"
    );
    let listed = parsed(&run(broker, 0, &["txn", "list", "nobody|known", "-o", "json"])?)?;
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["state"]), (Some(1), &json!("Empty")));
    assert_eq!(committed(broker)?, "", "both were aborted");
    Ok(())
}
