//! What `quoth up` prints. Colours appear only on terminals. Output that cannot be written is dropped.

use std::fmt::Display;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

use crate::models::Progress;

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default();

/// Smaller files are done before a progress bar would be visible, bytes.
const WORTH_A_BAR: u64 = 16 * 1024 * 1024;

/// Lines on standard output, with a progress bar below them during work on a large file.
#[derive(Default)]
pub(crate) struct Screen(Mutex<Option<ProgressBar>>);

impl Screen {
    /// Prints a finished step.
    pub(crate) fn step(&self, name: impl Display, ms: u64) {
        self.print(&format!("  {GOOD}✓{GOOD:#} {name:<16} {DIM}{}{DIM:#}", duration(ms)));
    }

    /// Prints a note.
    pub(crate) fn note(&self, text: impl Display) {
        self.print(&format!("  {text}"));
    }

    /// Prints a warning.
    pub(crate) fn warn(&self, text: impl Display) {
        self.print(&format!("  {WARN}!{WARN:#} {text}"));
    }

    /// Prints a block of aligned names and values.
    pub(crate) fn panel(&self, title: &str, rows: &[(&str, String)], paste: &str) {
        let mut text = format!("\n  {BOLD}{title}{BOLD:#}\n");
        for (name, value) in rows {
            text += &format!("  {DIM}{name:<9}{DIM:#} {value}\n");
        }
        text += &format!("\n  {DIM}try it:{DIM:#}  {paste}\n");
        self.print(&text);
    }

    fn print(&self, text: &str) {
        let write = || {
            let mut out = anstream::stdout().lock();
            // Standard output may be closed. The node continues.
            let _ = writeln!(out, "{text}").and_then(|()| out.flush());
        };
        match &*self.bar() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn bar(&self) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Screen {
    fn begin(&self, what: &'static str, name: &str, size: u64) {
        if size >= WORTH_A_BAR {
            let style = "  {msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}";
            // safe: a constant template, shown by every run with a model
            let style = ProgressStyle::with_template(style).expect("a valid template");
            let name: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
            *self.bar() = Some(ProgressBar::new(size).with_style(style).with_message(format!("{what} {name}")));
        }
    }

    fn advance(&self, bytes: u64) {
        if let Some(bar) = &*self.bar() {
            bar.inc(bytes);
        }
    }

    fn end(&self) {
        let Some(bar) = self.bar().take() else { return };
        bar.finish_and_clear();
        let (through, size) = (bar.position(), bar.length().unwrap_or_default());
        let took = bar.elapsed();
        let rate = (through as f64 / took.as_secs_f64().max(0.001)) as u64;
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match through == size {
            true => self.note(format!("{}: {} in {}, {}/s", bar.message(), bytes(size), duration(ms), bytes(rate))),
            false => self.warn(format!("{}: it ended after {} of {}", bar.message(), bytes(through), bytes(size))),
        }
    }
}

/// Formats milliseconds for people.
pub(crate) fn duration(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// Formats a number of bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    let (unit, name) = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")]
        .into_iter()
        .find(|(unit, _)| count >= *unit)
        .unwrap_or((1, "B"));
    match unit {
        1 => format!("{count} B"),
        _ => format!("{}.{} {name}", count / unit, count % unit * 10 / unit),
    }
}

/// Formats Unix seconds as RFC 3339 in UTC.
pub(crate) fn time(unix: u64) -> String {
    let (days, rest) = (unix / 86_400, unix % 86_400);
    // Days since 0000-03-01, in eras of 400 years (proleptic Gregorian calendar, RFC 3339 appendix A).
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 { (month + 3, era * 400 + year) } else { (month - 9, era * 400 + year + 1) };
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::{bytes, duration, time};

    #[test]
    fn times_are_those_of_the_calendar() {
        for (unix, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_800_000_000, "2027-01-15T08:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(time(unix), expected);
        }
        time(u64::MAX);
    }

    #[test]
    fn sizes_and_durations_are_short() {
        assert_eq!([bytes(999), bytes(98_362_432), bytes(7_250_000_000)], ["999 B", "98.3 MB", "7.2 GB"]);
        assert_eq!([duration(999), duration(1250), duration(61_000)], ["999 ms", "1.2 s", "1 min 1 s"]);
        assert_eq!(duration(3_661_000), "1 h 1 min");
        let _ = (bytes(u64::MAX), duration(u64::MAX));
    }
}
