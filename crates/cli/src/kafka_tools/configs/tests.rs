use std::sync::mpsc;

use codec::Request as _;
use codec::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use codec::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use codec::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, DescribeConfigsRequest,
    DescribeConfigsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    MetadataRequest, StrBytes,
};
use security::Secret;
use security::sasl::scram::Hash;

use super::*;
use crate::client::fake;

fn given(line: &str) -> Result<Given, Refusal> {
    let words: Vec<String> =
        format!("--bootstrap-server a:1 {line}").split_whitespace().map(str::to_owned).collect();
    TOOL.flags.parse(&words)
}

/// Why these flags are refused, by all checks that come before a connection; empty if they are not.
fn refused(line: &str) -> String {
    let checked = given(line).and_then(|given| {
        let entity = check(&given)?;
        match given.has("alter") && entity.resource().is_none() {
            true => quotas::check(&entity, &Changes::of(&given)?),
            false => Ok(()),
        }
    });
    checked.map_or_else(|refusal| refusal.text().to_owned(), |()| String::new())
}

#[test]
fn every_entity_has_a_long_and_a_short_name() {
    let entity = |line: &str| check(&given(line).unwrap()).unwrap();
    for (long, short) in [
        ("--entity-type topics --entity-name a", "--topic a"),
        ("--entity-type brokers --entity-name 1", "--broker 1"),
        ("--entity-type brokers --entity-default", "--broker-defaults"),
        ("--entity-type broker-loggers --entity-name 1", "--broker-logger 1"),
        ("--entity-type groups --entity-name a", "--group a"),
        ("--entity-type client-metrics --entity-name a", "--client-metrics a"),
        ("--entity-type ips --entity-name ::1", "--ip ::1"),
        ("--entity-type ips --entity-default", "--ip-defaults"),
        ("--entity-type users --entity-default", "--user-defaults"),
        ("--entity-type clients --entity-default", "--client-defaults"),
        ("--entity-type clients --entity-name b --entity-type users --entity-name a", "--user a --client b"),
        (
            "--entity-type users --entity-name a --entity-type clients --entity-default",
            "--user a --client-defaults",
        ),
    ] {
        assert_eq!(entity(&format!("--describe {long}")), entity(&format!("--describe {short}")), "{short}");
    }
}

#[test]
fn names_belong_to_types_in_their_order() {
    use crate::quota::wire::Match;
    let parts = |line: &str| {
        let entity = check(&given(&format!("--describe {line}")).unwrap()).unwrap();
        let part = |(kind, name): (&'static str, Match<'_>)| match name {
            Match::Name(name) => format!("{kind}={name}"),
            Match::Default => format!("{kind} default"),
            Match::Any => format!("any {kind}"),
        };
        (entity.parts().into_iter().map(part).collect::<Vec<_>>().join(", "), entity.users().is_some())
    };
    for (line, expected, has_users) in [
        ("--entity-type users", "any user", true),
        ("--user a", "user=a", true),
        ("--user-defaults", "user default", false),
        ("--entity-type users --entity-type clients", "any user, any client-id", false),
        ("--entity-type users --entity-name a --entity-type clients", "user=a, any client-id", false),
        ("--entity-type users --entity-type clients --entity-default", "user default, any client-id", false),
        (
            "--entity-type clients --entity-default --entity-type users --entity-name a",
            "client-id default, user=a",
            false,
        ),
        ("--user a --client b", "client-id=b, user=a", false),
        ("--ip-defaults", "ip default", false),
    ] {
        assert_eq!(parts(line), (expected.to_owned(), has_users), "{line}");
    }
}

#[test]
fn flags_fit_together_as_kafka_has_it() {
    for good in [
        "--describe --topic a --all",
        "--describe --entity-type topics",
        "--describe --broker-defaults",
        "--describe --entity-type users --entity-type clients",
        "--alter --topic a --add-config b=1 --delete-config c",
        "--alter --user a --add-config SCRAM-SHA-256=[password=x],SCRAM-SHA-512=[password=x]",
        "--alter --user-defaults --client-defaults --add-config producer_byte_rate=1",
        "--alter --ip-defaults --delete-config connection_creation_rate",
    ] {
        assert_eq!(refused(good), "", "{good}");
    }
    for (line, start) in [
        ("--topic a", "Command must include exactly one action: --describe, --alter"),
        ("--describe --alter --topic a", "Command must include exactly one action"),
        (
            "--describe --topic a --add-config b=1",
            "Option \"[describe]\" can't be used with option \"[add-config]\"",
        ),
        (
            "--describe --topic a --add-config-file b",
            "Option \"[describe]\" can't be used with option \"[add-config-file]\"",
        ),
        (
            "--alter --topic a --all --add-config b=1",
            "Option \"[all]\" can't be used with option \"[alter]\"",
        ),
        ("--describe", "At least one entity type must be specified"),
        (
            "--describe --entity-type topics --entity-type topics",
            "Duplicate entity type(s) specified: topics",
        ),
        ("--describe --user a --user-defaults", "Duplicate entity type(s) specified: users"),
        (
            "--describe --entity-type topic",
            "Invalid entity type topic, the entity type must be one of topics, clients, users, brokers, ips, client-metrics, groups, broker-loggers with a --bootstrap-server or",
        ),
        (
            "--describe --topic a --broker 1",
            "Only 'users' and 'clients' entity types may be specified together",
        ),
        ("--describe --user a --ip ::1", "Only 'users' and 'clients' entity types may be specified together"),
        ("--describe --topic a --entity-default", "--entity-{type,name,default} should not be used"),
        (
            "--describe --broker one",
            "The entity name for brokers must be a valid integer broker id, but it is: one",
        ),
        ("--describe --broker-logger one", "The entity name for broker-loggers must be a valid integer"),
        (
            // No resolver is asked for this one.
            "--describe --ip a\0b",
            "The entity name for ips must be a valid IP or resolvable host, but it is: a",
        ),
        (
            "--describe --entity-type topics --entity-default",
            "--entity-default must not be specified with --describe of topics",
        ),
        (
            "--describe --entity-type broker-loggers",
            "An entity name must be specified with --describe of broker-loggers",
        ),
        (
            "--describe --entity-type topics --entity-name a --entity-name b",
            "More entity names specified than entity types",
        ),
        ("--describe --topic a --topic b", "Found multiple arguments for option topic"),
        (
            "--alter --entity-type topics --add-config a=1",
            "An entity name must be specified with --alter of topics",
        ),
        (
            "--alter --entity-type users --add-config a=1",
            "An entity-name or default entity must be specified with --alter of",
        ),
        ("--alter --topic a", "At least one of --add-config, --add-config-file, or --delete-config must be"),
        (
            "--alter --topic a --add-config a=1 --add-config-file b",
            "Only one of --add-config or --add-config-file",
        ),
        (
            "--alter --entity-type users --entity-name a --entity-type clients --add-config producer_byte_rate=1",
            "An entity name must be specified for every entity type",
        ),
        (
            "--describe --topic a --bootstrap-controller b:1",
            "--bootstrap-controller is not served here: give --bootstrap-server",
        ),
    ] {
        assert!(refused(line).starts_with(start), "{line}: {}", refused(line));
    }
    let words = ["--describe", "--topic", "a"].map(str::to_owned);
    let refusal = check(&TOOL.flags.parse(&words).unwrap()).unwrap_err();
    assert_eq!(refusal.text(), "Either --bootstrap-server or --bootstrap-controller must be specified.");
}

#[test]
fn keys_of_another_entity_are_named() {
    const OF_USERS: &str = "Only quota and SCRAM credential configs can be";
    const OF_CLIENTS: &str = "Only quota configs can be";
    const SERVER: &str = "using --bootstrap-server. Unexpected config names:";
    for (line, expected) in [
        ("--user a --add-config x=1,w=2", format!("{OF_USERS} added for 'users' {SERVER} Set(w, x)")),
        ("--user a --delete-config x,w", format!("{OF_USERS} deleted for 'users' {SERVER} ArrayBuffer(x, w)")),
        (
            "--client a --add-config SCRAM-SHA-256=[password=x],nope=1",
            format!("{OF_CLIENTS} added for 'clients' {SERVER} Set(nope, SCRAM-SHA-256)"),
        ),
        ("--user a --client b --delete-config x", format!("{OF_CLIENTS} deleted for 'clients' {SERVER} ArrayBuffer(x)")),
        (
            "--ip ::1 --add-config x=1 --delete-config y",
            format!("Only connection quota configs can be added for 'ips' {SERVER} x,y"),
        ),
        (
            "--user a --add-config SCRAM-SHA-256=[password=x] --delete-config producer_byte_rate",
            "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using --bootstrap-server.".to_owned(),
        ),
        (
            "--user-defaults --delete-config SCRAM-SHA-256",
            "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using --bootstrap-server.".to_owned(),
        ),
    ] {
        assert_eq!(refused(&format!("--alter {line}")), expected);
    }
}

#[test]
fn the_line_about_an_error_has_no_password() {
    let given = given("--alter --user a --add-config=SCRAM-SHA-256=[password=hunter2]").unwrap();
    assert_eq!(line(&given), "--bootstrap-server a:1 --alter --user a --add-config (hidden)");
}

/// Runs the tool against a broker with these answers.
fn against(
    apis: &'static [(i16, i16)],
    answer: impl Fn(&fake::Asked) -> Option<codec::Chain> + Send + Sync + 'static,
    line: &str,
) -> Result<(), Refusal> {
    let address = fake::start(apis, answer);
    let words = format!("--bootstrap-server {address} {line}");
    let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    execute(&TOOL.flags.parse(&words).unwrap())
}

#[test]
fn configs_are_changed_by_one_request_and_errors_have_the_brokers_words() {
    const APIS: &[(i16, i16)] = &[(IncrementalAlterConfigsRequest::KEY, 1)];
    let (sender, asked) = mpsc::sync_channel(1);
    let answer = move |request: &fake::Asked| {
        sender.send(request.of::<IncrementalAlterConfigsRequest>().unwrap()).unwrap();
        let refused = AlterConfigsResourceResponse::default()
            .with_error_code(40)
            .with_error_message(Some(StrBytes::from_static_str("no")))
            .with_resource_name(StrBytes::from_static_str("t"));
        request.answer(&IncrementalAlterConfigsResponse::default().with_responses(vec![refused]))
    };
    let line = "--alter --topic t --add-config b=[1,2],a= --delete-config flush.ms";
    let refusal = against(APIS, answer, line).unwrap_err();
    let class = "java.util.concurrent.ExecutionException: org.apache.kafka.common.errors.InvalidConfigurationException";
    assert_eq!(refusal, Refusal::error(class, "no"));
    let change = asked.recv().unwrap();
    let changes: Vec<_> = change.resources[0]
        .configs
        .iter()
        .map(|one| (one.config_operation, one.name.as_str(), one.value.as_deref()))
        .collect();
    assert_eq!(changes, [(1, "flush.ms", None), (0, "a", Some("")), (0, "b", Some("1,2"))]);
}

#[test]
fn loggers_that_a_broker_lacks_are_named() {
    const APIS: &[(i16, i16)] = &[(MetadataRequest::KEY, 12), (DescribeConfigsRequest::KEY, 4)];
    let answer = |request: &fake::Asked| match request.key {
        MetadataRequest::KEY => request.answer(&fake::metadata(request.port, "t", &[1], 1)),
        _ => {
            let root = DescribeConfigsResourceResult::default().with_name(StrBytes::from_static_str("root"));
            let loggers = DescribeConfigsResult::default()
                .with_resource_name(StrBytes::from_static_str("1"))
                .with_configs(vec![root]);
            request.answer(&DescribeConfigsResponse::default().with_results(vec![loggers]))
        }
    };
    let line = "--alter --broker-logger 1 --add-config b=INFO,root=INFO --delete-config a";
    let refusal = against(APIS, answer, line).unwrap_err();
    assert_eq!(refusal, Refusal::Argument("Invalid broker logger(s): a,b".to_owned()));
}

#[test]
fn a_password_reaches_the_broker_salted() {
    const APIS: &[(i16, i16)] = &[(AlterUserScramCredentialsRequest::KEY, 0)];
    let (sender, asked) = mpsc::sync_channel(1);
    let answer = move |request: &fake::Asked| {
        sender.send(request.of::<AlterUserScramCredentialsRequest>().unwrap()).unwrap();
        request.answer(&AlterUserScramCredentialsResponse::default())
    };
    let line = "--alter --user carol --add-config SCRAM-SHA-256=[iterations=4097,password=a=b] --delete-config SCRAM-SHA-512";
    assert_eq!(against(APIS, answer, line), Ok(()));
    let request = asked.recv().unwrap();
    let [set] = request.upsertions.as_slice() else { panic!("{request:?}") };
    let salted = Hash::Sha256.salted(&Secret::new("a=b"), &set.salt, 4097);
    assert!(salted.equals(&set.salted_password));
    assert_eq!((set.name.as_str(), set.mechanism, set.iterations), ("carol", 1, 4097));
    let [deleted] = request.deletions.as_slice() else { panic!("{request:?}") };
    assert_eq!((deleted.name.as_str(), deleted.mechanism), ("carol", 2));
    let refusal =
        against(APIS, |_| None, "--alter --user carol --add-config SCRAM-SHA-256=[password=]").unwrap_err();
    assert_eq!(refusal.text(), "Password must not be empty");
}
