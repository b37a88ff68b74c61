//! A signed checkpoint, proof of possession, or order about a secret keeps its bytes. None decodes as another kind.
#![no_main]

use quoth_attestation::checkpoint::Checkpoint;
use quoth_attestation::cose::{Payload, Possession, Signed};
use quoth_attestation::receipt::Receipt;
use quoth_attestation::secret::SecretOrder;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let checkpoint = Signed::<Checkpoint>::decode(bytes);
    let possession = Signed::<Possession>::decode(bytes);
    let receipt = Signed::<Receipt>::decode(bytes);
    let order = Signed::<SecretOrder>::decode(bytes);
    let taken = [checkpoint.is_ok(), possession.is_ok(), receipt.is_ok(), order.is_ok()];
    assert!(taken.into_iter().filter(|taken| *taken).count() <= 1);
    if let Ok(checkpoint) = checkpoint {
        assert_eq!(checkpoint.bytes(), bytes);
    }
    if let Ok(order) = SecretOrder::decode(bytes) {
        assert_eq!(order.encode(), bytes);
    }
    if let Ok(checkpoint) = Checkpoint::decode(bytes) {
        assert_eq!(checkpoint.encode(), bytes);
    }
});
