//! Linux's files for reports (Documentation/ABI/testing/configfs-tsm-report), from Linux 6.7 on.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::device::{Device, REPORT};

/// Where the files are.
const ROOT: &str = "/sys/kernel/config/tsm/report";
/// Linux's name for SEV-SNP as the maker of reports.
const PROVIDER: &str = "sev_guest";
/// Maximum length of a table of certificates, bytes.
const MAX_TABLE: u64 = 64 * 1024;

/// The folder in which each report has a folder of its own.
pub(super) struct Files {
    root: PathBuf,
    asked: AtomicU64,
}

impl Files {
    /// `None` where the kernel has no such files, or nothing that makes reports.
    pub(super) fn open() -> Option<Self> {
        let root = PathBuf::from(ROOT);
        // Without a maker of reports, no folder can be made.
        let probe = root.join("quoth");
        match fs::create_dir(&probe) {
            Ok(()) => drop(fs::remove_dir(&probe)),
            // An earlier process was stopped before it removed its folder.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(_) => return None,
        }
        Some(Self { root, asked: AtomicU64::new(0) })
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

impl Device for Files {
    fn report(&self, data: [u8; 64]) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let folder = format!("quoth-{}", self.asked.fetch_add(1, Relaxed));
        fs::create_dir(self.root.join(&folder))?;
        let outcome = self.ask(&folder, data);
        fs::remove_dir(self.root.join(&folder))?;
        outcome
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A folder that is filled as soon as it is made, as by the kernel.
    #[test]
    fn the_kernels_files_are_asked() {
        let root = tempfile::tempdir().unwrap();
        let files = Files { root: root.path().into(), asked: AtomicU64::new(0) };
        let folder = root.path().join("quoth-7");
        fs::create_dir(&folder).unwrap();
        assert!(files.ask("quoth-7", [7; 64]).is_err(), "nothing there");
        for (name, text) in [("provider", "sev_guest\n"), ("inblob", ""), ("outblob", "report"), ("auxblob", "table")] {
            fs::write(folder.join(name), text).unwrap();
        }
        assert_eq!(files.ask("quoth-7", [7; 64]).unwrap(), (b"report".to_vec(), b"table".to_vec()));
        assert_eq!(fs::read(folder.join("inblob")).unwrap(), [7; 64]);
        fs::remove_file(folder.join("auxblob")).unwrap();
        assert_eq!(files.ask("quoth-7", [7; 64]).unwrap().1, b"");
        fs::write(folder.join("provider"), "tdx_guest\n").unwrap();
        assert!(files.ask("quoth-7", [7; 64]).is_err(), "another platform's");
        fs::write(folder.join("provider"), "sev_guest\n").unwrap();
        fs::write(folder.join("outblob"), vec![0; 1 << 20]).unwrap();
        assert_eq!(files.ask("quoth-7", [7; 64]).unwrap().0.len(), REPORT + 1);
    }
}
