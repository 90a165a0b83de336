//! Lines as clients write them.

use super::*;

const GOOD: &str = r#"
{"op":"transaction","id":1,"producer":0,"records":["t-0","u-0","t-0"],"commit_sent":10,"outcome":"committed","at":12,
 "offsets":[{"group":"g","partition":"in-0","offset":5,"sent":7,"answered":8}]}
{"op":"transaction","id":2,"producer":0,"records":["t-0"],"outcome":"aborted"}
{"op":"transaction","id":3,"producer":0,"records":["u-0"],"commit_sent":30,"outcome":"unknown"}
{"op":"commit","group":"g","partition":"in-0","offset":9,"sent":40,"answered":41}
{"op":"poll","reader":0,"partition":"t-0","committed_only":true,"sought":true,"asked":13,"answered":14,"from":0,"to":3,"records":[[0,"1.0"],[1,"1.2 and padding"]]}
{"op":"stable_end","partition":"t-0","asked":13,"answered":14,"offset":3}
{"op":"stable_end","partition":"t-0","asked":20,"answered":21,"offset":3}
{"op":"offset_read","group":"g","partition":"in-0","stable":true,"asked":13,"answered":14,"offset":5}
{"op":"log","partition":"t-0","records":[[0,"1.0"]],"answered":50}
{"op":"log","partition":"t-0","records":[[1,"1.2"]],"answered":51}
{"op":"log","partition":"u-0","records":[[0,"1.1"],[2,"3.0"]],"answered":52}
"#;

/// The history of lines; events may be broken where a line begins with a space.
fn history(lines: &str) -> Result<History> {
    let mut feed = Feed::default();
    feed.read(lines.replace("\n ", " ").as_bytes())?;
    Ok(feed.finish())
}

#[test]
fn a_good_history_is_read_whole_and_raises_no_alarm() {
    let history = history(GOOD).unwrap();
    assert_eq!(history.partitions, ["t-0", "u-0"]);
    assert_eq!(history.group_partitions, ["g/in-0"]);
    assert_eq!((history.transactions.len(), history.log.len(), history.log_read), (3, 2, 52));
    let found = history.violations();
    assert!(found.is_empty(), "{}", found.report());
}

#[test]
fn what_a_line_says_is_what_is_checked() {
    let changes = [
        (r#"[[1,"1.2"]]"#, "[]", vec!["inconsistent offsets", "lost write", "torn transaction"]),
        (r#"[[1,"1.2"]]"#, r#"[[1,"2.0"]]"#, vec!["aborted read"]),
        (r#""answered":14,"from""#, r#""answered":9,"from""#, vec!["precommitted read"]),
        (r#"[1,"1.2 and padding"]"#, r#"[1,"1.x"]"#, vec!["phantom"]),
        (r#""answered":14,"offset":5"#, r#""answered":14,"offset":6"#, vec!["group offset"]),
        (r#""answered":21,"offset":3"#, r#""answered":21,"offset":1"#, vec!["stale end"]),
        (
            r#""asked":13,"answered":14,"offset":5"#,
            r#""asked":9,"answered":9,"offset":-1"#,
            vec!["unstable offset"],
        ),
    ];
    for (from, to, kinds) in changes {
        assert_eq!(GOOD.matches(from).count(), 1, "{from}");
        let found = history(&GOOD.replace(from, to)).unwrap().violations();
        assert!(kinds.iter().all(|kind| found.count(kind) > 0), "{to}: {}", found.report());
    }
}

#[test]
fn a_line_that_is_no_event_is_an_error_with_its_number() {
    for line in [
        "{",
        "{}",
        r#"{"op":"unheard of"}"#,
        r#"{"op":"stable_end","partition":"t-0","asked":1,"answered":2}"#,
        r#"{"op":"transaction","id":1,"producer":0,"outcome":"committed"}"#,
        r#"{"op":"log","partition":"t-0","answered":1,"records":[[0]]}"#,
        r#"{"op":"poll","reader":0,"partition":"t-0","committed_only":1}"#,
    ] {
        let error = history(&format!("\n{line}\n")).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{line}: {error:?}");
    }
}

#[test]
fn a_name_has_one_spelling() {
    let name = Name { transaction: 12, number: 3 };
    assert_eq!(Name::parse(b"12.3"), Some(name));
    assert_eq!(Name::parse(name.to_string().as_bytes()), Some(name));
    assert_eq!(Name::parse(b"12.3 xxxx"), Some(name));
    for other in [&b""[..], b"12", b"+12.3", b"012.3", b"12.3x", b" 12.3", b"-1.3", b"\xff.3"] {
        assert_eq!(Name::parse(other), None, "{}", other.escape_ascii());
    }
}
