//! AMD SEV-SNP: reports of the secure processor about this machine (AMD 56860, §7.3), by `/dev/sev-guest`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use quoth_attestation::binding::Nonce;
use quoth_attestation::evidence::{MAX_CERTIFICATE, MAX_CERTIFICATES};
use quoth_attestation::receipt::Level;
use quoth_attestation::statement::{Clock, Platform as Name};
use sev::firmware::guest::Firmware;
use sev::firmware::host::CertType;

use super::{Platform, Quote};
use crate::EnclaveError;

/// The privilege level that a report is asked for: an image is all that there is of its machine.
const VMPL: u32 = 0;
/// A report, bytes, and where the bytes of who asked for it are in it (AMD 56860, table "ATTESTATION_REPORT").
const REPORT: usize = 1184;
const DATA: std::ops::Range<usize> = 0x50..0x90;
/// Reports are the same as long as the machine runs, and the secure processor gives few.
const RENEWAL: Duration = Duration::from_secs(24 * 60 * 60);

/// What gives reports: the secure processor, or a script of a test's.
pub(super) trait Device: Send + Sync {
    /// A report over `data`, and the certificates that the host has for it, in no order.
    fn report(&self, data: [u8; 64]) -> Option<(Vec<u8>, Vec<Certificate>)>;
}

/// A certificate that the host offers: its place in a chain, and its bytes.
pub(super) type Certificate = (Place, Vec<u8>);

/// From the report's key up to the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Leaf,
    Intermediate,
    Root,
}

/// `/dev/sev-guest`.
pub(super) struct Processor(Mutex<Firmware>);

impl Processor {
    pub(super) fn open() -> Result<Self, EnclaveError> {
        Firmware::open().map(|firmware| Self(Mutex::new(firmware))).map_err(|_| EnclaveError::Platform("sev-snp"))
    }
}

impl Device for Processor {
    fn report(&self, data: [u8; 64]) -> Option<(Vec<u8>, Vec<Certificate>)> {
        let mut firmware = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (report, table) = firmware.get_ext_report(None, Some(data), Some(VMPL)).ok()?;
        let certificates = table.unwrap_or_default().into_iter().filter_map(|entry| {
            let place = match entry.cert_type {
                CertType::VCEK | CertType::VLEK => Place::Leaf,
                CertType::ASK => Place::Intermediate,
                CertType::ARK => Place::Root,
                _ => return None,
            };
            Some((place, entry.data))
        });
        Some((report, certificates.collect()))
    }
}

/// Quotes by the secure processor.
pub(super) struct Snp<D>(D);

impl<D: Device> Snp<D> {
    pub(super) fn new(device: D) -> Self {
        Self(device)
    }
}

impl<D: Device> Platform for Snp<D> {
    fn name(&self) -> Name {
        Name::SevSnp
    }

    fn clock(&self) -> Clock {
        Clock::Host
    }

    fn level(&self) -> Level {
        Level::Tee
    }

    fn renewal(&self) -> Duration {
        RENEWAL
    }

    fn quote(&self, binding: &[u8; 64], _nonce: Option<&Nonce>) -> Result<Quote, EnclaveError> {
        let failed = EnclaveError::Make { what: "attestation report" };
        let Some((bytes, mut certificates)) = self.0.report(*binding) else { return Err(failed) };
        if bytes.len() != REPORT || bytes[DATA] != binding[..] {
            return Err(failed);
        }
        // They come from the host: whoever verifies the report finds out what they are worth.
        certificates.sort_by_key(|(place, _)| *place);
        let fits = |der: &Vec<u8>| (1..=MAX_CERTIFICATE).contains(&der.len());
        let certificates = certificates.into_iter().map(|(_, der)| der).filter(fits).take(MAX_CERTIFICATES).collect();
        Ok(Quote { bytes, certificates })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What a processor answers, its report's data apart.
    struct Script {
        length: usize,
        data: fn([u8; 64]) -> [u8; 64],
        certificates: Vec<Certificate>,
    }

    impl Device for Script {
        fn report(&self, data: [u8; 64]) -> Option<(Vec<u8>, Vec<Certificate>)> {
            let mut report = vec![0; self.length];
            report.get_mut(DATA)?.copy_from_slice(&(self.data)(data));
            Some((report, self.certificates.clone()))
        }
    }

    fn script() -> Script {
        Script { length: REPORT, data: |data| data, certificates: Vec::new() }
    }

    #[test]
    fn a_report_binds_what_was_asked_for() {
        let quote = Snp::new(script()).quote(&[7; 64], None).unwrap();
        assert_eq!((quote.bytes.len(), &quote.bytes[DATA]), (REPORT, &[7; 64][..]));
        assert!(quote.certificates.is_empty());
    }

    #[test]
    fn another_report_is_an_error() {
        let scripts = [
            Script { length: REPORT - 1, ..script() },
            Script { length: REPORT + 1, ..script() },
            Script { length: 0, ..script() },
            Script { data: |_| [0; 64], ..script() },
        ];
        for script in scripts {
            assert!(Snp::new(script).quote(&[7; 64], None).is_err());
        }
    }

    #[test]
    fn a_hosts_certificates_come_in_order_and_within_bounds() {
        let (leaf, root) = ((Place::Leaf, vec![1; 9]), (Place::Root, vec![3; 9]));
        let intermediate = (Place::Intermediate, vec![2; 9]);
        let (empty, long) = ((Place::Leaf, vec![]), (Place::Leaf, vec![0; MAX_CERTIFICATE + 1]));
        let certificates = vec![root, empty, intermediate, long, leaf];
        let quote = Snp::new(Script { certificates, ..script() }).quote(&[7; 64], None).unwrap();
        assert_eq!(quote.certificates, [[1; 9], [2; 9], [3; 9]]);
        let many = vec![(Place::Root, vec![4; 9]); MAX_CERTIFICATES + 1];
        let quote = Snp::new(Script { certificates: many, ..script() }).quote(&[7; 64], None).unwrap();
        assert_eq!(quote.certificates.len(), MAX_CERTIFICATES);
    }
}
