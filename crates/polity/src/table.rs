//! Aligned tables for people: columns as wide as what stands in them shows.

use unicode_width::UnicodeWidthStr;

use crate::style::{Colour, Style};

/// What separates two columns.
const GAP: &str = "  ";

/// What stands for nothing.
const NOTHING: &str = "-";

/// A column's head and how its cells stand under it.
#[derive(Debug, Clone, Copy)]
pub enum Column {
    /// Text.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

/// What stands in one place of a table.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    colour: Option<Colour>,
}

/// Rows under one head.
#[derive(Debug)]
pub struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[Cell; N]>,
}

impl<const N: usize> Table<N> {
    pub fn new(columns: [Column; N]) -> Self {
        let rows = Vec::new();
        Self { columns, rows }
    }

    pub fn row(&mut self, cells: [Cell; N]) {
        self.rows.push(cells);
    }

    /// The whole table, a line each, with no space at the ends of lines.
    pub fn render(&self, style: Style) -> String {
        let head = self
            .columns
            .map(|column| Cell::from(column.name()).in_colour(Colour::Dim));
        let lines = || std::iter::once(&head).chain(&self.rows);
        let mut widths = [0; N];
        for cells in lines() {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = cell.width().max(*width);
            }
        }
        let mut text = String::new();
        for cells in lines() {
            let line: Vec<String> = cells
                .iter()
                .zip(&widths)
                .zip(&self.columns)
                .map(|((cell, width), column)| cell.padded(*width, *column, style))
                .collect();
            text.push_str(line.join(GAP).trim_end());
            text.push('\n');
        }
        text
    }
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Left(name) | Self::Right(name) => name,
        }
    }
}

impl Cell {
    pub fn in_colour(mut self, colour: impl Into<Colour>) -> Self {
        self.colour = Some(colour.into());
        self
    }

    /// How many columns of a terminal it takes: wide letters take two, combining marks none.
    fn width(&self) -> usize {
        self.text.width()
    }

    fn padded(&self, width: usize, column: Column, style: Style) -> String {
        let room = " ".repeat(width.saturating_sub(self.width()));
        let text = match self.colour {
            Some(colour) => style.paint(colour, &self.text).to_string(),
            None => self.text.clone(),
        };
        match column {
            Column::Left(_) => text + &room,
            Column::Right(_) => room + &text,
        }
    }
}

impl From<&str> for Cell {
    /// Control characters would break the alignment, or the terminal, and are left out.
    fn from(text: &str) -> Self {
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let text = if text.is_empty() {
            NOTHING.to_owned()
        } else {
            text
        };
        Self { text, colour: None }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(text: Option<T>) -> Self {
        text.map_or_else(|| Self::from(NOTHING), Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<3> {
        let mut table = Table::new([
            Column::Left("NAME"),
            Column::Right("N"),
            Column::Left("NOTE"),
        ]);
        table.row(["orders".into(), "7".into(), None::<String>.into()]);
        table.row([
            "店".into(),
            "1000".into(),
            Cell::from("e\u{301}t\x1b[31mé").in_colour(Colour::Red),
        ]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_what_they_show() {
        let expected = "\
NAME       N  NOTE
orders     7  -
店      1000  e\u{301}t[31mé
";
        assert_eq!(table().render(Style::Plain), expected);
    }

    #[test]
    fn colours_do_not_change_the_alignment() {
        let coloured = table().render(Style::Coloured);
        assert!(
            coloured.contains("\x1b[31me\u{301}t[31mé\x1b[0m"),
            "{coloured:?}"
        );
        let mut plain = coloured;
        for code in ["\x1b[0m", "\x1b[2m", "\x1b[31m"] {
            plain = plain.replace(code, "");
        }
        let trimmed: Vec<_> = plain.lines().map(str::trim_end).collect();
        let rendered = table().render(Style::Plain);
        assert_eq!(trimmed, rendered.lines().collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_table_is_its_head() {
        let table = Table::new([Column::Left("A"), Column::Right("B")]);
        assert_eq!(table.render(Style::Plain), "A  B\n");
    }
}
