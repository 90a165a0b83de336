//! Tables with aligned columns, sizes and times for people to read.

/// A table: the first row names the columns.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns with numbers, which are aligned to the right.
    numbers: &'static [usize],
}

impl Table {
    pub(super) fn new(columns: &[&str], numbers: &'static [usize]) -> Self {
        Self { rows: vec![columns.iter().map(|name| (*name).to_owned()).collect()], numbers }
    }

    pub(super) fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(cells.into());
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len() - 1
    }

    /// The rows, indented by two.
    pub(super) fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let right = self.numbers.contains(&column);
                line.push_str("  ");
                line.push_str(&if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") });
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// A name from the disk, without characters that a terminal obeys.
pub(super) fn name(name: &str) -> String {
    name.chars().flat_map(char::escape_debug).collect()
}

/// Bytes in the greatest unit of which there is at least one.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"");
    while value >= 1024.0
        && let Some(next) = units.next()
    {
        (value, unit) = (value / 1024.0, next);
    }
    format!("{value:.1} {unit}")
}

/// A time span in its two greatest units.
pub(super) fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A moment in UTC, as RFC 3339 writes it; the number itself if it is before 1970 or after 9999, as none of ours is.
pub(super) fn moment(unix_ms: i64) -> String {
    if !(0..253_402_300_800_000).contains(&unix_ms) {
        return unix_ms.to_string();
    }
    let (days, ms) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    // Years begin in March here, so that the day which some have more is their last: 306 days before 1970-01-01 begins a year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + later;
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}-{month:02}-{date:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["NAME", "BYTES"], &[1]);
        table.row(["a".into(), "1".into()]);
        table.row(["longer".into(), "1234567".into()]);
        assert_eq!(table.text(), "  NAME      BYTES\n  a             1\n  longer  1234567\n");
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn sizes_spans_and_moments_are_readable() {
        assert_eq!([0, 1023, 1024, 1 << 30].map(size), ["0 B", "1023 B", "1.0 KiB", "1.0 GiB"]);
        assert_eq!(size(u64::MAX), "16384.0 PiB");
        assert_eq!([-1, 59_999, 61_000, 90_000_000].map(span), ["0 s", "59 s", "1 min 1 s", "1 d 1 h"]);
        assert_eq!(moment(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(moment(951_782_400_001), "2000-02-29T00:00:00.001Z");
        assert_eq!(moment(1_796_083_199_999), "2026-11-30T23:59:59.999Z");
        assert_eq!(moment(253_402_300_799_999), "9999-12-31T23:59:59.999Z");
        assert_eq!([-1, i64::MAX].map(moment), ["-1", "9223372036854775807"]);
    }

    #[test]
    fn names_do_not_steer_the_terminal() {
        assert_eq!(name("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
    }
}
