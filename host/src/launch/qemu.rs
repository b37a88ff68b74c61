//! QEMU's machine `nitro-enclave`: boots an image as AWS does, without the hardware. Its evidence has no valid signature.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use quoth_link::{Listener, Port};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::size::Size;
use super::{device, kvm};
use crate::HostError;
use crate::process::Process;
use crate::run_dir::RunDir;

const QEMU: &str = "qemu-system-x86_64";
/// Time limit for the machine's heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(120);

/// Starts the machine with the device for its virtual sockets.
pub(super) fn start(eif: &Path, size: Size, run_dir: &RunDir) -> Result<Process, HostError> {
    let heartbeat = device::link(run_dir).listen(Port::HEARTBEAT)?;
    let mut command = Command::new(QEMU);
    command.args(["-M", "nitro-enclave,vsock=vsock,id=quoth", "-nographic", "-nodefaults"]);
    // The kernel ends the machine through the keyboard controller, so the machine needs one.
    command.args(["-device", "i8042", "-no-reboot"]);
    // KVM passes the host's processor on; without it QEMU emulates all features.
    command.args(if kvm::is_usable() { ["-accel", "kvm", "-cpu", "host"] } else { ["-accel", "tcg", "-cpu", "max"] });
    command.args(["-m", &size.memory.to_string(), "-smp", &size.processors.to_string(), "-serial", "stdio"]);
    command.arg("-kernel").arg(eif).arg("-chardev").arg(device::chardev(run_dir));
    let machine = Process::start(device::with(&command, run_dir)?, &run_dir.enclave_log())?;
    tokio::spawn(timeout(HEARTBEAT, answer(heartbeat)));
    Ok(machine)
}

/// Answers the heartbeat: sends the image's byte back, as the parent of a Nitro enclave does.
async fn answer(listener: Listener) {
    while let Ok(mut stream) = listener.accept().await {
        let mut byte = [0];
        if stream.read_exact(&mut byte).await.is_ok() && stream.write_all(&byte).await.is_ok() {
            return;
        }
    }
}
