//! The table of results, and the page around it.

use std::fmt::Write;

use crate::machine;
use crate::row::Row;

/// Returns the rows as a Markdown table with aligned columns.
pub(crate) fn table(rows: &[Row]) -> String {
    let head = ["median", "range", "goal", "what", "Quoth", "peer"].map(str::to_owned);
    let lines: Vec<[String; 6]> = std::iter::once(head).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(text, "| {} |", cells.join(" | ")).unwrap();
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            writeln!(text, "|{}|", rules.join("|")).unwrap();
        }
    }
    text
}

/// Returns the text of `BENCHMARKS.md`.
pub(crate) fn page(rows: &[Row], profile: &str, rounds: usize) -> String {
    include_str!("page.md")
        .replace("{table}", table(rows).trim_end())
        .replace("{profile}", profile)
        .replace("{machine}", &machine::describe())
        .replace("{rounds}", &rounds.to_string())
}
