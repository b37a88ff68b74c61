//! Verifies the checkpoints of one stream, in order.

use alloc::string::{String, ToString};

use quoth_attestation::binding::Nonce;
use quoth_attestation::checkpoint::{Checkpoint, Version};
use quoth_attestation::commit::{Commitment, Label};
use quoth_attestation::cose::Signed;
use quoth_attestation::{Digest, ExchangeId};

use crate::text::nonce_text;
use crate::{Refusal, ResponseHead, VerifiedNode};

/// The checkpoints of one stream, verified one after another.
pub(crate) struct Checkpoints {
    node: VerifiedNode,
    cti: Option<ExchangeId>,
    nonce: Option<Nonce>,
    request: Commitment,
    status: u16,
    count: u64,
    prev: Option<Digest>,
    proven: u64,
    version: Version,
}

impl Checkpoints {
    pub(crate) fn new(node: VerifiedNode, head: &ResponseHead, request: Commitment) -> Self {
        let (cti, nonce, status) = (head.cti, head.nonce.clone(), head.status);
        Self { node, cti, nonce, request, status, count: 0, prev: None, proven: 0, version: Version::V1 }
    }

    /// Returns true before the first checkpoint.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Body bytes before the last checkpoint.
    pub(crate) fn proven(&self) -> u64 {
        self.proven
    }

    /// The exchange's id as given, otherwise as in the first checkpoint; `None` before that.
    pub(crate) fn cti(&self) -> Option<ExchangeId> {
        self.cti
    }

    /// The version in the first checkpoint; version 1 before that.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Verifies the next checkpoint. `found`: the number of body bytes before it, if known. `prefix` returns the commitment under
    /// a label to that many bytes of the body, or `None` if the body is shorter.
    pub(crate) fn next(
        &mut self,
        cose: &[u8],
        found: Option<u64>,
        prefix: impl FnOnce(Label, u64) -> Option<Commitment>,
    ) -> Result<(), Refusal> {
        let signed = Signed::<Checkpoint>::decode(cose)?;
        let number = self.count;
        if !self.node.receipt_key().signed(&signed) {
            return Err(Refusal::StreamSignature { number });
        }
        let checkpoint = signed.claims();
        self.check_claims(number, checkpoint)?;
        if checkpoint.place.number() != number {
            return Err(Refusal::StreamCheckpointNumber { expected: number, actual: checkpoint.place.number() });
        }
        if checkpoint.place.prev() != self.prev.as_ref() {
            return Err(Refusal::StreamCheckpointPrev { number });
        }
        let offset = checkpoint.offset;
        let actual = found.unwrap_or(if number == 0 { 0 } else { offset.max(self.proven) });
        if offset != actual {
            return Err(Refusal::StreamCheckpointOffset { number, expected: offset, actual });
        }
        if prefix(checkpoint.version.prefix(number), offset) != Some(checkpoint.prefix) {
            return Err(Refusal::StreamPrefix { number, offset });
        }
        self.cti = Some(checkpoint.cti);
        self.version = checkpoint.version;
        self.count += 1;
        self.prev = Some(signed.digest());
        self.proven = offset;
        Ok(())
    }

    fn check_claims(&self, number: u64, checkpoint: &Checkpoint) -> Result<(), Refusal> {
        let same = |field, expected: String, actual: String| match expected == actual {
            true => Ok(()),
            false => Err(Refusal::StreamCheckpoint { number, field, expected, actual }),
        };
        same("node", self.node.digest().to_string(), checkpoint.node.to_string())?;
        same("cti", self.cti.unwrap_or(checkpoint.cti).to_string(), checkpoint.cti.to_string())?;
        same("nonce", nonce_text(self.nonce.as_ref()), nonce_text(checkpoint.nonce.as_ref()))?;
        same("request", self.request.0.to_string(), checkpoint.request.0.to_string())?;
        same("status", self.status.to_string(), checkpoint.status.to_string())?;
        let version = if number == 0 { checkpoint.version } else { self.version };
        same("version", version.number().to_string(), checkpoint.version.number().to_string())
    }
}
