//! Every API that the broker advertises answers at every version it advertises, and at no other.

use anyhow::{Context, Result, ensure};
use codec::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use codec::messages::{ApiVersionsRequest, ApiVersionsResponse, IncrementalAlterConfigsRequest};
use codec::{Response, frame};
use ottla_tests::admin::{self, api_versions};
use ottla_tests::broker::{Options, TestBroker};
use ottla_tests::client::Client;
use ottla_tests::samples::{self, Sample};

fn broker() -> Result<TestBroker> {
    Options::default().set("group.initial.rebalance.delay.ms", 0).start()
}

#[test]
fn every_api_answers_at_every_advertised_version() -> Result<()> {
    let broker = broker()?;
    let mut client = Client::connect(broker.address())?;
    admin::create_topic(&mut client, samples::TOPIC, 1)?;
    // Metrics of clients are asked for: only then are their APIs advertised.
    let has_telemetry = |client: &mut Client| -> Result<usize> {
        Ok(api_versions(client)?.api_keys.iter().filter(|api| matches!(api.api_key, 71 | 72)).count())
    };
    ensure!(has_telemetry(&mut client)? == 0, "advertised without a subscription");
    subscribe(&mut client)?;
    ensure!(has_telemetry(&mut client)? == 2, "not advertised with a subscription");
    let samples = samples::all();
    let mut wrong = Vec::new();
    let mut exchanged = 0;
    for api in api_versions(&mut client)?.api_keys {
        let sample = samples.iter().find(|sample| sample.key == api.api_key);
        let sample =
            sample.with_context(|| format!("API {} is advertised and has no sample", api.api_key))?;
        for version in api.min_version..=api.max_version {
            exchanged += 1;
            if let Err(error) = advertised(&broker, sample, version) {
                wrong.push(format!("{error:#}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{} of {exchanged} failed:\n{}", wrong.len(), wrong.join("\n"));
    ensure!(exchanged > 50, "only {exchanged} versions are advertised");
    Ok(())
}

/// Subscribes to the metrics of all clients.
fn subscribe(client: &mut Client) -> Result<()> {
    let interval = AlterableConfig::default()
        .with_name(admin::text("interval.ms"))
        .with_value(Some(admin::text("60000")));
    let resource = AlterConfigsResource::default()
        .with_resource_type(16)
        .with_resource_name(admin::text("all"))
        .with_configs(vec![interval]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let response = client.call(1, &request)?;
    ensure!(response.responses.iter().all(|response| response.error_code == 0), "{response:?}");
    Ok(())
}

fn advertised(broker: &TestBroker, sample: &Sample, version: i16) -> Result<()> {
    let (name, versions) = (sample.name, &sample.versions);
    ensure!(versions.contains(&version), "{name} v{version} is advertised, the codec lacks it");
    sample.exchange(&mut Client::connect(broker.address())?, version)
}

#[test]
fn other_versions_and_keys_close_the_connection() -> Result<()> {
    let broker = broker()?;
    let apis = api_versions(&mut Client::connect(broker.address())?)?.api_keys;
    let beyond = apis.iter().filter(|api| api.api_key != 18).map(|api| (api.api_key, api.max_version + 1));
    for (key, version) in beyond.chain([(4, 0), (7, 0), (999, 0), (-1, 0), (i16::MAX, i16::MAX), (0, -1)]) {
        let mut client = Client::connect(broker.address())?;
        client.send_body(key, version, &[0; 32])?;
        ensure!(client.receive_frame().is_err(), "key {key} v{version} got an answer");
    }
    Ok(())
}

/// KIP-511: the answer is v0, says UNSUPPORTED_VERSION, and gives the range of key 18.
#[test]
fn api_versions_from_the_future_gets_an_answer_it_can_read() -> Result<()> {
    let broker = broker()?;
    for version in [6, 99, i16::MAX, -1] {
        let mut client = Client::connect(broker.address())?;
        client.send_body(18, version, &[0, 3, 1, 2, 3])?;
        let mut answer = client.receive_frame()?;
        frame::parse_response_header(&mut answer, 18, 0)?;
        let answer = ApiVersionsResponse::decode(answer, 0)?;
        ensure!(answer.error_code == 35, "v{version}: error {}", answer.error_code);
        let range =
            answer.api_keys.iter().find(|api| api.api_key == 18).context("no entry for ApiVersions")?;
        ensure!(range.max_version == 5 && range.min_version == 0, "v{version}: {range:?}");
        // The same connection goes on with a version that is known.
        client.call(0, &ApiVersionsRequest::default())?;
    }
    Ok(())
}
