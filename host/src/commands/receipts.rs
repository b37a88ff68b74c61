//! `quoth receipts`: lists, shows and exports receipts of the journal.

use std::io;

use comfy_table::{Cell, CellAlignment, Table, presets};
use quoth_attestation::ExchangeId;
use serde::Serialize;

use crate::HostError;
use crate::args::Receipts;
use crate::journal::{self, Break, Chain, Entry, Instance};
use crate::run_dir::{self, RunDir};
use crate::screen::{BAD, DIM, GOOD, duration, time};

/// Maximum number of breaks in the text output. JSON output has more.
const SHOWN_BREAKS: usize = 5;

#[derive(Serialize)]
struct Answer<'a> {
    instances: &'a [Instance],
}

/// Lists receipts with the state of their chains, or shows one.
///
/// # Errors
/// [`HostError::NoReceipt`], [`HostError::Journal`], [`HostError::File`].
pub fn run(options: &Receipts) -> Result<(), HostError> {
    let path = RunDir::open(&options.run_dir)?.journal();
    if !path.is_file() {
        return Err(HostError::file(path)(io::ErrorKind::NotFound.into()));
    }
    let Some(cti) = &options.cti else {
        let instances = journal::read(&path, None)?;
        return match options.json {
            true => super::print_json(&Answer { instances: &instances }),
            false => super::print(&list(&instances, options.last)),
        };
    };
    let Ok(id) = cti.parse::<ExchangeId>() else {
        return Err(HostError::Usage("a receipt's id is 32 hex digits".into()));
    };
    let mut instances = journal::read(&path, Some(id))?;
    instances.retain(|instance| !instance.receipts.is_empty());
    let Some(receipt) = instances.first().and_then(|instance| instance.receipts.first()) else {
        return Err(HostError::NoReceipt { cti: id.to_string() });
    };
    match &options.out {
        Some(out) => run_dir::write(out, &receipt.cose),
        None if options.json => super::print_json(&Answer { instances: &instances }),
        None => super::print(&one(receipt)),
    }
}

fn list(instances: &[Instance], last: usize) -> String {
    if instances.is_empty() {
        return "no instance has run here yet\n".into();
    }
    instances.iter().map(|instance| section(instance, last)).collect::<Vec<_>>().join("\n")
}

fn section(instance: &Instance, last: usize) -> String {
    let mut rows: Vec<(u64, Option<&Entry>)> =
        instance.receipts.iter().map(|receipt| (receipt.seq, Some(receipt))).collect();
    rows.extend(instance.chain.breaks.iter().filter_map(|found| match found {
        Break::Unreadable { seq } => Some((*seq, None)),
        Break::Gap { .. } | Break::Link { .. } => None,
    }));
    rows.sort_by_key(|(seq, _)| *seq);
    let shown = &rows[rows.len().saturating_sub(last)..];
    let mut text = format!(
        "{DIM}instance{DIM:#} {}  {DIM}chain{DIM:#} {}\n",
        instance.instance,
        chain(&instance.chain, instance.receipts.len())
    );
    if !shown.is_empty() {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["seq", "id", "time", "model", "status", "outcome", "tokens", "took"]);
        for (seq, receipt) in shown {
            let seq = Cell::new(seq).set_alignment(CellAlignment::Right);
            let Some(receipt) = receipt else {
                table.add_row([seq, Cell::new("unreadable")]);
                continue;
            };
            let tokens = match (receipt.prompt_tokens, receipt.completion_tokens) {
                (Some(prompt), Some(completion)) => format!("{prompt} + {completion}"),
                _ => "-".into(),
            };
            table.add_row([
                seq,
                Cell::new(&receipt.cti),
                Cell::new(time(receipt.iat)),
                Cell::new(receipt.model.as_deref().map_or_else(|| "-".into(), plain)),
                Cell::new(receipt.status),
                Cell::new(receipt.outcome),
                Cell::new(tokens).set_alignment(CellAlignment::Right),
                Cell::new(duration(receipt.duration_ms)).set_alignment(CellAlignment::Right),
            ]);
        }
        text += &format!("{}\n", table.trim_fmt());
    }
    let hidden = rows.len() - shown.len();
    if hidden > 0 {
        text += &format!("{DIM}{hidden} earlier ones not shown (--last){DIM:#}\n");
    }
    text
}

fn chain(chain: &Chain, count: usize) -> String {
    if chain.whole {
        let noun = if count == 1 { "receipt" } else { "receipts" };
        return format!("{GOOD}whole{GOOD:#}, {count} {noun}");
    }
    let found = chain.breaks.iter().take(SHOWN_BREAKS).map(|found| match found {
        Break::Gap { from, to } if from == to => format!("receipt {from} missing"),
        Break::Gap { from, to } => format!("receipts {from} to {to} missing"),
        Break::Link { seq } => format!("receipt {seq} does not follow the one before it"),
        Break::Unreadable { seq } => format!("receipt {seq} cannot be read as one of this instance"),
    });
    let found: Vec<_> = found.collect();
    let more = if chain.breaks.len() > SHOWN_BREAKS { ", and more" } else { "" };
    format!("{BAD}broken{BAD:#}: {}{more}", found.join(", "))
}

fn one(receipt: &Entry) -> String {
    let tokens = |count: Option<u64>| count.map_or_else(|| "-".into(), |count| count.to_string());
    let rows = [
        ("id", receipt.cti.clone()),
        ("seq", receipt.seq.to_string()),
        ("time", time(receipt.iat)),
        ("model", receipt.model.as_deref().map_or_else(|| "-".into(), plain)),
        ("status", receipt.status.to_string()),
        ("outcome", receipt.outcome.to_owned()),
        ("tokens", format!("{} + {}", tokens(receipt.prompt_tokens), tokens(receipt.completion_tokens))),
        ("took", duration(receipt.duration_ms)),
        ("digest", receipt.digest.clone()),
    ];
    rows.iter().map(|(name, value)| format!("{DIM}{name:<9}{DIM:#} {value}\n")).collect()
}

/// Replaces control characters in text of a receipt, so that it is safe on a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_shown_at_its_place() {
        let entry = |seq| Entry {
            seq,
            cti: "00".repeat(16),
            iat: 0,
            model: None,
            outcome: "complete",
            status: 200,
            streamed: false,
            prompt_tokens: None,
            completion_tokens: None,
            duration_ms: 0,
            digest: String::new(),
            cose: Vec::new(),
        };
        let chain = Chain { whole: false, breaks: vec![Break::Unreadable { seq: 1 }] };
        let receipts = vec![entry(0), entry(2)];
        let instance = Instance { instance: "i".into(), node: "n".into(), chain, receipts };
        let text = list(&[instance], 2);
        assert!(text.contains("receipt 1 cannot be read as one of this instance"), "{text}");
        let rows: Vec<_> =
            text.lines().filter(|line| line.contains("unreadable") || line.contains("complete")).collect();
        assert!(rows.len() == 2 && rows[0].contains("unreadable"), "the last two, in order: {text}");
        assert!(text.contains("1 earlier ones not shown"), "{text}");
    }
}
