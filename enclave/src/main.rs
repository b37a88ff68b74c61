//! `quoth-enclave --config FILE --link unix:DIR`, or without arguments as the first process of an image. Everything
//! else is in the measured configuration.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use quoth_enclave::config::Config;
use quoth_enclave::{EnclaveError, boot, init, process};
use quoth_link::Address;

/// Receipts stay for a while among buffers that come and go. This allocator does not fragment then, and it is fast in a
/// static image.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Context ids that a host can have: 2 for any machine's host, 3 for a Nitro enclave's parent (vsock(7); AWS Nitro
/// Enclaves CLI).
const HOSTS: [u32; 2] = [2, 3];

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
    let is_first = init::is_first();
    let outcome = if is_first { image() } else { program() };
    let code = told(outcome);
    if is_first {
        init::power_off();
    }
    code
}

/// Runs as a process beside its host.
fn program() -> Result<(), EnclaveError> {
    let arguments = Arguments::parse();
    process::reexec_clean_env()?;
    process::harden()?;
    boot::run(&arguments.config, Address::parse(&arguments.link)?)
}

/// Runs as the only process of a machine.
fn image() -> Result<(), EnclaveError> {
    if !process::has_clean_env() {
        init::mounts()?;
        init::modules()?;
        init::limits()?;
    }
    process::reexec_clean_env()?;
    process::harden()?;
    let file = Path::new(init::CONFIG);
    let config = Config::read(file).inspect_err(|error| {
        // The configuration would have said which of them is the host.
        HOSTS.into_iter().for_each(|host| boot::last_word(Address::Vsock(host), "config", error));
    })?;
    let link = Address::Vsock(config.settings.host());
    init::settle(&config).inspect_err(|error| boot::last_word(link.clone(), "init", error))?;
    // If the boot's own thread panics, it cannot tell the host itself.
    catch_unwind(AssertUnwindSafe(|| boot::run(file, link.clone()))).unwrap_or_else(|_| {
        boot::last_word(link, "run", &EnclaveError::Panic);
        Err(EnclaveError::Panic)
    })
}

fn told(outcome: Result<(), EnclaveError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There may be no reader.
            let _ = writeln!(std::io::stderr(), "fatal {error}");
            ExitCode::FAILURE
        }
    }
}
