//! A verdict in two parts: genuine and accepted.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use quoth_attestation::statement::Platform;
use quoth_verifier::{Check, HardwareVerdict, Refusal, VerifiedNode};
use serde_json::{Value, json};

use crate::explain::explain;
use crate::report::print_json;
use crate::terminal::{safe_line, width, wrap};

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();
/// The column of texts.
const INDENT: usize = 6;

/// The verdict about saved evidence.
pub(crate) struct Verdict {
    platform: Platform,
    genuine: Result<(), Refusal>,
    accepted: Result<Option<String>, Refusal>,
    checks: Vec<Check>,
    time_basis: String,
    explain: bool,
    has_policy: bool,
}

impl Verdict {
    pub(crate) fn of_hardware(verdict: HardwareVerdict) -> Self {
        let genuine = verdict.genuine().map_err(Refusal::clone);
        let accepted = verdict.accepted().map(|image| Some(image.to_owned())).map_err(Refusal::clone);
        let (platform, checks) = (verdict.platform(), verdict.checks().to_vec());
        let time_basis = verdict.time_basis().into();
        Self { platform, genuine, accepted, checks, time_basis, explain: false, has_policy: false }
    }

    /// The verdict about a node. On a platform without hardware, only the node itself can be genuine.
    pub(crate) fn of_node(
        platform: Platform,
        hardware: Option<HardwareVerdict>,
        node: Result<VerifiedNode, Refusal>,
    ) -> Self {
        let (held, genuine) = match hardware {
            Some(verdict) => {
                let genuine = verdict.genuine().map_err(Refusal::clone);
                (verdict.checks().to_vec(), genuine)
            }
            None => (Vec::new(), node.as_ref().map(|_| ()).map_err(Refusal::clone)),
        };
        let checks = node.as_ref().map_or(held, |node| node.checks().to_vec());
        let time_basis =
            node.as_ref().map_or_else(|_| "the time that was given".into(), |node| node.time_basis().into());
        let accepted = node.map(|node| node.image().map(str::to_owned));
        Self { platform, genuine, accepted, checks, time_basis, explain: false, has_policy: false }
    }

    pub(crate) fn shown(self, explain: bool, has_policy: bool) -> Self {
        Self { explain, has_policy, ..self }
    }

    /// True if the evidence is accepted; without a policy, if it is genuine.
    pub(crate) fn holds(&self) -> bool {
        match self.has_policy {
            true => self.accepted.is_ok(),
            false => self.genuine.is_ok(),
        }
    }

    /// Prints the panel to standard error, or one JSON object to standard output.
    pub(crate) fn print(&self, as_json: bool) -> io::Result<()> {
        match as_json {
            true => print_json(&self.to_json()),
            false => self.write_panel(&mut anstream::stderr().lock(), width()),
        }
    }

    fn to_json(&self) -> Value {
        let mut checks: Vec<Value> = self
            .checks
            .iter()
            .map(|check| {
                let Check { code, what, source, expected, found, .. } = check;
                json!({ "code": code, "held": true, "what": what, "source": source, "expected": expected, "found": found })
            })
            .collect();
        let refusal = self.refusal();
        if let Some(refusal) = refusal {
            let code = refusal.code();
            checks.push(json!({ "code": code, "held": false, "what": refusal.to_string(), "meaning": explain(code) }));
        }
        json!({
            "verdict": if self.holds() { "proven" } else { "refused" },
            "code": refusal.map(Refusal::code),
            "platform": self.platform.name(),
            "genuine": self.genuine.is_ok(),
            "accepted": self.accepted.is_ok(),
            "policy_given": self.has_policy,
            "image": self.accepted.as_ref().ok().cloned().flatten(),
            "time_basis": self.time_basis,
            "checks": checks,
        })
    }

    fn refusal(&self) -> Option<&Refusal> {
        self.genuine.as_ref().err().or(self.accepted.as_ref().err())
    }

    fn write_panel(&self, out: &mut impl Write, width: usize) -> io::Result<()> {
        let (style, sign, title) = match (&self.genuine, &self.accepted) {
            (Err(_), _) => (BAD, "✗ not genuine", ""),
            (Ok(()), Ok(_)) => (GOOD, "✓ accepted", "genuine, and what the policy asks for"),
            (Ok(()), Err(_)) if self.has_policy => (BAD, "✗ not accepted", "genuine, but not what the policy asks for"),
            (Ok(()), Err(_)) => (GOOD, "✓ genuine", "no policy was given, so nothing says whether to accept it"),
        };
        writeln!(out, "{DIM}╭─{DIM:#} {style}{sign}{style:#} {title}")?;
        writeln!(out, "{DIM}│ platform{DIM:#}  {}", self.platform.name())?;
        writeln!(out, "{DIM}│ time{DIM:#}      {}", self.time_basis)?;
        if self.explain {
            for Check { code, what, source, expected, found, .. } in &self.checks {
                writeln!(out, "{DIM}│{DIM:#} {GOOD}✓{GOOD:#} {what} {DIM}({code}){DIM:#}")?;
                for (label, text) in [("want", expected), ("have", found)] {
                    let room = width.saturating_sub(INDENT + 5);
                    for (index, line) in wrap(&safe_line(text), room).iter().enumerate() {
                        let label = if index == 0 { label } else { "" };
                        writeln!(out, "{DIM}│     {label:<5}{DIM:#}{line}")?;
                    }
                }
                writeln!(out, "{DIM}│     rule {source}{DIM:#}")?;
            }
        }
        if let Some(refusal) = self.refusal().filter(|_| !self.holds() || self.explain) {
            if self.holds() {
                writeln!(out, "{DIM}├─ a policy that accepts it would have to answer this{DIM:#}")?;
            }
            writeln!(out, "{DIM}│{DIM:#} {BAD}✗{BAD:#} {}", refusal.code())?;
            for text in [&*refusal.to_string(), explain(refusal.code())] {
                for line in wrap(&safe_line(text), width.saturating_sub(INDENT)) {
                    writeln!(out, "{DIM}│    {DIM:#} {line}")?;
                }
            }
        }
        writeln!(out, "{DIM}╰─{DIM:#}")
    }
}
