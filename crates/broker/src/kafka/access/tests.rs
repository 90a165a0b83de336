use super::{Access, Need, Pair, Refusal, failed};
use crate::kafka::api::REGISTRY;

/// The needs of Apache Kafka 4.3's handlers, one line for an API: key, then each need as `RESOURCE:Operation`, with `|` before a
/// pair that is enough as well, and the way of the refusal: W (whole request), I (item), F (left out), N (named: item, all: left out),
/// E (empty field), with its code. Read out of `KafkaApis` and `ControllerApis`, not out of the declarations.
const KAFKA: &str = "
0 TRANSACTIONAL_ID:Write W53 / TOPIC:Write I29
1 TOPIC:Read I29
2 TOPIC:Describe I29
3 TOPIC:Describe N29 / TOPIC:Create|CLUSTER:Create I29 / CLUSTER:Describe E
8 GROUP:Read W30 / TOPIC:Read I29
9 GROUP:Describe I30 / TOPIC:Describe N29
10 GROUP:Describe I30 / TRANSACTIONAL_ID:Describe I53 / CLUSTER:ClusterAction I31
11 GROUP:Read W30
12 GROUP:Read W30
13 GROUP:Read W30
14 GROUP:Read W30
15 GROUP:Describe I30
16 GROUP:Describe|CLUSTER:Describe F
17 -
18 -
19 TOPIC:Create|CLUSTER:Create I29 / TOPIC:DescribeConfigs E
20 TOPIC:Describe|CLUSTER:Delete I29 / TOPIC:Delete|CLUSTER:Delete I29
21 TOPIC:Delete I29
22 TRANSACTIONAL_ID:Write W53 / CLUSTER:IdempotentWrite|TOPIC:Write W31
23 TOPIC:Describe|CLUSTER:ClusterAction I29
24 TRANSACTIONAL_ID:Write W53 / TOPIC:Write I29 / CLUSTER:ClusterAction W31
25 TRANSACTIONAL_ID:Write W53 / GROUP:Read W30
26 TRANSACTIONAL_ID:Write W53
27 CLUSTER:Alter|CLUSTER:ClusterAction W31
28 TRANSACTIONAL_ID:Write W53 / GROUP:Read W30 / TOPIC:Read I29
29 CLUSTER:Describe W31
30 CLUSTER:Alter W31
31 CLUSTER:Alter W31
32 TOPIC:DescribeConfigs I29 / GROUP:DescribeConfigs I30 / CLUSTER:DescribeConfigs I31
33 TOPIC:AlterConfigs I29 / GROUP:AlterConfigs I30 / CLUSTER:AlterConfigs I31
34 CLUSTER:Alter W31
35 CLUSTER:Describe W31
36 -
37 TOPIC:Alter I29
38 USER:CreateTokens W65
39 -
40 -
41 DELEGATION_TOKEN:Describe|USER:DescribeTokens F
42 GROUP:Delete I30
43 CLUSTER:Alter W31
44 TOPIC:AlterConfigs I29 / GROUP:AlterConfigs I30 / CLUSTER:AlterConfigs I31
45 CLUSTER:Alter W31
46 CLUSTER:Describe W31
47 GROUP:Delete W30 / TOPIC:Read I29
48 CLUSTER:DescribeConfigs W31
49 CLUSTER:AlterConfigs W31
50 CLUSTER:Describe W31
51 CLUSTER:Alter W31
55 CLUSTER:Describe W31
57 CLUSTER:Alter W31
60 CLUSTER:Describe E
61 TOPIC:Read I29
64 CLUSTER:Alter W31
65 TRANSACTIONAL_ID:Describe I53 / TOPIC:Describe F
66 TRANSACTIONAL_ID:Describe F
68 GROUP:Read W30 / TOPIC:Describe W29 / TOPIC:Describe F
69 GROUP:Describe I30 / TOPIC:Describe I29
71 -
72 -
74 CLUSTER:DescribeConfigs W31
75 TOPIC:Describe N29
88 GROUP:Read W30 / TOPIC:Describe W29 / TOPIC:Create|CLUSTER:Create I29
89 GROUP:Describe I30 / TOPIC:Describe I29
";

#[test]
fn every_api_needs_what_it_needs_in_kafka() {
    let declared: Vec<String> =
        REGISTRY.iter().map(|entry| format!("{} {}", entry.key, written(entry.access))).collect();
    let expected: Vec<&str> = KAFKA.trim().lines().collect();
    assert_eq!(declared, expected);
}

/// A declaration in the form of [`KAFKA`].
fn written(access: Access) -> String {
    let Access::Needs(needs) = access else { return "-".to_owned() };
    assert!(!needs.is_empty(), "an API that needs nothing says why");
    needs.iter().map(need).collect::<Vec<_>>().join(" / ")
}

fn need(need: &Need) -> String {
    let pair = |(resource, operation): Pair| format!("{}:{}", resource.name(), operation.name());
    let or = need.or.map(|other| format!("|{}", pair(other))).unwrap_or_default();
    let refusal = match need.refusal {
        Refusal::Request(code) => format!("W{}", code.code()),
        Refusal::Item(code) => format!("I{}", code.code()),
        Refusal::ItemOrLeftOut(code) => format!("N{}", code.code()),
        Refusal::LeftOut => "F".to_owned(),
        Refusal::Field => "E".to_owned(),
    };
    format!("{}{or} {refusal}", pair(need.pair))
}

#[test]
fn a_declared_operation_is_one_of_its_resource() {
    for entry in REGISTRY {
        let Access::Needs(needs) = entry.access else { continue };
        for (resource, operation) in needs.iter().flat_map(|need| [Some(need.pair), need.or]).flatten() {
            // Kafka asks for it although its tools offer no such entry (`ControllerApis.deleteTopics`).
            let by_all_alone = (resource, operation) == (super::CLUSTER, super::Operation::Delete);
            let known = by_all_alone || resource.operations().contains(&operation);
            assert!(known, "{}: {} of {}", entry.name, operation.name(), resource.name());
        }
    }
}

#[test]
fn each_type_of_resource_has_kafkas_code() {
    let codes = security::acl::ResourceType::ALL.map(|kind| failed(kind).code());
    assert_eq!(codes, [29, 30, 31, 53, 65, 31]);
}

/// Every place where a service is reached without a decision, with the reason.
const WITHOUT_DECISION: &str = "
consumer_group_describe.rs Names
describe_topic_partitions.rs Names
fetch.rs AsksItself
list_groups.rs Names
list_transactions.rs Names
metadata.rs Names
metadata.rs Names
metadata.rs Names
offset_commit.rs Names
produce.rs AsksItself
txn_offset_commit.rs Names
";

#[test]
fn calls_without_a_decision_are_those_that_are_known() {
    let mut found = Vec::new();
    // Relative: tests run in their crate's folder, and the program may have been compiled in another checkout.
    let mut folders = vec![std::path::PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // However the type and the reason are written: by a path, or imported.
            for rest in text.split("::internal(").skip(1).filter(|_| !path.ends_with("access/tests.rs")) {
                let reason = rest.split(')').next().unwrap();
                found.push(format!("{name} {}", reason.rsplit("::").next().unwrap()));
            }
        }
    }
    found.sort();
    assert_eq!(found, WITHOUT_DECISION.trim().lines().collect::<Vec<_>>());
}
