//! Aligned columns and units for people.

use std::io::{self, Write};

/// Where a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a heading.
pub(super) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one. A heading that starts with `>` is that of a column of numbers.
    pub(super) fn new(headings: &[&'static str]) -> Self {
        let column = |heading: &&'static str| match heading.strip_prefix('>') {
            Some(heading) => (heading, Align::Right),
            None => (*heading, Align::Left),
        };
        Self { columns: headings.iter().map(column).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells stay empty.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether it has no rows.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints heading and rows, two spaces between columns, no spaces at the ends of lines.
    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut widths: Vec<usize> = self.columns.iter().map(|(heading, _)| heading.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let headings: Vec<&str> = self.columns.iter().map(|(heading, _)| *heading).collect();
        self.line(&headings, &widths, out)?;
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            self.line(&cells, &widths, out)?;
        }
        Ok(())
    }

    fn line(&self, cells: &[&str], widths: &[usize], out: &mut dyn Write) -> io::Result<()> {
        let mut line = String::new();
        for ((cell, width), (_, align)) in cells.iter().zip(widths).zip(&self.columns) {
            let padded = match align {
                Align::Left => format!("{cell:<width$}  "),
                Align::Right => format!("{cell:>width$}  "),
            };
            line.push_str(&padded);
        }
        writeln!(out, "{}", line.trim_end())
    }
}

/// Bytes with three digits and a decimal unit: `1.23GB`. Below 1000: `999B`.
pub(super) fn bytes(count: u64) -> String {
    scaled(count, "B")
}

/// A rate with three digits and a decimal unit: `1.61Gbit/s`.
pub(super) fn rate(per_second: u64, unit: &str) -> String {
    scaled(per_second, unit)
}

fn scaled(value: u64, unit: &str) -> String {
    const PREFIXES: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let mut divisor = 1u64;
    let mut prefix = 0;
    // Rounded to three digits, 999.5 and more is shown with the next prefix.
    while u128::from(value) * 10 >= u128::from(divisor) * 9995 && prefix + 1 < PREFIXES.len() {
        divisor = divisor.saturating_mul(1000);
        prefix += 1;
    }
    let Some(name) = PREFIXES.get(prefix).filter(|_| prefix > 0) else { return format!("{value}{unit}") };
    let digits = |scale: u64| (u128::from(value) * u128::from(scale) + u128::from(divisor) / 2) / u128::from(divisor);
    match (digits(100), digits(10)) {
        (hundredths @ 0..1000, _) => format!("{}.{:02}{name}{unit}", hundredths / 100, hundredths % 100),
        (_, tenths @ 0..1000) => format!("{}.{}{name}{unit}", tenths / 10, tenths % 10),
        _ => format!("{}{name}{unit}", digits(1)),
    }
}

/// `42s`, `3m 20s`, `2h 5m`, `3d 4h`: the two largest units.
pub(super) fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// `1 real`, `2 reals`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A number, or `-` where nobody knows.
pub(super) fn known(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
