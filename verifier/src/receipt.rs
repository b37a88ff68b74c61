//! Verifies receipts: that the node signed them, and that their claims are allowed.

use alloc::string::ToString;
use alloc::sync::Arc;

use quoth_attestation::Digest;
use quoth_attestation::cose::Signed;
use quoth_attestation::receipt::{Execution, Level, Outcome, Receipt, Upstream};
use quoth_attestation::statement::{self, Platform, Statement};

use crate::time::CLOCK_SKEW;
use crate::{Refusal, VerifiedNode};

/// A receipt that a verified node signed, for a model that the policy accepts. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct VerifiedReceipt {
    signed: Arc<Signed<Receipt>>,
    node: VerifiedNode,
}

impl VerifiedReceipt {
    /// Its claims.
    pub fn claims(&self) -> &Receipt {
        self.signed.claims()
    }

    /// SHA-256 of its payload: the next receipt's `prev`, and the value for `quoth-parent`.
    pub fn digest(&self) -> Digest {
        self.signed.digest()
    }

    /// The signed bytes.
    pub fn bytes(&self) -> &[u8] {
        self.signed.bytes()
    }

    /// The node that signed it.
    pub fn node(&self) -> &VerifiedNode {
        &self.node
    }
}

impl VerifiedNode {
    /// Verifies a receipt of this node.
    ///
    /// # Errors
    /// A [`Refusal`], for example if another key signed it, or if the policy does not accept the model that answered.
    pub fn verify_receipt(&self, cose: &[u8]) -> Result<VerifiedReceipt, Refusal> {
        verify(self, cose)
    }
}

fn verify(node: &VerifiedNode, cose: &[u8]) -> Result<VerifiedReceipt, Refusal> {
    let signed = Signed::<Receipt>::decode(cose)?;
    if !node.receipt_key().signed(&signed) {
        return Err(Refusal::ReceiptSignature);
    }
    let claims = signed.claims();
    if claims.node != node.digest() {
        return Err(Refusal::ReceiptNode { expected: node.digest().into(), actual: claims.node.into() });
    }
    check_times(node.statement(), claims)?;
    check_level(node.platform(), claims.level)?;
    if claims.seq == 0 && claims.prev != node.digest() {
        return Err(Refusal::ReceiptPrev { expected: node.digest().into(), actual: claims.prev.into() });
    }
    check_execution(node, claims)?;
    Ok(VerifiedReceipt { signed: Arc::new(signed), node: node.clone() })
}

fn check_times(statement: &Statement, claims: &Receipt) -> Result<(), Refusal> {
    let (issued, not_after, iat) = (statement.issued(), statement.not_after(), claims.iat);
    if !(issued..=not_after).contains(&iat) {
        return Err(Refusal::ReceiptTimeWindow { issued, not_after, actual: iat });
    }
    // Both times come from one clock, which the host may have corrected in between. The exchange ends when the receipt is
    // issued, and cannot begin before the node.
    let times = claims.times;
    let (received, last_byte) = (times.received() / 1000, times.last_byte() / 1000);
    let begins = received.saturating_add(CLOCK_SKEW) >= issued;
    match begins && last_byte.abs_diff(iat) <= CLOCK_SKEW {
        true => Ok(()),
        false => Err(Refusal::ReceiptTimes { iat, received: times.received(), last_byte: times.last_byte() }),
    }
}

fn check_level(platform: Platform, actual: Level) -> Result<(), Refusal> {
    let expected = match platform {
        Platform::None => Level::Vanilla,
        _ => Level::Tee,
    };
    match actual == expected {
        true => Ok(()),
        false => Err(Refusal::ReceiptLevel { expected: expected.name(), actual: actual.name() }),
    }
}

fn check_execution(node: &VerifiedNode, claims: &Receipt) -> Result<(), Refusal> {
    let outcome = claims.exchange.outcome;
    let contradiction = |found| Err(Refusal::ReceiptExecution { outcome: outcome.name(), found });
    match (&claims.execution, outcome) {
        (None, Outcome::Complete | Outcome::Length) => contradiction("no execution"),
        (Some(_), Outcome::Refused) => contradiction("an execution"),
        (None, _) => Ok(()),
        (Some(Execution::Upstream(upstream)), _) => check_upstream(node, upstream, outcome),
        (Some(Execution::Local(local)), _) => {
            let (name, sha256) = (&local.model, local.model_sha256);
            if !node.statement().models.iter().any(|model| model.name == *name && model.sha256 == sha256) {
                return Err(Refusal::ReceiptModelNotInStatement { name: name.to_string(), actual: sha256.into() });
            }
            match node.accepted_models().accepts(&sha256) {
                true => Ok(()),
                false => Err(Refusal::ModelNotAccepted { name: name.to_string(), actual: sha256.into() }),
            }
        }
    }
}

fn check_upstream(node: &VerifiedNode, upstream: &Upstream, outcome: Outcome) -> Result<(), Refusal> {
    let Upstream { provider, host, port, .. } = upstream;
    let stated = |known: &statement::Upstream| known.name == *provider && known.host == *host && known.port == *port;
    let place = || alloc::format!("{provider} at {host}:{port}");
    if !node.statement().upstreams.iter().any(stated) {
        return Err(Refusal::ReceiptUpstreamNotInStatement { actual: place() });
    }
    if !node.accepted_upstreams().accepts(host, *port) {
        return Err(Refusal::UpstreamNotAccepted { name: place() });
    }
    match (&upstream.tls, outcome) {
        (None, Outcome::Complete | Outcome::Length) => {
            Err(Refusal::ReceiptExecution { outcome: outcome.name(), found: "no connection to the provider" })
        }
        _ => Ok(()),
    }
}
