//! The verifier: a policy, and what it trusts.

use core::fmt;

use quoth_attestation::binding::Nonce;

use crate::trust::Trust;
use crate::{HardwareEvidence, HardwareVerdict, Policy, Refusal, Time, VerifiedNode, hardware, node};

/// Judges evidence under one policy.
///
/// It remembers the certificates and certificate signatures that it has seen hold (at most 256 of each, by the digests of
/// all that they depend on), so that the next document of an enclave costs one signature check. Everything else, time
/// included, is checked each time. Clones share the cache.
#[derive(Clone)]
pub struct Verifier {
    policy: Policy,
    trust: Trust,
}

impl Verifier {
    /// A verifier under `policy`.
    pub fn new(policy: Policy) -> Self {
        Self { policy, trust: Trust::default() }
    }

    /// One that believes hardware of the test's own.
    #[cfg(test)]
    pub(crate) fn trusting(policy: Policy, trust: Trust) -> Self {
        Self { policy, trust }
    }

    /// The same verifier, which checks the signatures of one piece of hardware evidence on two threads: sooner, not cheaper.
    /// Every verdict is the same.
    ///
    /// A second thread is started for evidence with several signatures that are not remembered. Nobody waits for it: it may
    /// end one signature check later than the verdict comes, and where it cannot be started the caller's thread does
    /// everything.
    #[cfg(feature = "aws-lc-rs")]
    #[must_use]
    pub fn concurrent(mut self) -> Self {
        self.trust.signatures.check_on_two_threads();
        self
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Appraises an encoded [`Evidence`](quoth_attestation::evidence::Evidence).
    ///
    /// `nonce` is the one that the quote was asked for with: the quote must be over it. Without one, freshness rests on
    /// the age of the evidence alone.
    ///
    /// # Errors
    /// A [`Refusal`] that says what was expected and what was found.
    pub fn verify_node(&self, evidence: &[u8], nonce: Option<&Nonce>, time: Time) -> Result<VerifiedNode, Refusal> {
        node::appraise(&self.policy, &self.trust, evidence, nonce, time)
    }

    /// Judges what hardware says about any enclave or guest, Quoth's or not: chain and signatures exactly at `at` (Unix
    /// seconds), then the policy.
    pub fn verify_hardware(&self, evidence: &HardwareEvidence, at: u64) -> HardwareVerdict {
        hardware::appraise(&self.policy, &self.trust, evidence, at)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("policy", &self.policy).finish_non_exhaustive()
    }
}
