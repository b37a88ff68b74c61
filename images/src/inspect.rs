//! `quoth-images inspect`: describes any enclave image file.

use std::fmt::Write as _;
use std::fs::File;
use std::io::BufReader;

use serde_json::{Value, json};

use crate::args::Inspect;
use crate::eif::{self, Inspected, Signed};
use crate::error::ImageError;

pub(crate) fn run(options: &Inspect) -> Result<String, ImageError> {
    let file = options.file.clone();
    let opened = File::open(&file).map_err(|source| ImageError::File { file: file.clone(), source })?;
    let found = eif::inspect(BufReader::new(opened)).map_err(|source| ImageError::Eif { file, source })?;
    Ok(if options.json { told_to_programs(&found) } else { told(&found) })
}

fn told(found: &Inspected) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| _ = writeln!(text, "{name:14}{value}");
    let processor = if found.arm64 { "aarch64" } else { "x86-64" };
    row("format", format!("enclave image file, version {}, {processor}", found.version));
    row("checksum", if found.intact { "right".into() } else { "WRONG: the file is damaged, or was edited".into() });
    row("launched with", format!("{} MiB and {} processors by default", found.memory >> 20, found.processors));
    for section in &found.sections {
        row(section.kind.name(), format!("{} bytes, SHA-256 {}", section.size, section.sha256));
    }
    if let Some(line) = &found.command_line {
        row("says", printable(line));
    }
    if let Some(metadata) = &found.metadata {
        row("described as", printable(metadata));
    }
    let registers = &found.registers;
    for (name, register) in [("PCR0", registers.pcr0), ("PCR1", registers.pcr1), ("PCR2", registers.pcr2)] {
        row(name, hex::encode(register));
    }
    match &found.signed {
        None => {}
        Some(Err(problem)) => row("signed", format!("NOT: the section holds {problem}")),
        Some(Ok(Signed { subject, certificate, pcr8, right })) => {
            row("PCR8", hex::encode(pcr8));
            row("signed", if *right { "right".into() } else { "WRONG: not by its certificate over this image".into() });
            row("signed by", format!("{}, SHA-256 {certificate}", printable(subject.as_bytes())));
        }
    }
    text
}

fn told_to_programs(found: &Inspected) -> String {
    let section = |section: &eif::Section| json!({ "kind": section.kind.name(), "size": section.size, "sha256": section.sha256.to_string() });
    let metadata = found.metadata.as_deref().map(|bytes| serde_json::from_slice::<Value>(bytes).unwrap_or(Value::Null));
    let registers = &found.registers;
    let told = json!({
        "version": found.version,
        "arm64": found.arm64,
        "intact": found.intact,
        "memory": found.memory,
        "processors": found.processors,
        "sections": found.sections.iter().map(section).collect::<Vec<_>>(),
        "command_line": found.command_line.as_deref().map(String::from_utf8_lossy),
        "metadata": metadata,
        "pcr0": hex::encode(registers.pcr0),
        "pcr1": hex::encode(registers.pcr1),
        "pcr2": hex::encode(registers.pcr2),
        "signed": match &found.signed {
            None => Value::Null,
            Some(Err(problem)) => json!({ "problem": problem }),
            Some(Ok(Signed { subject, certificate, pcr8, right })) => json!({
                "right": right, "subject": subject, "certificate": certificate.to_string(), "pcr8": hex::encode(pcr8),
            }),
        },
    });
    format!("{told}\n")
}

/// Replaces control characters in text of an untrusted file, so that it is safe on a terminal.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}
