//! Client quotas in a real process: every answered change survives kill -9, and governs the first request after it.

use anyhow::{Result, ensure};
use codec::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use codec::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};
use ottla_tests::admin::text;
use ottla_tests::broker::{Options, TestBroker};
use ottla_tests::client::Client;

/// Sets quotas of a user, or removes them with `None`.
fn alter(broker: &TestBroker, user: &str, quotas: &[(&str, Option<f64>)]) -> Result<()> {
    let entity = EntityData::default().with_entity_type(text("user")).with_entity_name(Some(text(user)));
    let op = |(key, value): &(&str, Option<f64>)| {
        let op = OpData::default().with_key(text(key)).with_remove(value.is_none());
        op.with_value(value.unwrap_or_default())
    };
    let ops = quotas.iter().map(op).collect();
    let entry = EntryData::default().with_entity(vec![entity]).with_ops(ops);
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    let answer = Client::connect(broker.address())?.call(1, &request)?;
    ensure!(answer.entries.iter().all(|one| one.error_code == 0), "{answer:?}");
    Ok(())
}

/// All quotas, as text.
fn described(broker: &TestBroker) -> Result<String> {
    let request = DescribeClientQuotasRequest::default();
    let answer = Client::connect(broker.address())?.call(1, &request)?;
    ensure!(answer.error_code == 0, "{answer:?}");
    let mut lines = Vec::new();
    for entry in answer.entries.unwrap_or_default() {
        let name = entry.entity[0].entity_name.as_ref().map(ToString::to_string).unwrap_or_default();
        for value in entry.values {
            lines.push(format!("{name} {}={}", &*value.key, value.value));
        }
    }
    Ok(lines.join(", "))
}

/// S9: a user had no quota after a restart, and took the whole line.
#[test]
fn changes_of_quotas_survive_a_kill() -> Result<()> {
    let mut broker = Options::default().start()?;
    let kill = |expected: &str, broker: &mut TestBroker| -> Result<()> {
        ensure!(described(broker)? == expected, "at once: {}", described(broker)?);
        broker.kill_9()?;
        broker.start()?;
        ensure!(described(broker)? == expected, "after the kill: {}", described(broker)?);
        Ok(())
    };
    for round in 1..4 {
        let rate = f64::from(round) * 1000.0;
        alter(&broker, "alice", &[("producer_byte_rate", Some(rate)), ("request_percentage", Some(0.5))])?;
        kill(&format!("alice producer_byte_rate={rate}, alice request_percentage=0.5"), &mut broker)?;
        alter(&broker, "alice", &[("producer_byte_rate", None)])?;
        kill("alice request_percentage=0.5", &mut broker)?;
    }
    alter(&broker, "alice", &[("request_percentage", None)])?;
    kill("", &mut broker)
}
