//! Images in machines that QEMU emulates, with the kernel for Nitro and SEV-SNP and with virtual sockets.
//!
//! Machines are Nitro enclaves with the security module's interface, or machines for SEV-SNP without SEV-SNP. `just test-boot`
//! builds the parts and sets their paths.
#![allow(clippy::unwrap_used)]

mod acpi;
mod hostile;
mod nitro;
mod snp;

use std::fs;
use std::process::Command;

use quoth_tests::Node;

/// Checks that neither process nor state nor socket is left of a node that has ended.
fn nothing_is_left(node: &Node) {
    let run_dir = node.run_dir();
    assert!(!run_dir.join("state.json").exists());
    assert_eq!(processes(node), "");
    let sockets: Vec<_> = fs::read_dir(run_dir.join("sockets")).unwrap().flatten().collect();
    assert!(sockets.is_empty() && !run_dir.join("control.sock").exists(), "{sockets:?}");
}

/// Returns the processes of a node's machine, including its device.
fn processes(node: &Node) -> String {
    let found = Command::new("pgrep").arg("-f").arg(node.run_dir().join("sockets")).output().unwrap();
    String::from_utf8(found.stdout).unwrap()
}
