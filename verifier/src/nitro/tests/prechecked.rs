//! Prechecks cover the signatures that are needed, and none for a document that is refused early.

use super::forge::*;
use crate::nitro::chain::MAX_BUNDLE;
use crate::signatures::Signatures;
use crate::signatures::tests::{ahead_by, credulous, never_ahead, one_by_one};

fn code(forge: &Forge, signatures: &Signatures) -> &'static str {
    forge.verify(&forge.signed(), signatures).map_or_else(|refusal| refusal.code(), |_| "genuine")
}

#[test]
fn every_signature_is_prechecked() {
    let mut forge = Forge::new();
    forge.chain[REGION..].iter_mut().for_each(|sheet| sheet.signer += OTHERS);
    forge.signer += OTHERS;
    assert_eq!(code(&forge, &Signatures::default()), "nitro.chain.signature");
    assert_eq!(code(&forge, &credulous()), "genuine");
}

#[test]
fn cached_signatures_are_not_prechecked() {
    let signatures = Forge::met(Signatures::default()).then_never_ahead();
    assert_eq!(code(&Forge::new(), &signatures), "genuine");
}

#[test]
fn the_longest_chain_bounds_what_is_checked_ahead() {
    let mut forge = Forge::new();
    while forge.chain.len() <= MAX_BUNDLE {
        forge.lengthen();
    }
    let signatures = ahead_by(|checks| {
        assert_eq!(checks.len(), MAX_BUNDLE + 1);
        one_by_one(checks)
    });
    assert_eq!(code(&forge, &signatures), "genuine");
    forge.lengthen();
    assert_ne!(code(&forge, &never_ahead()), "genuine");
}

#[test]
fn a_document_that_is_refused_without_signatures_costs_none() {
    let mut misnamed = Forge::new();
    misnamed.chain[REGION].issuer = regional("another");
    assert_eq!(code(&misnamed, &never_ahead()), "nitro.chain.issuer");
    let mut other = Forge::new();
    other.chain[LEAF].algorithm = ECDSA_SHA256;
    assert_eq!(code(&other, &never_ahead()), "nitro.chain.algorithm");
}
