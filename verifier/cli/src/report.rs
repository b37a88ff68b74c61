//! Reports proven facts, as rows for people and as an object for programs.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value, json};

use crate::error::CliError;
use crate::explain::explain;
use crate::terminal::{safe_line, width, wrap};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().dimmed();
/// The column of values.
const VALUES: usize = 14;

/// The facts of a verdict `proven`.
#[derive(Default)]
pub(crate) struct Report {
    title: String,
    rows: Vec<(&'static str, String)>,
    not_proven: Vec<String>,
    object: Map<String, Value>,
}

impl Report {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Adds a row for people.
    pub(crate) fn row(&mut self, label: &'static str, value: impl Into<String>) {
        self.rows.push((label, value.into()));
    }

    /// Adds a member for programs.
    pub(crate) fn member(&mut self, name: &str, value: impl Into<Value>) {
        self.object.insert(name.into(), value.into());
    }

    /// Adds a statement that the verdict does not prove.
    pub(crate) fn not_proven(&mut self, what: impl Into<String>) {
        self.not_proven.push(what.into());
    }

    /// Prints the panel to standard error, or one JSON object to standard output.
    pub(crate) fn print(mut self, as_json: bool) -> io::Result<()> {
        if as_json {
            self.member("verdict", "proven");
            self.member("code", Value::Null);
            self.member("not_proven", self.not_proven.clone());
            return print_json(&Value::Object(self.object));
        }
        self.write_panel(&mut anstream::stderr().lock(), width())
    }

    fn write_panel(&self, out: &mut impl Write, width: usize) -> io::Result<()> {
        let room = width.saturating_sub(VALUES + 2);
        let title = wrap(&safe_line(&self.title), width.saturating_sub(13)).join(" ");
        writeln!(out, "{DIM}╭─{DIM:#} {GOOD}✓ proven{GOOD:#} {title}")?;
        for (label, value) in &self.rows {
            for (index, line) in wrap(&safe_line(value), room).iter().enumerate() {
                let label = if index == 0 { label } else { "" };
                writeln!(out, "{DIM}│ {label:<width$}{DIM:#}{line}", width = VALUES)?;
            }
        }
        if !self.not_proven.is_empty() {
            writeln!(out, "{DIM}├─{DIM:#} {WARN}not proven{WARN:#}")?;
        }
        for what in &self.not_proven {
            for (index, line) in wrap(&safe_line(what), width.saturating_sub(4)).iter().enumerate() {
                let bullet = if index == 0 { "·" } else { " " };
                writeln!(out, "{DIM}│ {bullet}{DIM:#} {line}")?;
            }
        }
        writeln!(out, "{DIM}╰─{DIM:#}")
    }
}

/// Prints why a command did not end in `proven`.
pub(crate) fn print_error(error: &CliError, as_json: bool) -> io::Result<()> {
    let refused = error.is_refusal();
    let verdict = if refused { "refused" } else { "error" };
    if as_json {
        let mut object = json!({ "verdict": verdict, "code": error.code(), "message": error.to_string() });
        if refused {
            object["meaning"] = explain(error.code()).into();
        }
        return print_json(&object);
    }
    write_error(&mut anstream::stderr().lock(), error, width())
}

fn write_error(out: &mut impl Write, error: &CliError, width: usize) -> io::Result<()> {
    let message = safe_line(&error.to_string());
    let code = safe_line(error.code());
    if !error.is_refusal() {
        return writeln!(out, "{BAD}error{BAD:#} {message} {DIM}({code}){DIM:#}");
    }
    writeln!(out, "{DIM}╭─{DIM:#} {BAD}✗ refused{BAD:#} {code}")?;
    for line in wrap(&message, width.saturating_sub(2)) {
        writeln!(out, "{DIM}│{DIM:#} {line}")?;
    }
    writeln!(out, "{DIM}├─{DIM:#} {WARN}what it means{WARN:#}")?;
    for line in wrap(explain(error.code()), width.saturating_sub(2)) {
        writeln!(out, "{DIM}│{DIM:#} {line}")?;
    }
    writeln!(out, "{DIM}╰─{DIM:#}")
}

/// One JSON object on one line; serde_json escapes control characters.
pub(crate) fn print_json(value: &Value) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{value}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_panel_keeps_to_the_width_and_to_plain_characters() {
        let mut report = Report::new("node \u{1b}[31m");
        report.row("model", format!("evil\u{1b}]0;x\u{7}name\nsecond line {}", "ab".repeat(40)));
        report.not_proven("that \u{9b}31m anything here is true, however long the sentence about it may become");
        let mut out = Vec::new();
        report.write_panel(&mut out, 44).unwrap();
        let plain = anstream::adapter::strip_str(std::str::from_utf8(&out).unwrap()).to_string();
        assert!(plain.lines().all(|line| line.chars().count() <= 46), "{plain}");
        assert!(!plain.chars().any(|c| c.is_control() && c != '\n'));
        assert!(plain.contains("✓ proven") && plain.contains("not proven"));
    }

    #[test]
    fn a_refusal_shows_its_code_and_what_it_means() {
        let error = CliError::Client(quoth_client::ClientError::HeaderMissing { name: "quoth-receipt" });
        let mut out = Vec::new();
        write_error(&mut out, &error, 80).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("✗ refused") && text.contains("response.header_missing") && text.contains("what it means")
        );
    }
}
