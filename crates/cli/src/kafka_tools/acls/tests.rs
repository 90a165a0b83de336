//! The flags that fit together, the entries that they mean, and the lines about these.

use std::sync::mpsc::sync_channel;

use codec::Request as _;
use codec::messages::create_acls_response::AclCreationResult;
use codec::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use codec::messages::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest,
    DescribeAclsResponse, StrBytes,
};

use super::*;
use crate::client::fake;

fn given(line: &str) -> Result<Given, Refusal> {
    let words: Vec<String> =
        format!("--bootstrap-server a:1 {line}").split_whitespace().map(str::to_owned).collect();
    TOOL.flags.parse(&words)
}

/// The reason for which a command is refused; empty if it is not.
fn refused(line: &str) -> String {
    let planned = |given: Given| {
        check(&given)?;
        match ACTIONS.into_iter().find(|action| given.has(action)) {
            Some("list") => wanted::to_list(&given).map(drop),
            Some("add") => wanted::to_add(&given).map(drop),
            _ => wanted::to_remove(&given).map(drop),
        }
    };
    given(line).and_then(planned).map_or_else(|refusal| refusal.text().to_owned(), |()| String::new())
}

fn added(line: &str) -> String {
    let acls = wanted::to_add(&given(line).unwrap()).unwrap();
    acls.chunk_by(|one, next| one.pattern == next.pattern).map(|of_one| lines::adding(&[], of_one)).collect()
}

fn questions(line: &str) -> Vec<String> {
    let filters = wanted::to_remove(&given(line).unwrap()).unwrap();
    filters.chunk_by(is_of_one).map(lines::question).collect()
}

#[test]
fn flags_fit_together_as_kafka_has_it() {
    for good in [
        "--list",
        "--list --force --principal User:a --topic t --resource-pattern-type match",
        "--list --principal --resource-pattern-type any",
        "--add --allow-principal User:a --deny-principal User:b --deny-host h --topic t --operation rEAD",
        "--add --force --allow-principal User:a --producer --idempotent --topic t --transactional-id x",
        "--add --allow-principal User:a --producer --consumer --topic t --group g --transactional-id x",
        "--remove --topic t --group g --resource-pattern-type ANY",
        "--remove --cluster --deny-principal User:a --operation describeconfigs",
    ] {
        assert_eq!(refused(good), "", "{good}");
    }
    let one = "Command must include exactly one action: --list, --add, --remove. ";
    let role = "With --consumer you must specify a --topic and a --group and no --cluster or";
    let a = "--allow-principal User:a";
    for (line, start) in [
        ("--topic t".to_owned(), one),
        ("--list --add".to_owned(), one),
        (format!("--list {a}"), "Option \"[list]\" can't be used with option \"[allow-principal]\""),
        (
            format!("--add {a} --consumer --operation Read"),
            "Option \"[consumer]\" can't be used with option \"[op",
        ),
        ("--add --principal User:a".to_owned(), "The --principal option is only available if --list"),
        (format!("--add {a} --producer"), "With --producer you must specify a --topic"),
        (format!("--add {a} --idempotent"), "The --idempotent option is only available if --producer"),
        (format!("--add {a} --consumer --topic t"), role),
        (format!("--add {a} --consumer --topic t --group g --cluster"), role),
        ("--add --topic t".to_owned(), "You must specify one of: --allow-principal, --deny-principal"),
        (format!("--add {a}"), "You must provide at least one resource"),
        ("--remove".to_owned(), "You must provide at least one resource"),
        (
            format!("--add {a} --topic t --resource-pattern-type any"),
            "A '--resource-pattern-type' value of 'ANY'",
        ),
        (
            format!("--add {a} --topic t --resource-pattern-type x"),
            "Cannot parse argument 'x' of option resource-p",
        ),
        ("--list --principal a".to_owned(), ""),
        ("--add --allow-principal a --topic t".to_owned(), "expected a string in format principalType:"),
        (format!("--add {a} --topic t --operation Any"), "operation must not be ANY"),
        (format!("--add {a} --topic t --operation describe_configs"), "ResourceType TOPIC only supports"),
        (
            format!("--remove {a} --cluster --operation Read"),
            "ResourceType CLUSTER only supports operations [ALL, ",
        ),
    ] {
        assert!(refused(&line).starts_with(start), "{line}: {}", refused(&line));
    }
    let principals = wanted::principals(&given("--list --principal a").unwrap(), "principal");
    assert!(principals.unwrap_err().text().ends_with("but got a"));
}

#[test]
fn flags_that_kafka_ignores_are_refused() {
    let a = "--allow-principal User:a";
    for (line, start) in [
        ("--list --topic t --operation Read".to_owned(), "Option \"[list]\" can't be used with"),
        (
            format!("--add {a} --producer --topic t --group g"),
            "Option \"[producer]\" can't be used with option \"[group",
        ),
        (format!("--add {a} --producer --topic t --cluster"), "Option \"[producer]\" can't be used with"),
        (
            "--remove --topic t --allow-host h".to_owned(),
            "The --allow-host option is only available if --allow-p",
        ),
        (
            format!("--add {a} --topic t --deny-host h"),
            "The --deny-host option is only available if --deny-p",
        ),
        (
            "--remove --topic t --operation Read".to_owned(),
            "The --operation option is only available if --allow-p",
        ),
        ("--remove --topic t --producer".to_owned(), "The --producer option is only available if --allow-p"),
        (
            "--list --cluster --resource-pattern-type match".to_owned(),
            "A '--resource-pattern-type' value of 'MATCH'",
        ),
        ("--list --resource-pattern-type prefixed".to_owned(), "You must provide at least one resource"),
        ("--list --bootstrap-controller a:1".to_owned(), "--bootstrap-controller is not served here: "),
    ] {
        assert!(refused(&line).starts_with(start), "{line}: {}", refused(&line));
    }
}

#[test]
fn entries_are_added_in_kafkas_lines() {
    assert_eq!(
        added(
            "--add --allow-principal User:b --allow-principal User:a --allow-principal User:a --topic t --operation DescribeConfigs"
        ),
        "Adding ACLs for resource `ResourcePattern(resourceType=TOPIC, name=t, patternType=LITERAL)`: \n \
         \t(principal=User:a, host=*, operation=DESCRIBE_CONFIGS, permissionType=ALLOW)\n\
         \t(principal=User:b, host=*, operation=DESCRIBE_CONFIGS, permissionType=ALLOW)\n\n"
    );
    let roles = added(
        "--add --allow-principal User:a --producer --consumer --idempotent --topic t --topic t --group g --resource-pattern-type prefixed",
    );
    let patterns: Vec<&str> = roles.lines().filter(|line| line.starts_with("Adding")).collect();
    assert_eq!(
        patterns,
        [
            "TOPIC, name=t, patternType=PREFIXED",
            "GROUP, name=g, patternType=PREFIXED",
            "CLUSTER, name=kafka-cluster, patternType=LITERAL"
        ]
        .map(|pattern| format!("Adding ACLs for resource `ResourcePattern(resourceType={pattern})`: "))
    );
    assert_eq!(roles.matches("principal=User:a, host=*").count(), 4 + 1 + 1, "{roles}");
}

#[test]
fn entries_that_exist_are_named() {
    let acls = wanted::to_add(&given("--add --allow-principal User:a --topic t").unwrap()).unwrap();
    assert_eq!(
        lines::adding(&acls, &[]),
        "Acl (pattern=ResourcePattern(resourceType=TOPIC, name=t, patternType=LITERAL), \
         entry=(principal=User:a, host=*, operation=ALL, permissionType=ALLOW)) already exists.\n"
    );
}

#[test]
fn entries_are_listed_by_pattern_and_principal() {
    let of = |line: &str| wanted::to_add(&given(line).unwrap()).unwrap();
    let acls: BTreeSet<Acl> =
        of("--add --allow-principal User:b --deny-principal User:a --group g --topic t")
            .into_iter()
            .collect();
    let of_topic =
        "Current ACLs for resource `ResourcePattern(resourceType=TOPIC, name=t, patternType=LITERAL)`:\n";
    let of_group = of_topic.replace("TOPIC", "GROUP").replace("name=t", "name=g");
    let a = "\t(principal=User:a, host=*, operation=ALL, permissionType=DENY)\n";
    let b = "\t(principal=User:b, host=*, operation=ALL, permissionType=ALLOW)\n";
    let all = listed(&acls, &BTreeSet::new());
    assert_eq!(all, format!("{of_topic}{a}{b}\n{of_group}{a}{b}\n"));
    let two = BTreeSet::from(["User:b".to_owned(), "User:c".to_owned()]);
    assert_eq!(
        listed(&acls, &two),
        format!("ACLs for principal `User:b`\n{of_topic}{b}\n{of_group}{b}\nACLs for principal `User:c`\n")
    );
    assert_eq!(listed(&BTreeSet::new(), &BTreeSet::new()), "");
}

#[test]
fn each_resource_has_a_question() {
    assert_eq!(
        questions("--remove --topic u --topic t --group t --resource-pattern-type match"),
        ["TOPIC, name=t", "TOPIC, name=u", "GROUP, name=t"].map(|resource| format!(
            "Are you sure you want to delete all ACLs for resource filter `ResourcePattern(resourceType={resource}, patternType=MATCH)`? (y/n)\n"
        ))
    );
    assert_eq!(
        questions("--remove --topic t --allow-principal User:a --operation Write --operation Read"),
        ["Are you sure you want to remove ACLs: \n \
          \t(principal=User:a, host=*, operation=READ, permissionType=ALLOW)\n\
          \t(principal=User:a, host=*, operation=WRITE, permissionType=ALLOW)\n \
          from resource filter `ResourcePattern(resourceType=TOPIC, name=t, patternType=LITERAL)`? (y/n)\n"]
    );
}

#[test]
fn a_list_without_resources_is_of_all_patterns() {
    let filters = wanted::to_list(&given("--list").unwrap()).unwrap();
    assert_eq!(filters.len(), 1);
    assert!(filters[0].resource_type.is_none() && filters[0].pattern == PatternFilter::Any);
    let filters = wanted::to_list(&given("--list --topic t --cluster").unwrap()).unwrap();
    assert_eq!(filters.iter().filter(|filter| filter.resource_type.is_some()).count(), 2);
}

#[test]
fn errors_of_the_broker_have_the_names_of_exceptions() {
    let refused = wire::Error::Refused { doing: String::new(), code: 31, message: None };
    let expected = "org.apache.kafka.common.errors.ClusterAuthorizationException";
    let Refusal::Error { exception, text } = Refusal::from(refused) else { panic!("another kind") };
    assert_eq!((exception.as_str(), text.as_str()), (expected, "Cluster authorization failed."));
}

/// Runs a command with a broker that has the entry of `User:a` for `ALL` on the topic `t`. Returns the requests that it got: the number of entries of an
/// addition, and of filters of a removal.
fn asked(line: &str) -> Vec<(&'static str, usize)> {
    const APIS: &[(i16, i16)] =
        &[(DescribeAclsRequest::KEY, 3), (CreateAclsRequest::KEY, 3), (DeleteAclsRequest::KEY, 3)];
    let text = StrBytes::from_static_str;
    let (sender, requests) = sync_channel(9);
    let address = fake::start(APIS, move |asked| {
        if let Some(request) = asked.of::<CreateAclsRequest>() {
            sender.send(("add", request.creations.len())).unwrap();
            let results = vec![AclCreationResult::default(); request.creations.len()];
            return asked.answer(&CreateAclsResponse::default().with_results(results));
        }
        if let Some(request) = asked.of::<DeleteAclsRequest>() {
            sender.send(("remove", request.filters.len())).unwrap();
            return asked.answer(&DeleteAclsResponse::default());
        }
        let acl = AclDescription::default()
            .with_principal(text("User:a"))
            .with_host(text("*"))
            .with_operation(2)
            .with_permission_type(3);
        let resource = DescribeAclsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("t"))
            .with_pattern_type(3)
            .with_acls(vec![acl]);
        asked.answer(&DescribeAclsResponse::default().with_resources(vec![resource]))
    });
    let words = format!("--bootstrap-server {address} {line}");
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    run(&TOOL.flags.parse(&words).unwrap()).unwrap();
    requests.try_iter().collect()
}

#[test]
fn entries_that_exist_are_not_added_again() {
    assert_eq!(asked("--add --topic t --allow-principal User:a"), []);
    assert_eq!(asked("--add --topic t --allow-principal User:a --allow-principal User:b"), [("add", 1)]);
    assert_eq!(asked("--add --topic t --topic u --allow-principal User:a"), [("add", 1)]);
}

#[test]
fn each_resource_has_a_removal_of_its_own() {
    assert_eq!(asked("--remove --force --topic t --group g"), [("remove", 1), ("remove", 1)]);
    let producer = "--remove --force --topic t --producer --idempotent --allow-principal User:a";
    assert_eq!(asked(producer), [("remove", 3), ("remove", 1)]);
}
