//! The enclave's clock. Until a platform vouches for it, it is the host's, and the statement says so.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch. Never steps back, whatever the host does to the clock.
pub fn millis() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    LATEST.fetch_max(now, Relaxed).max(now)
}

static LATEST: AtomicU64 = AtomicU64::new(0);

/// Seconds since the Unix epoch.
pub fn seconds() -> u64 {
    millis() / 1000
}

/// When this version was made, seconds since the Unix epoch: no clock that shows an earlier time is right.
#[cfg(feature = "sev-snp")]
pub const RELEASED: u64 = 1_793_491_200;
