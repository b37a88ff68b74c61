//! The key that signed a report, according to the report.

use super::report::Report;
use super::{Family, SigningKey, SnpRefusal, Tcb};

/// A report's claims about its signing key, enough to find its certificates. **They are not verified.**
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportSigner {
    /// The kind of key.
    pub key: SigningKey,
    /// The family by CPUID; reports of version 2 do not name it.
    pub family: Option<Family>,
    /// CHIP_ID as in the report: on Turin 8 bytes and zeros; all zero under a VLEK, or if the platform masks it.
    pub chip_id: [u8; 64],
    /// REPORTED_TCB as in the report.
    pub reported_tcb: [u8; 8],
}

impl ReportSigner {
    /// Parses a report as strictly as the verifier.
    ///
    /// # Errors
    /// [`SnpRefusal`] if the bytes are not a report.
    pub fn read(report: &[u8]) -> Result<Self, SnpRefusal> {
        let Report { signing_key: key, family, chip_id, reported_tcb, .. } = Report::parse(report)?;
        Ok(Self { key, family, chip_id, reported_tcb })
    }

    /// The firmware version of the key, in the layout of a family.
    ///
    /// # Errors
    /// [`SnpRefusal::TcbReserved`] if reserved bytes are not zero.
    pub fn tcb(&self, family: Family) -> Result<Tcb, SnpRefusal> {
        match family.split(self.reported_tcb) {
            (tcb, [0, 0, 0, 0]) => Ok(tcb),
            _ => Err(SnpRefusal::TcbReserved { which: "reported" }),
        }
    }
}
