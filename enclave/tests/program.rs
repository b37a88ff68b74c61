//! The program's command line.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quoth-enclave")).args(arguments).output().unwrap()
}

#[test]
fn it_says_its_version() {
    let output = run(&["--version"]);
    let version = concat!("quoth-enclave ", env!("CARGO_PKG_VERSION"));
    assert!(output.status.success() && String::from_utf8(output.stdout).unwrap().trim_end() == version);
}

#[test]
fn without_a_configuration_it_does_not_run() {
    assert!(!run(&["--link", "unix:."]).status.success());
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("enclave.toml").display().to_string();
    let link = format!("unix:{}", folder.path().display());
    let output = run(&["--config", &missing, "--link", &link]);
    assert!(!output.status.success() && !output.stderr.is_empty(), "{output:?}");
}
