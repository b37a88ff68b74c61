//! `quoth endorse` as a process.

use std::fs;
use std::path::Path;
use std::process::Output;

use tokio::process::Command;

use crate::server::{Kds, status};
use crate::vectors::{self, Machine, machine_of};

/// A report whose VCEK is valid until 2033, because a process uses the present time.
const GENOA: &str = "8fd94192";

struct Home(tempfile::TempDir);

impl Home {
    fn new(machine: &Machine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("report.bin"), &machine.report).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    async fn endorse(&self, kds: &Kds, options: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_quoth"))
            .args(["endorse", "report.bin", "--out", "out", "--service", &kds.base])
            .args(options)
            .current_dir(self.path())
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .output()
            .await
            .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endorsements_are_written_for_the_verifier() {
    let Some(machine) = machine_of(GENOA) else { return };
    let (kds, home) = (Kds::good(&machine).await, Home::new(&machine));
    fs::create_dir(home.path().join("out")).unwrap();
    fs::write(home.path().join("out/crl.der"), "an old one").unwrap();
    for from in ["downloaded", "from the cache"] {
        let output = home.endorse(&kds, &["--no-crl"]).await;
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{err}");
        assert!(out.contains("genuine") && out.contains("Genoa") && out.contains("snp 27"), "{out}");
        assert_eq!(out.matches(from).count(), 3, "{out}");
        assert!(out.contains("quoth-verify evidence report.bin --certs out"), "{out}");
    }
    assert_eq!(kds.counts(), [1, 1, 0]);
    let read = |name: &str| fs::read(home.path().join("out").join(name));
    assert_eq!(read("vek.der").unwrap(), machine.vek);
    assert_eq!(read("intermediate.der").unwrap(), vectors::intermediate(machine.family));
    assert_eq!(read("root.der").unwrap(), vectors::root(machine.family));
    assert!(read("crl.der").is_err(), "an old list would pass for a new one");
    assert!(home.path().join("cache/quoth/endorsements/vcek-chain-genoa.pem").is_file());

    let output = home.endorse(&kds, &["--no-crl", "--cache", "elsewhere"]).await;
    assert!(output.status.success());
    assert_eq!(kds.counts(), [2, 2, 0]);
    assert!(home.path().join("elsewhere/vcek-chain-genoa.pem").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_codes() {
    let Some(machine) = machine_of(GENOA) else { return };
    let kds =
        Kds::with(&machine, |asked, _| (asked == crate::server::Asked::Vcek).then(|| status("404 Not Found", "", b"")))
            .await;
    let home = Home::new(&machine);
    let failed = async |options: &[&str], exit: i32, code: &str| {
        let output = home.endorse(&kds, options).await;
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{text}");
        assert!(text.contains(code), "{text}");
        assert!(!home.path().join("out").exists());
    };
    failed(&[], 1, "(endorsement.unknown_chip)").await;
    failed(&["--family", "milan"], 2, "(endorsement.family.mismatch)").await;
    let Some(milan) = machine_of("377e6241") else { return };
    fs::write(home.path().join("report.bin"), milan.report).unwrap();
    failed(&[], 2, "(endorsement.family.unknown)").await;
    failed(&["--family", "milan"], 1, "(endorsement.").await;
    fs::write(home.path().join("report.bin"), vec![0; 2000]).unwrap();
    failed(&[], 1, "(endorsement.report)").await;
    fs::remove_file(home.path().join("report.bin")).unwrap();
    failed(&[], 2, "report.bin").await;
}
