//! Revocation lists (RFC 5280 §5) by an ARK. VEK certificates all have serial 0, so a list can revoke intermediates only.

use alloc::vec::Vec;

use quoth_attestation::Digest;
use x509_cert::certificate::{Rfc5280, Version};
use x509_cert::crl::CertificateList;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::serial_number::SerialNumber;

use super::SnpRefusal;
use super::rsa::{is_pss, is_signed_by};
use crate::memory::Memory;
use crate::x509::Certificate;

const AUTHORITY_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");

/// A revocation list that the root has signed.
pub(crate) struct Crl {
    /// When it was made, Unix seconds.
    pub(crate) this_update: u64,
    /// Until when there is a newer one, Unix seconds.
    pub(crate) next_update: u64,
    revoked: Vec<SerialNumber>,
}

impl Crl {
    /// Reads a list strictly and verifies that `root` has signed it.
    pub(super) fn verify(der: &[u8], root: &Certificate, memory: &Memory) -> Result<Self, SnpRefusal> {
        let refuse = |problem| SnpRefusal::Crl { problem };
        let list: CertificateList =
            CertificateList::from_der(der).map_err(|_| refuse("not a revocation list in DER"))?;
        if list.to_der().ok().as_deref() != Some(der) {
            return Err(refuse("not in DER's one encoding"));
        }
        let body = list.tbs_cert_list;
        if body.version != Version::V2 || body.signature != list.signature_algorithm || !is_pss(&body.signature) {
            return Err(refuse("not of version 2 and signed by RSA-PSS as AMD does"));
        }
        if body.issuer != *root.subject() {
            return Err(refuse("of another family"));
        }
        // A delta or partial list would say less than it seems to.
        let known = [AUTHORITY_KEY_ID, CRL_NUMBER];
        if body.crl_extensions.iter().flatten().any(|extension| !known.contains(&extension.extn_id)) {
            return Err(refuse("has an unknown extension"));
        }
        let signed = body.to_der().map_err(|_| refuse("not a revocation list in DER"))?;
        let by_root = || is_signed_by(root, &signed, list.signature.as_bytes());
        if !memory.signed(root, Digest::of(der), by_root) {
            return Err(refuse("not signed by the root"));
        }
        let next = body.next_update.ok_or(refuse("says not until when it holds"))?;
        Ok(Self {
            this_update: body.this_update.to_unix_duration().as_secs(),
            next_update: next.to_unix_duration().as_secs(),
            revoked: body.revoked_certificates.unwrap_or_default().into_iter().map(|one| one.serial_number).collect(),
        })
    }

    pub(super) fn revokes(&self, serial: &SerialNumber) -> bool {
        self.revoked.contains(serial)
    }
}

/// Whether a list names this root as its issuer; one that cannot be read is nobody's and everybody's.
pub(super) fn is_by(crl: &[u8], root: &Certificate) -> bool {
    match CertificateList::<Rfc5280>::from_der(crl) {
        Ok(list) => list.tbs_cert_list.issuer == *root.subject(),
        Err(_) => true,
    }
}
