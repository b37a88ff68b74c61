//! `quoth metrics`: prints the enclave's metrics.

use std::io;
use std::time::Duration;

use quoth_link::{CONNECT_TIMEOUT, LinkError, Port, metrics};

use crate::HostError;
use crate::args::Metrics;
use crate::run_dir::RunDir;

/// Time limit for the enclave's answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Prints the enclave's metrics.
///
/// # Errors
/// [`HostError::NotRunning`], [`HostError::Link`].
pub async fn run(options: &Metrics) -> Result<(), HostError> {
    let run_dir = RunDir::open(&options.run_dir)?;
    let state = run_dir.state()?.ok_or_else(|| HostError::NotRunning { path: options.run_dir.clone() })?;
    let mut stream = match state.link(&run_dir)?.connect(Port::METRICS, CONNECT_TIMEOUT).await {
        Ok(stream) => stream,
        Err(LinkError::Io(error))
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
        {
            return Err(HostError::NotRunning { path: options.run_dir.clone() });
        }
        Err(error) => return Err(error.into()),
    };
    match tokio::time::timeout(PATIENCE, metrics::read(&mut stream)).await {
        Ok(text) => super::print(&text?),
        Err(_) => Err(LinkError::Io(io::ErrorKind::TimedOut.into()).into()),
    }
}
