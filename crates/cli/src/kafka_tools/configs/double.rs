//! Numbers as Java reads and writes them: `1024.0`, `1.048576E7`.

/// A number, with the blanks around it and the letter at its end that Java allows.
pub(super) fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    match text.trim_start_matches(['+', '-']) {
        // Java knows these by one spelling, others by several.
        "NaN" => Some(f64::NAN),
        "Infinity" => text.parse().ok(),
        _ if digits.contains(|letter: char| letter.is_ascii_alphabetic() && !matches!(letter, 'e' | 'E')) => {
            None
        }
        _ => digits.parse().ok(),
    }
}

/// The shortest digits that stand for this number alone, with an exponent if it is small or large (`Double.toString`).
pub(super) fn text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-Infinity" } else { "Infinity" }.to_owned();
    }
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_java() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1024.0, "1024.0"),
            (0.125, "0.125"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (9_999_999.0, "9999999.0"),
            (10_000_000.0, "1.0E7"),
            (10_485_760.0, "1.048576E7"),
            (9_223_372_036_854_775_807.0, "9.223372036854776E18"),
            (-12_345_678.9, "-1.23456789E7"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text(value), expected);
        }
    }

    #[test]
    fn numbers_are_read_as_in_java() {
        for (text, expected) in
            [("1024", 1024.0), (" 1e3 ", 1000.0), ("+.5", 0.5), ("5.", 5.0), ("1d", 1.0), ("-1.5F", -1.5)]
        {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        assert_eq!(parse("-Infinity"), Some(f64::NEG_INFINITY));
        assert!(parse("NaN").unwrap().is_nan());
        for text in ["", "abc", "inf", "nan", "infinity", "1 2", "1dd", "d", "1,5"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
