//! `quoth-enclave --config FILE --link unix:DIR`: everything else is in the measured configuration.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use quoth_enclave::{boot, process};
use quoth_link::Address;

/// Receipts are kept for a while between buffers that come and go: this one does not fragment, and a static image needs
/// a fast one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(version, about = "The trusted program of a Quoth node")]
struct Arguments {
    /// Measured configuration file
    #[arg(long)]
    config: PathBuf,
    /// Link to the host: unix:DIR
    #[arg(long)]
    link: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = process::settle()
        .and_then(|()| process::harden())
        .and_then(|()| Ok(Address::parse(&arguments.link)?))
        .and_then(|link| boot::run(&arguments.config, link));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fatal {error}");
            ExitCode::FAILURE
        }
    }
}
