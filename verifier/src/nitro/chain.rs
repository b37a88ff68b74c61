//! From a pinned root to the key that signs documents.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use quoth_attestation::Digest;

use super::certificate::Certificate;
use crate::Refusal;
use crate::crypto::P384Key;
use crate::x509::Validity;

/// Certificates before the leaf, at most.
pub(crate) const MAX_BUNDLE: usize = 8;

/// What a leaf is called.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Naming {
    /// The `module_id`, a full stop, a region and `.aws`.
    Aws,
    /// The `module_id`.
    Plain,
}

/// Follows `bundle` (root first) to `leaf`, and returns the leaf's key.
pub(super) fn verify(
    bundle: &[&[u8]],
    leaf: &[u8],
    module: &str,
    roots: &BTreeSet<Digest>,
    naming: Naming,
    validity: Validity,
) -> Result<P384Key, Refusal> {
    let length = Refusal::NitroChainLength { limit: MAX_BUNDLE, actual: bundle.len() };
    let Some(root) = bundle.first().filter(|_| bundle.len() <= MAX_BUNDLE) else {
        return Err(length);
    };
    let root = Digest::of(root);
    if !roots.contains(&root) {
        return Err(Refusal::NitroChainRoot { expected: list(roots), actual: root });
    }
    let ders: Vec<&[u8]> = bundle.iter().copied().chain([leaf]).collect();
    if ders.iter().collect::<BTreeSet<_>>().len() != ders.len() {
        return Err(length);
    }
    let mut chain = ders
        .iter()
        .enumerate()
        .map(|(position, der)| Certificate::parse(position, der))
        .collect::<Result<Vec<_>, _>>()?;
    // The root is pinned by the hash of all of it, so its signature on itself says nothing more.
    for pair in chain.windows(2) {
        if let [issuer, issued] = pair {
            issued.check_issued_by(issuer)?;
        }
    }
    for (position, certificate) in chain.iter().enumerate() {
        check_validity(position, certificate.validity(), validity)?;
        match chain.len() - 1 - position {
            0 => certificate.check_leaf()?,
            // The leaf is no authority.
            below => certificate.check_authority(below - 1)?,
        }
    }
    let leaf = chain.pop().ok_or(length)?;
    check_name(leaf.common_name(), module, naming)?;
    Ok(leaf.into_key())
}

fn check_validity(position: usize, (not_before, not_after): (u64, u64), validity: Validity) -> Result<(), Refusal> {
    match validity.within((not_before, not_after)) {
        true => Ok(()),
        false => Err(Refusal::NitroChainValidity { position, not_before, not_after, at: validity.at }),
    }
}

fn check_name(name: Option<String>, module: &str, naming: Naming) -> Result<(), Refusal> {
    let name = name.unwrap_or_default();
    let fits = match (naming, name.strip_prefix(module)) {
        (Naming::Plain, Some(rest)) => rest.is_empty(),
        (Naming::Aws, Some(rest)) => {
            let region = rest.strip_prefix('.').and_then(|rest| rest.strip_suffix(".aws"));
            region.is_some_and(|region| !region.is_empty() && !region.contains('.'))
        }
        (_, None) => false,
    };
    match fits {
        true => Ok(()),
        false => Err(Refusal::NitroChainModule { expected: module.to_string(), actual: name }),
    }
}

fn list(roots: &BTreeSet<Digest>) -> String {
    roots.iter().map(Digest::to_string).collect::<Vec<_>>().join(" or ")
}
