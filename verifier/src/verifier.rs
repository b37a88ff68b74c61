//! The verifier: a policy, and the roots of its trust.

use core::fmt;

use quoth_attestation::binding::Nonce;

use crate::trust::Trust;
use crate::{HardwareEvidence, HardwareVerdict, Policy, Refusal, Time, VerifiedNode, hardware, node};

/// Judges evidence under one policy.
///
/// It caches certificate signatures that it found valid (at most 256, by the digests of both certificates), so the next
/// document of an enclave needs only one signature check. Everything else, including times, is checked each time. Clones
/// share the cache.
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

    #[cfg(test)]
    pub(crate) fn trusting(policy: Policy, trust: Trust) -> Self {
        Self { policy, trust }
    }

    /// Returns a verifier that checks the signatures of one piece of hardware evidence on two threads. It answers sooner, with
    /// the same verdicts, but at no lower cost.
    ///
    /// It starts a second thread for evidence with several signatures that are not cached. Nothing waits for that thread: it
    /// may end one signature check after the verdict. If it cannot start, the caller's thread does everything.
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
    /// `nonce` is the nonce in the request for the quote, and the quote must be over it. Without one, freshness depends only on
    /// the age of the evidence.
    ///
    /// # Errors
    /// A [`Refusal`] with the expected value and the value found.
    pub fn verify_node(&self, evidence: &[u8], nonce: Option<&Nonce>, time: Time) -> Result<VerifiedNode, Refusal> {
        node::appraise(&self.policy, &self.trust, evidence, nonce, time)
    }

    /// Judges hardware evidence of any enclave or guest, with or without Quoth: chain and signatures exactly at `at` (Unix
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
