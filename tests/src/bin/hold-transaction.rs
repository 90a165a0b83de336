//! `hold-transaction ADDRESS TOPIC PARTITION ID TIMEOUT_MS`: a producer that a test kills or stops. It writes one record in a transaction of KIP-890's
//! protocol, prints `open`, waits for a line, asks for a commit by the same connection, and prints `answered CODE`, or `no answer`.

use std::env;
use std::io::{Write as _, stdin, stdout};

use anyhow::{Context, Result, ensure};
use ottla_tests::client::Client;
use ottla_tests::transactions::requests::{Owner, Protocol, content, produce_code};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [address, topic, partition, id, timeout_ms] = &arguments[..] else {
        anyhow::bail!("hold-transaction ADDRESS TOPIC PARTITION ID TIMEOUT_MS");
    };
    let mut client = Client::connect(address.parse().context("ADDRESS")?)?;
    let (mut owner, protocol) = (Owner::new(id), Protocol::V2);
    let request = owner.init(timeout_ms.parse().context("TIMEOUT_MS")?, true);
    let answer = client.call(protocol.init_producer_id(), &request)?;
    ensure!(answer.error_code == 0, "InitProducerId: {}", answer.error_code);
    (owner.producer_id, owner.epoch) = (answer.producer_id.0, answer.producer_epoch);
    let contents = [content("held".to_owned())];
    let request = owner.produce(topic, partition.parse().context("PARTITION")?, 0, &contents);
    let code = produce_code(&client.call(protocol.produce(), &request)?);
    ensure!(code == 0, "Produce: {code}");
    say("open")?;
    stdin().read_line(&mut String::new())?;
    match client.call(protocol.end_txn(), &owner.end(true)) {
        Ok(answer) => say(&format!("answered {}", answer.error_code)),
        Err(_) => say("no answer"),
    }
}

fn say(line: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
