//! What to ask for: read from the report, written as an address and as a name in the cache.

use quoth_verifier::{Family, ReportSigner, SigningKey, Tcb};

use super::document::Document;
use super::error::EndorsementError;

/// The bytes of a chip's id that Turin uses; the other families use all.
const TURIN_CHIP: usize = 8;

/// A key that signed a report, as the service knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    family: Family,
    /// Lower-case hex, as long as the family's ids are.
    chip: String,
    tcb: Tcb,
    /// As it stands in the report.
    raw_tcb: [u8; 8],
}

impl Source {
    /// Reads a report; nothing of it is verified. `named` is the family of a report that does not say its own.
    ///
    /// # Errors
    /// [`EndorsementError`]: not a report, or not one whose key the service can be asked for.
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
            // Turin's firmware never wrote a report that does not say its family.
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

    /// The processor's family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The chip's id, hex, as long as the family's ids are.
    pub(crate) fn chip(&self) -> &str {
        &self.chip
    }

    /// The firmware that the key is for.
    pub fn tcb(&self) -> Tcb {
        self.tcb
    }

    /// Path and query of a document (AMD 57230, KDS interface).
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

    /// The name of a document in the cache: all that it depends on, and nothing shortened.
    pub fn file_name(&self, document: Document) -> String {
        let family = self.family.name();
        match document {
            Document::Vcek => format!("vcek-{family}-{}-{}.der", self.chip, hex::encode(self.raw_tcb)),
            Document::Chain => format!("vcek-chain-{family}.pem"),
            Document::Crl => format!("crl-{family}.der"),
        }
    }
}
