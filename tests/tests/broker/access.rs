//! Each API at each version: without ACLs a client gets the declared refusal, with exactly the declared permissions it is served, and
//! with each of them taken away it is refused again. Clients differ by their addresses (127.x.y.1), as a listener without logins knows
//! one principal only. Topics are named by id at versions that do so.
//!
//! Listings leave out what a client may not see, and tell no code: `listings` has them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result, ensure};
use codec::messages::create_acls_request::AclCreation;
use codec::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest, MetadataRequest};
use ottla_tests::admin::{self, api_versions, text};
use ottla_tests::broker::{Options, TestBroker};
use ottla_tests::client::Client;
use ottla_tests::samples::{self, Sample};
use tempfile::TempDir;
use uuid::Uuid;

mod by_id;
mod listings;
mod many;
mod regular_expressions;
mod waiting;

const AUTHORIZER: &str = "org.apache.kafka.metadata.authorizer.StandardAuthorizer";
const ANONYMOUS: &str = "User:ANONYMOUS";
/// The codes of refusals: topic, group, cluster, transactional id, delegation token.
const REFUSALS: [i16; 5] = [29, 30, 31, 53, 65];

// Codes of resources and operations, as Kafka has them.
const TOPIC: i8 = 2;
const GROUP: i8 = 3;
const CLUSTER: i8 = 4;
const TXN: i8 = 5;
const ALL: i8 = 2;
const READ: i8 = 3;
const WRITE: i8 = 4;
const CREATE: i8 = 5;
const DELETE: i8 = 6;
const ALTER: i8 = 7;
const DESCRIBE: i8 = 8;
const CLUSTER_ACTION: i8 = 9;
const DESCRIBE_CONFIGS: i8 = 10;
const ALTER_CONFIGS: i8 = 11;
const IDEMPOTENT_WRITE: i8 = 12;

/// A permission that the sample of an API needs at some versions, and the code without it.
#[derive(Clone, Copy)]
struct Need {
    resource: i8,
    name: &'static str,
    operation: i8,
    versions: (i16, i16),
    code: i16,
}

fn need(resource: i8, name: &'static str, operation: i8) -> Need {
    let code = [29, 30, 31, 53][usize::from(resource.cast_unsigned()) - 2];
    Need { resource, name, operation, versions: (0, i16::MAX), code }
}

/// Of the cluster.
fn cluster(operation: i8) -> Vec<Need> {
    vec![need(CLUSTER, "kafka-cluster", operation)]
}

/// The same need, up to this version only.
fn up_to(version: i16, need: Need) -> Need {
    Need { versions: (0, version), ..need }
}

/// A permission that is given and not taken away alone: whether it is asked for depends on what other samples left.
fn also(need: Need) -> Need {
    Need { versions: (1, 0), ..need }
}

/// The needs of the sample of an API, from Kafka's handlers; none where nothing is refused by a code.
fn needs(key: i16) -> Vec<Need> {
    let topic = |operation| need(TOPIC, samples::TOPIC, operation);
    let group = |name, operation| need(GROUP, name, operation);
    let payments = need(TXN, "payments", WRITE);
    match key {
        0 => vec![topic(WRITE)],
        1 => vec![topic(READ)],
        2 | 3 | 23 | 75 => vec![topic(DESCRIBE)],
        8 => vec![group("g", READ), topic(READ)],
        9 => vec![group("g", DESCRIBE), topic(DESCRIBE)],
        10 | 15 => vec![group("g", DESCRIBE)],
        11 => vec![group("join-", READ)],
        12..=14 => vec![group("g", READ)],
        19 => vec![need(TOPIC, "created", CREATE)],
        20 => vec![need(TOPIC, "deleted", DELETE)],
        21 => vec![topic(DELETE)],
        22 => cluster(IDEMPOTENT_WRITE),
        24 => vec![
            up_to(3, payments),
            up_to(3, topic(WRITE)),
            Need { versions: (4, i16::MAX), ..need(CLUSTER, "kafka-cluster", CLUSTER_ACTION) },
        ],
        25 => vec![payments, group("g", READ)],
        26 => vec![payments],
        28 => vec![payments, group("g", READ), topic(READ)],
        29 | 46 | 50 | 55 => cluster(DESCRIBE),
        35 => vec![Need { versions: (3, i16::MAX), ..need(CLUSTER, "kafka-cluster", DESCRIBE) }],
        27 | 30 | 31 | 34 | 43 | 45 | 51 | 57 | 64 => cluster(ALTER),
        32 => vec![topic(DESCRIBE_CONFIGS)],
        33 | 44 => vec![topic(ALTER_CONFIGS)],
        37 => vec![need(TOPIC, "widened", ALTER)],
        42 => vec![group("g", DELETE)],
        // Without the group, which a sample deletes, the answer has no topics.
        47 => vec![group("g", DELETE), also(topic(READ))],
        61 => vec![topic(READ)],
        65 => vec![need(TXN, "payments", DESCRIBE)],
        68 => vec![group("modern", READ), topic(DESCRIBE)],
        69 => vec![group("modern", DESCRIBE), also(topic(DESCRIBE))],
        48 | 74 => cluster(DESCRIBE_CONFIGS),
        49 => cluster(ALTER_CONFIGS),
        88 => vec![group("streams", READ), topic(DESCRIBE)],
        89 => vec![group("streams", DESCRIBE), also(topic(DESCRIBE))],
        _ => Vec::new(),
    }
}

/// The address of a client without the need of that number; of 0: with all, of 100: with none.
fn address(key: i16, without: usize) -> IpAddr {
    let (key, without) = (u8::try_from(key).unwrap_or(0), u8::try_from(without).unwrap_or(u8::MAX));
    IpAddr::from(Ipv4Addr::new(127, 1 + key, without, 1))
}

fn allow(resource: i8, name: &str, operation: i8, host: IpAddr) -> AclCreation {
    // The groups of joins have one name for each version.
    let pattern_type = if name == "join-" { 4 } else { 3 };
    AclCreation::default()
        .with_resource_type(resource)
        .with_resource_name(text(name))
        .with_resource_pattern_type(pattern_type)
        .with_principal(text(ANONYMOUS))
        .with_host(text(&host.to_string()))
        .with_operation(operation)
        .with_permission_type(3)
}

fn create(client: &mut Client, acls: Vec<AclCreation>) -> Result<()> {
    let response = client.call(3, &CreateAclsRequest::default().with_creations(acls))?;
    ensure!(response.results.iter().all(|one| one.error_code == 0), "{response:?}");
    Ok(())
}

/// Asks for all entries.
fn any_acl() -> DescribeAclsRequest {
    // 1 is any (`ResourceType`, `PatternType`, `AclOperation`, `AclPermissionType`).
    DescribeAclsRequest::default()
        .with_resource_type_filter(1)
        // The defaults are empty names, which nothing has.
        .with_resource_name_filter(None)
        .with_pattern_type_filter(1)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(1)
        .with_permission_type(1)
}

/// A broker with an authorizer and these entries, and with one for an administrator at 127.0.0.1.
fn broker_with(mut acls: Vec<AclCreation>) -> Result<(TestBroker, TempDir)> {
    let folder = tempfile::tempdir()?;
    let options = || {
        Options::default()
            .data(folder.path())
            .set("group.initial.rebalance.delay.ms", 0)
            .set("authorizer.class.name", AUTHORIZER)
    };
    let mut first = options().set("super.users", ANONYMOUS).start()?;
    let here = IpAddr::from(Ipv4Addr::LOCALHOST);
    acls.extend([TOPIC, GROUP, TXN].map(|resource| allow(resource, "*", ALL, here)));
    acls.push(allow(CLUSTER, "kafka-cluster", ALL, here));
    create(&mut Client::connect(first.address())?, acls)?;
    // What was answered is on the disk.
    first.kill_9()?;
    let broker = options().start()?;
    Ok((broker, folder))
}

#[test]
fn every_api_is_refused_without_and_served_with_its_permissions() -> Result<()> {
    let samples = samples::all();
    let mut acls = Vec::new();
    for sample in &samples {
        let needs = needs(sample.key);
        for without in 0..=needs.len() {
            let granted = needs.iter().enumerate().filter(|(index, _)| index + 1 != without);
            let host = address(sample.key, without);
            acls.extend(granted.map(|(_, need)| allow(need.resource, need.name, need.operation, host)));
        }
    }
    let (broker, _folder) = broker_with(acls)?;
    let mut administrator = Client::connect(broker.address())?;
    admin::create_topic(&mut administrator, samples::TOPIC, 1)?;
    let topic_id = admin::topic(&mut administrator, samples::TOPIC)?.topic_id;
    let mut wrong = Vec::new();
    let mut refused = 0;
    for api in api_versions(&mut administrator)?.api_keys {
        let sample = samples.iter().find(|sample| sample.key == api.api_key).context("no sample")?;
        for version in api.min_version..=api.max_version {
            match judged(&broker, sample, version, topic_id) {
                Ok(count) => refused += count,
                Err(error) => wrong.push(format!("{} v{version}: {error:#}", sample.name)),
            }
        }
    }
    ensure!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    ensure!(refused > 200, "only {refused} refusals");
    Ok(())
}

/// Returns the number of refusals that were seen.
fn judged(broker: &TestBroker, sample: &Sample, version: i16, topic_id: Uuid) -> Result<usize> {
    let needs = needs(sample.key);
    let exchange = |from| {
        let mut client = Client::connect_from(from, broker.address())?;
        sample.answer_about(&mut client, version, topic_id)
    };
    let in_force = |need: &Need| (need.versions.0..=need.versions.1).contains(&version);
    let expected =
        |without: usize| needs.get(without - 1).filter(|need| in_force(need)).map(|need| need.code);
    let mut count = 0;
    let none = refusals(&exchange(address(sample.key, 100))?);
    let first: Option<i16> = needs.iter().find(|need| in_force(need)).map(|need| need.code);
    ensure!(
        none.iter().next().copied() == first || first.is_some_and(|code| none.contains(&code)),
        "without ACLs {none:?}, expected {first:?}"
    );
    count += none.len();
    let all = refusals(&exchange(address(sample.key, 0))?);
    ensure!(all.is_empty(), "with all permissions {all:?}");
    for without in 1..=needs.len() {
        let (from, to) = needs[without - 1].versions;
        if from > to {
            continue;
        }
        let found = refusals(&exchange(address(sample.key, without))?);
        let wanted: BTreeSet<i16> = expected(without).into_iter().collect();
        ensure!(found == wanted, "without need {without} {found:?}, expected {wanted:?}");
        count += found.len();
    }
    Ok(count)
}

/// The codes of refusals in the text of an answer.
fn refusals(answer: &str) -> BTreeSet<i16> {
    let codes = answer.split("error_code: ").skip(1).filter_map(|rest| {
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        number.parse::<i16>().ok()
    });
    codes.filter(|code| REFUSALS.contains(code)).collect()
}

/// S11: a client cannot tell a topic that it may not describe from one that is missing, in answers by name and in lists.
#[test]
fn what_may_not_be_described_does_not_seem_to_exist() -> Result<()> {
    let (broker, _folder) = broker_with(Vec::new())?;
    admin::create_topic(&mut Client::connect(broker.address())?, "secret", 3)?;
    let stranger = IpAddr::from(Ipv4Addr::new(127, 0, 0, 9));
    let mut client = Client::connect_from(stranger, broker.address())?;
    let all = client.call(9, &MetadataRequest::default().with_topics(None))?;
    ensure!(all.topics.is_empty() && all.brokers.len() == 1, "{all:?}");
    let mut of = |name: &str| -> Result<String> {
        let topic = codec::messages::metadata_request::MetadataRequestTopic::default()
            .with_name(Some(admin::topic_name(name)));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![topic]))
            .with_include_topic_authorized_operations(true);
        let answer = client.call(9, &request)?;
        Ok(format!("{answer:?}").replace(name, "NAME"))
    };
    ensure!(of("secret")? == of("missing")?, "they differ");
    Ok(())
}

/// S9: each answered change survives a kill, and governs the next request.
#[test]
fn changes_of_acls_survive_a_kill_and_take_effect_at_once() -> Result<()> {
    let (mut broker, _folder) = broker_with(Vec::new())?;
    let host = IpAddr::from(Ipv4Addr::new(127, 0, 0, 9));
    let found = |broker: &TestBroker| -> Result<i16> {
        let mut client = Client::connect_from(host, broker.address())?;
        Ok(client.call(3, &any_acl())?.error_code)
    };
    for round in 0..6 {
        let mut administrator = Client::connect(broker.address())?;
        let granted = round % 2 == 0;
        if granted {
            create(&mut administrator, vec![allow(CLUSTER, "kafka-cluster", DESCRIBE, host)])?;
        } else {
            let filter = codec::messages::delete_acls_request::DeleteAclsFilter::default()
                .with_resource_type_filter(CLUSTER)
                .with_resource_name_filter(None)
                .with_pattern_type_filter(1)
                .with_principal_filter(None)
                .with_host_filter(Some(text(&host.to_string())))
                .with_operation(1)
                .with_permission_type(1);
            let gone = administrator.call(3, &DeleteAclsRequest::default().with_filters(vec![filter]))?;
            ensure!(gone.filter_results[0].matching_acls.len() == 1, "{gone:?}");
        }
        let expected = if granted { 0 } else { 31 };
        ensure!(found(&broker)? == expected, "round {round}, at once");
        broker.kill_9()?;
        broker.start()?;
        ensure!(found(&broker)? == expected, "round {round}, after the kill");
    }
    Ok(())
}
