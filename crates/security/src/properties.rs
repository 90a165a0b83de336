//! Java's `.properties` format, as `java.util.Properties.load` reads it, plus the line each key stands on.
//!
//! Comments (`#`, `!`), continuation lines, `=` `:` and blank separators, and escapes are Java's. Bytes that are not
//! UTF-8 are read as ISO-8859-1, Java's own encoding of these files. Nothing here knows which keys exist, and no reason of a bad line
//! holds a value, which may be a password.

/// One `key=value`, escapes resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub key: String,
    /// Its value; may be a password.
    pub value: String,
    /// Counted from 1; the line on which the key starts.
    pub line: usize,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Counted from 1.
    pub line: usize,
    /// The fault, and the text that belongs there.
    pub reason: String,
}

/// Every property of the file in its order, repeated keys included; every bad line beside them.
pub fn parse(bytes: &[u8]) -> (Vec<Property>, Vec<BadLine>) {
    let text = decode(bytes);
    let (mut properties, mut bad) = (Vec::new(), Vec::new());
    for (line, text) in logical_lines(&text) {
        match split(&text) {
            Ok((key, value)) => properties.push(Property { key, value, line }),
            Err(reason) => bad.push(BadLine { line, reason }),
        }
    }
    (properties, bad)
}

fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        // A byte order mark would become part of the first key.
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text).to_owned(),
        // Cannot fail: ISO-8859-1 is the first 256 characters of Unicode.
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Java's white space within a line.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Joins continued lines; drops comments and blank lines. A comment is never continued.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut logical: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (index, natural) in natural_lines(text).enumerate() {
        let natural = natural.trim_start_matches(is_blank);
        // In the middle of a continued value `#` is text, as in Java.
        if !open && (natural.is_empty() || natural.starts_with(['#', '!'])) {
            continue;
        }
        if !open {
            logical.push((index + 1, String::new()));
        }
        // The backslash that is dropped below is one byte.
        open = ends_with_continuation(natural);
        let content = if open { natural.get(..natural.len() - 1).unwrap_or("") } else { natural };
        if let Some((_, line)) = logical.last_mut() {
            line.push_str(content);
        }
    }
    // A line can become empty here: a lone backslash before a blank line.
    logical.retain(|(_, line)| !line.is_empty());
    logical
}

/// Lines end at `\n`, `\r` or `\r\n`.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

fn ends_with_continuation(line: &str) -> bool {
    // Backslashes in pairs are escaped ones, which continue nothing.
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// The key ends at the first unescaped `=`, `:` or blank; one `=` or `:` among the blanks after it belongs to neither.
fn split(line: &str) -> Result<(String, String), String> {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|(_, c)| {
            let ends = !escaped && (is_blank(*c) || matches!(c, '=' | ':'));
            escaped = !escaped && *c == '\\';
            ends
        })
        .map_or(line.len(), |(index, _)| index);
    let (key, rest) = line.split_at_checked(end).unwrap_or((line, ""));
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(is_blank);
    Ok((unescape(key)?, unescape(value)?))
}

/// Works in UTF-16, because `\uXXXX` names half of a surrogate pair where the character needs two.
fn unescape(text: &str) -> Result<String, String> {
    let mut units = Vec::with_capacity(text.len());
    let mut buffer = [0; 2];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let plain = match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('u')) => {
                units.push(hex_unit(&mut chars)?);
                continue;
            }
            ('\\', Some('t')) => '\t',
            ('\\', Some('n')) => '\n',
            ('\\', Some('r')) => '\r',
            ('\\', Some('f')) => '\u{c}',
            // Java drops the backslash before any other character, and one at the end of the file.
            ('\\', Some(other)) => other,
            ('\\', None) => continue,
            (other, _) => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut buffer));
    }
    // Half of a pair becomes U+FFFD: Java keeps it, but it is no Unicode text.
    Ok(String::from_utf16_lossy(&units))
}

/// The four hexadecimal digits after `\u`.
fn hex_unit(chars: &mut std::str::Chars<'_>) -> Result<u16, String> {
    let digits: String = chars.take(4).collect();
    // Without the digits, which may be a part of a password.
    let malformed = || "malformed \\u: four hexadecimal digits must follow it".to_owned();
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(malformed());
    }
    u16::from_str_radix(&digits, 16).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let (properties, bad) = parse(text.as_bytes());
        assert_eq!(bad, vec![], "{text:?}");
        properties.into_iter().map(|property| (property.key, property.value)).collect()
    }

    fn one(text: &str) -> (String, String) {
        let mut pairs = pairs(text);
        assert_eq!(pairs.len(), 1, "{text:?} gave {pairs:?}");
        pairs.remove(0)
    }

    #[test]
    fn separators() {
        for text in ["k=v", "k:v", "k v", "k = v", "  k\t:\tv", "k  =v", "\u{c}k=v", "k=v\r\n"] {
            assert_eq!(one(text), ("k".into(), "v".into()), "{text:?}");
        }
        assert_eq!(one("k==v"), ("k".into(), "=v".into()), "only one separator is dropped");
        assert_eq!(one("k v w "), ("k".into(), "v w ".into()), "blanks at the end of a value stay");
        assert_eq!(one("listeners=PLAINTEXT://:9092"), ("listeners".into(), "PLAINTEXT://:9092".into()));
        assert_eq!(one("k"), ("k".into(), String::new()));
        assert_eq!(one("=v"), (String::new(), "v".into()));
    }

    #[test]
    fn comments_and_blank_lines() {
        assert_eq!(
            pairs("# a\n   ! b\n\n  \t\nk=v # not a comment\n"),
            [("k".into(), "v # not a comment".into())]
        );
        assert_eq!(pairs("# never continued \\\nk=v"), [("k".into(), "v".into())]);
    }

    #[test]
    fn continuation_lines() {
        assert_eq!(one("k=a,\\\n   b,\\\r\n\tc"), ("k".into(), "a,b,c".into()));
        assert_eq!(
            one("k=a\\\\"),
            ("k".into(), "a\\".into()),
            "an even number of backslashes does not continue"
        );
        assert_eq!(one("k=a\\"), ("k".into(), "a".into()), "continued by the end of the file");
        assert_eq!(one("k=a\\\n# b"), ("k".into(), "a# b".into()), "a continued line is never a comment");
        assert_eq!(pairs("k=a\\\n\nl=b"), [("k".into(), "a".into()), ("l".into(), "b".into())]);
    }

    #[test]
    fn escapes() {
        assert_eq!(one("a\\=b\\:c\\ d=e"), ("a=b:c d".into(), "e".into()));
        assert_eq!(one("k=\\t\\n\\u0041\\q\\\\"), ("k".into(), "\t\nAq\\".into()));
        assert_eq!(one("k=\\uD83D\\uDE00\\uD83Dx"), ("k".into(), "😀\u{fffd}x".into()));
        for text in ["k=\\u12", "k=\\u12G4", "k=\\u+123"] {
            let (_, bad) = parse(format!("a=b\n{text}\n").as_bytes());
            assert_eq!(bad.iter().map(|bad| bad.line).collect::<Vec<_>>(), [2], "{text}");
        }
    }

    #[test]
    fn lines_are_counted_where_the_key_starts() {
        let (properties, _) = parse(b"# one\r\na=1\\\r\n  2\r\n\r\nb=3\rc=4\n");
        let lines: Vec<_> =
            properties.iter().map(|property| (property.key.as_str(), property.line)).collect();
        assert_eq!(lines, [("a", 2), ("b", 5), ("c", 6)]);
    }

    #[test]
    fn encodings() {
        assert_eq!(one("\u{feff}k=grün"), ("k".into(), "grün".into()));
        let (latin, _) = parse(b"k=gr\xfcn");
        assert_eq!(latin.first().map(|property| property.value.as_str()), Some("grün"));
        assert_eq!(parse(b"\xff\xfe\x00\\").1, vec![], "never panics");
    }
}
