//! Reads the fields of a call.

use alloc::vec::Vec;

use quoth_attestation::binding::Nonce;

/// What a call carries: fields, each behind its length of four bytes, little-endian.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (field, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.0 = rest;
        Some(field)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.bytes()?).ok()
    }

    /// A number of eight bytes, little-endian.
    pub(crate) fn number(&mut self) -> Option<u64> {
        self.bytes()?.try_into().ok().map(u64::from_le_bytes)
    }

    /// A nonce; none of no bytes.
    pub(crate) fn nonce(&mut self) -> Option<Option<Nonce>> {
        match self.bytes()? {
            [] => Some(None),
            bytes => Nonce::new(bytes).ok().map(Some),
        }
    }

    /// A number of fields, and the fields.
    pub(crate) fn list(&mut self) -> Option<Vec<Vec<u8>>> {
        (0..self.number()?).map(|_| self.bytes().map(<[u8]>::to_vec)).collect()
    }
}
