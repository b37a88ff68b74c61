//! Heads, notes, checkpoints, proofs and bundles of the receipt log have one encoding each, and no proof panics.
#![no_main]

use quoth_attestation::Digest;
use quoth_attestation::log::checkpoint::LogCheckpoint;
use quoth_attestation::log::consistency::{self, TreeState};
use quoth_attestation::log::head::SignedHead;
use quoth_attestation::log::head_proof::HeadProof;
use quoth_attestation::log::note::Note;
use quoth_attestation::log::proof::LogProof;
use quoth_attestation::log::tile::{self, Span, Tile};
use quoth_attestation::log::{bundle, inclusion};

libfuzzer_sys::fuzz_target!(|input: (u8, u64, u64, &[u8])| {
    let (kind, old, new, bytes) = input;
    match kind % 8 {
        0 => {
            if let Ok(head) = SignedHead::decode(bytes) {
                assert_eq!(head.encode(), bytes);
            }
        }
        1 => {
            if let Ok(proof) = HeadProof::decode(bytes) {
                assert_eq!(proof.encode(), bytes);
                proof.proves(old, &Digest([0; 32]));
            }
        }
        2 => {
            if let Ok(note) = Note::decode(bytes) {
                assert_eq!(note.encode().as_bytes(), bytes);
            }
        }
        3 => {
            if let Some(checkpoint) = std::str::from_utf8(bytes).ok().and_then(|text| LogCheckpoint::decode(text).ok()) {
                assert_eq!(checkpoint.text().as_bytes(), bytes);
            }
        }
        4 => {
            if let Ok(proof) = LogProof::decode(bytes) {
                assert_eq!(proof.encode().as_bytes(), bytes);
                proof.proves(&Digest([0; 32]));
            }
        }
        5 => {
            let width = usize::from(kind);
            if let Ok(receipts) = bundle::decode_receipts(bytes, width) {
                assert_eq!(bundle::encode_receipts(receipts).unwrap(), bytes);
            }
            if let Ok(entries) = bundle::decode_entries(bytes, width) {
                assert_eq!(bundle::encode_entries(&entries), bytes);
            }
        }
        6 => {
            // Any two sizes and any hashes: the proofs end, and hold for nothing but themselves.
            let hashes = tile::decode(bytes, bytes.len() / 32).unwrap_or_default();
            let root = inclusion::root(old, new, &Digest([0; 32]), &hashes);
            assert!(root.is_none() || old < new);
            let state = |size| TreeState { size, root: Digest([1; 32]) };
            assert!(old == new || !consistency::holds(&state(old), &state(new), &hashes));
        }
        _ => {
            for tile in Tile::changed(old, new).take(64) {
                assert!(tile.span().width() > 0 && tile.span().range().end <= new);
            }
            if let Some((tile, places)) = Tile::with(kind, old, new) {
                assert!(places.end <= tile.span().width());
            }
            assert!(Span::of(old, new).is_none_or(|span| span.range().end <= new));
        }
    }
});
