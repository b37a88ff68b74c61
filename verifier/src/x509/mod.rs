//! X.509 certificates and revocation lists (RFC 5280) in strict DER, parsed in place: what Nitro's and AMD's have in
//! common.

mod certificate;
mod crl;
#[cfg(test)]
pub(crate) mod forge;
mod parts;
mod spki;

pub(crate) use certificate::{BasicConstraints, Certificate, KeyUsage};
pub(crate) use crl::RevocationList;
pub(crate) use parts::{Extension, Signed};
pub(crate) use spki::{is_one_item, public_key_info};

/// The time at which certificates must be valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validity {
    /// Unix seconds.
    pub(crate) at: u64,
    /// The clock's tolerance, in seconds.
    pub(crate) skew: u64,
}

impl Validity {
    /// True if `at` is between two times in Unix seconds, both included.
    pub(crate) fn within(self, (not_before, not_after): (u64, u64)) -> bool {
        let Self { at, skew } = self;
        not_before <= at.saturating_add(skew) && at <= not_after.saturating_add(skew)
    }
}
