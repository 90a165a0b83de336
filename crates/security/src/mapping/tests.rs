//! Rules as Kafka follows them; the outcomes were compared with `SslPrincipalMapper` of Kafka 4.3.

use super::*;

const SUBJECT: &str = "CN=Duke.Smith,OU=ServiceUsers,O=Org,C=US";

fn mapped(rules: &str, subject: &str) -> Result<String, Unmapped> {
    MappingRules::parse(rules).unwrap().name(subject)
}

#[test]
fn the_first_rule_that_fits_counts() {
    let rules =
        r"RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L, RULE:^CN=(.*?),OU=(.*?),O=(.*?),C=(.*?)$/$1@$2/U ,DEFAULT";
    for (subject, name) in [
        (SUBJECT, "duke.smith"),
        ("CN=duke,OU=sme,O=mycp,C=IE", "DUKE@SME"),
        ("CN=duke", "CN=duke"),
        ("", ""),
    ] {
        assert_eq!(mapped(rules, subject).as_deref(), Ok(name), "{subject}");
    }
}

#[test]
fn a_pattern_fits_the_whole_text_and_replaces_all_that_it_finds() {
    for (rules, subject, name) in [
        ("RULE:CN=(.*?)/$1/", "CN=Alice,O=b", "Alice,O=b"),
        // As `String.replaceAll`: the empty text at the end is found once more.
        ("RULE:(.*)/<$1>/", "abc", "<abc><>"),
        ("RULE:a*/x/", "aa", "xx"),
        ("RULE:(a)(b)?c*/$2-$1/", "acc", "-a"),
        (r"RULE:CN=([^,]+).*/\$1 $1 \\ \//", "CN=a,O=b", r"$1 a \ /"),
        (r"RULE:(.).*/$1$2$10/", "abc", "a$2a0"),
        ("RULE:.*/$0/", "abc", "abc"),
        (r"RULE:a\/b/x/", "a/b", "x"),
        (r"RULE:CN=\<(.*)\>/$1/", "CN=<a>", "a"),
        (r"RULE:CN=[\<\>]+(.*)/$1/", "CN=<>a", "a"),
        ("RULE:(?<cn>.+)/$1/", "abc", "abc"),
    ] {
        assert_eq!(mapped(rules, subject).as_deref(), Ok(name), "{rules}");
    }
}

#[test]
fn without_a_rule_that_fits_there_is_no_principal() {
    for rules in ["RULE:CN=x/y/", "", " , ", "RULE:CN=Duke/y/"] {
        assert_eq!(mapped(rules, SUBJECT), Err(Unmapped::NoRule), "{rules}");
    }
    let longest = "x".repeat(MAX_SUBJECT_BYTES);
    assert_eq!(mapped("DEFAULT", &longest).as_ref(), Ok(&longest));
    assert_eq!(mapped("DEFAULT", &format!("{longest}x")), Err(Unmapped::TooLong));
}

#[test]
fn a_malformed_rule_is_named_by_its_number() {
    for rules in [
        "DEFAULT,RULE:a/b",
        "DEFAULT,RULE:a",
        "DEFAULT,RULE:a/b/L/",
        "DEFAULT,RULE:a/b/l",
        "DEFAULT,RULE:a/b/LU",
        "DEFAULT,RULE:a/b/ L",
        "DEFAULT,rule:a/b/",
        "DEFAULT,default",
        "DEFAULT,DEFAULTX",
        "DEFAULT,x",
        r"DEFAULT,RULE:a\",
    ] {
        assert_eq!(MappingRules::parse(rules).unwrap_err(), MappingError::Form(2), "{rules}");
    }
}

/// Such a pattern would fit other texts here than in Java, so that another client would be let in.
#[test]
fn constructs_of_java_alone_are_refused() {
    for pattern in [
        "(?=a)",
        "(?<=a)b",
        "(?i)a",
        "(?>a)",
        r"(a)\1",
        "a++",
        "a*+",
        "a{2}+",
        r"\p{Alpha}",
        r"\bA",
        r"\Qa\E",
        "[a&&b]",
        r"\v",
        r"\U00000041",
        r"\h",
        "(",
        "[a",
    ] {
        let rules = format!("RULE:{pattern}/x/");
        let error = MappingRules::parse(&rules).unwrap_err();
        assert!(matches!(error, MappingError::Pattern(1, _)), "{pattern}: {error}");
    }
    assert!(MappingRules::parse("RULE:(((a{1,1000}){1,1000}){1,1000})/x/").is_err(), "memory is bounded");
    for replacement in ["$", "$x", "${a}", "$1"] {
        let error = MappingRules::parse(&format!("RULE:a/{replacement}/")).unwrap_err();
        assert!(matches!(error, MappingError::Replacement(1, _)), "{replacement}: {error}");
    }
}

#[test]
fn classes_are_ascii_as_in_java() {
    for (pattern, subject) in [(r"\d", "٣"), (r"\w", "é"), (r"\s", "\u{a0}")] {
        assert!(mapped(&format!("RULE:{pattern}/x/"), subject).is_err(), "{pattern}");
    }
    assert_eq!(mapped(r"RULE:[\w.]+\s\d/x/", "a.b 1").as_deref(), Ok("x"));
    assert_eq!(mapped(r"RULE:\W\S\D/x/", "éé٣").as_deref(), Ok("x"));
}

/// Random rules and subjects, with what Kafka 4.3's `SslPrincipalMapper` makes of them: `=` and a name, `none` or `bad`.
#[test]
fn random_rules_have_kafkas_outcomes() {
    for line in include_str!("kafka.tsv").lines() {
        let [rules, subject, expected] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let found = match MappingRules::parse(rules) {
            Ok(rules) => rules.name(subject).map_or("none".to_owned(), |name| format!("={name}")),
            // A group that the pattern lacks is refused here; in Kafka each client that needs the rule is.
            Err(MappingError::Replacement(..)) => continue,
            Err(_) => "bad".to_owned(),
        };
        let kind =
            if expected.starts_with('=') { expected } else { expected.split(' ').next().unwrap_or_default() };
        assert_eq!(found, kind, "{line}");
    }
}
