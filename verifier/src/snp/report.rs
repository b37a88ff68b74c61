//! ATTESTATION_REPORT (AMD 56860 rev. 1.58, table 23), versions 2 to 5.

use super::family::Family;
use super::refusal::SnpRefusal;
use super::signing_key::SigningKey;
use crate::crypto::{P384Key, P384Signature, SignatureCheck};

/// Length of a report, in bytes.
pub(crate) const LENGTH: usize = 1184;
const VERSIONS: core::ops::RangeInclusive<u32> = 2..=5;
/// ECDSA with P-384 and SHA-384.
const SIGNATURE_ALGORITHM: u32 = 1;
/// A flag: the platform masks its chip key.
const MASK_CHIP_KEY: u32 = 1 << 1;
/// Number of signed bytes, which come before the signature.
const SIGNED: usize = 0x2a0;
/// Bytes in each of r and s (little-endian), and bytes of them in use.
const SCALAR: usize = 72;
const SCALAR_USED: usize = 48;

/// A report, its layout checked, its signature **not yet verified**.
pub(crate) struct Report {
    pub(crate) version: u32,
    pub(crate) guest_svn: u32,
    pub(crate) policy: u64,
    pub(crate) vmpl: u32,
    pub(crate) current_tcb: [u8; 8],
    pub(crate) platform_info: u64,
    pub(crate) has_author_key: bool,
    pub(crate) signing_key: SigningKey,
    pub(crate) report_data: [u8; 64],
    pub(crate) measurement: [u8; 48],
    pub(crate) host_data: [u8; 32],
    pub(crate) id_key_digest: [u8; 48],
    pub(crate) author_key_digest: [u8; 48],
    pub(crate) reported_tcb: [u8; 8],
    /// By CPUID, from version 3 on.
    pub(crate) family: Option<Family>,
    pub(crate) chip_id: [u8; 64],
    pub(crate) committed_tcb: [u8; 8],
    pub(crate) launch_tcb: [u8; 8],
    /// LAUNCH_MIT_VECTOR and CURRENT_MIT_VECTOR, from version 5 on.
    pub(crate) mitigations: Option<[u64; 2]>,
    signed: [u8; SIGNED],
    signature: P384Signature,
}

impl Report {
    /// Parses a report strictly. Does not verify the signature.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, SnpRefusal> {
        let Ok(bytes) = <&[u8; LENGTH]>::try_from(bytes) else {
            return Err(SnpRefusal::Length { expected: LENGTH, actual: bytes.len() });
        };
        let version = u32_at(bytes, 0);
        if !VERSIONS.contains(&version) {
            return Err(SnpRefusal::Version { actual: version });
        }
        // Earlier versions reserve the fields of later ones.
        let cpuid = if version >= 3 { 0x18b } else { 0x188 };
        let mitigations = if version >= 5 { 0x208 } else { 0x1f8 };
        let reserved = [0x4c..0x50, cpuid..0x1a0, 0x1eb..0x1ec, 0x1ef..0x1f0, mitigations..SIGNED];
        for range in reserved {
            if bytes[range.clone()].iter().any(|byte| *byte != 0) {
                return Err(SnpRefusal::Reserved { offset: range.start });
            }
        }
        match u32_at(bytes, 0x34) {
            SIGNATURE_ALGORITHM => {}
            actual => return Err(SnpRefusal::SignatureAlgorithm { actual }),
        }
        let flags = u32_at(bytes, 0x48);
        if flags >> 5 != 0 {
            return Err(SnpRefusal::Reserved { offset: 0x48 });
        }
        let signing_key = match flags >> 2 & 7 {
            0 => SigningKey::Vcek,
            1 => SigningKey::Vlek,
            actual => return Err(SnpRefusal::SigningKey { actual }),
        };
        let family = match version >= 3 {
            true => {
                let (family, model) = (bytes[0x188], bytes[0x189]);
                Some(Family::of_cpuid(family, model).ok_or(SnpRefusal::FamilyUnknown { family, model })?)
            }
            false => None,
        };
        if flags & MASK_CHIP_KEY != 0 {
            // The firmware then writes zeros in place of a signature.
            return Err(SnpRefusal::MaskChipKey);
        }
        Ok(Self {
            version,
            guest_svn: u32_at(bytes, 0x04),
            policy: u64_at(bytes, 0x08),
            vmpl: u32_at(bytes, 0x30),
            current_tcb: array(bytes, 0x38),
            platform_info: u64_at(bytes, 0x40),
            has_author_key: flags & 1 != 0,
            signing_key,
            report_data: array(bytes, 0x50),
            measurement: array(bytes, 0x90),
            host_data: array(bytes, 0xc0),
            id_key_digest: array(bytes, 0xe0),
            author_key_digest: array(bytes, 0x110),
            reported_tcb: array(bytes, 0x180),
            family,
            chip_id: array(bytes, 0x1a0),
            committed_tcb: array(bytes, 0x1e0),
            launch_tcb: array(bytes, 0x1f0),
            mitigations: (version >= 5).then(|| [u64_at(bytes, 0x1f8), u64_at(bytes, 0x200)]),
            signed: array(bytes, 0),
            signature: signature(bytes)?,
        })
    }

    /// The check that `key` signed the bytes as received.
    pub(super) fn signature_check<'a>(&'a self, key: &'a P384Key) -> SignatureCheck<'a> {
        SignatureCheck::P384 { signature: self.signature, key, message: &self.signed }
    }
}

/// Reads r and s, which are little-endian and from 1 to n - 1. All other bytes must be zero.
fn signature(bytes: &[u8; LENGTH]) -> Result<P384Signature, SnpRefusal> {
    let mut scalars = [[0; SCALAR_USED]; 2];
    for (scalar, field) in scalars.iter_mut().zip(bytes[SIGNED..].chunks(SCALAR)) {
        let (used, rest) = field.split_at(SCALAR_USED);
        if rest.iter().any(|byte| *byte != 0) {
            return Err(SnpRefusal::SignatureEncoding);
        }
        scalar.copy_from_slice(used);
        scalar.reverse();
    }
    if bytes[SIGNED + 2 * SCALAR..].iter().any(|byte| *byte != 0) {
        return Err(SnpRefusal::SignatureEncoding);
    }
    let [r, s] = scalars;
    P384Signature::of_scalars(r, s).ok_or(SnpRefusal::SignatureEncoding)
}

fn array<const N: usize>(bytes: &[u8; LENGTH], at: usize) -> [u8; N] {
    core::array::from_fn(|index| bytes[at + index])
}

fn u32_at(bytes: &[u8; LENGTH], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

fn u64_at(bytes: &[u8; LENGTH], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}
