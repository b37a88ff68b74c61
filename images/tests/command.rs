//! `quoth-images` as a process.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use quoth_attestation::Digest;
use quoth_attestation::measurement::pcr;
use tempfile::TempDir;

const CONFIG: &str = "version = 1\nplatform = \"none\"\n[[model]]\nname = \"m\"\nsha256 = \"00ff\"\n";

/// The parts of an image in a folder.
struct Parts(TempDir);

impl Parts {
    fn new() -> Self {
        let parts = Self(tempfile::tempdir().unwrap());
        fs::write(parts.file("enclave.toml"), CONFIG).unwrap();
        fs::write(parts.file("enclave"), program(100_001)).unwrap();
        fs::write(parts.file("kernel"), kernel(50_000, "6.12.0")).unwrap();
        parts
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn build(&self, kind: &str, more: &[&Path]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quoth-images"));
        command.args(["build", kind]).current_dir(self.0.path());
        for (option, name) in [("--config", "enclave.toml"), ("--enclave", "enclave"), ("--kernel", "kernel")] {
            command.arg(option).arg(name);
        }
        command.args(["--out", "out"]).args(more).output().unwrap()
    }
}

/// Returns bytes with the header of a bzImage (Documentation/arch/x86/boot.rst).
fn kernel(length: usize, release: &str) -> Vec<u8> {
    let mut bytes = vec![2; length];
    bytes[0x1f1] = 1;
    bytes[0x1f4..0x1f8].copy_from_slice(&8_u32.to_le_bytes());
    bytes[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    bytes[0x202..0x206].copy_from_slice(b"HdrS");
    bytes[0x206..0x208].copy_from_slice(&0x020f_u16.to_le_bytes());
    bytes[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
    bytes[0x211] = 1;
    bytes[0x236] = 1;
    let version = [release.as_bytes(), b" (quoth@quoth)\0"].concat();
    bytes[0x300..0x300 + version.len()].copy_from_slice(&version);
    bytes
}

/// Returns bytes with the headers of a static executable.
fn program(length: usize) -> Vec<u8> {
    let mut bytes = vec![1; length];
    bytes[..120].fill(0);
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    (bytes[16], bytes[18], bytes[32], bytes[54], bytes[56]) = (2, 62, 64, 56, 1);
    // One executable segment that is loaded from the start of the file.
    (bytes[64], bytes[68]) = (1, 1);
    bytes[96..104].copy_from_slice(&(length as u64).to_le_bytes());
    bytes[104..112].copy_from_slice(&(length as u64).to_le_bytes());
    bytes
}

fn inspect(file: &Path, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quoth-images")).arg("inspect").arg(file).args(options).output().unwrap()
}

fn measure(folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quoth-images")).arg("measure").arg(folder).output().unwrap()
}

#[test]
fn an_image_follows_from_its_parts_and_says_what_it_measures_to() {
    let (here, there) = (Parts::new(), Parts::new());
    let output = here.build("nitro", &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let elsewhere = Command::new(env!("CARGO_BIN_EXE_quoth-images"))
        .args(["build", "nitro", "--out"])
        .arg(there.file("deep/er"))
        .args(["--config", "enclave.toml", "--enclave", "enclave", "--kernel", "kernel"])
        .current_dir(there.0.path())
        .env("TZ", "Pacific/Auckland")
        .env("LANG", "tr_TR.UTF-8")
        .output()
        .unwrap();
    assert!(elsewhere.status.success());
    let built = fs::read(here.file("out/measurements.toml")).unwrap();
    let measured = measure(&here.file("out"));
    assert!(measured.status.success() && measured.stdout == built, "measured again, it is what it was");
    assert_eq!(measure(here.0.path()).status.code(), Some(2), "a folder without an image");
    let image = fs::read(here.file("out/image.eif")).unwrap();
    assert!(image == fs::read(there.file("deep/er/image.eif")).unwrap(), "two builds differ");

    let told: toml::Table = fs::read_to_string(here.file("out/measurements.toml")).unwrap().parse().unwrap();
    assert_eq!(output.stdout, told_file(&here));
    assert_eq!(told["config"].as_str(), Some(&*Digest::of(CONFIG.as_bytes()).to_string()));
    assert_eq!(told["models"].as_array().unwrap()[0].as_str(), Some("00ff"));
    assert_eq!(told["nitro"]["pcr2"].as_str(), Some(&*hex::encode(pcr(&[]))));

    let inspected = inspect(&here.file("out/image.eif"), &["--json"]);
    let inspected: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    for register in ["pcr0", "pcr1", "pcr2"] {
        assert_eq!(inspected[register].as_str(), told["nitro"][register].as_str(), "{register}");
    }
    assert_eq!(inspected["intact"], true);
    assert_eq!(inspected["sections"][0]["size"], 50_000);
    let text = String::from_utf8(inspect(&here.file("out/image.eif"), &[]).stdout).unwrap();
    assert!(text.contains("checksum      right") && text.contains(told["nitro"]["pcr0"].as_str().unwrap()), "{text}");
}

fn told_file(parts: &Parts) -> Vec<u8> {
    fs::read(parts.file("out/measurements.toml")).unwrap()
}

#[test]
fn what_is_no_image_no_configuration_and_no_firmware_is_refused_in_words() {
    let parts = Parts::new();
    let refused = |output: Output| {
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(inspect(&parts.file("kernel"), &[])).contains("not an enclave image file"));
    assert!(refused(inspect(&parts.file("nowhere"), &[])).contains("nowhere"));
    // Bytes that make a careless reader of firmware read beyond the end.
    for firmware in [vec![], vec![0xff; 10], vec![0; 4096], vec![0xff; 1 << 20]] {
        fs::write(parts.file("ovmf"), firmware).unwrap();
        let told = refused(parts.build("snp", &["--ovmf".as_ref(), "ovmf".as_ref()]));
        assert!(told.contains("firmware.fd") && !told.contains("panicked"), "{told}");
    }
    let told = refused(parts.build("snp", &["--ovmf".as_ref(), "ovmf".as_ref(), "--cpu".as_ref(), "i486".as_ref()]));
    assert!(told.contains("i486 is not a known type"), "{told}");
    fs::write(parts.file("enclave.toml"), "= 1").unwrap();
    assert!(refused(parts.build("nitro", &[])).contains("enclave.toml"));
}

#[test]
fn an_image_that_could_not_boot_is_not_built() {
    let refused = |name: &str, bytes: &[u8], kind: &str| {
        let parts = Parts::new();
        fs::write(parts.file(name), bytes).unwrap();
        let output = parts.build(kind, &[]);
        assert_eq!(output.status.code(), Some(2), "{name} {kind}");
        String::from_utf8(output.stderr).unwrap()
    };
    for kind in ["nitro", "snp"] {
        assert!(refused("kernel", &[2; 200_000], kind).contains("kernel: not a bzImage"));
        assert!(refused("kernel", &kernel(50_000, "6.12.0")[..1000], kind).contains("kernel: the bzImage is cut off"));
        assert!(refused("enclave", &[1; 100_001], kind).contains("enclave: not an ELF executable"));
        let dynamic = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(refused("enclave", &dynamic, kind).contains("enclave: linked dynamically"));
    }
    assert!(refused("enclave", &program(256 << 20), "nitro").contains("at most 268435456 fit"));
}

#[test]
fn modules_of_another_kernel_come_along_in_their_order() {
    let parts = Parts::new();
    let module = |name: &str, content: &[u8]| fs::write(parts.file(name), content).unwrap();
    module("z.ko", b"\x7fELF first");
    module("a.ko", b"\x7fELF second");
    module("a.ko.xz", b"\xfd7zXZ");
    let options = |text: &str| ["--modules".into(), text.to_owned()].map(PathBuf::from);
    let build = |text: &str| {
        let options = options(text);
        parts.build("nitro", &options.each_ref().map(PathBuf::as_path))
    };
    assert!(build("z.ko,a.ko").status.success());
    let image = fs::read(parts.file("out/image.eif")).unwrap();
    let place = |part: &[u8]| image.windows(part.len()).position(|window| window == part).unwrap();
    assert!(place(b"etc/quoth/modules/00.ko") < place(b"\x7fELF first"));
    assert!(place(b"\x7fELF first") < place(b"etc/quoth/modules/01.ko"));
    // The program forbids more modules after it has loaded these.
    assert!(!image.windows(8).any(|window| window == b"nomodule"));
    assert!(parts.build("nitro", &[]).status.success());
    let image = fs::read(parts.file("out/image.eif")).unwrap();
    assert!(image.windows(19).any(|window| window == b"oops=panic nomodule"));
    assert!(build("z.ko,a.ko").status.success());
    assert!(place(b"etc/quoth/modules/01.ko") < place(b"\x7fELF second"));
    let refused = build("z.ko,a.ko.xz");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a.ko.xz: not a module"));
}

#[test]
fn a_signed_image_says_by_whom_and_measures_to_it() {
    let parts = Parts::new();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    fs::write(parts.file("key.pem"), key.serialize_pem()).unwrap();
    fs::write(parts.file("certificate.pem"), certificate.pem()).unwrap();
    let options = ["--signing-key", "key.pem", "--signing-certificate", "certificate.pem"].map(Path::new);
    let output = parts.build("nitro", &options);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: toml::Table = String::from_utf8(output.stdout.clone()).unwrap().parse().unwrap();
    assert_eq!(told["nitro"]["pcr8"].as_str(), Some(&*hex::encode(pcr(&[certificate.der()]))));
    assert_eq!(measure(&parts.file("out")).stdout, output.stdout);

    let image = parts.file("out/image.eif");
    let inspected: serde_json::Value = serde_json::from_slice(&inspect(&image, &["--json"]).stdout).unwrap();
    assert_eq!(
        (&inspected["signed"]["right"], &inspected["signed"]["pcr8"]),
        (&true.into(), &told["nitro"]["pcr8"].as_str().into())
    );
    let text = String::from_utf8(inspect(&image, &[]).stdout).unwrap();
    assert!(text.contains("signed        right"), "{text}");

    // With the signature of another image the hardware would not launch it, so it is not measured.
    let mut bytes = fs::read(&image).unwrap();
    bytes[600] ^= 1;
    fs::write(&image, bytes).unwrap();
    assert!(String::from_utf8(inspect(&image, &[]).stdout).unwrap().contains("signed        WRONG"));
    assert!(
        String::from_utf8_lossy(&measure(&parts.file("out")).stderr).contains("the signature is not over this image")
    );
    let alone = parts.build("nitro", &options[..2]);
    assert!(!alone.status.success(), "a key without its certificate");
}

/// The launch requires the built guest policy, and allows SMT if the host says so.
#[test]
fn a_launch_asks_for_the_guest_policy_of_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    };
    write("launch", include_str!("../launch.sh"));
    write("command-line", "console=ttyS0");
    write("guest-policy", "0x2820137\n");
    write("qemu-system-x86_64", "#!/bin/sh\nprintf '%s\\n' \"$@\"\n");
    let asked = |smt: &str| {
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let output =
            Command::new(folder.path().join("launch")).env("PATH", path).env("QUOTH_SMT", smt).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(asked("off").contains("sev-snp-guest,id=snp,policy=0x2820137,"), "{}", asked("off"));
    assert!(asked("on").contains("sev-snp-guest,id=snp,policy=0x2830137,"), "{}", asked("on"));
}
