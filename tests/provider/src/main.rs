//! The program `quoth-fake-provider`: a fake provider on a given port, for benchmarks and manual tests.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use quoth_fake_provider::{Options, Provider};

/// Answers as `OpenAI` and Anthropic do, until interrupted.
#[derive(Parser)]
struct Arguments {
    /// The port on 127.0.0.1; 0 takes any free port.
    #[arg(long)]
    port: u16,
    /// The file to write the certificate authority to, as PEM.
    #[arg(long)]
    ca_out: PathBuf,
    /// The key to accept.
    #[arg(long)]
    key: String,
    /// Number of pieces of an answer [default: one for each word].
    #[arg(long)]
    deltas: Option<usize>,
    /// Milliseconds before each piece of a stream.
    #[arg(long, default_value_t = 0)]
    pause_ms: u64,
    /// Offer no HTTP/2.
    #[arg(long)]
    http1: bool,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let provider = Provider::start(Options {
        port: arguments.port,
        key: arguments.key,
        deltas: arguments.deltas,
        pause: Duration::from_millis(arguments.pause_ms),
        http1_only: arguments.http1,
        record: false,
        ..Options::default()
    });
    std::fs::write(&arguments.ca_out, provider.ca_pem())?;
    println!("listening on https://localhost:{}, authority in {}", provider.port(), arguments.ca_out.display());
    tokio::signal::ctrl_c().await
}
