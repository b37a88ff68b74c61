//! `quoth-verify policy init`, as a person calls it.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use quoth_attestation::statement::Platform;
use quoth_verifier::{Accept, Family, Policy};

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
    assert_eq!(rules.floors.keys().copied().collect::<Vec<_>>(), [Family::Genoa, Family::Turin]);
    assert_eq!((rules.max_vmpl, rules.debug, rules.migration, rules.smt), (0, false, false, false));
    assert!(rules.alias_check && rules.crl);
    assert!(matches!(policy.models(), Accept::Only(models) if models.len() == 1));
    assert!(policy.config().is_some());
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
