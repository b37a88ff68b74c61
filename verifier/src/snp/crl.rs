//! Verifies an ARK's revocation lists. VEK certificates all have serial 0, so a list can revoke intermediates only.

use super::SnpRefusal;
use super::rsa::{is_pss, is_signed_by};
use crate::signatures::Prechecked;
use crate::x509::{Certificate, RevocationList};

/// Parses a list strictly, and verifies that `root` signed it.
pub(super) fn verify<'a>(
    der: &'a [u8],
    root: &Certificate<'_>,
    prechecked: &Prechecked<'_>,
) -> Result<RevocationList<'a>, SnpRefusal> {
    let refuse = |problem| SnpRefusal::Crl { problem };
    let list = RevocationList::parse(der).map_err(refuse)?;
    if !is_pss(list.signed.algorithm) {
        return Err(refuse("not signed with AMD's RSA-PSS"));
    }
    if list.issuer != root.subject {
        return Err(refuse("of another family"));
    }
    match is_signed_by(root, &list.signed, prechecked) {
        true => Ok(list),
        false => Err(refuse("not signed by the root")),
    }
}

/// The claims of a revocation list about when it was made and when it expires, in Unix seconds. The list is parsed strictly,
/// but **not verified**.
///
/// # Errors
/// [`SnpRefusal::Crl`] if the bytes are not a revocation list.
pub fn revocation_list_window(crl: &[u8]) -> Result<(u64, u64), SnpRefusal> {
    let list = RevocationList::parse(crl).map_err(|problem| SnpRefusal::Crl { problem })?;
    Ok((list.this_update, list.next_update))
}

/// True if a list names this root as its issuer, and for a list that cannot be parsed: every chain must refuse it.
pub(super) fn is_by(crl: &[u8], root: &Certificate<'_>) -> bool {
    RevocationList::parse(crl).map_or(true, |list| list.issuer == root.subject)
}
