//! The transparency log of one boot's receipts (`SPEC.md` §13).
//!
//! Every node keeps one: an RFC 6962 tree over SHA-256 whose leaf number `seq` is the digest of receipt `seq`. A signed size
//! and root therefore say which receipts exist, in which order, from the first on.
//!
//! | module | what it holds |
//! |---|---|
//! | [`tree`] | hashes of leaves, nodes and ranges |
//! | [`frontier`] | the state that grows the tree, at most 40 hashes |
//! | [`inclusion`] | a receipt is in a tree |
//! | [`consistency`] | a tree continues an earlier one |
//! | [`tile`] | how stores hold the tree's hashes (C2SP tlog-tiles) |
//! | [`bundle`] | how stores hold the digests and the receipts themselves |
//! | [`head`] | size and root, signed for Ethereum contracts |
//! | [`head_proof`] | a head and a path to one receipt |
//! | [`note`] | texts with signatures (C2SP signed-note) |
//! | [`checkpoint`] | size and root as a note (C2SP tlog-checkpoint) |
//! | [`proof`] | a checkpoint and a path to one receipt as a text (C2SP tlog-proof) |
//!
//! Signatures are made and verified elsewhere: this module has the bytes that they are over.

mod base64;
pub mod bundle;
pub mod checkpoint;
pub mod consistency;
pub mod frontier;
pub mod head;
pub mod head_proof;
pub mod inclusion;
pub mod note;
pub mod proof;
pub mod tile;
pub mod tree;

use crate::FormatError;

/// Maximum number of receipts in a log: what the contract's `uint40` holds.
pub const MAX_SIZE: u64 = (1 << 40) - 1;
/// Maximum number of hashes in a proof of inclusion.
pub const MAX_PATH: usize = 40;

/// Returns an error for a log that is larger than a log can be.
fn check_size(size: u64) -> Result<(), FormatError> {
    match size <= MAX_SIZE {
        true => Ok(()),
        false => Err(FormatError::OutOfRange { field: "size", expected: "below 2^40" }),
    }
}
