//! The enclave's clock. If no platform vouches for the clock, it is the host's, and the statement says so.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// When this version was made, seconds since the Unix epoch. A clock that shows an earlier time is wrong.
const RELEASED: u64 = 1_793_491_200;

static CLOCK: Ratchet = Ratchet(AtomicU64::new(RELEASED * 1000));

/// Milliseconds since the Unix epoch. It never steps back and is never before this version's release, even if the host
/// changes the clock.
pub fn millis() -> u64 {
    CLOCK.at(system_millis())
}

/// Seconds since the Unix epoch, by [`millis`].
pub fn seconds() -> u64 {
    millis() / 1000
}

/// Whether the system's clock is wrong: it shows a time before this version's release.
#[cfg(feature = "sev-snp")]
pub fn is_behind_release() -> bool {
    system_millis() < RELEASED * 1000
}

fn system_millis() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// The latest time seen, milliseconds since the Unix epoch.
struct Ratchet(AtomicU64);

impl Ratchet {
    /// The later one of `now` and every time before.
    fn at(&self, now: u64) -> u64 {
        self.0.fetch_max(now, Relaxed).max(now)
    }
}

/// This clock for TLS. Providers' certificates are checked by it, and it never steps back.
#[derive(Debug)]
pub struct TlsClock;

impl TimeProvider for TlsClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(millis())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn time_never_steps_back() {
        let clock = Ratchet(AtomicU64::new(RELEASED * 1000));
        assert_eq!(clock.at(0), RELEASED * 1000, "a clock from before the release");
        assert_eq!(clock.at(RELEASED * 1000 + 5), RELEASED * 1000 + 5);
        assert_eq!(clock.at(RELEASED * 1000 + 4), RELEASED * 1000 + 5);
        assert_eq!(clock.at(0), RELEASED * 1000 + 5);
        assert_eq!(clock.at(RELEASED * 1000 + 6), RELEASED * 1000 + 6);
    }

    #[test]
    fn tls_goes_by_the_same_clock() {
        let before = seconds();
        let tls = TlsClock.current_time().unwrap().as_secs();
        assert!((before..=seconds()).contains(&tls) && tls >= RELEASED);
    }
}
