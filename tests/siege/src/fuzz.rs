//! The part `fuzz`: runs the fuzz targets and reads how many inputs each has tried.

use std::process::Stdio;

use tokio::process::Command;

use crate::args::Plan;
use crate::report::{Figure, Outcome};

/// Default duration of a target, seconds.
const SECONDS: u64 = 60;
/// Goal for the executions of all targets together.
const EXECUTIONS: u64 = 10_000_000;

pub(crate) async fn measure(plan: &Plan) -> Outcome {
    let seconds = plan.seconds.unwrap_or(SECONDS);
    let mut command = Command::new("tests/fuzz/run.sh");
    command.arg(seconds.to_string()).args(&plan.targets).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let output = command.spawn().unwrap().wait_with_output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let counts = counts(&text);
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    let mut figures: Vec<_> = counts
        .iter()
        .map(|(target, count)| Figure::plain(format!("executions of {target}"), count.to_string()))
        .collect();
    figures.push(Figure::judged(
        "executions of all targets",
        total.to_string(),
        format!("≥ {EXECUTIONS}"),
        total >= EXECUTIONS,
    ));
    let unbroken = output.status.success();
    figures.push(Figure::judged(
        "inputs that broke a target",
        if unbroken { "none" } else { "see the log" },
        "none",
        unbroken,
    ));
    (format!("{} targets, {seconds} s each.", counts.len()), figures)
}

/// Reads the counts from lines such as `receipt  1234 inputs, 20 a second, none broke it`.
fn counts(text: &str) -> Vec<(String, u64)> {
    let count = |line: &str| {
        let mut words = line.split_whitespace();
        let (target, count) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        (words.next() == Some("inputs,") && target != "total").then_some((target, count))
    };
    text.lines().filter_map(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_the_runs_own_lines() {
        let text =
            "receipt        1234 inputs, 20 a second, none broke it\nlink BROKEN, see x\ntotal          1234 inputs\n";
        assert_eq!(counts(text), [("receipt".to_owned(), 1234)]);
        let text = "total          5 inputs, none broke a target\n";
        assert_eq!(counts(text), []);
    }
}
