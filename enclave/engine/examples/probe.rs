//! `probe MODEL.gguf [--tokens N] [--threads N] [--batch N] [--micro-batch N]`
//!
//! Prints the digest of all logits of a fixed prompt: two machines, builds or settings that print the same compute alike.

use std::io::Read;

use quoth_engine::{Arithmetic, Model, ModelWriter, ReplayOptions, Replayer};
use sha2::{Digest, Sha256};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let tokens = option(&mut arguments, "--tokens")?.unwrap_or(256);
    let threads = option(&mut arguments, "--threads")?.unwrap_or(1);
    let batch = option(&mut arguments, "--batch")?.unwrap_or(512);
    let micro_batch = option(&mut arguments, "--micro-batch")?.unwrap_or(batch);
    let [path] = arguments.as_slice() else {
        return Err("usage: probe MODEL.gguf [--tokens N] [--threads N] [--batch N] [--micro-batch N]".into());
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.read_to_end(&mut bytes)?;
    let mut writer = ModelWriter::new(bytes.len() as u64)?;
    writer.write(&bytes)?;
    let model = Model::load(writer.finish(&Sha256::digest(&bytes).into())?, Arithmetic::Exact)?;
    let (identity, profile) = (Replayer::identity(), model.arithmetic().profile());
    let replayer = Replayer::new(model, ReplayOptions { threads, batch, micro_batch, parallel: 1 })?;
    let digest = replayer.fingerprint(&(0..tokens).map(|at: u32| 4 + at * 37 % 500).collect::<Vec<_>>())?;
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{hex} {profile} {identity}");
    Ok(())
}

fn option(arguments: &mut Vec<String>, name: &str) -> Result<Option<u32>, Failure> {
    let Some(at) = arguments.iter().position(|argument| argument == name) else { return Ok(None) };
    let value = arguments.get(at + 1).and_then(|value| value.parse().ok()).ok_or(format!("{name} needs a number"))?;
    arguments.drain(at..at + 2);
    Ok(Some(value))
}
