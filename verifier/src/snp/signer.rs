//! Which key signed a report, as the report says.

use super::report::Report;
use super::{Family, SigningKey, SnpRefusal, Tcb};

/// What a report says about the key that signed it: enough to look for its certificates. **Nothing of it is verified.**
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportSigner {
    /// Whose key it is.
    pub key: SigningKey,
    /// By CPUID; reports of version 2 do not say.
    pub family: Option<Family>,
    /// CHIP_ID as it stands: on Turin 8 bytes and zeros; all zero under a VLEK, or when the platform hides it.
    pub chip_id: [u8; 64],
    /// REPORTED_TCB as it stands.
    pub reported_tcb: [u8; 8],
}

impl ReportSigner {
    /// Reads a report as strictly as the verifier does.
    ///
    /// # Errors
    /// [`SnpRefusal`]: not a report.
    pub fn read(report: &[u8]) -> Result<Self, SnpRefusal> {
        let Report { signing_key: key, family, chip_id, reported_tcb, .. } = Report::parse(report)?;
        Ok(Self { key, family, chip_id, reported_tcb })
    }

    /// The firmware that the key is for, by the layout of a family.
    ///
    /// # Errors
    /// [`SnpRefusal::TcbReserved`].
    pub fn tcb(&self, family: Family) -> Result<Tcb, SnpRefusal> {
        match family.split(self.reported_tcb) {
            (tcb, [0, 0, 0, 0]) => Ok(tcb),
            _ => Err(SnpRefusal::TcbReserved { which: "reported" }),
        }
    }
}
