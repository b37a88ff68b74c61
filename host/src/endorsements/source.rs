//! The key that signed a report, and how the service and the cache name its documents.

use quoth_verifier::{Family, ReportSigner, SigningKey, Tcb};

use super::document::Document;
use super::error::EndorsementError;

/// Length of a chip's id on Turin, bytes. The other families use the whole field.
const TURIN_CHIP: usize = 8;

/// A key that signed a report, as the service knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    family: Family,
    /// The chip's id, lower-case hex, in the family's length.
    chip: String,
    tcb: Tcb,
    /// The firmware version as the report encodes it.
    raw_tcb: [u8; 8],
}

impl Source {
    /// Reads a report without verifying it. `named` is the family of a report that does not name its own.
    ///
    /// # Errors
    /// [`EndorsementError`] if the bytes are not a report, or if the service cannot have the certificate of its key.
    pub fn of(report: &[u8], named: Option<Family>) -> Result<Self, EndorsementError> {
        let signer = ReportSigner::read(report).map_err(EndorsementError::Report)?;
        if signer.key != SigningKey::Vcek {
            return Err(EndorsementError::Vlek);
        }
        let family = match (signer.family, named) {
            (Some(report), Some(named)) if report != named => {
                return Err(EndorsementError::FamilyMismatch { named, report });
            }
            (Some(report), _) => report,
            // Reports of Turin's firmware always name the family.
            (None, None | Some(Family::Turin)) => return Err(EndorsementError::FamilyUnknown),
            (None, Some(named)) => named,
        };
        if signer.chip_id == [0; 64] {
            return Err(EndorsementError::ChipMasked);
        }
        let used = if family == Family::Turin { TURIN_CHIP } else { signer.chip_id.len() };
        Ok(Self {
            family,
            chip: hex::encode(&signer.chip_id[..used]),
            tcb: signer.tcb(family).map_err(EndorsementError::Report)?,
            raw_tcb: signer.reported_tcb,
        })
    }

    /// Returns the processor's family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Returns the chip's id, hex, in the family's length.
    pub(crate) fn chip(&self) -> &str {
        &self.chip
    }

    /// Returns the firmware version that the key belongs to.
    pub fn tcb(&self) -> Tcb {
        self.tcb
    }

    /// Returns path and query of a document (AMD 57230, KDS interface).
    pub fn target(&self, document: Document) -> String {
        let Self { chip, tcb, .. } = self;
        let product = self.family.title();
        match document {
            Document::Chain => format!("/vcek/v1/{product}/cert_chain"),
            Document::Crl => format!("/vcek/v1/{product}/crl"),
            Document::Vcek => {
                let Tcb { fmc, bootloader, tee, snp, microcode } = tcb;
                let fmc = if self.family == Family::Turin { format!("fmcSPL={fmc}&") } else { String::new() };
                format!(
                    "/vcek/v1/{product}/{chip}?{fmc}blSPL={bootloader}&teeSPL={tee}&snpSPL={snp}&ucodeSPL={microcode}"
                )
            }
        }
    }

    /// Returns the name of a document in the cache. It contains everything that the document depends on, unabridged.
    pub fn file_name(&self, document: Document) -> String {
        let family = self.family.name();
        match document {
            Document::Vcek => format!("vcek-{family}-{}-{}.der", self.chip, hex::encode(self.raw_tcb)),
            Document::Chain => format!("vcek-chain-{family}.pem"),
            Document::Crl => format!("crl-{family}.der"),
        }
    }
}
