//! A machine's virtual sockets without the kernel's help: vhost-device-vsock carries them to Unix sockets.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use quoth_link::Address;
use tokio::time::{Instant, sleep};

use crate::HostError;
use crate::process::Process;
use crate::run_dir::{RunDir, remove};

const DEVICE: &str = "vhost-device-vsock";
/// The machine's context id among virtual sockets; within QEMU only.
const CID: u32 = 4;
/// The device gets so long to come up.
const START: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(20);

/// Where the machine is reached.
pub(super) fn link(run_dir: &RunDir) -> Address {
    Address::Vhost(machine(run_dir))
}

/// The device, ready for QEMU.
pub(super) async fn start(run_dir: &RunDir) -> Result<Process, HostError> {
    let socket = socket(run_dir);
    for left_behind in [&socket, &machine(run_dir)] {
        remove(left_behind)?;
    }
    let mut command = Command::new(DEVICE);
    command.args(["--guest-cid", &CID.to_string(), "--socket"]).arg(&socket);
    command.arg("--uds-path").arg(machine(run_dir));
    let device = Process::start(command, &run_dir.path().join("device.log"))?;
    let end = Instant::now() + START;
    while !socket.exists() {
        if Instant::now() > end || !device.lives() {
            device.kill();
            return Err(HostError::Launch { program: DEVICE, said: "it does not come up".into() });
        }
        sleep(LOOK).await;
    }
    Ok(device)
}

/// QEMU's way to it, by the name `vsock`.
pub(super) fn chardev(run_dir: &RunDir) -> OsString {
    let mut option = OsString::from("socket,id=vsock,path=");
    // QEMU's options end at a comma, unless there are two.
    option.push(socket(run_dir).to_string_lossy().replace(',', ",,"));
    option
}

fn socket(run_dir: &RunDir) -> PathBuf {
    run_dir.sockets().join("device")
}

fn machine(run_dir: &RunDir) -> PathBuf {
    run_dir.sockets().join("vm")
}
