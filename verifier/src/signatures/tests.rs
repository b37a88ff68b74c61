//! Ways to check signatures, and a test that a precheck's result is used for no other signature.
#![allow(clippy::unwrap_used)]

use alloc::vec;

use p384::ecdsa::signature::Signer as _;
use p384::ecdsa::{Signature, SigningKey};

use super::*;
use crate::crypto::{P384Key, P384Signature};

/// On demand, in advance, and in advance on two threads if this build can. All must give the same results.
pub(crate) fn every_way() -> [Signatures; 3] {
    let ahead = ahead_by(one_by_one);
    let mut two_threads = ahead.clone();
    two_threads.cache = Arc::default();
    #[cfg(feature = "aws-lc-rs")]
    two_threads.check_on_two_threads();
    [Signatures::default(), ahead, two_threads]
}

/// Accepts every prechecked signature, so an error shows one that was not prechecked.
pub(crate) fn credulous() -> Signatures {
    ahead_by(|checks| checks.into_iter().map(|check| (check, true)).collect())
}

/// Panics if there is a signature to check in advance.
pub(crate) fn never_ahead() -> Signatures {
    ahead_by(|checks| panic!("{} are checked ahead", checks.len()))
}

pub(crate) fn ahead_by(check_all: CheckAll) -> Signatures {
    Signatures { ahead: Some(check_all), ..Signatures::default() }
}

impl Signatures {
    /// The same cache, without further checks in advance.
    pub(crate) fn then_never_ahead(self) -> Self {
        Self { cache: self.cache, ..never_ahead() }
    }
}

pub(crate) fn one_by_one(checks: Vec<SignatureCheck<'_>>) -> Vec<(SignatureCheck<'_>, bool)> {
    checks
        .into_iter()
        .map(|check| {
            let holds = check.holds();
            (check, holds)
        })
        .collect()
}

fn signed(number: u8, message: &[u8]) -> (P384Key, P384Signature) {
    let signer = SigningKey::from_slice(&[number; 48]).unwrap();
    let signature: Signature = signer.sign(message);
    let key = P384Key::read(signer.verifying_key().to_sec1_point(false).as_bytes()).unwrap();
    (key, P384Signature::of_bytes(&signature.to_bytes()).unwrap())
}

#[test]
fn an_answer_is_for_the_same_signature_key_and_message_only() {
    let ((key, signature), (other_key, other_signature)) = (signed(1, b"one"), signed(2, b"two"));
    let check = |signature, key, message| SignatureCheck::P384 { signature, key, message };
    let wrong = || [check(signature, &key, b"wrong"), check(signature, &other_key, b"one")];
    let signatures = credulous();
    let prechecked = signatures.precheck(|_| wrong().into());
    assert!(wrong().iter().all(|wrong| !wrong.holds() && prechecked.holds(wrong)), "as it was told");
    assert!(!prechecked.holds(&check(other_signature, &key, b"wrong")));
    assert!(!prechecked.holds(&check(signature, &other_key, b"wrong")));
    assert!(!prechecked.holds(&check(signature, &key, b"wrong ")));
    assert!(prechecked.holds(&check(signature, &key, b"one")), "a signature not prechecked is checked");
}

#[test]
fn one_signature_is_not_worth_prechecking() {
    let (key, signature) = signed(1, b"one");
    let signatures = never_ahead();
    assert!(!signatures.precheck(|_| vec![]).holds(&SignatureCheck::P384 { signature, key: &key, message: b"two" }));
    let check = || SignatureCheck::P384 { signature, key: &key, message: b"one" };
    assert!(signatures.precheck(|_| vec![check()]).holds(&check()));
}

#[cfg(feature = "aws-lc-rs")]
#[test]
fn two_threads_answer_for_each_signature_and_not_for_another() {
    let (key, signature) = signed(1, b"one");
    let check = |message| SignatureCheck::P384 { signature, key: &key, message };
    let mut signatures = Signatures::default();
    signatures.check_on_two_threads();
    let prechecked = signatures.precheck(|_| vec![check(b"one"), check(b"two"), check(b"one")]);
    let answers: Vec<_> = prechecked.checked.iter().map(|(checked, holds)| (checked.holds(), *holds)).collect();
    assert_eq!(answers, [(true, true), (false, false), (true, true)]);
}
