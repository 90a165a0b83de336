//! `ottla group` against a broker: a group without members, and one of the consumer protocol with a member.

use anyhow::{Result, ensure};
use codec::messages::ConsumerGroupHeartbeatRequest;
use codec::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_tests::admin::{commit, committed, create_topic, group_id, text, topic_name};
use ottla_tests::broker::TestBroker;
use ottla_tests::client::Client;
use ottla_tests::history::Id;
use ottla_tests::producer::produce;
use ottla_tests::records::{Content, batch};

use super::{Ended, json, tool};

/// A broker with the topic `orders` of two partitions, three records in the first and one in the second.
struct WithOrders {
    broker: TestBroker,
    client: Client,
}

impl WithOrders {
    fn start() -> Result<Self> {
        let broker = TestBroker::start_new()?;
        let mut client = Client::connect(broker.address())?;
        create_topic(&mut client, "orders", 2)?;
        for (partition, count) in [(0, 3), (1, 1)] {
            let records: Vec<_> =
                (0..count).map(|sequence| Content::of(Id { producer: 1, sequence })).collect();
            let answer = produce(&mut client, "orders", partition, -1, batch(&records, None).freeze())?;
            ensure!(answer.error_code == 0, "{answer:?}");
        }
        Ok(Self { broker, client })
    }

    /// Runs `ottla group`, which must end with this code.
    fn group(&self, code: i32, arguments: &[&str]) -> Result<Ended> {
        let address = self.broker.address().to_string();
        let ended = tool(&[&["group"], arguments, &["--bootstrap-server", &address]].concat(), "")?;
        ensure!(ended.code == code, "{arguments:?}: {ended:?}");
        Ok(ended)
    }

    fn offset(&mut self, group: &str, partition: i32) -> Result<i64> {
        Ok(committed(&mut self.client, group, "orders", partition)?.0)
    }

    /// A heartbeat of the one member of a group of the consumer protocol: 0 joins, -1 leaves.
    fn beat(&mut self, group: &str, epoch: i32) -> Result<()> {
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group_id(group))
            .with_member_id(text("a-member"))
            .with_member_epoch(epoch)
            .with_rebalance_timeout_ms(60_000)
            .with_subscribed_topic_names(Some(vec![topic_name("orders")]))
            .with_topic_partitions(Some(Vec::<TopicPartitions>::new()));
        let answer = self.client.call(1, &request)?;
        ensure!(answer.error_code == 0, "heartbeat: {} {:?}", answer.error_code, answer.error_message);
        Ok(())
    }
}

#[test]
fn groups_are_listed_described_and_deleted() -> Result<()> {
    let mut with = WithOrders::start()?;
    assert_eq!(with.group(0, &["list"])?.out, "no groups\n");
    commit(&mut with.client, "billing", "orders", 0, 1, "by hand")?;
    with.beat("shipping", 0)?;
    let listed = with.group(0, &["list"])?.out;
    assert!(listed.contains("\nbilling   classic   "), "{listed}");
    assert!(listed.contains("\nshipping  consumer  consumer  "), "{listed}");
    assert_eq!(with.group(0, &["list", "bill"])?.out, "no groups\n", "an expression matches a whole name");
    let filtered = json(&with.group(0, &["list", "--type", "consumer", "-o", "json"])?)?;
    assert_eq!(
        (filtered[0]["group"].as_str(), filtered[1].is_null()),
        (Some("shipping"), true),
        "{filtered}"
    );
    assert!(with.group(0, &["list", "--state", "empty"])?.out.contains("billing"));
    with.group(2, &["list", "--state", "emty"])?;

    let billing = json(&with.group(0, &["describe", "billing", "-o", "json"])?)?;
    assert_eq!((billing[0]["state"].as_str(), billing[0]["total_lag"].as_i64()), (Some("Empty"), Some(2)));
    let partition = &billing[0]["partitions"][0];
    assert_eq!(
        (partition["log_end_offset"].as_i64(), partition["metadata"].as_str()),
        (Some(3), Some("by hand"))
    );
    let both = with.group(0, &["describe", "-r", ".*ing"])?.out;
    assert!(both.contains("GROUP        billing\n") && both.contains("GROUP        shipping\n"), "{both}");
    assert!(both.contains("a-member   -            ottla-tests  "), "{both}");
    assert!(both.contains("orders:0,1\n"), "{both}");
    let missing = with.group(1, &["describe", "none"])?;
    assert!(missing.err.contains("there is no group none"), "{missing:?}");
    let others = with.group(1, &["describe", "none", "billing"])?;
    assert!(others.err.contains("there is no group none"), "{others:?}");
    assert!(others.out.contains("GROUP        billing\n"), "{others:?}");

    let unsure = with.group(2, &["delete", "billing"])?;
    assert!(unsure.err.contains("--yes"), "{unsure:?}");
    let one = with.group(1, &["delete", "-r", ".*", "--yes"])?;
    assert_eq!(one.out, "deleted group billing\n");
    assert!(one.err.contains("group shipping has members"), "{one:?}");
    with.beat("shipping", -1)?;
    with.group(0, &["delete", "shipping", "--yes"])?;
    assert_eq!(with.group(0, &["list"])?.out, "no groups\n");
    Ok(())
}

#[test]
fn lag_is_a_figure_for_scripts() -> Result<()> {
    let mut with = WithOrders::start()?;
    commit(&mut with.client, "billing", "orders", 0, 1, "")?;
    commit(&mut with.client, "billing", "orders", 1, 0, "")?;
    let lag = with.group(0, &["lag", "billing", "--max-lag", "3"])?.out;
    assert_eq!(
        lag,
        "GROUP    TOPIC   PARTITIONS  LAG\nbilling  orders  2           3\nbilling  (all)   2           3\n"
    );
    let above = with.group(1, &["lag", "billing", "--max-lag", "2", "-o", "json"])?;
    assert_eq!(json(&above)?[0]["total_lag"], 3);
    let missing = with.group(1, &["lag", "none"])?;
    assert!(missing.err.contains("there is no group none"), "{missing:?}");
    let others = with.group(1, &["lag", "none", "billing"])?;
    assert!(others.err.contains("there is no group none") && others.out == lag, "{others:?}");
    Ok(())
}

#[test]
fn offsets_move_with_execute_and_without_members() -> Result<()> {
    let mut with = WithOrders::start()?;
    commit(&mut with.client, "billing", "orders", 0, 1, "")?;
    let dry = with.group(0, &["seek", "billing", "--to", "end"])?.out;
    assert!(dry.contains("orders  0          1           3\n") && dry.contains("give --execute"), "{dry}");
    assert_eq!(with.offset("billing", 0)?, 1);
    with.group(0, &["seek", "billing", "--to", "end", "--execute"])?;
    assert_eq!((with.offset("billing", 0)?, with.offset("billing", 1)?), (3, -1), "only what was committed");
    with.group(0, &["seek", "billing", "--by", "-2", "--topic", "orders:0", "--execute"])?;
    assert_eq!(with.offset("billing", 0)?, 1);
    let beyond = with.group(0, &["seek", "billing", "--to", "99", "--topic", "orders", "--execute"])?.out;
    assert!(beyond.contains("orders  1          -           1           the log ends there\n"), "{beyond}");
    // The records are of 2024.
    with.group(0, &["seek", "billing", "--to", "2023-12-31", "--execute"])?;
    assert_eq!(with.offset("billing", 0)?, 0);
    let late =
        with.group(0, &["seek", "billing", "--to", "2030-01-01T00:00:00Z", "--topic", "orders:0"])?.out;
    assert!(late.contains("orders  0          0           3           no record is that new\n"), "{late}");

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("offsets.csv");
    std::fs::write(&file, "\"orders\",0,2\norders,1,0\n")?;
    let from_file = ["seek", "billing", "--from-file", &file.display().to_string(), "--execute"];
    with.group(0, &from_file)?;
    assert_eq!((with.offset("billing", 0)?, with.offset("billing", 1)?), (2, 0));
    with.group(0, &["seek", "billing", "--delete", "--topic", "orders:1", "--execute"])?;
    assert_eq!((with.offset("billing", 0)?, with.offset("billing", 1)?), (2, -1));
    let missing = with.group(1, &["seek", "billing", "--to", "end", "--topic", "nothing"])?;
    assert!(missing.err.contains("there is no topic nothing"), "{missing:?}");
    let skipped = with.group(1, &["seek", "billing", "--to", "end", "--topic", "orders:7"])?.out;
    assert!(skipped.contains("skipped: UNKNOWN_TOPIC_OR_PARTITION"), "{skipped}");

    with.beat("shipping", 0)?;
    let refused = with.group(1, &["seek", "shipping", "--to", "end", "--topic", "orders", "--execute"])?;
    assert!(refused.err.contains("has 1 member, and would not notice: stop it"), "{refused:?}");
    let warned = with.group(0, &["seek", "shipping", "--to", "end", "--topic", "orders"])?;
    assert!(warned.err.contains("warning: group shipping"), "{warned:?}");
    with.beat("shipping", -1)?;
    with.group(0, &["seek", "shipping", "--to", "end", "--topic", "orders", "--execute"])?;
    assert_eq!((with.offset("shipping", 0)?, with.offset("shipping", 1)?), (3, 1));
    Ok(())
}

/// Users saw: the error of one topic, and nothing of the other, whose offsets were deleted.
#[test]
fn offsets_that_were_deleted_are_shown_beside_those_that_were_not() -> Result<()> {
    let mut with = WithOrders::start()?;
    create_topic(&mut with.client, "bills", 1)?;
    commit(&mut with.client, "shipping", "orders", 0, 1, "")?;
    commit(&mut with.client, "shipping", "bills", 0, 0, "")?;
    // A member that is subscribed to orders.
    with.beat("shipping", 0)?;
    let partly = with.group(1, &["seek", "shipping", "--delete", "--execute"])?.out;
    assert!(partly.contains("bills   0          0           -           deleted\n"), "{partly}");
    assert!(partly.contains("refused: GROUP_SUBSCRIBED_TO_TOPIC"), "{partly}");
    assert!(partly.contains("changed group shipping: 1 of 2 partitions\n"), "{partly}");
    assert_eq!(with.offset("shipping", 0)?, 1);
    assert_eq!(committed(&mut with.client, "shipping", "bills", 0)?.0, -1);
    Ok(())
}
