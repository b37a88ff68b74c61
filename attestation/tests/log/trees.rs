//! Roots and proofs are those of RFC 6962, and `tlog_tiles` agrees.

use proptest::prelude::*;
use quoth_attestation::Digest;
use quoth_attestation::log::consistency::{self, TreeState};
use quoth_attestation::log::frontier::Frontier;
use quoth_attestation::log::tree::{empty_root, leaf};
use quoth_attestation::log::{MAX_SIZE, inclusion, tree};
use tlog_tiles::{Hash, check_record, check_tree, prove_record, prove_tree, tree_hash};

use crate::reference::{self, Known, entries, read};

/// Sizes of the small trees that are tried whole.
const SMALL: u64 = 40;

fn state(size: u64, entries: &[Digest]) -> TreeState {
    TreeState { size, root: reference::root(&entries[..usize::try_from(size).unwrap()]) }
}

fn digests(hashes: Vec<Hash>) -> Vec<Digest> {
    hashes.into_iter().map(|hash| Digest(hash.0)).collect()
}

fn known(digest: &Digest) -> Hash {
    Hash(digest.0)
}

#[test]
fn a_frontier_gives_every_root_and_the_path_of_every_last_entry() {
    let entries = entries(600);
    let mut frontier = Frontier::new();
    assert_eq!(frontier.root(), empty_root());
    for (index, entry) in (0..).zip(&entries) {
        let path = frontier.path_of_next();
        frontier.push(entry).unwrap();
        assert_eq!(frontier.size(), index + 1);
        let Ok(root) = tree::root(index + 1, read(&entries));
        assert_eq!(frontier.root(), root);
        assert_eq!(known(&root).0, tree_hash(index + 1, &Known(&entries)).unwrap().0);
        assert_eq!(inclusion::root(index, index + 1, entry, &path), Some(root));
        let Ok(proven) = inclusion::prove(index, index + 1, read(&entries));
        assert_eq!(path, proven);
    }
}

#[test]
fn every_entry_of_every_small_tree_is_proven_as_the_rfc_says() {
    let entries = entries(SMALL);
    for size in 1..=SMALL {
        let tree = &entries[..usize::try_from(size).unwrap()];
        let root = reference::root(tree);
        for (index, entry) in (0..).zip(tree) {
            let Ok(path) = inclusion::prove(index, size, read(tree));
            assert_eq!(path, reference::path(usize::try_from(index).unwrap(), tree));
            assert_eq!(path, digests(prove_record(size, index, &Known(tree)).unwrap()));
            assert_eq!(inclusion::root(index, size, entry, &path), Some(root));
            let theirs = path.iter().map(known).collect();
            check_record(&theirs, size, known(&root), index, known(&leaf(entry))).unwrap();
            // Another entry, place or size, and a path that is shorter or longer, prove something else or nothing.
            for other in 0..=size {
                let found = inclusion::root(other, size, entry, &path);
                assert_eq!(found == Some(root), other == index, "{index} as {other} of {size}");
            }
            assert_ne!(inclusion::root(index, size, &root, &path), Some(root));
            let (mut short, mut long) = (path.clone(), path.clone());
            long.push(root);
            assert_eq!(inclusion::root(index, size, entry, &long), None);
            if short.pop().is_some() {
                assert_eq!(inclusion::root(index, size, entry, &short), None);
            }
        }
    }
}

#[test]
fn every_small_tree_continues_every_smaller_one_as_the_rfc_says() {
    let entries = entries(SMALL);
    let mut forked = entries.clone();
    forked[0] = Digest([0xff; 32]);
    for new in 0..=SMALL {
        for old in 0..=new {
            let (before, after) = (state(old, &entries), state(new, &entries));
            let Ok(path) = consistency::prove(old, new, read(&entries));
            assert!(consistency::holds(&before, &after, &path), "{old} and {new}");
            if old > 0 && old < new {
                let tree = &entries[..usize::try_from(new).unwrap()];
                assert_eq!(path, reference::consistency(usize::try_from(old).unwrap(), tree));
                assert_eq!(path, digests(prove_tree(new, old, &Known(tree)).unwrap()));
                let theirs = path.iter().map(known).collect();
                check_tree(&theirs, new, known(&after.root), old, known(&before.root)).unwrap();
            }
            // Another history, a path that is shorter or longer, and the two in the other order are refused.
            if old > 0 {
                assert!(!consistency::holds(&state(old, &forked), &after, &path), "{old} and {new}, forked");
                assert!(!consistency::holds(&before, &state(new, &forked), &path), "{old} and {new}, forked");
            }
            let long = [&path[..], &[after.root]].concat();
            assert!(!consistency::holds(&before, &after, &long), "{old} and {new}, longer");
            if let [short @ .., _] = &path[..] {
                assert!(!consistency::holds(&before, &after, short), "{old} and {new}, shorter");
            }
            assert!(old == new || !consistency::holds(&after, &before, &path), "{new} before {old}");
        }
    }
}

#[test]
fn the_empty_tree_has_one_root() {
    let (empty, other) = (TreeState { size: 0, root: empty_root() }, TreeState { size: 0, root: Digest([1; 32]) });
    let later = state(3, &entries(3));
    assert!(consistency::holds(&empty, &empty, &[]) && consistency::holds(&empty, &later, &[]));
    assert!(!consistency::holds(&other, &other, &[]) && !consistency::holds(&other, &later, &[]));
}

#[test]
fn sizes_end_where_the_contract_ends() {
    // A path of the largest tree: its hashes do not matter, its length does.
    let path = |length| vec![Digest([7; 32]); length];
    assert!(inclusion::root(0, MAX_SIZE, &Digest([0; 32]), &path(40)).is_some());
    assert_eq!(inclusion::root(0, MAX_SIZE + 1, &Digest([0; 32]), &path(40)), None);
    assert_eq!(inclusion::root(0, MAX_SIZE, &Digest([0; 32]), &path(41)), None);
    assert_eq!(inclusion::root(u64::MAX, u64::MAX, &Digest([0; 32]), &path(40)), None);
    let huge = TreeState { size: u64::MAX, root: Digest([0; 32]) };
    assert!(!consistency::holds(&huge, &huge, &[]));
}

proptest! {
    #[test]
    fn larger_trees_agree_with_tlog_tiles(new in 2u64..3000, old in any::<prop::sample::Index>(), index in any::<prop::sample::Index>()) {
        let entries = entries(new);
        let last = usize::try_from(new).unwrap() - 1;
        let (old, index) = (old.index(last) as u64 + 1, index.index(last + 1) as u64);
        let Ok(path) = inclusion::prove(index, new, read(&entries));
        prop_assert_eq!(&path, &digests(prove_record(new, index, &Known(&entries)).unwrap()));
        let Ok(path) = consistency::prove(old, new, read(&entries));
        prop_assert_eq!(&path, &digests(prove_tree(new, old, &Known(&entries)).unwrap()));
        prop_assert!(consistency::holds(&state(old, &entries), &state(new, &entries), &path));
    }

    #[test]
    fn a_changed_proof_proves_nothing(size in 2u64..200, index in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), bit in 0usize..256) {
        let entries = entries(size);
        let index = index.index(entries.len());
        let mut path = reference::path(index, &entries);
        let root = reference::root(&entries);
        let changed = place.index(path.len());
        path[changed].0[bit / 8] ^= 1 << (bit % 8);
        prop_assert_ne!(inclusion::root(index as u64, size, &entries[index], &path), Some(root));
    }
}
