//! A signed receipt keeps its bytes, and its claims have one encoding, found inside them.
#![no_main]

use quoth_attestation::cose::{Payload, Signed};
use quoth_attestation::receipt::Receipt;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(receipt) = Signed::<Receipt>::decode(bytes) {
        assert_eq!(receipt.bytes(), bytes);
        let claims = receipt.claims().encode();
        assert!(bytes.windows(claims.len()).any(|window| window == claims));
    }
    if let Ok(receipt) = Receipt::decode(bytes) {
        assert_eq!(receipt.encode(), bytes);
    }
});
