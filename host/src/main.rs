//! `quoth`: launches an enclave and keeps it served.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use quoth_host::args::{Arguments, Command};
use quoth_host::{commands, up};

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Up(options) => up::run(options).await,
        Command::Status(options) => commands::status::run(&options).await,
        Command::Receipts(options) => commands::receipts::run(&options),
        Command::Metrics(options) => commands::metrics::run(&options).await,
        Command::Endorse(options) => commands::endorse::run(&options).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be reading; the exit code still says it.
            let _ = writeln!(anstream::stderr(), "quoth: {error}");
            error.exit_code()
        }
    }
}
