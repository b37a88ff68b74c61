//! The enclave's clock. Until a platform vouches for it, it is the host's, and the statement says so.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
pub fn millis() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since the Unix epoch.
pub fn seconds() -> u64 {
    millis() / 1000
}
