//! `quoth-verify policy`, as a person calls it.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use quoth_attestation::statement::Platform;
use quoth_verifier::{Abi, Accept, Family, Policy, Protection};

const REGISTERS: &str = "pcr0 = \"A\"\npcr1 = \"B\"\npcr2 = \"C\"\n";

fn measurements(nitro: &str, snp: bool) -> String {
    let mut text = format!("version = 1\nname = \"demo\"\nconfig = \"{}\"\n", "dd".repeat(32));
    text += &format!("models = [\"{}\"]\n", "33".repeat(32));
    if !nitro.is_empty() {
        text += &format!("[nitro]\n{nitro}");
    }
    if snp {
        for (vcpus, digit) in [(2, "5"), (4, "6")] {
            text += &format!("[[snp]]\nvcpus = {vcpus}\ncpu = \"EPYC-v4\"\nlaunch = \"{}\"\n", digit.repeat(96));
        }
    }
    ["A", "B", "C", "D"].iter().fold(text, |text, letter| {
        text.replace(&format!("\"{letter}\""), &format!("\"{}\"", letter.to_lowercase().repeat(96)))
    })
}

fn init(folder: &Path, files: &[String], options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quoth-verify"));
    command.args(["policy", "init"]).args(options);
    for (index, text) in files.iter().enumerate() {
        let path = folder.join(format!("{index}.toml"));
        fs::write(&path, text).unwrap();
        command.arg("--from").arg(path);
    }
    command.output().unwrap()
}

fn made(files: &[String], options: &[&str]) -> Policy {
    let output = init(tempfile::tempdir().unwrap().path(), files, options);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Policy::from_toml(&String::from_utf8(output.stdout).unwrap()).unwrap()
}

fn refused(files: &[String], options: &[&str]) -> String {
    let output = init(tempfile::tempdir().unwrap().path(), files, options);
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b""[..]));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_policy_accepts_the_measured_images_and_is_strict_about_the_rest() {
    let signed = format!("{REGISTERS}pcr8 = \"D\"\n");
    let policy = made(&[measurements(&signed, true)], &["--floor", "genoa=10,0,23,84", "--floor", "turin=1,1,1,4,84"]);
    assert_eq!(policy.platforms().collect::<Vec<_>>(), [Platform::Nitro, Platform::SevSnp]);
    assert_eq!(policy.nitro().pcr8.as_ref().unwrap().len(), 1);
    let rules = policy.snp();
    assert_eq!(rules.floors.iter().map(|(family, _)| *family).collect::<Vec<_>>(), [Family::Genoa, Family::Turin]);
    let guest = &rules.guest;
    assert_eq!((rules.max_vmpl, guest.debug, guest.migration, guest.smt, guest.cxl), (0, false, false, false, false));
    assert_eq!((guest.abi, guest.required.len()), (Abi::default(), 0), "older measurements do not say");
    assert!(rules.alias_check && rules.crl);
    assert!(matches!(policy.models(), Accept::Only(models) if models.len() == 1));
    assert!(policy.config().is_some());
}

/// A policy demands what the launch of every image asks for, and no more than that.
#[test]
fn a_policy_demands_what_launches_ask_for() {
    const FLOOR: [&str; 2] = ["--floor", "genoa=10,0,23,84"];
    let launched = |name: &str, abi: &str, require: &str, acpi: &str| {
        let guest = format!("[guest]\nabi = \"{abi}\"\nrequire = [{require}]\n{acpi}\n[[snp]]");
        measurements("", true).replacen("[[snp]]", &guest, 1).replace("\"demo\"", &format!("\"{name}\""))
    };
    let new = launched("new", "1.58", "\"rapl-disabled\", \"page-swap-disabled\"", "acpi = \"static\"");
    let policy = made(std::slice::from_ref(&new), &FLOOR);
    let guest = &policy.snp().guest;
    assert_eq!(guest.abi, Abi { major: 1, minor: 58 });
    assert_eq!(guest.required, [Protection::RaplDisabled, Protection::PageSwapDisabled]);
    let text = String::from_utf8(init(tempfile::tempdir().unwrap().path(), std::slice::from_ref(&new), &FLOOR).stdout);
    assert!(text.unwrap().contains("acpi = \"static\""));

    let old = launched("old", "1.55", "\"page-swap-disabled\", \"single-socket\"", "")
        .replace(&"5".repeat(96), &"7".repeat(96));
    let old = old.replace(&"6".repeat(96), &"8".repeat(96));
    let both = [new, old.clone()];
    let text = String::from_utf8(init(tempfile::tempdir().unwrap().path(), &both, &FLOOR).stdout).unwrap();
    assert_eq!(text.matches("acpi = ").count(), 1, "{text}");
    let policy = Policy::from_toml(&text).unwrap();
    let guest = &policy.snp().guest;
    assert_eq!((guest.abi, &guest.required), (Abi { major: 1, minor: 55 }, &[Protection::PageSwapDisabled].into()));
    assert!(refused(&[old.replace("1.55", "1.055")], &FLOOR).contains("abi"));
    assert!(refused(&[old.replace("single-socket", "smt")], &FLOOR).contains("snp.require"));
}

#[test]
fn milan_needs_its_chips_or_an_explicit_word() {
    let (images, floor) = (measurements("", true), ["--floor", "milan=4,0,24,219"]);
    let told = refused(std::slice::from_ref(&images), &floor);
    assert!(told.contains("--chip-id") && told.contains("2605.12990"), "{told}");
    let chip = "c5".repeat(64);
    let policy = made(std::slice::from_ref(&images), &[&floor[..], &["--chip-id", &chip]].concat());
    assert_eq!(policy.snp().chips, Some([[0xc5; 64]].into()));
    assert!(!policy.snp().unpinned_milan);
    let policy = made(std::slice::from_ref(&images), &[&floor[..], &["--unpinned-milan"]].concat());
    assert!(policy.snp().unpinned_milan && policy.snp().chips.is_none());
    assert!(refused(&[images], &[&floor[..], &["--chip-id", "c5"]].concat()).contains("128"));
}

#[test]
fn a_rollout_accepts_two_images_and_a_platform_can_be_left_out() {
    let [old, new] = ["a", "e"].map(|digit| measurements(&REGISTERS.replace('A', digit), false));
    let new = new.replace("\"demo\"", "\"demo 2\"").replace("\"e\"", &format!("\"{}\"", "e".repeat(96)));
    let old = old.replace("\"a\"", &format!("\"{}\"", "a".repeat(96)));
    let policy = made(&[old, new], &[]);
    assert_eq!(policy.platforms().collect::<Vec<_>>(), [Platform::Nitro]);
    let policy = made(&[measurements(REGISTERS, true)], &["--platform", "nitro"]);
    assert_eq!(policy.platforms().collect::<Vec<_>>(), [Platform::Nitro]);
}

#[test]
fn whatever_is_missing_or_unknown_is_an_error() {
    let both = measurements(REGISTERS, true);
    assert!(refused(std::slice::from_ref(&both), &[]).contains("--floor"));
    assert!(refused(&[measurements("", false)], &[]).contains("no measurements"));
    assert!(refused(&[both.replace("models", "model")], &[]).contains("unknown field"));
    assert!(refused(&[both.replace("version = 1", "version = 2")], &[]).contains("version 2"));
    let unnamed = both.replace(&format!("\"{}\"", "33".repeat(32)), "");
    assert!(refused(std::slice::from_ref(&unnamed), &["--platform", "nitro"]).contains("--model"));
    assert!(matches!(made(&[unnamed], &["--platform", "nitro", "--any-model"]).models(), Accept::Any));
    let zeros = both.replace(&"a".repeat(96), &"0".repeat(96)).replace(&"b".repeat(96), &"0".repeat(96));
    let zeros = zeros.replace(&"c".repeat(96), &"0".repeat(96));
    assert!(refused(&[zeros], &["--platform", "nitro"]).contains("zero"), "a debugged enclave's registers");
}

#[test]
fn a_policy_that_is_there_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("policy.toml");
    let options = ["--platform", "nitro", "--out", out.to_str().unwrap()];
    assert!(init(folder.path(), &[measurements(REGISTERS, false)], &options).status.success());
    assert!(!init(folder.path(), &[measurements(REGISTERS, false)], &options).status.success());
    assert!(Policy::from_toml(&fs::read_to_string(out).unwrap()).is_ok());
}

#[test]
fn a_compiled_policy_is_what_browsers_load() {
    let folder = tempfile::tempdir().unwrap();
    let made = init(folder.path(), &[measurements("", true)], &["--floor", "genoa=10,0,23,84"]);
    let (toml, json) = (folder.path().join("policy.toml"), folder.path().join("policy.json"));
    fs::write(&toml, &made.stdout).unwrap();
    let compile = |file: &Path, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quoth-verify"));
        command.args(["policy", "compile"]).arg(file).args(more).output().unwrap()
    };
    let compiled = compile(&toml, &[]);
    assert!(compiled.status.success());
    let expected = Policy::from_toml(&String::from_utf8(made.stdout).unwrap());
    assert_eq!(Policy::from_json(&compiled.stdout), expected);
    assert!(compile(&toml, &["--out", json.to_str().unwrap()]).status.success());
    assert_eq!(fs::read(&json).unwrap(), compiled.stdout);
    assert!(!compile(&toml, &["--out", json.to_str().unwrap()]).status.success(), "a file is never overwritten");
    // What is no policy is not compiled.
    fs::write(&toml, "version = 1\nextra = 1\n").unwrap();
    let refused = compile(&toml, &[]);
    assert!(!refused.status.success() && refused.stdout.is_empty());
    assert!(String::from_utf8(refused.stderr).unwrap().contains("policy.invalid"));
}
