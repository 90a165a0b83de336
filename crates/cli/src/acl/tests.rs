//! The entries that arguments mean, as `kafka-acls.sh` makes them.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    wanted: Wanted,
}

fn wanted(line: &str) -> Wanted {
    Line::try_parse_from(["acl"].into_iter().chain(line.split(' ')))
        .map(|line| line.wanted)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn sentences(line: &str) -> Vec<String> {
    let mut acls = wanted(line).acls().unwrap();
    acls.sort();
    acls.iter().map(sentence).collect()
}

#[test]
fn convenience_forms_are_those_of_kafka() {
    assert_eq!(
        sentences("--allow-principal User:a --producer --topic t --transactional-id x --idempotent"),
        [
            "ALLOW User:a Write on TOPIC t (LITERAL) from *",
            "ALLOW User:a Create on TOPIC t (LITERAL) from *",
            "ALLOW User:a Describe on TOPIC t (LITERAL) from *",
            "ALLOW User:a IdempotentWrite on CLUSTER kafka-cluster (LITERAL) from *",
            "ALLOW User:a Write on TRANSACTIONAL_ID x (LITERAL) from *",
            "ALLOW User:a Describe on TRANSACTIONAL_ID x (LITERAL) from *",
        ]
    );
    assert_eq!(
        sentences("--allow-principal User:a --consumer --topic t --group g --resource-pattern-type prefixed"),
        [
            "ALLOW User:a Read on TOPIC t (PREFIXED) from *",
            "ALLOW User:a Describe on TOPIC t (PREFIXED) from *",
            "ALLOW User:a Read on GROUP g (PREFIXED) from *",
        ]
    );
}

#[test]
fn principals_hosts_and_operations_are_multiplied() {
    let found = sentences(
        "--allow-principal User:a --allow-principal User:b --allow-host 10.0.0.1 --deny-principal User:c --topic t --operation describe_configs",
    );
    assert_eq!(
        found,
        [
            "ALLOW User:a DescribeConfigs on TOPIC t (LITERAL) from 10.0.0.1",
            "ALLOW User:b DescribeConfigs on TOPIC t (LITERAL) from 10.0.0.1",
            "DENY User:c DescribeConfigs on TOPIC t (LITERAL) from *",
        ]
    );
    assert_eq!(
        sentences("--allow-principal User:a --cluster"),
        ["ALLOW User:a All on CLUSTER kafka-cluster (LITERAL) from *"]
    );
}

#[test]
fn what_means_nothing_is_refused() {
    for (line, expected) in [
        ("--topic t", "give --allow-principal"),
        ("--allow-principal User:a", "give the resource"),
        ("--allow-principal User:a --producer --group g", "--producer needs --topic"),
        ("--allow-principal User:a --consumer --topic t", "--consumer needs --topic and --group"),
        (
            "--allow-principal User:a --topic t --operation IdempotentWrite",
            "IdempotentWrite means nothing on TOPIC",
        ),
        ("--allow-principal alice --topic t", "Type:name"),
        ("--deny-principal User:a --deny-host example.org --topic t", "host of a DENY entry"),
        ("--allow-principal User:a --topic t --resource-pattern-type match", "literal or prefixed"),
    ] {
        let error = wanted(line).acls().unwrap_err();
        assert!(error.to_string().contains(expected) && error.exit_code() == 2, "{line}: {error}");
    }
    assert!(Line::try_parse_from("acl --producer --operation Read --topic t".split(' ')).is_err());
    assert!(Line::try_parse_from("acl --operation Fly --topic t".split(' ')).is_err());
}

#[test]
fn filters_find_the_entries_that_the_same_arguments_add() {
    for line in [
        "--allow-principal User:a --producer --topic t --transactional-id x --idempotent --resource-pattern-type prefixed",
        "--deny-principal User:c --deny-host 10.0.0.1 --topic t --operation Read --resource-pattern-type prefixed",
    ] {
        let wanted = wanted(line);
        let filters = wanted.filters().unwrap();
        for acl in wanted.acls().unwrap() {
            let finds = |filter: &security::acl::Filter| {
                filter.finds_pattern(&acl.pattern) && filter.finds_entry(&acl.entry)
            };
            assert_eq!(filters.iter().filter(|filter| finds(filter)).count(), 1, "{line}: {acl:?}");
        }
    }
    let all = wanted("--topic t --resource-pattern-type any").filters().unwrap();
    assert_eq!(all.len(), 1);
    assert!(all[0].principal.is_none() && all[0].operation.is_none() && all[0].permission.is_none());
}
