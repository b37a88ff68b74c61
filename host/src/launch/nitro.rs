//! Runs AWS Nitro Enclaves with nitro-cli (AWS Nitro Enclaves User Guide, "Nitro Enclaves CLI reference").

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::size::Size;
use crate::process::{self, Process};
use crate::{HostError, context_id};

const CLI: &str = "nitro-cli";
/// nitro-cli's code for missing resources. An enclave that has just ended may still hold them, so a retry can succeed.
const BUSY: &str = "E29";
const RETRIES: u32 = 5;
const RETRY: Duration = Duration::from_secs(1);
/// Maximum length of a quoted error message, characters.
const SAID: usize = 400;

/// nitro-cli's output for a started enclave.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Started {
    #[serde(rename = "EnclaveID")]
    enclave_id: String,
    #[serde(rename = "ProcessID")]
    process_id: i32,
}

/// Starts an enclave. Returns the process that holds it, and its id.
pub(super) async fn start(eif: &Path, size: Size, debug: bool, log: &Path) -> Result<(Process, String), HostError> {
    let mut wait = RETRY;
    let mut tries = RETRIES;
    let output = loop {
        let mut command = Command::new(CLI);
        command.args(["run-enclave", "--enclave-name", "quoth", "--enclave-cid", &context_id::ENCLAVE.to_string()]);
        command.args(["--cpu-count", &size.processors.to_string(), "--memory", &size.memory.to_string()]);
        command.arg("--eif-path").arg(eif);
        if debug {
            command.arg("--debug-mode");
        }
        let output = said(command).await?;
        let errors = String::from_utf8_lossy(&output.stderr);
        match output.status.success() {
            true => break output,
            false if tries > 0 && errors.contains(BUSY) => {
                tries -= 1;
                sleep(wait).await;
                wait *= 2;
            }
            false => {
                let errors: String = errors.trim().chars().take(SAID).collect();
                return Err(HostError::Launch { program: CLI, said: errors });
            }
        }
    };
    let Started { enclave_id, process_id } = started(&output.stdout)
        .ok_or_else(|| HostError::Launch { program: CLI, said: "its output cannot be read".into() })?;
    let process = process::start_time(process_id).and_then(|started| Process::find(process_id, started));
    let process = process.ok_or_else(|| HostError::Launch { program: CLI, said: "the enclave has ended".into() })?;
    if debug {
        let mut console = Command::new(CLI);
        console.args(["console", "--enclave-id", &enclave_id]);
        // The console's process ends with the enclave.
        Process::start(console, log)?;
    }
    Ok((process, enclave_id))
}

/// Ends an enclave immediately.
pub(super) fn terminate(id: &str) {
    let mut command = Command::new(CLI);
    command.args(["terminate-enclave", "--enclave-id", id]);
    // The enclave may have ended already.
    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

async fn said(mut command: Command) -> Result<Output, HostError> {
    let run = move || command.stdin(Stdio::null()).output();
    let output = spawn_blocking(run).await.map_err(std::io::Error::other);
    output.flatten().map_err(HostError::file(CLI))
}

/// Reads the tool's JSON object. Other text may stand before it.
fn started(output: &[u8]) -> Option<Started> {
    let at = output.iter().position(|byte| *byte == b'{')?;
    serde_json::from_slice(&output[at..]).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_enclave_that_was_started_is_understood() {
        let output = b"Start allocating memory...\n{\n  \"EnclaveName\": \"quoth\",\n  \"EnclaveID\": \"i-1-enc2\",\n  \"ProcessID\": 10176,\n  \"EnclaveCID\": 16,\n  \"NumberOfCPUs\": 2,\n  \"CPUIDs\": [1, 3],\n  \"MemoryMiB\": 512\n}\n";
        let Started { enclave_id, process_id } = started(output).unwrap();
        assert_eq!((&*enclave_id, process_id), ("i-1-enc2", 10176));
        assert!(started(b"").is_none() && started(b"{}").is_none() && started(b"no").is_none());
    }
}
