//! AMD SEV-SNP: the secure processor's reports about this machine (AMD 56860, §7.3), read from Linux's files for them
//! (Linux, Documentation/ABI/testing/configfs-tsm-report).

mod table;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use quoth_attestation::binding::Nonce;
use quoth_attestation::evidence::{MAX_CERTIFICATE, MAX_CERTIFICATES};
use quoth_attestation::receipt::Level;
use quoth_attestation::statement::{Clock, Platform as Name};

use super::quote::{Platform, Quote};
use crate::EnclaveError;

/// Where the files are.
const ROOT: &str = "/sys/kernel/config/tsm/report";
/// Linux's name for SEV-SNP as the maker of reports.
const PROVIDER: &str = "sev_guest";
/// Length of a report, bytes, and where its `REPORT_DATA` stands (AMD 56860, table "ATTESTATION_REPORT").
const REPORT: usize = 1184;
const DATA: std::ops::Range<usize> = 0x50..0x90;
/// A table of certificates, bytes, at most.
const MAX_TABLE: u64 = 64 * 1024;
/// Reports stay the same as long as the machine runs, and the secure processor limits their rate.
const RENEWAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes reports: the secure processor, or a test's script.
pub(super) trait Device: Send + Sync {
    /// Returns a report over `data`, and the host's table of certificates for it.
    fn report(&self, data: [u8; 64]) -> io::Result<(Vec<u8>, Vec<u8>)>;
}

/// The secure processor.
pub(super) struct Processor {
    root: PathBuf,
    asked: AtomicU64,
}

impl Processor {
    pub(super) fn open() -> Result<Self, EnclaveError> {
        let root = PathBuf::from(ROOT);
        // Without a maker of reports, no folder can be made.
        let probe = root.join("quoth");
        let probed = fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe));
        probed.map_err(|_| EnclaveError::Platform("sev-snp"))?;
        Ok(Self { root, asked: AtomicU64::new(0) })
    }

    /// Asks for a report. One folder is one request; the kernel fills it when it is made.
    fn ask(&self, folder: &str, data: [u8; 64]) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let place = |name: &str| self.root.join(folder).join(name);
        if fs::read_to_string(place("provider"))?.trim() != PROVIDER {
            return Err(io::ErrorKind::Unsupported.into());
        }
        File::options()
            .write(true)
            .open(place("inblob"))
            .and_then(|mut file| io::Write::write_all(&mut file, &data))?;
        let read = |name: &str, most: u64| {
            let mut bytes = Vec::new();
            File::open(place(name))?.take(most).read_to_end(&mut bytes)?;
            Ok::<_, io::Error>(bytes)
        };
        // The host may have no certificates.
        Ok((read("outblob", REPORT as u64 + 1)?, read("auxblob", MAX_TABLE).unwrap_or_default()))
    }
}

impl Device for Processor {
    fn report(&self, data: [u8; 64]) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let folder = format!("quoth-{}", self.asked.fetch_add(1, Relaxed));
        fs::create_dir(self.root.join(&folder))?;
        let outcome = self.ask(&folder, data);
        fs::remove_dir(self.root.join(&folder))?;
        outcome
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

    fn script() -> Script {
        Script { length: REPORT, data: |data| data, table: Vec::new() }
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
        let long = vec![0; MAX_CERTIFICATE + 1];
        let table =
            table::of(&[(table::ARK, &[3; 9]), (table::ASK, &[2; 9]), (table::VLEK, &long), (table::VCEK, &[1; 9])]);
        let quote = Snp::new(Script { table, ..script() }).quote(&[7; 64], None).unwrap();
        assert_eq!(quote.certificates, [[1; 9], [2; 9], [3; 9]]);
        let quote = Snp::new(Script { table: vec![9; 100], ..script() }).quote(&[7; 64], None).unwrap();
        assert!(quote.certificates.is_empty(), "a report is worth something without them");
    }

    /// A folder that is filled as soon as it is made, as by the kernel.
    #[test]
    fn the_kernels_files_are_asked() {
        let root = tempfile::tempdir().unwrap();
        let processor = Processor { root: root.path().into(), asked: AtomicU64::new(0) };
        let folder = root.path().join("quoth-7");
        fs::create_dir(&folder).unwrap();
        assert!(processor.ask("quoth-7", [7; 64]).is_err(), "nothing there");
        for (name, text) in [("provider", "sev_guest\n"), ("inblob", ""), ("outblob", "report"), ("auxblob", "table")] {
            fs::write(folder.join(name), text).unwrap();
        }
        assert_eq!(processor.ask("quoth-7", [7; 64]).unwrap(), (b"report".to_vec(), b"table".to_vec()));
        assert_eq!(fs::read(folder.join("inblob")).unwrap(), [7; 64]);
        fs::remove_file(folder.join("auxblob")).unwrap();
        assert_eq!(processor.ask("quoth-7", [7; 64]).unwrap().1, b"");
        fs::write(folder.join("provider"), "tdx_guest\n").unwrap();
        assert!(processor.ask("quoth-7", [7; 64]).is_err(), "another platform's");
        fs::write(folder.join("provider"), "sev_guest\n").unwrap();
        fs::write(folder.join("outblob"), vec![0; 1 << 20]).unwrap();
        assert_eq!(processor.ask("quoth-7", [7; 64]).unwrap().0.len(), REPORT + 1);
    }
}
