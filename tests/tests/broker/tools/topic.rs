//! `ottla topic` against a broker: from a topic's creation to its deletion.

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use codec::records::BatchBuilder;
use ottla_tests::broker::{Options, TestBroker};
use ottla_tests::client::Client;
use ottla_tests::producer::produce;
use serde_json::{Value, json};

use super::{Ended, json as parsed, tool};

/// 2024-01-01T00:00:00Z, in Unix milliseconds.
const FIRST_MS: i64 = 1_704_067_200_000;
const DAY_MS: i64 = 86_400_000;

/// Runs `ottla topic`, which must end with this code.
fn topic(broker: &TestBroker, code: i32, arguments: &[&str]) -> Result<Ended> {
    let address = broker.address().to_string();
    let ended = tool(&[&["topic"], arguments, &["--bootstrap-server", &address]].concat(), "")?;
    ensure!(ended.code == code, "{arguments:?}: {ended:?}");
    Ok(ended)
}

/// Appends records, one for each day from the first on.
fn append(broker: &TestBroker, topic: &str, partition: i32, days: i64) -> Result<()> {
    let mut client = Client::connect(broker.address())?;
    for day in 0..days {
        let batch: Bytes =
            BatchBuilder::new().record(FIRST_MS + day * DAY_MS, Some(b"key"), Some(b"value")).build();
        let answer = produce(&mut client, topic, partition, -1, batch)?;
        ensure!(answer.error_code == 0, "{topic}-{partition}: {answer:?}");
    }
    Ok(())
}

fn described(broker: &TestBroker, name: &str) -> Result<Value> {
    let mut all = parsed(&topic(broker, 0, &["describe", name, "-o", "json"])?)?;
    all.get_mut(0).map(Value::take).context("a topic")
}

/// First offset and end of each partition.
fn offsets(broker: &TestBroker, name: &str) -> Result<Vec<Value>> {
    let described = described(broker, name)?;
    let partitions = described["partitions"].as_array().context("partitions")?;
    Ok(partitions.iter().map(|one| json!([one["first_offset"], one["end_offset"]])).collect())
}

#[test]
fn topics_are_created_shown_changed_trimmed_and_deleted() -> Result<()> {
    let broker = Options::default().set("num.partitions", 2).start()?;
    create(&broker)?;
    list(&broker)?;
    describe(&broker)?;
    alter(&broker)?;
    trim(&broker)?;
    delete(&broker)
}

fn create(broker: &TestBroker) -> Result<()> {
    let dry = topic(broker, 0, &["create", "orders", "--partitions", "3", "--dry-run"])?;
    ensure!(dry.out.starts_with("would create topic orders"), "{dry:?}");
    ensure!(topic(broker, 0, &["list"])?.out == "no topics\n", "a dry run creates nothing");
    let created =
        topic(broker, 0, &["create", "orders", "orders-eu", "--config", "retention.ms=3600000000000"])?;
    ensure!(
        created.out.starts_with("created topic orders (partitions 2, replication factor 1)\n"),
        "{created:?}"
    );
    topic(broker, 0, &["create", "bills", "--partitions", "1", "--config", "cleanup.policy=compact"])?;
    let again = topic(broker, 1, &["create", "orders", "new"])?;
    ensure!(again.err.contains("cannot create topic orders: TOPIC_ALREADY_EXISTS"), "{again:?}");
    ensure!(again.out.starts_with("created topic new"), "the others are created: {again:?}");
    topic(broker, 0, &["create", "orders", "--if-not-exists"])?;
    let wrong = topic(broker, 1, &["create", "x", "--config", "no.such.key=1"])?;
    ensure!(wrong.err.contains("cannot create topic x: INVALID_CONFIG"), "{wrong:?}");
    Ok(())
}

fn list(broker: &TestBroker) -> Result<()> {
    let all = topic(broker, 0, &["list"])?;
    let expected = "TOPIC      PARTITIONS  REPLICAS\nbills      1           1\nnew        2           1\n\
                    orders     2           1\norders-eu  2           1\n";
    ensure!(all.out == expected, "{all:?}");
    let some = parsed(&topic(broker, 0, &["list", "order.*s", "bills", "-o", "json"])?)?;
    ensure!(some[0]["topic"] == "bills" && some[1]["topic"] == "orders" && some[2] == Value::Null, "{some}");
    ensure!(some[0]["overrides"] == 1 && some[0]["id"].as_str().is_some_and(|id| id.len() == 22), "{some}");
    let wide = topic(broker, 0, &["list", "bills", "-o", "wide"])?;
    ensure!(wide.out.starts_with("TOPIC  PARTITIONS  REPLICAS  ID "), "{wide:?}");
    let yaml = topic(broker, 0, &["list", "bills", "-o", "yaml"])?;
    ensure!(yaml.out.contains("topic: bills\n"), "{yaml:?}");
    let missing = topic(broker, 1, &["list", "bills", "none", "x.*"])?;
    ensure!(missing.err.contains("topic none does not exist"), "{missing:?}");
    ensure!(missing.err.contains("no topic matches \"x.*\"") && missing.out.contains("bills"), "{missing:?}");
    let wrong = topic(broker, 2, &["list", "("])?;
    ensure!(wrong.err.contains("regular expression"), "{wrong:?}");
    Ok(())
}

fn describe(broker: &TestBroker) -> Result<()> {
    append(broker, "orders", 0, 5)?;
    append(broker, "orders", 1, 2)?;
    let orders = described(broker, "orders")?;
    ensure!(orders["records"] == 7, "{orders}");
    let config = &orders["configs"][0];
    ensure!(config["key"] == "retention.ms" && config["source"] == "DYNAMIC_TOPIC_CONFIG", "{orders}");
    let partition = &orders["partitions"][0];
    ensure!(partition["end_offset"] == 5 && partition["leader"] == partition["replicas"][0], "{orders}");
    let text = topic(broker, 0, &["describe", "orders.*"])?.out;
    ensure!(text.contains("topic        orders\n") && text.contains("topic        orders-eu\n"), "{text}");
    ensure!(text.contains("PARTITION  LEADER  REPLICAS  ISR  FIRST  END  RECORDS\n"), "{text}");
    Ok(())
}

fn alter(broker: &TestBroker) -> Result<()> {
    let dry = ["alter", "new", "--partitions", "4", "--config", "flush.ms=1000", "--dry-run"];
    let dry = topic(broker, 0, &dry)?;
    ensure!(dry.out == "would alter topic new (configs 1, partitions 4)\n", "{dry:?}");
    ensure!(described(broker, "new")?["partitions"].as_array().map(Vec::len) == Some(2));
    let several = [
        "alter",
        "new",
        "bill.",
        "--partitions",
        "4",
        "--config",
        "flush.ms=1000",
        "--append",
        "cleanup.policy=delete",
    ];
    // `bill.` is the name of a topic, which does not exist: nothing is changed.
    topic(broker, 1, &several)?;
    let several = several.map(|one| if one == "bill." { "[b]ills" } else { one });
    topic(broker, 0, &several)?;
    let bills = described(broker, "bills")?;
    ensure!(bills["partitions"].as_array().map(Vec::len) == Some(4), "{bills}");
    let policy =
        json!({"key": "cleanup.policy", "value": "compact,delete", "source": "DYNAMIC_TOPIC_CONFIG"});
    ensure!(bills["configs"].as_array().is_some_and(|all| all.contains(&policy)), "{bills}");
    topic(
        broker,
        0,
        &["alter", "bills", "--subtract", "cleanup.policy=delete", "--delete-config", "flush.ms"],
    )?;
    let configs = described(broker, "bills")?["configs"].take();
    let compact = json!([{"key": "cleanup.policy", "value": "compact", "source": "DYNAMIC_TOPIC_CONFIG"}]);
    ensure!(configs == compact, "{configs}");
    let fewer = topic(broker, 1, &["alter", "bills", "--partitions", "1"])?;
    ensure!(fewer.err.contains("cannot add partitions to topic bills: INVALID_PARTITIONS"), "{fewer:?}");
    // One part succeeds, the other does not.
    let partly = topic(broker, 1, &["alter", "bills", "--config", "flush.ms=2000", "--partitions", "1"])?;
    ensure!(partly.out == "altered topic bills (configs 1)\n", "{partly:?}");
    ensure!(partly.err.contains("cannot add partitions to topic bills: INVALID_PARTITIONS"), "{partly:?}");
    topic(broker, 0, &["alter", "bills", "--delete-config", "flush.ms"])?;
    topic(broker, 2, &["alter", "bills"])?;
    Ok(())
}

fn trim(broker: &TestBroker) -> Result<()> {
    let unsure = topic(broker, 2, &["trim", "orders", "--before", "3", "--partition", "0"])?;
    ensure!(unsure.err.contains("orders  0          0      3          5    3\n"), "{unsure:?}");
    ensure!(unsure.err.contains("give --yes"), "{unsure:?}");
    ensure!(offsets(broker, "orders")? == [json!([0, 5]), json!([0, 2])], "nothing is deleted without --yes");
    let far = topic(broker, 1, &["trim", "orders", "--before", "3", "--yes"])?;
    ensure!(far.err.contains("offset 3 is after the end of orders-1, which is 2"), "{far:?}");
    topic(broker, 0, &["trim", "orders", "--before", "1", "--partition", "0", "--yes"])?;
    ensure!(offsets(broker, "orders")? == [json!([1, 5]), json!([0, 2])]);
    // The records of 1 and 2 January go.
    let trimmed = topic(broker, 0, &["trim", "orders", "--before", "2024-01-03", "--yes", "-o", "json"])?;
    ensure!(parsed(&trimmed)?[1]["deleted"] == 2, "{trimmed:?}");
    ensure!(offsets(broker, "orders")? == [json!([2, 5]), json!([2, 2])]);
    let done = topic(broker, 0, &["trim", "orders", "--before", "2024-01-03", "--yes"])?;
    ensure!(done.out == "no records are before that\n", "{done:?}");
    topic(broker, 0, &["trim", "orders.*", "--before", "end", "--yes"])?;
    ensure!(offsets(broker, "orders")? == [json!([5, 5]), json!([2, 2])]);
    append(broker, "bills", 0, 1)?;
    let compacted = topic(broker, 1, &["trim", "bills", "--before", "end", "--yes"])?;
    ensure!(compacted.err.contains("POLICY_VIOLATION: cleanup.policy"), "{compacted:?}");
    topic(broker, 2, &["trim", "bills", "--before", "yesterday"])?;
    let none = topic(broker, 1, &["trim", "bills", "--before", "end", "--partition", "9", "--yes"])?;
    ensure!(none.err.contains("topic bills has no partition 9"), "{none:?}");
    Ok(())
}

fn delete(broker: &TestBroker) -> Result<()> {
    let unsure = topic(broker, 2, &["delete", "orders.*", "bills"])?;
    ensure!(
        unsure.err.contains("bills      4           1\n") && unsure.err.contains("orders-eu"),
        "{unsure:?}"
    );
    let partly = topic(broker, 1, &["delete", "orders", "none", "--yes"])?;
    ensure!(partly.err.contains("topic none does not exist"), "{partly:?}");
    ensure!(topic(broker, 0, &["list"])?.out.lines().count() == 5, "nothing is deleted");
    let deleted = topic(broker, 0, &["delete", "orders.*", "bills", "--yes"])?;
    ensure!(
        deleted.out.contains("deleted topic orders\n") && deleted.out.contains("deleted topic bills\n"),
        "{deleted:?}"
    );
    topic(broker, 0, &["delete", "new", "--yes"])?;
    ensure!(topic(broker, 0, &["list"])?.out == "no topics\n");
    Ok(())
}
