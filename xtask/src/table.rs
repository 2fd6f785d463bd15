//! Cells in columns.

/// Rows of equally many cells, the first of them the head.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    pub(crate) fn push(&mut self, row: impl Into<Vec<String>>) {
        self.0.push(row.into());
    }

    /// For a terminal: words to the left, numbers to the right.
    pub(crate) fn aligned(&self) -> String {
        let widths = self.widths();
        let line = |row: &Vec<String>| {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| match is_number(cell) {
                    true => format!("{cell:>width$}"),
                    false => format!("{cell:<width$}"),
                });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        self.0.iter().map(line).collect()
    }

    /// For a page.
    pub(crate) fn markdown(&self) -> String {
        let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
        let Some((head, rows)) = self.0.split_first() else {
            return String::new();
        };
        let rule = format!("|{}\n", "---|".repeat(head.len()));
        [line(head), rule]
            .into_iter()
            .chain(rows.iter().map(line))
            .collect()
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.0.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.0.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        (0..columns).map(width).collect()
    }
}

fn is_number(cell: &str) -> bool {
    cell.starts_with(|first: char| first.is_ascii_digit() || first == '-')
}

/// As many digits as can mean something.
pub(crate) fn number(value: f64) -> String {
    let magnitude = value.abs();
    match magnitude {
        _ if magnitude >= 100.0 => format!("{value:.0}"),
        _ if magnitude >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::default();
        for row in [
            ["name", "value"],
            ["a", "1.00"],
            ["longer", "12.0"],
            ["c", "no"],
        ] {
            table.push(row.map(str::to_owned));
        }
        table
    }

    #[test]
    fn numbers_stand_to_the_right() {
        let expected = "name    value\na        1.00\nlonger   12.0\nc       no\n";
        assert_eq!(table().aligned(), expected);
    }

    #[test]
    fn a_page_has_a_rule_below_the_head() {
        let expected = "| name | value |\n|---|---|\n| a | 1.00 |\n| longer | 12.0 |\n| c | no |\n";
        assert_eq!(table().markdown(), expected);
    }

    #[test]
    fn digits_that_mean_nothing_are_left_out() {
        let numbers = [0.803, 11.456, 47_139.96, -3.0].map(number);
        assert_eq!(numbers, ["0.80", "11.5", "47140", "-3.00"]);
    }
}
