//! Signature checks of one verifier: certificate signatures that held are cached; the others are checked when they are asked
//! for, or ahead of that.

#[cfg(test)]
pub(crate) mod tests;
#[cfg(feature = "aws-lc-rs")]
mod two_threads;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::crypto::SignatureCheck;
use crate::signature_cache::SignatureCache;
use crate::x509::{Certificate, Signed};

/// Whether signatures are ever checked ahead: browsers need no code for it.
const AHEAD: bool = cfg!(any(test, feature = "aws-lc-rs"));

/// How one verifier does it. Clones share the cache.
#[derive(Clone, Default)]
pub(crate) struct Signatures {
    cache: Arc<SignatureCache>,
    ahead: Option<CheckAll>,
}

/// Checks several at once; says of each whether it holds.
type CheckAll = for<'a> fn(Vec<SignatureCheck<'a>>) -> Vec<(SignatureCheck<'a>, bool)>;

/// The signatures of one piece of evidence.
pub(crate) struct Prechecked<'a> {
    cache: &'a SignatureCache,
    /// Those that were checked ahead, and whether they hold.
    checked: Vec<(SignatureCheck<'a>, bool)>,
}

impl Signatures {
    #[cfg(feature = "aws-lc-rs")]
    pub(crate) fn check_on_two_threads(&mut self) {
        self.ahead = Some(two_threads::check);
    }

    /// Checks ahead what `coming` says will be asked for, the costliest first, if that is more than one signature.
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

    /// Whether `issuer` has signed `issued`: it is remembered, or `check` holds.
    pub(crate) fn issued<'b>(
        &self,
        issuer: &Certificate<'_>,
        issued: &Signed<'_>,
        check: impl FnOnce() -> Option<SignatureCheck<'b>>,
    ) -> bool {
        self.cache.signed(issuer, issued, || check().is_some_and(|check| self.holds(&check)))
    }
}
