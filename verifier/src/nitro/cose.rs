//! Reads the envelope of an attestation document: a COSE_Sign1 (RFC 9052 §4.2), tagged or not, with ES384 (RFC 9053 §2.1).

use alloc::vec::Vec;

use super::cbor::Reader;
use crate::Refusal;
use crate::crypto::{P384Key, P384Signature, SignatureCheck};

/// Tag 18, COSE_Sign1 (RFC 9052 §2). The NSM omits it; other programs add it to the NSM's documents.
const TAGGED: &[u8] = &[0xd2];
/// {1: -35}: algorithm ES384 only.
const PROTECTED: &[u8] = &[0xa1, 0x01, 0x38, 0x22];
const PROTECTED_HEX: &str = "a1013822";
/// How many bytes of a wrong header a refusal shows.
const SHOWN: usize = 32;

pub(super) struct Sign1<'a> {
    pub(super) payload: &'a [u8],
    signature: P384Signature,
}

impl<'a> Sign1<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let mut reader = Reader::new(bytes.strip_prefix(TAGGED).unwrap_or(bytes));
        if reader.is_tag() {
            return Err(Refusal::NitroCoseTag);
        }
        reader.array_of(4)?;
        let protected = reader.bytes()?;
        if protected != PROTECTED {
            let actual = hex::encode(&protected[..protected.len().min(SHOWN)]);
            return Err(Refusal::NitroCoseHeader { header: "protected", expected: PROTECTED_HEX, actual });
        }
        reader.empty_map().map_err(|_| Refusal::NitroCoseHeader {
            header: "unprotected",
            expected: "an empty map",
            actual: "another item".into(),
        })?;
        let payload = reader.bytes()?;
        let signature = reader.bytes()?;
        reader.finish()?;
        // Refuses every length but 96, and r or s outside 1 to n - 1.
        let signature = P384Signature::of_bytes(signature).ok_or(Refusal::NitroCoseSignature)?;
        Ok(Self { payload, signature })
    }

    /// The signed bytes: the Sig_structure (RFC 9052 §4.4) with empty external data and the payload as received.
    pub(super) fn message(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.payload.len() + 32);
        bytes.push(0x84);
        bytes.push(0x60 | 10);
        bytes.extend(b"Signature1");
        byte_string(&mut bytes, PROTECTED);
        byte_string(&mut bytes, &[]);
        byte_string(&mut bytes, self.payload);
        bytes
    }

    /// The check that `key` signed this message.
    pub(super) fn signature_check<'b>(&self, key: &'b P384Key, message: &'b [u8]) -> SignatureCheck<'b> {
        SignatureCheck::P384 { signature: self.signature, key, message }
    }
}

fn byte_string(out: &mut Vec<u8>, bytes: &[u8]) {
    const MAJOR: u8 = 0x40;
    // The evidence format limits a whole quote far below 64 KiB. A longer one would only fail to verify.
    match bytes.len() {
        short @ 0..24 => out.push(MAJOR | short as u8),
        one @ 24..0x100 => out.extend([MAJOR | 24, one as u8]),
        two => {
            out.push(MAJOR | 25);
            out.extend((two as u16).to_be_bytes());
        }
    }
    out.extend(bytes);
}
