//! Checks the signatures of one verifier. Valid certificate signatures are cached; others are checked on demand or in
//! advance.

#[cfg(test)]
pub(crate) mod tests;
#[cfg(feature = "aws-lc-rs")]
mod two_threads;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::crypto::SignatureCheck;
use crate::signature_cache::SignatureCache;
use crate::x509::{Certificate, Signed};

/// True if this build can check signatures in advance. Browsers need no code for it.
const AHEAD: bool = cfg!(any(test, feature = "aws-lc-rs"));

/// The method of one verifier. Clones share the cache.
#[derive(Clone, Default)]
pub(crate) struct Signatures {
    cache: Arc<SignatureCache>,
    ahead: Option<CheckAll>,
}

/// Checks several signatures at once. Returns each with its result.
type CheckAll = for<'a> fn(Vec<SignatureCheck<'a>>) -> Vec<(SignatureCheck<'a>, bool)>;

/// The signatures of one piece of evidence.
pub(crate) struct Prechecked<'a> {
    cache: &'a SignatureCache,
    /// The signatures that were checked in advance, with their results.
    checked: Vec<(SignatureCheck<'a>, bool)>,
}

impl Signatures {
    #[cfg(feature = "aws-lc-rs")]
    pub(crate) fn check_on_two_threads(&mut self) {
        self.ahead = Some(two_threads::check);
    }

    /// Checks in advance the signatures that `coming` lists, if there are several. The costliest comes first.
    pub(crate) fn precheck<'a>(
        &'a self,
        coming: impl FnOnce(&SignatureCache) -> Vec<SignatureCheck<'a>>,
    ) -> Prechecked<'a> {
        if !AHEAD {
            return Prechecked { cache: &self.cache, checked: Vec::new() };
        }
        let checked = self.ahead.map_or_else(Vec::new, |check_all| match coming(&self.cache) {
            several if several.len() > 1 => check_all(several),
            _ => Vec::new(),
        });
        Prechecked { cache: &self.cache, checked }
    }
}

impl Prechecked<'_> {
    pub(crate) fn holds(&self, check: &SignatureCheck<'_>) -> bool {
        if !AHEAD {
            return check.holds();
        }
        let ahead = self.checked.iter().find(|(checked, _)| checked == check);
        ahead.map_or_else(|| check.holds(), |(_, holds)| *holds)
    }

    /// True if `issuer` signed `issued`, by the cache or by `check`.
    pub(crate) fn issued<'b>(
        &self,
        issuer: &Certificate<'_>,
        issued: &Signed<'_>,
        check: impl FnOnce() -> Option<SignatureCheck<'b>>,
    ) -> bool {
        self.cache.signed(issuer, issued, || check().is_some_and(|check| self.holds(&check)))
    }
}
