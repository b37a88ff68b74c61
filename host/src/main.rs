//! The program `quoth`: launches an enclave and serves it.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use quoth_host::args::{Arguments, Command};
use quoth_host::{commands, up};
use tokio::runtime::Builder;

/// Maximum number of threads.
const WORKERS: usize = 8;

fn main() -> ExitCode {
    // Half of the processors, as in the enclave. With more threads, handing over work costs more than it gains.
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = Builder::new_multi_thread().worker_threads((processors / 2).clamp(1, WORKERS)).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(run()),
        Err(error) => {
            let _ = writeln!(anstream::stderr(), "quoth: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Up(options) => up::run(*options).await,
        Command::Status(options) => commands::status::run(&options).await,
        Command::Receipts(options) => commands::receipts::run(&options),
        Command::Metrics(options) => commands::metrics::run(&options).await,
        Command::Endorse(options) => commands::endorse::run(&options).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed. The exit code still reports the failure.
            let _ = writeln!(anstream::stderr(), "quoth: {error}");
            error.exit_code()
        }
    }
}
