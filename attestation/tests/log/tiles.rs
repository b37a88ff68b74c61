//! Tiles and bundles have the paths and the contents that C2SP says, and `tlog_tiles` agrees.

use std::collections::BTreeMap;

use proptest::prelude::*;
use quoth_attestation::log::bundle::{self, MAX_RECEIPT};
use quoth_attestation::log::tile::{self, LEVELS, Span, Tile};
use quoth_attestation::log::{MAX_SIZE, inclusion, tree};
use quoth_attestation::{Digest, FormatError};
use tlog_tiles::Tile as Known;

use crate::reference::{self, entries, read};

/// The tiles of a tree, as a store would hold them.
fn store(entries: &[Digest]) -> BTreeMap<String, Vec<u8>> {
    let content = |tile: Tile| {
        let hash = |index| read(entries)(8 * tile.level(), index).map(|Digest(hash)| hash);
        tile.span().range().flat_map(|index| hash(index).unwrap()).collect()
    };
    Tile::changed(0, entries.len() as u64).map(|tile| (tile.path(), content(tile))).collect()
}

/// Reads the hash of a complete subtree from a store.
fn from_store(store: &BTreeMap<String, Vec<u8>>, size: u64) -> impl Fn(u8, u64) -> Result<Digest, FormatError> {
    move |level, index| {
        let (tile, places) = Tile::with(level, index, size).unwrap();
        let hashes = tile::decode(&store[&tile.path()], tile.span().width())?;
        Ok(tile::subtree(&hashes, places).unwrap())
    }
}

#[test]
fn the_specifications_examples() {
    let paths: Vec<_> = Tile::changed(0, 70_000).map(|tile| tile.path()).collect();
    assert_eq!(paths.len(), 273 + 1 + 1 + 1 + 1);
    for path in ["tile/0/272", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"] {
        assert!(paths.iter().any(|known| known == path), "{path}");
    }
    let of_256: Vec<_> = Tile::changed(0, 256).map(|tile| tile.path()).collect();
    assert_eq!(of_256, ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(Span::of(1_234_067, u64::MAX).unwrap().path(), "x001/x234/067");
    assert_eq!(bundle::entries_path(&Span::of(0, 5).unwrap()), "tile/entries/000.p/5");
    assert_eq!(bundle::receipts_path(&Span::of(1000, 256_001).unwrap()), "receipts/x001/000.p/1");
}

#[test]
fn spans_end_with_what_there_is() {
    assert_eq!(Span::of(0, 0), None);
    assert_eq!(Span::of(1, 256), None);
    assert_eq!(Span::of(u64::MAX, u64::MAX), None);
    let (full, partial) = (Span::of(0, 257).unwrap(), Span::of(1, 257).unwrap());
    assert!(full.is_full() && !partial.is_full());
    assert_eq!((full.range(), partial.range()), (0..256, 256..257));
    assert_eq!(Span::changed(255, 255).count(), 0);
    assert_eq!(Span::changed(256, 255).count(), 0);
    assert_eq!(Span::changed(255, 257).collect::<Vec<_>>(), [full, partial]);
    assert_eq!(Span::changed(256, 257).collect::<Vec<_>>(), [partial]);
    assert_eq!(Tile::of(LEVELS, 0, MAX_SIZE), None);
    assert_eq!(Tile::of(0, 0, MAX_SIZE + 1), None);
    assert!(Tile::of(LEVELS - 1, 0, MAX_SIZE).is_some());
    assert_eq!(Tile::with(63, u64::MAX, MAX_SIZE), None);
    assert_eq!(Tile::with(7, u64::MAX, MAX_SIZE), None);
    // Of a tile with 3 hashes, no subtree reaches beyond the third.
    assert!(Tile::with(1, 0, 3).is_some() && Tile::with(1, 1, 3).is_none() && Tile::with(0, 2, 3).is_some());
}

#[test]
fn contents_have_their_one_length() {
    assert!(tile::decode(&[0; 64], 2).is_ok());
    for (length, width) in [(63, 2), (65, 2), (64, 1), (64, 3), (0, 1)] {
        assert!(tile::decode(&vec![0; length], width).is_err(), "{length} bytes as {width}");
    }
    let entries = entries(3);
    let encoded = bundle::encode_entries(&entries);
    assert_eq!(encoded.len(), 3 * 34);
    assert_eq!(bundle::decode_entries(&encoded, 3).unwrap(), entries);
    for wrong in [&encoded[..101], &[&encoded[..], &[0]].concat(), &[0, 31], &[]] {
        assert!(bundle::decode_entries(wrong, 3).is_err());
    }
    let short = [&[0, 31][..], &[0; 31]].concat();
    assert_eq!(bundle::decode_entries(&short, 1).unwrap_err().code(), "format.out_of_range");
}

#[test]
fn receipts_are_there_or_withheld() {
    let longest = vec![7; MAX_RECEIPT];
    let receipts = [Some(&b"one"[..]), None, Some(&longest)];
    let encoded = bundle::encode_receipts(receipts).unwrap();
    assert_eq!(bundle::decode_receipts(&encoded, 3).unwrap(), receipts);
    assert!(bundle::decode_receipts(&encoded, 2).is_err() && bundle::decode_receipts(&encoded, 4).is_err());
    let longer = vec![7; MAX_RECEIPT + 1];
    assert!(
        bundle::encode_receipts([Some(&longer[..])]).is_err() && bundle::encode_receipts([Some(&b""[..])]).is_err()
    );
    let length = u16::try_from(longer.len()).unwrap().to_be_bytes();
    assert_eq!(bundle::decode_receipts(&[&length[..], &longer].concat(), 1).unwrap_err().code(), "format.too_long");
}

proptest! {
    #[test]
    fn growth_needs_the_tiles_that_tlog_tiles_names(old in 0u64..200_000, grown in 0u64..3000) {
        let ours: Vec<_> = Tile::changed(old, old + grown).map(|tile| tile.path()).collect();
        let theirs = Known::new_tiles(8, old, old + grown);
        // Theirs begin with the height of tiles, which C2SP leaves out.
        let theirs: Vec<_> = theirs.iter().map(|tile| tile.path().replacen("tile/8/", "tile/", 1)).collect();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn paths_are_those_of_tlog_tiles(level in 0u8..5, index in 0u64..10_000_000_000, width in 1u32..=256) {
        let count = index * 256 + u64::from(width);
        let path = Known::new(8, level, index, width, false).path();
        prop_assert_eq!(Span::of(index, count).unwrap().path(), path.strip_prefix(&format!("tile/8/{level}/")).unwrap());
    }

    #[test]
    fn tiles_lead_to_the_root_and_to_every_proof(size in 1u64..1200, index in any::<prop::sample::Index>()) {
        let entries = entries(size);
        let store = store(&entries);
        let root = tree::root(size, from_store(&store, size)).unwrap();
        prop_assert_eq!(root, reference::root(&entries));
        let index = index.index(entries.len());
        let path = inclusion::prove(index as u64, size, from_store(&store, size)).unwrap();
        prop_assert_eq!(path, reference::path(index, &entries));
    }

    #[test]
    fn any_bytes_are_a_bundle_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), width in 0usize..6) {
        if let Ok(receipts) = bundle::decode_receipts(&bytes, width) {
            prop_assert_eq!(bundle::encode_receipts(receipts).unwrap(), bytes.clone());
        }
        if let Ok(entries) = bundle::decode_entries(&bytes, width) {
            prop_assert_eq!(bundle::encode_entries(&entries), bytes);
        }
    }
}
