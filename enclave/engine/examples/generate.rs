//! `generate MODEL.gguf PROMPT [--threads N] [--parallel N] [--tokens N] [--temperature T]`
//!
//! Loads a model, answers a prompt as a chat, prints the stream, then how fast it went. With
//! `--parallel` it runs that many chats at once and prints the first.

use std::io::{Read, Write};
use std::time::Instant;

use quoth_engine::request::Chat;
use quoth_engine::{Engine, EngineOptions, Event, Generation, ModelWriter};
use sha2::{Digest, Sha256};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let threads = option(&mut arguments, "--threads")?.unwrap_or(2);
    let parallel = option(&mut arguments, "--parallel")?.unwrap_or(1);
    let tokens = option(&mut arguments, "--tokens")?.unwrap_or(128);
    let temperature: f64 = option(&mut arguments, "--temperature")?.unwrap_or(0.0);
    let [path, prompt] = arguments.as_slice() else {
        return Err("usage: generate MODEL.gguf PROMPT [--threads N] [--parallel N] [--tokens N]".into());
    };

    let engine = load(path, threads, parallel)?;
    let body = serde_json::json!({
        "model": engine.info().name,
        "messages": [{ "role": "user", "content": prompt }],
        "temperature": temperature,
        "max_tokens": tokens,
        "seed": 1,
    });
    let chat = Chat::from_json(&body)?;
    let start = Instant::now();
    let generations: Vec<Generation> = (0..parallel).map(|_| engine.chat(&chat)).collect::<Result<_, _>>()?;
    let readers: Vec<_> = generations
        .into_iter()
        .enumerate()
        .map(|(index, generation)| std::thread::spawn(move || read(generation, index == 0)))
        .collect();
    let mut produced = 0;
    let mut first = start;
    for reader in readers {
        let (count, began) = reader.join().map_err(|_| "a reader failed")?;
        produced += count;
        first = first.max(began);
    }
    let generating = first.elapsed().as_secs_f64();
    eprintln!(
        "\n{produced} tokens; all begun after {:.0} ms; then {:.1} tokens/s; {:.2} s in all",
        (first - start).as_secs_f64() * 1e3,
        (produced - parallel as usize) as f64 / generating,
        start.elapsed().as_secs_f64(),
    );
    Ok(())
}

fn load(path: &str, threads: u32, parallel: u32) -> Result<Engine, Failure> {
    let mut file = std::fs::File::open(path)?;
    let size = file.metadata()?.len();
    // The hash would come from a measured configuration; an example takes the file's own.
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            count => hash.update(&chunk[..count]),
        }
    }
    let start = Instant::now();
    let mut file = std::fs::File::open(path)?;
    let mut writer = ModelWriter::new(size)?;
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            count => writer.write(&chunk[..count])?,
        }
    }
    let sealed = writer.finish(&hash.finalize().into())?;
    let sealed_after = start.elapsed();
    let options = EngineOptions { threads, parallel, ..EngineOptions::new("example") };
    let engine = Engine::load(sealed, options)?;
    eprintln!(
        "{size} bytes sealed in {:.0} ms, loaded in {:.0} ms",
        sealed_after.as_secs_f64() * 1e3,
        (start.elapsed() - sealed_after).as_secs_f64() * 1e3,
    );
    Ok(engine)
}

/// Reads to the end; returns the number of tokens and when the first one came.
fn read(mut generation: Generation, show: bool) -> (usize, Instant) {
    let mut first = None;
    loop {
        match generation.events.blocking_recv() {
            Some(Event::Text { text, .. }) => {
                first.get_or_insert_with(Instant::now);
                if show {
                    print!("{text}");
                    std::io::stdout().flush().ok();
                }
            }
            Some(Event::Finished { output_tokens, .. }) => {
                return (output_tokens.len(), first.unwrap_or_else(Instant::now));
            }
            other => {
                eprintln!("{other:?}");
                return (0, Instant::now());
            }
        }
    }
}

fn option<T: std::str::FromStr>(arguments: &mut Vec<String>, name: &str) -> Result<Option<T>, Failure> {
    let Some(at) = arguments.iter().position(|argument| argument == name) else { return Ok(None) };
    let value = arguments.get(at + 1).and_then(|value| value.parse().ok()).ok_or(format!("{name} needs a number"))?;
    arguments.drain(at..at + 2);
    Ok(Some(value))
}
