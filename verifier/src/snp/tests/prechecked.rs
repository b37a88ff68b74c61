//! Prechecks cover the signatures that are needed, and none for a report that is refused early.

use super::forge::*;
use crate::signatures::Signatures;
use crate::signatures::tests::{ahead_by, credulous, never_ahead, one_by_one};
use crate::snp::verify;
use crate::x509::Validity;

const VALIDITY: Validity = Validity { at: NOW, skew: 0 };

/// The code of the refusal, or `genuine`. `bend` changes report, VEK and intermediate, last.
fn code(forge: &Forge, signatures: &Signatures, bend: impl Fn([&mut [u8]; 3])) -> &'static str {
    let (mut report, (mut certificates, _)) = (forge.signed(), forge.endorsements());
    if let [vek, intermediate, _] = &mut certificates[..] {
        bend([&mut report, vek, intermediate]);
    }
    let verdict = verify(&report, &certificates, &[], roots, VALIDITY, signatures);
    verdict.map_or_else(|refusal| refusal.code(), |_| "genuine")
}

/// Breaks all three signatures.
fn bent([report, vek, intermediate]: [&mut [u8]; 3]) {
    report[0x2a0] ^= 1;
    [vek, intermediate].into_iter().flat_map(<[u8]>::last_mut).for_each(|last| *last ^= 1);
}

#[test]
fn every_signature_is_prechecked() {
    assert_eq!(code(&Forge::new(), &Signatures::default(), bent), "snp.chain.signature");
    assert_eq!(code(&Forge::new(), &credulous(), bent), "genuine");
}

#[test]
fn three_signatures_are_prechecked_unless_cached() {
    let three = ahead_by(|checks| {
        assert_eq!(checks.len(), 3);
        one_by_one(checks)
    });
    let forge = Forge::new();
    let (report, (certificates, _)) = (forge.signed(), forge.endorsements());
    let judge = |signatures: &Signatures| verify(&report, &certificates, &[], roots, VALIDITY, signatures).is_ok();
    assert!(judge(&three) && judge(&three.then_never_ahead()));
}

#[test]
fn a_report_that_is_refused_without_signatures_costs_none() {
    let mut misnamed = Forge::new();
    misnamed.vek.issuer = "SEV-Milan";
    assert_eq!(code(&misnamed, &never_ahead(), |_| {}), "snp.chain.name");
}
