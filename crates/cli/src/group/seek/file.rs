//! A file of offsets, as `kafka-consumer-groups.sh --reset-offsets --export` writes it: lines `topic,partition,offset` for one group,
//! `group,topic,partition,offset` for several. Names may be in quotes.

use std::collections::BTreeMap;
use std::path::Path;

use super::target::To;
use crate::client::Partition;
use crate::failure::Failure;

/// The offsets of a group in a file.
///
/// # Errors
/// It cannot be read, a line is wrong, or no line is of the group.
pub(super) fn read(path: &Path, group: &str) -> Result<BTreeMap<Partition, To>, Failure> {
    let offsets = all(path, group)?;
    match offsets.is_empty() {
        true => Err(Failure::failed(format!("{}: it has no offsets of group {group}", path.display()))),
        false => Ok(offsets),
    }
}

/// As [`read`], also if there are none.
///
/// # Errors
/// It cannot be read, or a line is wrong.
pub(super) fn all(path: &Path, group: &str) -> Result<BTreeMap<Partition, To>, Failure> {
    let failed = |reason: &str| Failure::failed(format!("{}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(&format!("cannot be read: {error}")))?;
    parse(&text, group).map_err(|reason| failed(&reason))
}

fn parse(text: &str, group: &str) -> Result<BTreeMap<Partition, To>, String> {
    let mut offsets = BTreeMap::new();
    // Editors of Windows begin a file with this mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let found = fields(line).and_then(|fields| match fields.as_slice() {
            [topic, index, offset] => Some((group.to_owned(), one(topic, index, offset)?)),
            [of, topic, index, offset] => Some((of.clone(), one(topic, index, offset)?)),
            _ => None,
        });
        let (of, (partition, to)) = found.ok_or_else(|| {
            format!("line {number} is neither TOPIC,PARTITION,OFFSET nor GROUP,TOPIC,PARTITION,OFFSET")
        })?;
        if of != group {
            continue;
        }
        if offsets.insert(partition, to).is_some() {
            return Err(format!("line {number} is about a partition of a line before it"));
        }
    }
    Ok(offsets)
}

fn one(topic: &str, index: &str, offset: &str) -> Option<(Partition, To)> {
    let index: i32 = index.parse().ok().filter(|index| *index >= 0)?;
    let offset: i64 = offset.parse().ok().filter(|offset| *offset >= 0)?;
    (!topic.is_empty()).then(|| (Partition { topic: topic.to_owned(), index }, To::Offset(offset)))
}

/// The fields of a line. One in quotes may hold commas, and quotes twice.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let (mut letters, mut is_quoted) = (line.chars().peekable(), false);
    while let Some(letter) = letters.next() {
        let field = fields.last_mut()?;
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if field.is_empty() => is_quoted = true,
            ',' if !is_quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    (!is_quoted).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, i32, To)>, String> {
        let offsets = parse(text, "billing")?;
        Ok(offsets.into_iter().map(|(partition, to)| (partition.topic, partition.index, to)).collect())
    }

    #[test]
    fn both_forms_are_read() {
        let expected =
            || Ok(vec![("a".to_owned(), 0, To::Offset(5)), ("a-long-name".to_owned(), 1, To::Offset(7))]);
        assert_eq!(read("a,0,5\n\n\"a-long-name\",1,7\r\n"), expected());
        assert_eq!(read("billing,a,0,5\nother,a,0,9\n\"billing\",\"a-long-name\",1,7"), expected());
        assert_eq!(parse("\"of \"\"us\"\", all\",a,0,5", "of \"us\", all").map(|found| found.len()), Ok(1));
        assert_eq!(read("\u{feff}a,0,5\na-long-name,1,7"), expected(), "with a byte order mark");
        assert_eq!(read("other,a,0,5"), Ok(vec![]));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for text in [
            "a,0,5\na,0",
            "a,0,5\nTOPIC,PARTITION,OFFSET",
            "a,0,5\na,-1,5",
            "a,0,5\na,1,-5",
            "a,0,5\n\"a,1,5",
            "a,0,5\na,0,6",
        ] {
            assert!(read(text).unwrap_err().starts_with("line 2 "), "{text}");
        }
    }
}
