//! Images in machines that QEMU plays, with the kernel that boots on Nitro and SEV-SNP, and virtual sockets: as AWS's enclaves, with
//! the security module's interface, and as SEV-SNP's machine without SEV-SNP. `just test-boot` builds what this needs and says where
//! it is.
#![allow(clippy::unwrap_used)]

mod acpi;
mod hostile;
mod nitro;
mod snp;

use std::fs;
use std::process::Command;

use quoth_tests::Node;

/// Of a node that has ended: no process, no state, no socket.
fn nothing_is_left(node: &Node) {
    let run_dir = node.run_dir();
    assert!(!run_dir.join("state.json").exists());
    assert_eq!(processes(node), "");
    let sockets: Vec<_> = fs::read_dir(run_dir.join("sockets")).unwrap().flatten().collect();
    assert!(sockets.is_empty() && !run_dir.join("control.sock").exists(), "{sockets:?}");
}

/// Those of a node's machine, its device among them.
fn processes(node: &Node) -> String {
    let found = Command::new("pgrep").arg("-f").arg(node.run_dir().join("sockets")).output().unwrap();
    String::from_utf8(found.stdout).unwrap()
}
