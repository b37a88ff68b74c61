//! `quoth`: launches an enclave and keeps it served.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use quoth_host::args::{Arguments, Command};
use quoth_host::{commands, up};
use tokio::runtime::Builder;

/// Threads, at most.
const WORKERS: usize = 8;

fn main() -> ExitCode {
    // Half of the processors, as in the enclave: relaying threads that hand each other work cost more than they bring.
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
            // Nobody may be reading; the exit code still says it.
            let _ = writeln!(anstream::stderr(), "quoth: {error}");
            error.exit_code()
        }
    }
}
