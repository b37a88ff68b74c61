//! Machines for SEV-SNP, without SEV-SNP.

use std::fs;
use std::path::Path;
use std::process::Command;

use quoth_tests::{Image, command, proven_chat};

use crate::nothing_is_left;

#[tokio::test(flavor = "multi_thread")]
async fn an_image_boots_as_a_machine_and_gives_proven_answers_to_whom_its_key_is_known() {
    let Some(image) = Image::build("snp", "none") else { return };
    let mut node = image.boot("qemu-snp").await;
    for stream in [false, true] {
        proven_chat(&node, "Why is the sky blue?", 12, stream).await;
    }
    let log = node.enclave_log();
    assert!(log.contains("Run /init as init process"), "{log}");
    assert_eq!(node.stop().code(), Some(0), "{}", node.host_output());
    assert!(node.enclave_log().contains("reboot: Restarting system"), "{log}");
    nothing_is_left(&node);
}

#[test]
fn where_no_hardware_vouches_for_it_an_image_of_sev_snp_ends_and_says_so() {
    let Some(image) = Image::build("snp", "sev-snp") else { return };
    let run_dir = image.out().join("run");
    let mut up = command("quoth");
    up.args(["up", "--platform", "qemu-snp", "--listen", "127.0.0.1:0", "--image"]).arg(image.out()).arg("--model");
    let output = up.arg(image.model()).arg("--run-dir").arg(&run_dir).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("statement") && told.contains("platform"), "{told}");
    let log = fs::read_to_string(run_dir.join("enclave.log")).unwrap();
    assert!(log.contains("reboot: Restarting system"), "{log}");
    assert!(!run_dir.join("state.json").exists());
}

/// QEMU reads the options before it asks KVM for a machine with SEV-SNP. So it checks at least the options of machine and guest.
#[test]
fn where_kvm_has_no_sev_snp_the_launch_ends_and_the_log_says_why() {
    let Some(image) = Image::build("snp", "sev-snp") else { return };
    if fs::read_to_string("/sys/module/kvm_amd/parameters/sev_snp").is_ok_and(|on| on.starts_with('Y')) {
        eprintln!("this machine has SEV-SNP: nothing to see here; use `quoth up --platform snp`");
        return;
    }
    let run_dir = image.out().join("run");
    let mut up = command("quoth");
    up.args(["up", "--platform", "snp", "--listen", "127.0.0.1:0", "--image"]).arg(image.out()).arg("--model");
    let output = up.arg(image.model()).arg("--run-dir").arg(&run_dir).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("enclave.log"), "{told}");
    let log = fs::read_to_string(run_dir.join("enclave.log")).unwrap();
    assert!(log.contains("SEV-SNP not supported by KVM") || log.contains("Could not access KVM"), "{log}");
}

/// sev-snp-measure is an independent implementation of AMD's measurement in another language.
#[test]
fn launch_digests_are_what_another_program_says() {
    let Some(image) = Image::build("snp", "sev-snp") else { return };
    let Some(python) = std::env::var_os("QUOTH_SNP_MEASURE") else {
        panic!("QUOTH_SNP_MEASURE names the Python that has sev-snp-measure: ./just test-boot installs it");
    };
    let told: toml::Table = fs::read_to_string(image.out().join("measurements.toml")).unwrap().parse().unwrap();
    let launched = told["snp"].as_array().unwrap();
    assert_eq!(launched.len(), 12, "three types, four numbers");
    let guest = &told["guest"];
    assert_eq!((guest["abi"].as_str(), guest["acpi"].as_str()), (Some("1.55"), Some("static")));
    assert_eq!(fs::read_to_string(image.out().join("guest-policy")).unwrap(), "0x20137\n");
    let measured = command("quoth-images").arg("measure").arg(image.out()).output().unwrap();
    assert_eq!(measured.stdout, fs::read(image.out().join("measurements.toml")).unwrap());
    for launched in launched {
        let (vcpus, cpu) = (launched["vcpus"].as_integer().unwrap(), launched["cpu"].as_str().unwrap());
        assert_eq!(
            launched["launch"].as_str(),
            Some(&*other(Path::new(&python), &image.out(), vcpus, cpu)),
            "{vcpus} {cpu}"
        );
    }
}

fn other(python: &Path, bundle: &Path, vcpus: i64, cpu: &str) -> String {
    let mut measure = Command::new(python);
    measure.args(["-m", "sevsnpmeasure.cli", "--mode", "snp", "--vmm-type", "QEMU", "--guest-features", "0x1"]);
    measure.args(["--vcpus", &vcpus.to_string(), "--vcpu-type", cpu]);
    measure.arg("--ovmf").arg(bundle.join("firmware.fd")).arg("--kernel").arg(bundle.join("kernel"));
    measure.arg("--initrd").arg(bundle.join("initramfs.cpio"));
    let output =
        measure.arg("--append").arg(fs::read_to_string(bundle.join("command-line")).unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
