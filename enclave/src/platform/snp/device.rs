//! What makes reports.

use std::io;

/// Length of a report, bytes (AMD 56860, table "ATTESTATION_REPORT").
pub(super) const REPORT: usize = 1184;

/// Makes reports: the secure processor, or a test's script.
pub(super) trait Device: Send + Sync {
    /// Returns a report over `data`, and the host's table of certificates for it. Without certificates the table is empty.
    fn report(&self, data: [u8; 64]) -> io::Result<(Vec<u8>, Vec<u8>)>;
}
