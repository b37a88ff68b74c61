//! Revocation lists by an ARK. VEK certificates all have serial 0, so a list can revoke intermediates only.

use super::SnpRefusal;
use super::rsa::{is_pss, is_signed_by};
use crate::signatures::Prechecked;
use crate::x509::{Certificate, RevocationList};

/// Reads a list strictly and verifies that `root` has signed it.
pub(super) fn verify<'a>(
    der: &'a [u8],
    root: &Certificate<'_>,
    prechecked: &Prechecked<'_>,
) -> Result<RevocationList<'a>, SnpRefusal> {
    let refuse = |problem| SnpRefusal::Crl { problem };
    let list = RevocationList::parse(der).map_err(refuse)?;
    if !is_pss(list.signed.algorithm) {
        return Err(refuse("not signed by RSA-PSS as AMD does"));
    }
    if list.issuer != root.subject {
        return Err(refuse("of another family"));
    }
    match is_signed_by(root, &list.signed, prechecked) {
        true => Ok(list),
        false => Err(refuse("not signed by the root")),
    }
}

/// When a revocation list was made and until when it holds, both in Unix seconds, as it says itself: it is read strictly, and
/// **not verified**.
///
/// # Errors
/// [`SnpRefusal::Crl`]: not a revocation list.
pub fn revocation_list_window(crl: &[u8]) -> Result<(u64, u64), SnpRefusal> {
    let list = RevocationList::parse(crl).map_err(|problem| SnpRefusal::Crl { problem })?;
    Ok((list.this_update, list.next_update))
}

/// Whether a list names this root as its issuer; one that cannot be read is nobody's and everybody's.
pub(super) fn is_by(crl: &[u8], root: &Certificate<'_>) -> bool {
    RevocationList::parse(crl).map_or(true, |list| list.issuer == root.subject)
}
