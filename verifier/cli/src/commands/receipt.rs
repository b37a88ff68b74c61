use base64ct::{Base64UrlUnpadded, Encoding};
use quoth_attestation::cose::{Payload, Signed};
use quoth_attestation::evidence;
use quoth_attestation::receipt::Receipt as Claims;
use quoth_verifier::Refusal;

use crate::args::Receipt;
use crate::error::CliError;
use crate::facts;
use crate::files;
use crate::report::Report;

/// A receipt file, bytes, at most: base64url of the largest receipt, and a line end.
const MAX_FILE: usize = 2 * Claims::MAX_BYTES;

/// Checks a receipt with the evidence of the node that signed it.
pub(crate) fn run(args: &Receipt) -> Result<Report, CliError> {
    let cose = decode(files::read(&args.file, MAX_FILE)?);
    let claims = Signed::<Claims>::decode(&cose).map_err(Refusal::from)?;
    let Some(evidence) = &args.evidence else {
        return Err(CliError::NoEvidence);
    };
    let evidence = files::read(evidence, evidence::MAX_BYTES)?;
    let verifier = files::verifier(args.common.policy.as_ref())?;
    let node = verifier.node_archived(&evidence, claims.claims().iat)?;
    let receipt = node.receipt(&cose)?;
    let mut report = Report::new("this node signed this receipt");
    facts::node(&mut report, &node, false);
    facts::receipt(&mut report, receipt.claims());
    facts::limits_of_receipt(&mut report, &node, receipt.claims());
    Ok(report)
}

/// The COSE bytes themselves, or base64url of them.
fn decode(file: Vec<u8>) -> Vec<u8> {
    let text = std::str::from_utf8(&file).ok().map(str::trim_end);
    text.and_then(|text| Base64UrlUnpadded::decode_vec(text).ok()).unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_come_raw_or_as_text() {
        assert_eq!(decode(vec![0xd2, 0x84, 0xff]), [0xd2, 0x84, 0xff]);
        assert_eq!(decode(b"0oT_\n".to_vec()), [0xd2, 0x84, 0xff]);
    }
}
