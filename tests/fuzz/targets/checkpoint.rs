//! A signed checkpoint, or a proof of possession, keeps its bytes; the two are never taken for each other.
#![no_main]

use quoth_attestation::checkpoint::Checkpoint;
use quoth_attestation::cose::{Payload, Possession, Signed};
use quoth_attestation::receipt::Receipt;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let checkpoint = Signed::<Checkpoint>::decode(bytes);
    let possession = Signed::<Possession>::decode(bytes);
    let receipt = Signed::<Receipt>::decode(bytes);
    let taken = [checkpoint.is_ok(), possession.is_ok(), receipt.is_ok()];
    assert!(taken.into_iter().filter(|taken| *taken).count() <= 1);
    if let Ok(checkpoint) = checkpoint {
        assert_eq!(checkpoint.bytes(), bytes);
    }
    if let Ok(checkpoint) = Checkpoint::decode(bytes) {
        assert_eq!(checkpoint.encode(), bytes);
    }
});
