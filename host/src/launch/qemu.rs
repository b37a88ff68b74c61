//! QEMU's machine `nitro-enclave`: the image as AWS would boot it, for people without the hardware. Nobody signs its evidence.

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
/// The machine gets so long to say that it has come up.
const HEARTBEAT: Duration = Duration::from_secs(120);

/// The machine, with the device that carries its virtual sockets.
pub(super) fn start(eif: &Path, size: Size, run_dir: &RunDir) -> Result<Process, HostError> {
    let heartbeat = device::link(run_dir).listen(Port::HEARTBEAT)?;
    let mut command = Command::new(QEMU);
    command.args(["-M", "nitro-enclave,vsock=vsock,id=quoth", "-nographic", "-nodefaults"]);
    // Without the controller that it asks for it by, the kernel would find nobody to end the machine.
    command.args(["-device", "i8042", "-no-reboot"]);
    // What the processor can do depends on who emulates it.
    command.args(if kvm::is_usable() { ["-accel", "kvm", "-cpu", "host"] } else { ["-accel", "tcg", "-cpu", "max"] });
    command.args(["-m", &size.memory.to_string(), "-smp", &size.processors.to_string(), "-serial", "stdio"]);
    command.arg("-kernel").arg(eif).arg("-chardev").arg(device::chardev(run_dir));
    let machine = Process::start(device::with(&command, run_dir)?, &run_dir.enclave_log())?;
    tokio::spawn(timeout(HEARTBEAT, answer(heartbeat)));
    Ok(machine)
}

/// Sends back the byte by which an image says that it has come up, as a Nitro enclave's parent does.
async fn answer(listener: Listener) {
    while let Ok(mut stream) = listener.accept().await {
        let mut byte = [0];
        if stream.read_exact(&mut byte).await.is_ok() && stream.write_all(&byte).await.is_ok() {
            return;
        }
    }
}
