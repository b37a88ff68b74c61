//! `quoth-verify evidence` over genuine evidence, as a program calls it.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::{Command, Output};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use quoth_test_evidence::{folder, left_out, manifest};
use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quoth-verify")).arg("evidence").args(arguments).output().unwrap()
}

/// The object it prints, and its exit code.
fn judge(arguments: &[&str]) -> (Value, i32) {
    let output = run(&[arguments, &["--json"]].concat());
    let object = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (object, output.status.code().unwrap())
}

#[test]
fn every_vector_gets_its_recorded_verdict() {
    // All certificates and lists there are, in folders of their own; the verifier finds those it needs.
    let Some(folder) = folder() else { return left_out("every vector") };
    let certificates = folder.join("snp");
    let certificates = certificates.to_str().unwrap();
    let mut judged = 0;
    for vector in manifest() {
        let is_report = vector["kind"] == "snp-report" && vector["endorsement"][0].is_string();
        if !is_report && vector["kind"] != "nitro-attestation-document" {
            continue;
        }
        let file = folder.join(vector["name"].as_str().unwrap());
        let at = vector["verify_at"].as_u64().unwrap().to_string();
        let mut arguments = vec![file.to_str().unwrap(), "--at", &at];
        if is_report {
            arguments.extend(["--certs", certificates]);
        }
        let (object, code) = judge(&arguments);
        let verifies = vector["expected"]["verifies"].as_bool().unwrap();
        assert_eq!((object["genuine"].as_bool().unwrap(), code == 0), (verifies, verifies), "{object}");
        assert_eq!(object["accepted"], false, "no policy was given");
        assert!(object["checks"].as_array().unwrap().iter().all(|check| check["code"].is_string()));
        judged += 1;
    }
    assert!(judged > 0, "nothing was judged");
}

#[test]
fn evidence_comes_in_any_wrapping_and_a_policy_decides() {
    let vectors = quoth_test_evidence::of_kind("nitro-attestation-document");
    let Some(vector) = vectors.iter().find(|vector| vector["debug_mode"] == false) else { return };
    let document = quoth_test_evidence::read(vector["name"].as_str().unwrap()).unwrap();
    let at = vector["verify_at"].as_u64().unwrap().to_string();
    let here = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = here.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let pcr = |index| format!("pcr{index} = \"{}\"\n", vector[format!("pcr{index}")].as_str().unwrap());
    let policy = format!(
        "version = 1\nplatforms = [\"nitro\"]\n[models]\naccept = \"any\"\n[[image]]\nname = \"theirs\"\n{}{}{}",
        pcr(0),
        pcr(1),
        pcr(2)
    );
    let other = policy.replace("pcr2 = \"", "pcr2 = \"ff");
    let policy = file("policy.toml", policy.as_bytes());
    for wrapped in [
        document.clone(),
        [&[0xd2], &document[..]].concat(),
        BASE64_STANDARD.encode(&document).into_bytes(),
        hex::encode(&document).into_bytes(),
    ] {
        let evidence = file("evidence", &wrapped);
        let (object, code) = judge(&[&evidence, "--at", &at, "--policy", &policy]);
        assert_eq!((&object["genuine"], &object["accepted"], code), (&true.into(), &true.into(), 0), "{object}");
        assert_eq!(object["image"], "theirs");
    }
    let evidence = file("evidence", &document);
    // A register of another length is an error of the policy, not a verdict.
    let broken = file("broken.toml", other.as_bytes());
    assert_eq!(judge(&[&evidence, "--at", &at, "--policy", &broken]).1, 2);
    let mut changed = document;
    *changed.last_mut().unwrap() ^= 1;
    let (object, code) = judge(&[&file("changed", &changed), "--at", &at, "--policy", &policy]);
    assert_eq!((&object["genuine"], &object["code"], code), (&false.into(), &"nitro.cose.signature".into(), 1));
    let explained = run(&[&evidence, "--at", &at, "--policy", &policy, "--explain"]);
    let text = String::from_utf8(explained.stderr).unwrap();
    assert!(text.contains("accepted") && text.contains("nitro.chain.root") && text.contains("rule"), "{text}");
}

#[test]
fn rubbish_is_refused_and_never_a_panic() {
    let here = tempfile::tempdir().unwrap();
    for (index, bytes) in [&b""[..], b"x", &[0x84; 40], &[0; 1184], &[0xff; 5000]].into_iter().enumerate() {
        let path = here.path().join(index.to_string());
        fs::write(&path, bytes).unwrap();
        let (object, code) = judge(&[path.to_str().unwrap(), "--at", "1750000000"]);
        assert_eq!((&object["genuine"], code), (&false.into(), 1), "{object}");
    }
    // What cannot be read is an error, not a verdict.
    let report = here.path().join("3");
    assert_eq!(judge(&[report.to_str().unwrap(), "--certs", "no/such/folder"]).1, 2);
}
