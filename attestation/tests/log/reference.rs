//! The tree as RFC 6962 §2.1 defines it, written for clarity, and as the crate `tlog_tiles` reads it.

use quoth_attestation::Digest;
use quoth_attestation::log::tree::{empty_root, leaf, node};
use tlog_tiles::{Error, Hash, HashReader, split_stored_hash_index};

/// Entries 0 to `count`, each different.
pub(crate) fn entries(count: u64) -> Vec<Digest> {
    (0..count).map(|number| Digest::of(&number.to_be_bytes())).collect()
}

/// MTH(D[n]).
pub(crate) fn root(entries: &[Digest]) -> Digest {
    match entries {
        [] => empty_root(),
        [entry] => leaf(entry),
        _ => {
            let (left, right) = entries.split_at(split(entries));
            node(&root(left), &root(right))
        }
    }
}

/// PATH(m, D[n]).
pub(crate) fn path(index: usize, entries: &[Digest]) -> Vec<Digest> {
    if entries.len() == 1 {
        return vec![];
    }
    let middle = split(entries);
    let (left, right) = entries.split_at(middle);
    let (mut path, sibling) =
        if index < middle { (path(index, left), root(right)) } else { (path(index - middle, right), root(left)) };
    path.push(sibling);
    path
}

/// PROOF(m, D[n]).
pub(crate) fn consistency(old: usize, entries: &[Digest]) -> Vec<Digest> {
    fn subproof(old: usize, entries: &[Digest], whole: bool) -> Vec<Digest> {
        if old == entries.len() {
            return if whole { vec![] } else { vec![root(entries)] };
        }
        let middle = split(entries);
        let (left, right) = entries.split_at(middle);
        let (mut proof, sibling) = if old <= middle {
            (subproof(old, left, whole), root(right))
        } else {
            (subproof(old - middle, right, false), root(left))
        };
        proof.push(sibling);
        proof
    }
    subproof(old, entries, true)
}

fn split(entries: &[Digest]) -> usize {
    entries.len().next_power_of_two() / 2
}

/// The hash of a complete subtree, computed from the entries below it.
pub(crate) fn read(entries: &[Digest]) -> impl Fn(u8, u64) -> Result<Digest, std::convert::Infallible> {
    move |level, index| {
        let start = usize::try_from(index << level).unwrap();
        Ok(root(&entries[start..start + (1 << level)]))
    }
}

/// The same entries, as `tlog_tiles` reads hashes.
pub(crate) struct Known<'a>(pub(crate) &'a [Digest]);

impl HashReader for Known<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let hash = |index: &u64| {
            let (level, index) = split_stored_hash_index(*index);
            let Ok(digest) = read(self.0)(level, index);
            Hash(digest.0)
        };
        Ok(indexes.iter().map(hash).collect())
    }
}
