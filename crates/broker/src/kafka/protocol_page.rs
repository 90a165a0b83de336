//! `docs/protocol.md`: which APIs and versions are served, and what is missing in them.
//!
//! Made from the registry and from the headers of the API files, so that it cannot say anything else than the code.
//! Test code only: the test fails when the page is out of date, and writes it anew where `OTTLA_GENERATE` is set.

use std::fmt::Write as _;
use std::path::Path;

use crate::kafka::access::{Access, Need, Pair, Refusal};
use crate::kafka::api::{Entry, Phase, REGISTRY};

/// The page up to the rows of its table.
const HEAD: &str = "\
# The Kafka protocol here
<!-- Generated from the registry of APIs; `make generate` writes it anew. -->

A version that is not in the table is refused as Kafka refuses it: ApiVersions is answered at version 0 with
UNSUPPORTED_VERSION, and the connection is closed on any other request. What is served is what ApiVersions tells. Every
API is for clients; those that brokers and controllers use among themselves are absent. What Kafka 4.3 serves and Ottla
does not, with the reasons, is in [served.yaml](../tests/rig/served.yaml), which `make rig` holds to both brokers.

Where an authorizer is configured, a client needs the permissions in the last columns, asked for in this order. A refusal by a code is
Kafka's authorization error of the resource: 29 of a topic, 30 of a group, 31 of the cluster, 53 of a transactional id. It
comes before any look at names and existence, so that a missing resource is answered as an existing one.

| key | API | versions | before a login | needs | without it |
| --- | --- | --- | --- | --- | --- |
";

/// The whole file; `sources` is the folder of the API files.
fn markdown(sources: &Path) -> String {
    let mut page = String::from(HEAD);
    for entry in REGISTRY {
        let Entry { key, name, versions, phase, access, .. } = entry;
        let before_login = if *phase == Phase::Authenticated { "no" } else { "yes" };
        let served = range(*versions);
        let (needs, refusals) = access_columns(access);
        let _ = writeln!(page, "| {key} | {name} | {served} | {before_login} | {needs} | {refusals} |");
    }
    page.push_str("\n## Gaps\nWhat these versions have in Kafka 4.3 and not here.\n\n");
    for entry in REGISTRY {
        if let Some(gaps) = gaps(sources, entry.name) {
            let _ = writeln!(page, "- **{}**: {gaps}", entry.name);
        }
    }
    page
}

/// The permissions of an API and what a client without each gets, as two cells of the table.
fn access_columns(access: &Access) -> (String, String) {
    let needs = match access {
        Access::Open(reason) => return ("nothing".to_owned(), (*reason).to_owned()),
        Access::Needs(needs) => needs,
    };
    let permission = |need: &Need| {
        let pair = |(resource, operation): Pair| format!("{}:{}", resource.name(), operation.name());
        let or = need.or.map(|other| format!(" or {}", pair(other))).unwrap_or_default();
        let when = if need.when.is_empty() { String::new() } else { format!(" ({})", need.when) };
        format!("{}{or}{when}", pair(need.pair))
    };
    let refusal = |need: &Need| match need.refusal {
        Refusal::Request(code) => format!("the request: {}", code.code()),
        Refusal::Item(code) => format!("the item: {}", code.code()),
        Refusal::ItemOrLeftOut(code) => format!("named: {}; all: left out", code.code()),
        Refusal::LeftOut => "left out".to_owned(),
        Refusal::Field => "the field is empty".to_owned(),
    };
    let cell = |one: &dyn Fn(&Need) -> String| needs.iter().map(one).collect::<Vec<_>>().join("<br>");
    (cell(&permission), cell(&refusal))
}

/// Least and greatest version as a reader sees them: one number where they are equal.
fn range((least, greatest): (i16, i16)) -> String {
    if least == greatest { least.to_string() } else { format!("{least}–{greatest}") }
}

/// The paragraph of the file's header that begins with `Gaps:`.
fn gaps(sources: &Path, name: &str) -> Option<String> {
    let source = std::fs::read_to_string(sources.join(format!("{}.rs", snake_case(name)))).unwrap();
    let header = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let paragraph = header.skip_while(|line| !line.starts_with("Gaps:")).take_while(|line| !line.is_empty());
    let text = paragraph.collect::<Vec<_>>().join(" ");
    Some(text.strip_prefix("Gaps:")?.trim().to_owned())
}

/// The name of an API as that of its file, without the ending.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[test]
fn page_is_up_to_date() {
    // Cargo runs tests in the folder of their crate.
    let (expected, path) = (markdown(Path::new("src/kafka/api")), "../../docs/protocol.md");
    if std::env::var_os("OTTLA_GENERATE").is_some() {
        std::fs::write(path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/protocol.md is out of date; `make generate` writes it anew:\n{expected}"
    );
}
