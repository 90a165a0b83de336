//! `ottla config` of each kind of resource; the broker that a tool talks to, by options and variables; `ottla generate`.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use ottla_tests::admin::create_topic;
use ottla_tests::broker::{Options, TestBroker, binary};
use ottla_tests::client::Client;
use serde_json::{Value, json};

use super::{Ended, json as parsed, tool};

/// Runs `ottla config`, which must end with this code.
fn config(broker: &TestBroker, code: i32, arguments: &[&str]) -> Result<Ended> {
    let address = broker.address().to_string();
    let ended = tool(&[&["config"], arguments, &["--bootstrap-server", &address]].concat(), "")?;
    ensure!(ended.code == code, "{arguments:?}: {ended:?}");
    Ok(ended)
}

/// The configs of one resource that differ from the defaults.
fn described(broker: &TestBroker, kind: &str, name: &str) -> Result<Vec<Value>> {
    let mut all = parsed(&config(broker, 0, &["describe", kind, name, "-o", "json"])?)?;
    ensure!(all[0]["resource"] == kind && all[0]["name"] == name && all[1] == Value::Null, "{all}");
    serde_json::from_value(all[0]["configs"].take()).context("configs")
}

/// Value and source of one key.
fn of_key<'a>(configs: &'a [Value], key: &str) -> Option<(&'a str, &'a str)> {
    let config = configs.iter().find(|config| config["key"] == key)?;
    Some((config["value"].as_str()?, config["source"].as_str()?))
}

fn with_orders() -> Result<TestBroker> {
    let broker = Options::default().set("log.retention.hours", 48).start()?;
    create_topic(&mut Client::connect(broker.address())?, "orders", 1)?;
    Ok(broker)
}

/// The number of the only broker.
fn number(broker: &TestBroker) -> Result<String> {
    let listed = parsed(&config(broker, 0, &["list", "broker", "-o", "json"])?)?;
    ensure!(listed[1]["name"] == "default", "{listed}");
    Ok(listed[0]["name"].as_str().context("a number")?.to_owned())
}

#[test]
fn completions_and_manual_have_all_commands() -> Result<()> {
    for shell in ["bash", "zsh", "fish"] {
        let script = tool(&["generate", "completions", shell], "")?;
        let has = |word: &str| script.out.contains(word);
        ensure!(script.code == 0 && has("healthcheck") && has("subtract") && has("doctor"), "{shell}");
    }
    let manual = tool(&["generate", "man"], "")?;
    ensure!(manual.code == 0 && manual.out.contains(".TH ottla-config-check 1"), "{}", manual.err);
    ensure!(manual.out.contains(".TH ottla-topic-list 1"), "{}", manual.err);
    Ok(())
}

#[test]
fn configs_of_topics_are_shown_and_changed() -> Result<()> {
    let broker = with_orders()?;
    ensure!(config(&broker, 0, &["list", "topic"])?.out == "NAME\norders\n");
    let set = ["set", "topic", "orders", "flush.ms=1000", "cleanup.policy=compact"];
    let dry = config(&broker, 0, &[&set[..], &["--dry-run"]].concat())?;
    ensure!(dry.out == "would set flush.ms, cleanup.policy of topic orders\n", "{dry:?}");
    ensure!(of_key(&described(&broker, "topic", "orders")?, "flush.ms").is_none(), "a dry run sets nothing");
    let done = config(&broker, 0, &set)?;
    ensure!(done.out == "set flush.ms, cleanup.policy of topic orders\n", "{done:?}");
    config(&broker, 0, &["append", "topic", "orders", "cleanup.policy=delete"])?;
    let source = "DYNAMIC_TOPIC_CONFIG";
    let configs = described(&broker, "topic", "orders")?;
    ensure!(of_key(&configs, "flush.ms") == Some(("1000", source)), "{configs:?}");
    ensure!(of_key(&configs, "cleanup.policy") == Some(("compact,delete", source)), "{configs:?}");
    config(&broker, 0, &["subtract", "topic", "orders", "cleanup.policy=compact"])?;
    config(&broker, 0, &["unset", "topic", "orders", "flush.ms"])?;
    let configs = described(&broker, "topic", "orders")?;
    ensure!(of_key(&configs, "flush.ms").is_none(), "{configs:?}");
    ensure!(of_key(&configs, "cleanup.policy") == Some(("delete", source)), "{configs:?}");
    let all = config(&broker, 0, &["describe", "topic", "--all", "-o", "wide"])?.out;
    ensure!(
        all.starts_with("NAME    CONFIG ") && all.contains("  SOURCE ") && all.contains("  SYNONYMS\n"),
        "{all}"
    );
    ensure!(all.contains("\norders  flush.ms ") && all.contains("DEFAULT_CONFIG:"), "{all}");
    let yaml = config(&broker, 0, &["describe", "topic", "orders", "-o", "yaml"])?.out;
    ensure!(yaml.contains("key: cleanup.policy\n"), "{yaml}");
    Ok(())
}

#[test]
fn errors_of_configs_name_the_resource() -> Result<()> {
    let broker = with_orders()?;
    let missing = config(&broker, 1, &["describe", "topic", "orders", "none"])?;
    ensure!(missing.err.contains("cannot read the configs of topic none: UNKNOWN_TOPIC"), "{missing:?}");
    let wrong = config(&broker, 1, &["set", "topic", "orders", "no.such.key=1"])?;
    ensure!(wrong.err.contains("cannot change the configs of topic orders: INVALID_CONFIG"), "{wrong:?}");
    ensure!(config(&broker, 1, &["describe", "broker", "77"])?.err.contains("there is no broker 77"));
    ensure!(config(&broker, 2, &["describe", "broker", "x"])?.err.contains("`default`"));
    let secret = config(&broker, 2, &["set", "broker", "default", "hunter2"])?;
    ensure!(
        secret.err.contains("config 1 is not KEY=VALUE") && !secret.err.contains("hunter2"),
        "{secret:?}"
    );
    Ok(())
}

#[test]
fn configs_of_brokers_groups_loggers_and_metrics_are_served() -> Result<()> {
    let broker = with_orders()?;
    let number = number(&broker)?;
    let configs = described(&broker, "broker", &number)?;
    let hours = of_key(&configs, "log.retention.hours");
    ensure!(hours == Some(("48", "STATIC_BROKER_CONFIG")), "{configs:?}");
    config(&broker, 0, &["set", "broker", "default", "log.retention.ms=3600000"])?;
    config(&broker, 0, &["set", "broker", &number, "log.retention.ms=7200000"])?;
    let of_all = described(&broker, "broker", "default")?;
    ensure!(
        of_key(&of_all, "log.retention.ms") == Some(("3600000", "DYNAMIC_DEFAULT_BROKER_CONFIG")),
        "{of_all:?}"
    );
    let of_one = described(&broker, "broker", &number)?;
    ensure!(of_key(&of_one, "log.retention.ms") == Some(("7200000", "DYNAMIC_BROKER_CONFIG")), "{of_one:?}");
    let one = of_one.iter().find(|one| one["key"] == "log.retention.ms").context("the key")?;
    ensure!(one["synonyms"][1]["value"] == "3600000" && one["read_only"] == json!(false), "{one}");

    config(&broker, 0, &["set", "group", "billing", "consumer.session.timeout.ms=50000"])?;
    ensure!(config(&broker, 0, &["list", "group"])?.out == "NAME\nbilling\n");
    let group = described(&broker, "group", "billing")?;
    let timeout = of_key(&group, "consumer.session.timeout.ms");
    ensure!(timeout == Some(("50000", "DYNAMIC_GROUP_CONFIG")), "{group:?}");

    config(&broker, 0, &["set", "client-metrics", "all", "interval.ms=60000"])?;
    ensure!(config(&broker, 0, &["list", "client-metrics"])?.out == "NAME\nall\n");
    let metrics = described(&broker, "client-metrics", "all")?;
    ensure!(of_key(&metrics, "interval.ms").is_some_and(|(value, _)| value == "60000"), "{metrics:?}");

    config(&broker, 0, &["set", "broker-logger", &number, "root=DEBUG"])?;
    let loggers = described(&broker, "broker-logger", &number)?;
    ensure!(of_key(&loggers, "root").is_some_and(|(level, _)| level == "DEBUG"), "{loggers:?}");
    Ok(())
}

#[test]
fn options_and_variables_name_the_broker() -> Result<()> {
    let broker = with_orders()?;
    let (address, folder) = (broker.address().to_string(), tempfile::tempdir()?);
    let file = folder.path().join("client.properties").display().to_string();
    std::fs::write(&file, "bootstrap.servers=localhost:1\n")?;
    let list = |arguments: &[&str], variables: &[(&str, &str)]| -> Result<bool> {
        let mut command = Command::new(binary()?);
        command.args(["topic", "list"]).args(arguments).envs(variables.iter().copied());
        let output = command.output()?;
        Ok(output.status.success() && output.stdout.ends_with(b"\norders  1           1\n"))
    };
    let (server, config) =
        (("OTTLA_BOOTSTRAP_SERVER", address.as_str()), ("OTTLA_COMMAND_CONFIG", file.as_str()));
    let option = format!("bootstrap.servers={address}");
    ensure!(list(&[], &[server])? && list(&[], &[server, config])? && list(&["-X", &option], &[config])?);
    // A file that the command line names is of the command line, and this one is of another cluster.
    ensure!(!list(&["--command-config", &file], &[server])? && !list(&[], &[config])?);
    ensure!(list(&["--command-config", &file, "-X", &option], &[])?);
    let secret = ["topic", "list", "-X", "security.protocol=SASL_PLAINTEXT", "-X", "sasl.mechanism=PLAIN"];
    let secret = tool(&[&secret[..], &["-X", "sasl.jaas.config=hunter2"]].concat(), "")?;
    ensure!(secret.code == 78 && secret.err.contains("-X sasl.jaas.config: "), "{secret:?}");
    ensure!(!secret.err.contains("hunter2"), "{secret:?}");
    Ok(())
}
