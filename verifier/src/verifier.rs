use core::fmt;

use quoth_attestation::binding::Nonce;

use crate::transcript::{self, VerifiedTranscript};
use crate::trust::Trust;
use crate::{HardwareEvidence, HardwareVerdict, Policy, Refusal, VerifiedNode, hardware, node};

/// How far two clocks may be apart, seconds.
pub const CLOCK_SKEW: u64 = 300;

/// Judges evidence under one policy.
///
/// It remembers the certificates and certificate signatures that it has seen hold (at most 256 of each, by the digests of
/// all that they depend on), so that the next document of an enclave costs one signature check. Everything else, time
/// included, is checked each time. Clones share the memory.
#[derive(Clone)]
pub struct Verifier {
    policy: Policy,
    trust: Trust,
}

/// The time that evidence is judged at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Now, by the relying party's own clock: certificates, age of the evidence and the statement's window are held
    /// against it, with [`CLOCK_SKEW`] of grace.
    Live {
        /// Unix seconds.
        now: u64,
    },
    /// A moment in the past: that of a receipt. Certificates are held against the time that the platform signed into its
    /// document, the statement's window against `at`.
    Archived {
        /// Unix seconds: the receipt's `iat`.
        at: u64,
    },
}

/// The time that a transcript is judged at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeChoice {
    /// [`Time::Archived`], at the `iat` of the transcript's own receipt.
    Archived,
    /// [`Time::Live`]: the evidence must be fresh, too.
    Live {
        /// Unix seconds.
        now: u64,
    },
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
    #[cfg(feature = "fast")]
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
    pub fn node(&self, evidence: &[u8], nonce: Option<&Nonce>, time: Time) -> Result<VerifiedNode, Refusal> {
        node::appraise(&self.policy, &self.trust, evidence, nonce, time)
    }

    /// Judges what hardware says about any enclave or guest, Quoth's or not: chain and signatures exactly at `at` (Unix
    /// seconds), then the policy.
    pub fn hardware(&self, evidence: &HardwareEvidence, at: u64) -> HardwareVerdict {
        hardware::appraise(&self.policy, &self.trust, evidence, at)
    }

    /// Judges an encoded [`Transcript`](quoth_attestation::transcript::Transcript) with nothing else at hand.
    ///
    /// # Errors
    /// A [`Refusal`]; for a stream without a receipt `stream.cut`, with the number of bytes that its checkpoints prove.
    pub fn transcript(&self, text: &[u8], time: TimeChoice) -> Result<VerifiedTranscript, Refusal> {
        transcript::verify(self, text, time)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("policy", &self.policy).finish_non_exhaustive()
    }
}
