//! AMD SEV-SNP: the secure processor's reports about this machine (AMD 56860, §7.3).

mod device;
mod files;
mod guest;
mod table;

use std::io;
use std::time::Duration;

use quoth_attestation::binding::Nonce;
use quoth_attestation::evidence::{MAX_CERTIFICATE, MAX_CERTIFICATES};
use quoth_attestation::receipt::Level;
use quoth_attestation::statement::{Clock, Platform as Name};

use self::device::{Device, REPORT};
use self::files::Files;
use self::guest::Guest;
use super::quote::{Platform, Quote};
use crate::EnclaveError;

/// Where `REPORT_DATA` stands in a report (AMD 56860, table "ATTESTATION_REPORT").
const DATA: std::ops::Range<usize> = 0x50..0x90;
/// Reports stay the same as long as the machine runs, and the secure processor limits their rate.
const RENEWAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Quotes by the secure processor.
pub(super) struct Snp(Box<dyn Device>);

impl Snp {
    /// Opens the interface that this kernel has: its files, or before Linux 6.7 its device.
    pub(super) fn open() -> Result<Self, EnclaveError> {
        if let Some(files) = Files::open() {
            return Ok(Self(Box::new(files)));
        }
        let guest = Guest::open().map_err(|_| EnclaveError::Platform("sev-snp"))?;
        Ok(Self(Box::new(guest)))
    }
}

impl Platform for Snp {
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

    fn is_endorsed_by_others(&self) -> bool {
        true
    }

    fn quote(&self, binding: &[u8; 64], _nonce: Option<&Nonce>) -> Result<Quote, EnclaveError> {
        let failed = EnclaveError::make::<io::Error>("attestation report");
        let (bytes, table) = self.0.report(*binding).map_err(failed)?;
        if bytes.len() != REPORT || bytes[DATA] != binding[..] {
            return Err(EnclaveError::Make { what: "attestation report" });
        }
        // They come from the host. Verifiers check them.
        let fits = |der: &&[u8]| (1..=MAX_CERTIFICATE).contains(&der.len());
        let certificates = table::chain(&table).into_iter().filter(fits).take(MAX_CERTIFICATES);
        Ok(Quote { bytes, certificates: certificates.map(<[u8]>::to_vec).collect() })
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
        table: Vec<u8>,
    }

    impl Device for Script {
        fn report(&self, data: [u8; 64]) -> io::Result<(Vec<u8>, Vec<u8>)> {
            let mut report = vec![0; self.length];
            let place = report.get_mut(DATA).ok_or(io::ErrorKind::Other)?;
            place.copy_from_slice(&(self.data)(data));
            Ok((report, self.table.clone()))
        }
    }

    impl Snp {
        fn by(script: Script) -> Self {
            Self(Box::new(script))
        }
    }

    fn script() -> Script {
        Script { length: REPORT, data: |data| data, table: Vec::new() }
    }

    #[test]
    fn a_report_binds_what_was_asked_for() {
        let quote = Snp::by(script()).quote(&[7; 64], None).unwrap();
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
            assert!(Snp::by(script).quote(&[7; 64], None).is_err());
        }
    }

    #[test]
    fn a_hosts_certificates_come_in_order_and_within_bounds() {
        let long = vec![0; MAX_CERTIFICATE + 1];
        let table =
            table::of(&[(table::ARK, &[3; 9]), (table::ASK, &[2; 9]), (table::VLEK, &long), (table::VCEK, &[1; 9])]);
        let quote = Snp::by(Script { table, ..script() }).quote(&[7; 64], None).unwrap();
        assert_eq!(quote.certificates, [[1; 9], [2; 9], [3; 9]]);
        let quote = Snp::by(Script { table: vec![9; 100], ..script() }).quote(&[7; 64], None).unwrap();
        assert!(quote.certificates.is_empty(), "a report is worth something without them");
    }
}
