//! Verifies heads of the receipt log, and that a receipt is in it (`attestation/SPEC.md` §13).

use quoth_attestation::log::head::{Head, SignedHead};

#[cfg(not(feature = "log"))]
use crate::{Refusal, VerifiedReceipt};

/// Size and root of a node's log, signed by that node.
#[derive(Clone, Debug)]
pub struct VerifiedHead {
    signed: SignedHead,
}

impl VerifiedHead {
    /// What the node says about its log.
    pub fn head(&self) -> &Head {
        self.signed.head()
    }

    /// The signed head, for a contract.
    pub fn signed(&self) -> &SignedHead {
        &self.signed
    }
}

#[cfg(feature = "log")]
mod checks {
    use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
    use quoth_attestation::evm::SettlementKey;
    use quoth_attestation::log::head::SignedHead;
    use quoth_attestation::log::head_proof::HeadProof;

    use super::VerifiedHead;
    use crate::{Refusal, VerifiedNode, VerifiedReceipt};

    impl VerifiedNode {
        /// Verifies a head of this node's log. Needs the feature `log`.
        ///
        /// # Errors
        /// A [`Refusal`].
        pub fn verify_head(&self, signed: &SignedHead) -> Result<VerifiedHead, Refusal> {
            let actual = signed.head().node();
            if actual != self.digest() {
                return Err(Refusal::HeadNode { expected: self.digest().into(), actual: actual.into() });
            }
            let key = self.statement().keys.settlement.as_ref().ok_or(Refusal::HeadKey)?;
            match is_signed(key, signed) {
                true => Ok(VerifiedHead { signed: *signed }),
                false => Err(Refusal::HeadSignature),
            }
        }
    }

    impl VerifiedReceipt {
        /// Verifies an encoded [`HeadProof`]: that a head of this receipt's node covers this receipt.
        ///
        /// # Errors
        /// A [`Refusal`]; without the feature `log` it is `head.unsupported`.
        pub fn verify_in_log(&self, proof: &[u8]) -> Result<VerifiedHead, Refusal> {
            let proof = HeadProof::decode(proof)?;
            let head = self.node().verify_head(proof.head())?;
            let (seq, size) = (self.claims().seq, head.head().size());
            match proof.proves(seq, &self.digest()) {
                true => Ok(head),
                false => Err(Refusal::HeadInclusion { seq, size }),
            }
        }
    }

    /// Recovers the key, as contracts do, so that the recovery id is checked, too.
    fn is_signed(key: &SettlementKey, signed: &SignedHead) -> bool {
        let (digest, signature) = (signed.head().digest(), signed.signature());
        let recovery = RecoveryId::new(signature.is_odd(), false);
        Signature::from_scalars(*signature.r(), *signature.s())
            .and_then(|signature| VerifyingKey::recover_from_prehash(&digest.0, &signature, recovery))
            .is_ok_and(|recovered| recovered.to_sec1_point(true).as_bytes() == key.as_bytes())
    }
}

#[cfg(not(feature = "log"))]
impl VerifiedReceipt {
    /// Refuses heads: this build cannot verify them.
    ///
    /// # Errors
    /// [`Refusal::HeadUnsupported`].
    pub fn verify_in_log(&self, _proof: &[u8]) -> Result<VerifiedHead, Refusal> {
        Err(Refusal::HeadUnsupported)
    }
}
