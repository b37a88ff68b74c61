//! Parses revocation lists.

use alloc::vec::Vec;

use super::parts::{Name, Signed, extensions, serial};
use crate::der::{GENERALIZED_TIME, Items, Problem, SEQUENCE, UTC_TIME};

/// Version 2.
const VERSION_2: &[u8] = &[2, 1, 1];
/// The OID 2.5.29.35.
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 29, 35];
/// The OID 2.5.29.20.
const CRL_NUMBER: &[u8] = &[0x55, 29, 20];

/// A complete revocation list (RFC 5280 §5), parsed and **not verified**.
pub(crate) struct RevocationList<'a> {
    pub(crate) signed: Signed<'a>,
    pub(crate) issuer: Name<'a>,
    /// When it was made, Unix seconds.
    pub(crate) this_update: u64,
    /// When a newer list is due, Unix seconds.
    pub(crate) next_update: u64,
    /// Serial numbers of revoked certificates.
    pub(crate) revoked: Vec<&'a [u8]>,
}

impl<'a> RevocationList<'a> {
    /// Parses exactly one list of version 2. The error says what is wrong.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let signed = Signed::parse(bytes).map_err(|Problem(problem)| problem)?;
        Self::read(signed).map_err(|Problem(problem)| problem)
    }

    fn read(signed: Signed<'a>) -> Result<Self, Problem> {
        let mut body = Items::of(signed.body)?;
        if body.next()?.der != VERSION_2 {
            return Err(Problem("not of version 2"));
        }
        signed.check_algorithm(&mut body)?;
        let issuer = Name::read(&body.next()?)?;
        let this_update = body.next()?.time()?;
        if !body.begins_with(UTC_TIME) && !body.begins_with(GENERALIZED_TIME) {
            return Err(Problem("does not say when it expires"));
        }
        let next_update = body.next()?.time()?;
        let revoked = match body.begins_with(SEQUENCE) {
            true => revoked(body.next()?.sequence()?)?,
            false => Vec::new(),
        };
        // A delta or partial list covers less than it seems to.
        let known = [AUTHORITY_KEY_ID, CRL_NUMBER];
        if !extensions(&mut body, 0)?.iter().all(|extension| known.contains(&extension.id)) {
            return Err(Problem("has an unknown extension"));
        }
        body.finish()?;
        Ok(Self { signed, issuer, this_update, next_update, revoked })
    }
}

/// Reads the serial numbers of a list's entries. The reasons of revocation do not matter.
fn revoked(mut list: Items<'_>) -> Result<Vec<&[u8]>, Problem> {
    let mut serials = Vec::new();
    while !list.is_finished() {
        let mut entry = list.next()?.sequence()?;
        serials.push(serial(&entry.next()?)?);
        entry.next()?.time()?;
        if !entry.is_finished() {
            entry.next()?;
        }
        entry.finish()?;
    }
    Ok(serials)
}
