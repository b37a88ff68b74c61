//! Prints verdicts for people: one line for each exchange, one panel for all.

use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use quoth_engine::{Arithmetic, Recorded, Replayer};

use super::judged::{Judged, Pass, Replayed};
use super::verdict::Verdict;
use crate::explain::explain;
use crate::terminal::{safe_line, width, wrap};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default().bold();
const DIM: Style = Style::new().dimmed();
/// The column of a line's file name, and of a reason below it.
const FILES: usize = 17;
/// The column of a panel's values.
const VALUES: usize = 14;

/// A progress bar over all tokens, shown on terminals only.
pub(super) fn bar(outputs: &[Recorded]) -> ProgressBar {
    // The last token of an output is not computed.
    let tokens = |output: &Recorded| (output.prompt_tokens.len() + output.output_tokens.len()).saturating_sub(1) as u64;
    // safe: a constant template that a test covers
    let style = ProgressStyle::with_template("  replaying {bar:30} {human_pos}/{human_len} tokens, {eta} left")
        .expect("a valid template");
    ProgressBar::new(outputs.iter().map(tokens).sum()).with_style(style)
}

pub(super) fn write(out: &mut impl Write, replayed: &Replayed) -> io::Result<()> {
    let width = width();
    replayed.judged.iter().try_for_each(|judged| line(out, judged, width))?;
    panel(out, replayed, width)
}

fn look(verdict: &str) -> (Style, &'static str, &'static str) {
    match verdict {
        "match" => (GOOD, "✓", "match"),
        "not-comparable" => (WARN, "○", "not comparable"),
        "refused" => (BAD, "✗", "refused"),
        _ => (BAD, "✗", "mismatch"),
    }
}

fn line(out: &mut impl Write, judged: &Judged, width: usize) -> io::Result<()> {
    let (style, sign, name) = look(judged.verdict.name());
    let file = safe_line(&judged.file.display().to_string());
    let tokens = judged.facts.as_ref().and_then(|facts| facts.tokens);
    let tokens = tokens.map(|(prompt, output)| format!("{prompt} + {output} tokens")).unwrap_or_default();
    writeln!(out, "{style}{sign} {name:<15}{style:#}{file}  {DIM}{tokens}{DIM:#}")?;
    let (Some(code), Some(message)) = (judged.verdict.code(), judged.verdict.message()) else { return Ok(()) };
    let room = width.saturating_sub(FILES);
    writeln!(out, "{:FILES$}{}", "", safe_line(code))?;
    let meant = match judged.verdict {
        Verdict::Refused(_) | Verdict::Mismatch(_) => explain(code),
        _ => "",
    };
    for text in [&*message, meant].into_iter().filter(|text| !text.is_empty()) {
        for part in wrap(&safe_line(text), room) {
            writeln!(out, "{:FILES$}{DIM}{part}{DIM:#}", "")?;
        }
    }
    Ok(())
}

fn panel(out: &mut impl Write, replayed: &Replayed, width: usize) -> io::Result<()> {
    let verdict = replayed.verdict();
    let (style, sign, name) = look(verdict);
    let title = match verdict {
        "match" => "the model gives, token for token, what was signed and answered",
        "not-comparable" => "for some of it nothing can be said here",
        "refused" => "some of it is not what a node signed",
        _ => "the model does not give what was signed",
    };
    writeln!(out, "{DIM}╭─{DIM:#} {style}{sign} {name}{style:#} {title}")?;
    let count = |name| replayed.count(name);
    let mut rows = vec![(
        "exchanges",
        format!(
            "{} match, {} mismatch, {} refused, {} not comparable",
            count("match"),
            count("mismatch"),
            count("refused"),
            count("not-comparable")
        ),
    )];
    rows.push(match &replayed.pass {
        Some(Pass { tokens, load, compute }) => {
            ("computed", format!("{tokens} tokens in {}; loading took {}", seconds(*compute), seconds(*load)))
        }
        None => ("computed", "nothing: there was nothing to compare".into()),
    });
    rows.push(("model", format!("{}, sha256 {}", replayed.model.0.display(), replayed.model.1)));
    rows.push(("arithmetic", format!("{}; engine {}", Arithmetic::Exact.profile(), Replayer::identity())));
    for (label, value) in rows {
        for (index, part) in wrap(&safe_line(&value), width.saturating_sub(VALUES + 2)).iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            writeln!(out, "{DIM}│ {label:<VALUES$}{DIM:#}{part}")?;
        }
    }
    writeln!(out, "{DIM}╰─{DIM:#}")
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
