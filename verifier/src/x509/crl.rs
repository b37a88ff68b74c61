use alloc::vec::Vec;

use der::asn1::ObjectIdentifier;
use der::{Reader, Tag};

use super::der::{Name, Problem, Signed, each, extensions, serial, time};

/// Version 2.
const VERSION_2: &[u8] = &[2, 1, 1];
const AUTHORITY_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");

/// A whole revocation list (RFC 5280 §5), read and **not verified**.
pub(crate) struct RevocationList<'a> {
    pub(crate) signed: Signed<'a>,
    pub(crate) issuer: Name<'a>,
    /// When it was made, Unix seconds.
    pub(crate) this_update: u64,
    /// Until when there is a newer one, Unix seconds.
    pub(crate) next_update: u64,
    /// Serial numbers.
    pub(crate) revoked: Vec<&'a [u8]>,
}

impl<'a> RevocationList<'a> {
    /// Reads exactly one list of version 2; says what is wrong otherwise.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let signed = Signed::parse(bytes).map_err(|Problem(problem)| problem)?;
        Self::read(signed).map_err(|Problem(problem)| problem)
    }

    fn read(signed: Signed<'a>) -> Result<Self, Problem> {
        let (issuer, this_update, next_update, revoked) = signed.body(|reader| {
            if reader.tlv_bytes()? != VERSION_2 {
                return Err(Problem("not of version 2"));
            }
            signed.algorithm(reader)?;
            let issuer = Name::read(reader)?;
            let this_update = time(reader)?;
            let next_update = match Tag::peek(reader) {
                Ok(Tag::UtcTime | Tag::GeneralizedTime) => time(reader)?,
                _ => return Err(Problem("says not until when it holds")),
            };
            let revoked = match Tag::peek(reader) {
                Ok(Tag::Sequence) => revoked(reader.tlv_bytes()?)?,
                _ => Vec::new(),
            };
            // A delta or partial list would say less than it seems to.
            let known = [AUTHORITY_KEY_ID, CRL_NUMBER];
            match extensions(reader, 0)?.iter().all(|extension| known.contains(&extension.id)) {
                true => Ok((issuer, this_update, next_update, revoked)),
                false => Err(Problem("has an unknown extension")),
            }
        })?;
        Ok(Self { signed, issuer, this_update, next_update, revoked })
    }
}

/// The serial numbers of a list's entries. Why each was revoked does not matter.
fn revoked(list: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    let mut serials = Vec::new();
    each(list, |reader| {
        reader.sequence(|reader| {
            serials.push(serial(reader)?);
            time(reader)?;
            if !reader.is_finished() {
                reader.tlv_bytes()?;
            }
            Ok(())
        })
    })?;
    Ok(serials)
}
