//! `quoth status`: shows the state of the node.

use serde::Serialize;

use crate::HostError;
use crate::args::Status;
use crate::control::{self, EgressLine, Snapshot};
use crate::launch::Enclave;
use crate::run_dir::RunDir;
use crate::screen::{BAD, DIM, GOOD, WARN, bytes, duration};

#[derive(Serialize)]
struct Answer<'a> {
    /// Whether a host is running.
    running: bool,
    /// Whether the enclave's process is running.
    enclave_lives: bool,
    #[serde(flatten)]
    snapshot: Option<&'a Snapshot>,
}

/// Shows the state of the node.
///
/// # Errors
/// [`HostError::NotRunning`] if no host is running, after printing whether the enclave is.
pub async fn run(options: &Status) -> Result<(), HostError> {
    let run_dir = RunDir::open(&options.run_dir)?;
    let snapshot = control::ask(&run_dir).await?;
    let state = run_dir.state()?;
    let enclave_lives = state.as_ref().is_some_and(Enclave::lives);
    if options.json {
        let answer = Answer { running: snapshot.is_some(), enclave_lives, snapshot: snapshot.as_ref() };
        super::print_json(&answer)?;
    } else if let Some(snapshot) = &snapshot {
        super::print(&text(snapshot))?;
    } else if enclave_lives {
        super::print(&format!(
            "{WARN}the host has stopped, its enclave is still running{WARN:#}: start quoth up to attach again\n"
        ))?;
    }
    match snapshot {
        Some(_) => Ok(()),
        None => Err(HostError::NotRunning { path: options.run_dir.clone() }),
    }
}

fn text(snapshot: &Snapshot) -> String {
    let state = match (snapshot.draining, snapshot.attached, &*snapshot.journal) {
        (true, ..) => format!("{WARN}stopping{WARN:#}"),
        (_, false, _) => format!("{WARN}waiting for the enclave{WARN:#}"),
        (_, _, "attached") if snapshot.node.is_some() => format!("{GOOD}ready{GOOD:#}"),
        (_, _, "failed") => format!("{BAD}journal failed: requests are refused{BAD:#}"),
        _ => format!("{WARN}starting{WARN:#}"),
    };
    let none = || "-".to_owned();
    let mut rows = vec![
        ("state", state),
        ("url", snapshot.url.clone()),
        ("platform", snapshot.platform.clone()),
        ("instance", snapshot.instance.clone().unwrap_or_else(none)),
        ("node", snapshot.node.clone().unwrap_or_else(none)),
    ];
    for model in &snapshot.models {
        rows.push(("model", format!("{} {DIM}{}{DIM:#}", model.name, bytes(model.size))));
    }
    for upstream in &snapshot.upstreams {
        rows.push(("provider", upstream.clone()));
    }
    if let Some(status) = &snapshot.enclave {
        rows.push(("uptime", duration(status.uptime_ms)));
        rows.push(("running", format!("{} exchanges, {} connections", status.running, status.connections)));
        rows.push((
            "receipts",
            format!("{} signed, {} not yet in the journal", status.receipts, status.unacknowledged),
        ));
        rows.push(("tokens", format!("{} read, {} produced", status.prompt_tokens, status.completion_tokens)));
    }
    let next = snapshot.journal_next.map_or_else(String::new, |next| format!(", next receipt {next}"));
    rows.push(("journal", format!("{}{next}", snapshot.journal)));
    let relay = &snapshot.relay;
    rows.push(("relay", format!("{} open, {} accepted, {} shed", relay.open, relay.accepted, relay.shed)));
    if !snapshot.upstreams.is_empty() {
        let EgressLine { open, led, refused, unresolved, unreachable, shed } = &snapshot.egress;
        let failed = format!("{refused} refused, {unresolved} unresolved, {unreachable} unreachable, {shed} shed");
        rows.push(("egress", format!("{open} open, {led} led, {failed}")));
    }
    rows.iter().map(|(name, value)| format!("{DIM}{name:<9}{DIM:#} {value}\n")).collect()
}
