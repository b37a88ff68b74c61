use quoth_attestation::binding::Nonce;
use quoth_attestation::evidence::Evidence;
use quoth_attestation::statement::Statement;

use crate::{Policy, Refusal, Time, VerifiedNode};

pub(crate) fn appraise(
    policy: &Policy,
    evidence: &[u8],
    nonce: Option<&Nonce>,
    time: Time,
) -> Result<VerifiedNode, Refusal> {
    let _ = (policy, nonce, time);
    let evidence = Evidence::decode(evidence)?;
    let statement = Statement::decode(&evidence.statement)?;
    Err(Refusal::PlatformUnsupported { actual: statement.platform })
}
