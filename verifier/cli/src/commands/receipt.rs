//! `receipt`: verifies a saved receipt.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use quoth_attestation::cose::{Payload, Signed};
use quoth_attestation::evidence;
use quoth_attestation::receipt::Receipt as Claims;
use quoth_attestation::transcript::{self, Transcript};
use quoth_verifier::{Refusal, Time};

use crate::args::Receipt;
use crate::error::CliError;
use crate::files;
use crate::report::Report;
use crate::summary::{self, View};

/// Maximum bytes in a receipt file: the largest receipt in base64url, and a line end.
const MAX_FILE: usize = 2 * Claims::MAX_BYTES;

/// Checks a receipt with the evidence of the node that signed it.
pub(crate) fn run(args: &Receipt) -> Result<Report, CliError> {
    let cose = decode(files::read(&args.file, MAX_FILE)?);
    let claims = Signed::<Claims>::decode(&cose).map_err(Refusal::from)?;
    let evidence = evidence(args)?;
    let verifier = files::verifier(args.common.policy.as_ref())?;
    // The nonce was for a request at that time, so nothing here depends on it.
    let node = verifier.verify_node(&evidence, None, Time::Archived { at: claims.claims().iat })?;
    let receipt = node.verify_receipt(&cose)?;
    let mut report = Report::new("this node signed this receipt");
    summary::node(&mut report, &node, View::Archive);
    summary::receipt(&mut report, receipt.claims());
    summary::limits_of_receipt(&mut report, &node, receipt.claims());
    Ok(report)
}

fn evidence(args: &Receipt) -> Result<Vec<u8>, CliError> {
    match (&args.evidence, &args.transcript) {
        (Some(file), _) => files::read(file, evidence::MAX_BYTES),
        (None, Some(file)) => {
            let text = files::read(file, transcript::MAX_BYTES)?;
            Ok(Transcript::decode(&text).map_err(Refusal::from)?.evidence)
        }
        (None, None) => Err(CliError::NoEvidence),
    }
}

/// Decodes base64url; other bytes are taken as COSE.
fn decode(file: Vec<u8>) -> Vec<u8> {
    let text = std::str::from_utf8(&file).ok().map(str::trim_end);
    text.and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok()).unwrap_or(file)
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
