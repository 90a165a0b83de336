//! Arguments that several commands have.

use super::pair;

#[test]
fn configs_are_keys_with_values() {
    let both = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
    assert_eq!(pair("retention.ms=1"), both("retention.ms", "1"));
    assert_eq!(pair("a="), both("a", ""));
    assert_eq!(pair("a=b=c,d"), both("a", "b=c,d"));
    assert!(pair("a").is_err() && pair("=1").is_err() && pair(" =1").is_err());
}
