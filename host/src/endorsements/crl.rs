//! Chooses the revocation list: the cached one, or a newer one.

use quoth_verifier::{CLOCK_SKEW, Refusal};

use super::error::EndorsementError;

/// Age at which a revocation list is renewed, seconds.
pub const CRL_AGE: u64 = 24 * 3600;

/// A revocation list, and why it could not be renewed if that was due.
pub(super) type Chosen = (Vec<u8>, Option<Box<EndorsementError>>);

/// A revocation list that is signed by the root.
#[derive(Debug)]
pub(super) struct List {
    pub(super) bytes: Vec<u8>,
    /// Start and end of its validity, Unix seconds.
    pub(super) window: (u64, u64),
    /// An error if it revokes the chain.
    pub(super) verdict: Result<(), Refusal>,
}

impl List {
    pub(super) fn holds(&self, now: u64) -> bool {
        let (this_update, next_update) = self.window;
        this_update <= now.saturating_add(CLOCK_SKEW) && now <= next_update
    }

    /// Checks that this new list is valid and not older than the held one.
    pub(super) fn succeeds(&self, held: Option<&Self>, now: u64) -> Result<(), EndorsementError> {
        let (this_update, next_update) = self.window;
        match held {
            _ if !self.holds(now) => Err(EndorsementError::CrlStale { this_update, next_update, now }),
            Some(held) if this_update < held.window.0 => {
                Err(EndorsementError::CrlRollback { held: held.window.0, offered: this_update })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn chosen(self) -> Result<Chosen, EndorsementError> {
        self.verdict.map(|()| (self.bytes, None)).map_err(EndorsementError::Refused)
    }
}

/// Returns whether a list that was stored at `at` needs no renewal yet. A time in the future does not count.
pub(super) fn is_young(at: u64, now: u64) -> bool {
    at <= now.saturating_add(CLOCK_SKEW) && now.saturating_sub(at) < CRL_AGE
}

/// Chooses the new list, or the valid old one with a warning. Fails if the chosen list revokes the chain.
pub(super) fn choose(renewed: Result<List, EndorsementError>, held: Option<List>) -> Result<Chosen, EndorsementError> {
    match (renewed, held) {
        (Ok(list), _) => list.chosen(),
        (Err(error), Some(held)) => held.chosen().map(|(bytes, _)| (bytes, Some(Box::new(error)))),
        (Err(error), None) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use quoth_verifier::SnpRefusal;

    const NOW: u64 = 1_800_000_000;

    fn list(name: u8, made: u64, next: u64) -> List {
        List { bytes: vec![name], window: (made, next), verdict: Ok(()) }
    }

    fn revoking(name: u8) -> List {
        let refusal = SnpRefusal::Revoked { serial: "020001".into() };
        List { verdict: Err(refusal.into()), ..list(name, NOW, NOW) }
    }

    fn code<T>(result: Result<T, EndorsementError>) -> &'static str {
        result.map_or_else(|error| error.code(), |_| "taken")
    }

    fn silent() -> Result<List, EndorsementError> {
        Err(EndorsementError::Status { url: "http://x".into(), status: 500 })
    }

    #[test]
    fn a_list_holds_to_the_second() {
        assert!(list(1, NOW, NOW).holds(NOW));
        assert!(!list(1, NOW, NOW).holds(NOW + 1));
        assert!(list(1, NOW + CLOCK_SKEW, NOW + 1000).holds(NOW));
        assert!(!list(1, NOW + CLOCK_SKEW + 1, NOW + 1000).holds(NOW));
    }

    #[test]
    fn a_list_is_young_for_a_day() {
        assert!(is_young(NOW, NOW) && is_young(NOW - CRL_AGE + 1, NOW) && is_young(NOW + CLOCK_SKEW, NOW));
        assert!(!is_young(NOW - CRL_AGE, NOW) && !is_young(NOW + CLOCK_SKEW + 1, NOW) && !is_young(0, NOW));
    }

    #[test]
    fn an_older_list_never_replaces_a_newer_one() {
        let held = list(1, NOW - 100, NOW + 100);
        assert_eq!(code(list(2, NOW - 100, NOW + 100).succeeds(Some(&held), NOW)), "taken");
        assert_eq!(code(list(2, NOW - 101, NOW + 100).succeeds(Some(&held), NOW)), "endorsement.crl.rollback");
        assert_eq!(code(list(2, NOW - 101, NOW + 100).succeeds(None, NOW)), "taken");
        assert_eq!(code(list(2, NOW - 99, NOW - 1).succeeds(Some(&held), NOW)), "endorsement.crl.stale");
    }

    #[test]
    fn an_old_list_that_holds_is_used_with_a_warning() {
        let (bytes, warning) = choose(silent(), Some(list(1, NOW, NOW))).unwrap();
        assert_eq!((bytes, warning.unwrap().code()), (vec![1], "endorsement.status"));
        let (bytes, warning) = choose(Ok(list(2, NOW, NOW)), Some(list(1, NOW, NOW))).unwrap();
        assert!(bytes == [2] && warning.is_none());
        assert_eq!(code(choose(silent(), None)), "endorsement.status");
    }

    #[test]
    fn a_revocation_is_never_undone_by_silence() {
        assert_eq!(code(choose(Ok(revoking(2)), Some(list(1, NOW, NOW)))), "endorsement.refused");
        assert_eq!(code(choose(silent(), Some(revoking(1)))), "endorsement.refused");
        assert_eq!(code(choose(Ok(list(2, NOW, NOW)), Some(revoking(1)))), "taken");
    }
}
