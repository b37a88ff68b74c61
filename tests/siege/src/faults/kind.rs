//! The kinds of faults and how each is injected.

use std::time::Duration;

use rusqlite::Connection;
use rustix::process::{Signal, kill_process};
use tokio::time::sleep;

use super::relay::Relay;
use crate::site::Site;

/// Time limit for the host to end after its enclave.
const HOST_ENDS: Duration = Duration::from_secs(60);
/// How long the harness waits for the journal's write lock.
const LOCK: Duration = Duration::from_secs(10);

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    HostKilled,
    EnclaveKilled,
    RelayCut,
    DiskFull,
    JournalStalled,
    HostStopped,
    ProviderKilled,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::HostKilled,
        Self::RelayCut,
        Self::EnclaveKilled,
        Self::DiskFull,
        Self::ProviderKilled,
        Self::JournalStalled,
        Self::HostStopped,
    ];

    /// Returns the kind of the fault with this number. All kinds take turns. Each round begins with another kind, so that the
    /// order varies.
    pub(super) fn of(number: usize) -> Self {
        Self::ALL[(number + number / Self::ALL.len()) % Self::ALL.len()]
    }

    /// Returns the name in the report.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::HostKilled => "host killed",
            Self::EnclaveKilled => "enclave killed",
            Self::RelayCut => "relay cut",
            Self::DiskFull => "disk full",
            Self::JournalStalled => "journal stalled",
            Self::HostStopped => "host stopped",
            Self::ProviderKilled => "provider killed",
        }
    }

    /// Injects the fault and undoes it. A lasting fault takes one to three seconds, depending on its number.
    pub(super) async fn strike(self, number: usize, site: &mut Site, relay: &Relay) {
        let lasts = Duration::from_millis(1000 + (number as u64 * 617) % 2000);
        match self {
            Self::HostKilled => {
                site.node.kill_host();
                sleep(lasts / 10).await;
                site.node.restart_host().await;
            }
            Self::EnclaveKilled => {
                kill_process(site.node.enclave(), Signal::KILL).unwrap();
                tokio::task::block_in_place(|| site.node.wait_for_host(HOST_ENDS));
                site.node.boot_again().await;
            }
            Self::RelayCut => relay.cut(),
            Self::DiskFull => {
                site.node.limit_files(0);
                sleep(lasts).await;
                site.node.lift_file_limit();
            }
            Self::JournalStalled => {
                let database = Connection::open(site.node.journal_file()).unwrap();
                database.busy_timeout(LOCK).unwrap();
                tokio::task::block_in_place(|| database.execute_batch("BEGIN IMMEDIATE")).unwrap();
                sleep(lasts).await;
                database.execute_batch("ROLLBACK").unwrap();
            }
            Self::HostStopped => {
                kill_process(site.node.host(), Signal::STOP).unwrap();
                sleep(lasts).await;
                kill_process(site.node.host(), Signal::CONT).unwrap();
            }
            Self::ProviderKilled => {
                site.provider.kill();
                sleep(lasts / 4).await;
                site.provider.revive();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_has_every_kind() {
        for round in 0..10 {
            let kinds: Vec<_> = (0..7).map(|at| Kind::of(round * 7 + at)).collect();
            assert!(Kind::ALL.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
        }
    }
}
