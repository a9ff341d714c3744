//! Tables, for the terminal and for Markdown.
//!
//! Invariant: every row has as many cells as there are headings; the first column is text, the others are numbers.

use std::fmt::Write as _;

/// A table with a title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// What it shows.
    pub(super) title: String,
    /// Of the columns.
    pub(super) headings: Vec<String>,
    /// The cells.
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    /// Columns side by side, for the terminal.
    #[must_use]
    pub(super) fn to_text(&self) -> String {
        let lines: Vec<&Vec<String>> = std::iter::once(&self.headings).chain(&self.rows).collect();
        let width = |column: usize| lines.iter().map(|line| chars(&line[column])).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.headings.len()).map(width).collect();
        let mut text = format!("{}\n", self.title);
        for line in lines {
            let mut row = String::new();
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                let blanks = " ".repeat(width - chars(cell));
                let (before, after) = if column == 0 { ("", &blanks[..]) } else { (&blanks[..], "") };
                row.push_str("  ");
                row.extend([before, cell, after]);
            }
            text.push_str(row.trim_end());
            text.push('\n');
        }
        text
    }

    /// A heading of the third level and a table.
    #[must_use]
    pub(super) fn to_markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("### {}\n\n{}", self.title, line(&self.headings));
        let rules: Vec<String> = (0..self.headings.len())
            .map(|column| String::from(if column == 0 { "---" } else { "---:" }))
            .collect();
        let _ = writeln!(text, "|{}|", rules.join("|"));
        for row in &self.rows {
            text.push_str(&line(row));
        }
        text
    }
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let cells = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        Table {
            title: String::from("W1/window 1"),
            headings: cells(["peer", "CPU µs"]),
            rows: vec![cells(["relay-limit", "6.00"]), cells(["tacite", "12.0"])],
        }
    }

    #[test]
    fn columns_are_aligned_names_left_and_numbers_right() {
        let expected = "W1/window 1\n  peer         CPU µs\n  relay-limit    6.00\n  tacite         12.0\n";
        assert_eq!(table().to_text(), expected);
    }

    #[test]
    fn markdown_has_a_heading_and_a_rule() {
        let expected =
            "### W1/window 1\n\n| peer | CPU µs |\n|---|---:|\n| relay-limit | 6.00 |\n| tacite | 12.0 |\n";
        assert_eq!(table().to_markdown(), expected);
    }
}
