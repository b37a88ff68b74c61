//! The commands other than `quoth up`, and how they print.

pub mod endorse;
pub mod metrics;
pub mod receipts;
pub mod status;

use std::io::{self, Write as _};

use crate::HostError;

/// Writes a result to standard output. Fails if the result cannot be written.
fn print(text: &str) -> Result<(), HostError> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader has closed the pipe on purpose, for example `head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(HostError::system("standard output")),
    }
}

fn print_json(value: &impl serde::Serialize) -> Result<(), HostError> {
    let text = serde_json::to_string_pretty(value).map_err(io::Error::from);
    print(&(text.map_err(HostError::system("writing JSON"))? + "\n"))
}
