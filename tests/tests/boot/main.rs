//! Images in machines that QEMU plays, with the kernel that boots on Nitro and SEV-SNP, and virtual sockets: as AWS's enclaves, with
//! the security module's interface, and as SEV-SNP's machine without SEV-SNP. `just test-boot` builds what this needs and says where
//! it is.
#![allow(clippy::unwrap_used)]

mod hostile;
mod nitro;
mod snp;

use std::process::Command;

use quoth_tests::Node;

/// Of a node that has ended: no process, no state.
fn nothing_is_left(node: &Node) {
    let run_dir = node.run_dir();
    assert!(!run_dir.join("state.json").exists());
    let left = Command::new("pgrep").arg("-f").arg(run_dir.join("sockets")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}
