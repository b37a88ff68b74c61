//! Figures, and the page that shows them. Sections of parts that did not run stay.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use crate::args::Part;
use crate::machine;

/// One measured figure.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    what: String,
    value: String,
    goal: Option<(String, bool)>,
}

/// What a part did, in words, and its figures.
pub(crate) type Outcome = (String, Vec<Figure>);

impl Figure {
    /// Creates a figure without a goal.
    pub(crate) fn plain(what: impl Into<String>, value: impl Into<String>) -> Self {
        Self { what: what.into(), value: value.into(), goal: None }
    }

    /// Creates a figure with a goal.
    pub(crate) fn judged(
        what: impl Into<String>,
        value: impl Into<String>,
        goal: impl Into<String>,
        met: bool,
    ) -> Self {
        Self { what: what.into(), value: value.into(), goal: Some((goal.into(), met)) }
    }

    /// Creates a figure for a count that must be zero.
    pub(crate) fn none_of(what: impl Into<String>, count: u64) -> Self {
        Self::judged(what, count.to_string(), "0", count == 0)
    }

    /// Returns whether the goal is met. True without a goal.
    pub(crate) fn met(&self) -> bool {
        self.goal.as_ref().is_none_or(|(_, met)| *met)
    }

    fn cells(&self) -> [&str; 4] {
        let (goal, verdict) = match &self.goal {
            None => ("", ""),
            Some((goal, true)) => (goal.as_str(), "met"),
            Some((goal, false)) => (goal.as_str(), "**not met**"),
        };
        [&self.what, &self.value, goal, verdict]
    }
}

/// Returns the figures as a Markdown table with aligned columns.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut rows = vec![["figure", "value", "goal", ""]];
    rows.extend(figures.iter().map(Figure::cells));
    let widths: [usize; 4] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        // safe to ignore, here and below: writing into a String cannot fail
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if at == 0 {
            let rules: Vec<_> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            let _ = writeln!(text, "|{}|", rules.join("|"));
        }
    }
    text
}

/// Replaces the section of `part` in the page at `path`. Creates the page from the template if needed.
///
/// # Errors
/// If the page cannot be read or written.
pub(crate) fn write(path: &Path, part: Part, how: &str, figures: &[Figure]) -> io::Result<()> {
    let page = match fs::read_to_string(path) {
        Ok(page) => page,
        Err(error) if error.kind() == io::ErrorKind::NotFound => TEMPLATE.to_owned(),
        Err(error) => return Err(error),
    };
    let (date, commit, machine) = (machine::date(), machine::commit(), machine::describe());
    let section = format!("{}\n{date}, commit {commit}. {how}\nMachine: {machine}.\n", table(figures));
    let page = replace(&page, part.name(), &section).ok_or_else(|| {
        io::Error::other(format!("{} has no section between the markers of {}", path.display(), part.name()))
    })?;
    fs::write(path, page)
}

const TEMPLATE: &str = include_str!("page.md");

/// Replaces the text between the markers of `name`. Returns `None` if a marker is missing.
fn replace(page: &str, name: &str, section: &str) -> Option<String> {
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = page.split_once(&start)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{start}{section}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_the_others_stay() {
        let page = "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n<!-- y -->\nkept\n<!-- end of y -->\n";
        let new = replace(page, "x", "new\n");
        let expected = "a\n<!-- x -->\nnew\n<!-- end of x -->\nb\n<!-- y -->\nkept\n<!-- end of y -->\n";
        assert_eq!(new.as_deref(), Some(expected));
        assert_eq!(replace(page, "z", "new\n"), None);
        assert_eq!(replace("<!-- x -->\nno end", "x", "new\n"), None);
    }

    #[test]
    fn the_template_has_a_section_for_every_part() {
        for part in <Part as clap::ValueEnum>::value_variants() {
            assert!(replace(TEMPLATE, part.name(), "").is_some(), "{part:?}");
        }
    }

    #[test]
    fn a_goal_that_is_missed_shows() {
        let figures = [Figure::none_of("lost", 1), Figure::none_of("broken", 0), Figure::plain("seen", "3")];
        assert_eq!(figures.each_ref().map(Figure::met), [false, true, true]);
        let table = table(&figures);
        assert!(table.contains("| lost   | 1     | 0    | **not met** |"), "{table}");
    }
}
