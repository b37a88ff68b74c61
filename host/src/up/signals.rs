//! Signals that ask `quoth up` to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::HostError;

/// The signals SIGINT (Ctrl-C) and SIGTERM.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, HostError> {
        let listen = |kind| signal(kind).map_err(HostError::system("watching for signals"));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for the next signal. Cancel safe.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
