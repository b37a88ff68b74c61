//! Profiles the enclave's processor time under load, with `perf`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::house::House;
use super::rates;
use crate::machine;

const TIME: Duration = Duration::from_secs(5);
/// Time limit for perf to start and to end.
const MARGIN: Duration = Duration::from_secs(1);
/// Number of symbols in the profile.
const SYMBOLS: usize = 12;
/// Maximum length of a symbol, characters.
const WIDTH: usize = 80;

/// Groups of symbols. A symbol belongs to the first group with a text that its name contains.
const GROUPS: [(&str, &[&str]); 8] = [
    ("kernel: sockets, wake-ups", &["[k]"]),
    ("signing: Ed25519, SHA-512", &["25519", "sha512", "SHA512"]),
    ("SHA-256", &["sha256"]),
    ("TLS", &["rustls", "aes_gcm", "aead", "AEAD", "aws_lc"]),
    ("memory", &["mi_", "memmove", "memcpy", "memset", "bytes::"]),
    ("JSON", &["json", "serde"]),
    ("Quoth's own", &["quoth_"]),
    ("HTTP and runtime", &["hyper", "h2::", "http", "tokio", "epoll", "recv", "writev"]),
];
const OTHERS: &str = "all else";

/// Returns a table, or why there is none.
pub(super) fn of(node: &House) -> String {
    eprintln!("proxied: profile");
    machine::wait_until_quiet();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("perf.data");
    let symbols = record(node, &file).map(|()| symbols(&file)).unwrap_or_default();
    if symbols.is_empty() {
        return "Not taken: `perf` is absent, or may not look.".into();
    }
    let mut groups: Vec<(f64, String)> = GROUPS.iter().map(|(name, _)| (0.0, name.to_string())).collect();
    groups.push((0.0, OTHERS.into()));
    for (share, symbol) in &symbols {
        let group = GROUPS.iter().position(|(_, parts)| parts.iter().any(|part| symbol.contains(part)));
        groups[group.unwrap_or(GROUPS.len())].0 += share;
    }
    groups.sort_by(|one, other| other.0.total_cmp(&one.0));
    let short = |(share, name): &(f64, String)| {
        let name: String = name
            .split_once(" ")
            .map_or("", |(_, name)| name)
            .split("  ")
            .next()
            .unwrap_or("")
            .chars()
            .take(WIDTH)
            .collect();
        (*share, format!("`{name}`"))
    };
    let symbols: Vec<_> = symbols.iter().take(SYMBOLS).map(short).collect();
    [table("group", &groups), table("symbol, by itself", &symbols)].join("\n\n")
}

/// Records a profile while connections send requests.
fn record(node: &House, file: &Path) -> Option<()> {
    let pid = node.enclave().as_raw_nonzero().to_string();
    let mut command = Command::new("perf");
    // Virtual machines may have no performance counters, but they have a clock.
    command.args(["record", "-q", "-e", "cpu-clock", "-F", "999", "-p", &pid, "-o"]).arg(file);
    command.args(["--", "sleep", &TIME.as_secs().to_string()]);
    let mut perf = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    rates::load(node, TIME + 2 * MARGIN);
    perf.wait().ok()?.success().then_some(())
}

/// Returns shares of processor time in percent, largest first. `[k]` marks symbols of the kernel.
fn symbols(file: &Path) -> Vec<(f64, String)> {
    let mut command = Command::new("perf");
    command.args(["report", "--stdio", "--no-children", "--sort", "symbol", "-i"]).arg(file);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let symbol = |line: &str| {
        let (share, name) = line.trim().split_once('%')?;
        Some((share.parse().ok()?, name.trim().to_owned()))
    };
    String::from_utf8_lossy(&output.stdout).lines().filter_map(symbol).collect()
}

fn table(head: &str, lines: &[(f64, String)]) -> String {
    let line = |(share, name): &(f64, String)| format!("| {share:.1} % | {name} |");
    let lines: Vec<_> = lines.iter().map(line).collect();
    format!("| share | {head} |\n|---|---|\n{}", lines.join("\n"))
}
